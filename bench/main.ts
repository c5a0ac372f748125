// `npm run bench`: what Postern costs, as ratios to what it is compared with in the same run. What is measured goes into
// bench/figures.json, and from there into docs/benchmarks.md. `npm run format` aligns its tables.
// `--only costs,contenders` measures these parts alone: the figures of the others stay.
// `--quick` (less than three minutes) measures costs and starts alone and fails where a ratio is far above the recorded one.
// `--rows` takes a part of the rows' names, and `--beside` the bundle of another version (`npm run build` makes it) that is measured
// in the same rounds: these record nothing. `--rounds` and `--requests` (of a round) may be given.
import { parseArgs } from "node:util";
import { bundleWorker } from "../test/support/workerd/bundle.ts";
import { costsOf } from "./contenders/costs.ts";
import { latenciesFromAfar } from "./contenders/distance.ts";
import { latenciesAtRates } from "./contenders/latency.ts";
import { closeOpenLoops } from "./contenders/open-loop.ts";
import { startContenders } from "./contenders/start.ts";
import { measureCosts } from "./cost/costs.ts";
import { hitsOf } from "./cost/hits.ts";
import { closeConnections } from "./cost/load.ts";
import type { Rounds } from "./cost/measure.ts";
import type { Setting } from "./cost/postern.ts";
import { type Figures, recordFigures } from "./figures.ts";
import { startStack, withCleanup } from "./freshness/stack.ts";
import { growth } from "./growth/growth.ts";
import { memory } from "./growth/memory.ts";
import { writeReport } from "./report/write.ts";
import { measureStarts } from "./starts/starts.ts";

const QUICK: Rounds = { rounds: 7, requests: 150 };
const FULL: Rounds = { rounds: 11, requests: 200 };
/** Each starts three processes. */
const START_ROUNDS = 7;
const QUICK_PARTS = ["costs", "starts"];

const { values } = parseArgs({
	options: {
		only: { type: "string" },
		quick: { type: "boolean", default: false },
		rounds: { type: "string" },
		requests: { type: "string" },
		beside: { type: "string" },
		rows: { type: "string", default: "" },
	},
});
const defaults = values.quick ? QUICK : FULL;
const rounds: Rounds = {
	rounds: Number(values.rounds ?? defaults.rounds),
	requests: Number(values.requests ?? defaults.requests),
};
const isOfRows = values.rows !== "" || values.beside !== undefined;

const PARTS: Readonly<
	Record<string, (setting: Setting) => Promise<Partial<Figures>>>
> = {
	costs: (setting) =>
		measureCosts(setting, {
			...rounds,
			named: values.rows,
			beside: values.beside,
			isJudged: values.quick,
		}),
	starts: async (setting) => ({
		starts: await measureStarts(setting, {
			rounds: Number(values.rounds ?? START_ROUNDS),
			isJudged: values.quick,
		}),
	}),
	async contenders(setting) {
		const contenders = await startContenders(setting);
		return {
			contenders: await costsOf(contenders, rounds),
			latencies: await latenciesAtRates(contenders),
		};
	},
	distances: async (setting) => ({
		distances: await latenciesFromAfar(setting),
	}),
	growth: async (setting) => ({ growth: await growth(setting) }),
	memory: async (setting) => ({ memory: await memory(setting) }),
};

const wanted =
	values.only?.split(",") ??
	(isOfRows ? ["costs"] : values.quick ? QUICK_PARTS : Object.keys(PARTS));
const unknown = wanted.filter((name) => !(name in PARTS));
if (unknown.length > 0)
	throw new Error(
		`No part is named ${unknown.join(", ")}: ${Object.keys(PARTS).join(", ")} are.`,
	);

await withCleanup(async (cleanup) => {
	const stack = await startStack(cleanup);
	const bundle = await bundleWorker();
	const hits = await hitsOf(stack.credentials.tokenSigningKey);
	for (const name of wanted) {
		const began = performance.now();
		await withCleanup(async (cleanup) => {
			try {
				const setting = { stack, bundle, hits, cleanup };
				const measured = (await PARTS[name]?.(setting)) ?? {};
				const seconds = (performance.now() - began) / 1_000;
				console.log(`${name}: ${seconds.toFixed(0)} s`);
				if (!values.quick && !isOfRows) await record(measured);
			} finally {
				closeConnections();
				closeOpenLoops();
			}
		});
	}
});

async function record(measured: Partial<Figures>): Promise<void> {
	for (const figures of Object.values(measured))
		console.dir(figures, { depth: 4 });
	await writeReport(await recordFigures(measured));
}
