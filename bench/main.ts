// `npm run bench`: what Postern costs, as ratios to what it is compared with in the same run. What is measured goes into
// bench/figures.json, and from there into docs/benchmarks.md. `npm run format` aligns its tables.
// `--quick` (less than three minutes) measures the costs alone and fails where a ratio is far above the recorded one.
// `--rows` takes a part of the rows' names, and `--beside` the bundle of another version (`npm run build` makes it) that is measured
// in the same rounds: these record nothing. `--rounds` and `--requests` (of a round) may be given.
import { readFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { bundleWorker } from "../test/support/workerd/bundle.ts";
import { startFloor } from "./cost/floor.ts";
import { type Hit, hitsOf, warm } from "./cost/hits.ts";
import { sentencesOf, titleOf, tooDear } from "./cost/limits.ts";
import { type Answered, closeConnections } from "./cost/load.ts";
import { type Cost, measure, type Rounds } from "./cost/measure.ts";
import { type Postern, startPostern } from "./cost/postern.ts";
import { type Row, rowsOf } from "./cost/rows.ts";
import { sizeOfBundle, writesIntoKv } from "./cost/sizes.ts";
import { startTutorial } from "./cost/tutorial.ts";
import { type Figures, readFigures, recordFigures } from "./figures.ts";
import {
	type BenchStack,
	type Cleanup,
	startStack,
} from "./freshness/stack.ts";
import { writeReport } from "./report/write.ts";

const QUICK: Rounds = { rounds: 5, requests: 150 };
const FULL: Rounds = { rounds: 7, requests: 200 };

const { values } = parseArgs({
	options: {
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
const isTrial =
	values.quick || values.rows !== "" || values.beside !== undefined;

const cleanup: Cleanup = [];
try {
	const stack = await startStack(cleanup);
	const bundle = await bundleWorker();
	const hits = await hitsOf(stack.credentials.tokenSigningKey);
	await measureCosts(stack, bundle, hits);
} finally {
	closeConnections();
	for (const end of cleanup.reverse()) await end();
}

async function record(measured: Partial<Figures>): Promise<void> {
	for (const figures of Object.values(measured))
		console.dir(figures, { depth: 4 });
	await writeReport(await recordFigures(measured));
}

async function measureCosts(
	stack: BenchStack,
	bundle: string,
	hits: readonly Hit[],
): Promise<void> {
	const bundles = [bundle];
	if (values.beside !== undefined)
		bundles.push(await readFile(values.beside, "utf8"));
	const posterns: Postern[] = [];
	const answers: Answered[] = [];
	for (const bundle of bundles) {
		const postern = await startPostern(bundle, stack, cleanup);
		posterns.push(postern);
		for (const hit of hits) answers.push(await warm(hit, postern.whole));
		const [first] = hits;
		for (const server of [postern.filler, postern.isolate])
			if (first !== undefined) await warm(first, server);
	}
	const [postern] = posterns;
	if (postern === undefined) throw new Error("There is no Postern.");
	const floor = await startFloor(answers, stack.postgrestUrl);
	cleanup.push(floor.stop);
	const tutorial = await startTutorial(stack.postgrestUrl, cleanup);
	const sizes = [sizeOfBundle(bundle), await writesIntoKv(postern)];
	console.table(sizes);
	const all = await rowsOf({ ...stack, hits, floor, tutorial, postern });
	const rows = all.filter((row) => titleOf(row).includes(values.rows));
	const costs = await measure(rows, posterns, rounds);
	for (const index of posterns.keys()) print(costs, index);
	const ofFirst = costs.flatMap(([cost]) => cost ?? []);
	if (!isTrial) await record({ costs: ofFirst, sizes });
	if (!values.quick) return;
	const recorded = { costs: [], sizes: [], ...(await readFigures()) };
	const dear = [
		...sentencesOf(tooDear(sizes, recorded.sizes), recorded.sizes),
		...(await judge(rows, posterns, ofFirst, recorded.costs)),
	];
	for (const sentence of dear) console.error(sentence);
	if (dear.length > 0) process.exitCode = 1;
}

/** A row that is too dear is measured once more: something else may have met it. @returns a sentence for each that still is */
async function judge(
	rows: readonly Row[],
	posterns: readonly Postern[],
	costs: readonly Cost[],
	recorded: readonly Cost[],
): Promise<string[]> {
	const suspects = new Set(tooDear(costs, recorded).map(titleOf));
	if (suspects.size === 0) return [];
	console.log(`Measured again: ${[...suspects].join("; ")}`);
	const again = await measure(
		rows.filter((row) => suspects.has(titleOf(row))),
		posterns,
		rounds,
	);
	print(again, 0);
	const measured = again.flatMap(([cost]) => cost ?? []);
	return sentencesOf(tooDear(measured, recorded), recorded);
}

function print(costs: readonly Cost[][], which: number): void {
	console.table(
		costs.map((ofRow) => {
			const { name, base, ratio, middle, ...cost } = ofRow[which] as Cost;
			return {
				request: name,
				"compared with": base,
				ratio: ratio.toFixed(2),
				"middle half": middle.map((edge) => edge.toFixed(2)).join(" to "),
				µs: Math.round(cost.microseconds),
				"µs of the other": Math.round(cost.baseMicroseconds),
			};
		}),
	);
}
