// `npm run bench`: what Postern costs for each request, as the CPU time of its workerd, side by side with what it is compared with:
// an empty Hono route for hits, a proxy of one line for everything else. `--rounds` and `--requests` (of a round) may be given, and
// `--rows` a part of the rows' names; `--beside` names the bundle of another version (`npm run build` makes it) that is measured in the same rounds.
import { readFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { freePort } from "../gateway/cli/stack/ports.ts";
import { workerVariables } from "../gateway/cli/stack/wrangler.ts";
import { bundleWorker } from "../test/support/workerd/bundle.ts";
import { startWorkerd } from "../test/support/workerd/workerd.ts";
import { startFloor } from "./cost/floor.ts";
import {
	type Answered,
	type Asked,
	ask,
	CONCURRENCY,
	closeConnections,
	cpuMicroseconds,
	load,
} from "./cost/load.ts";
import { askedOf, type Row, rowsOf } from "./cost/rows.ts";
import {
	type BenchStack,
	type Cleanup,
	startStack,
} from "./freshness/stack.ts";
import { median } from "./freshness/statistics.ts";

/** Nothing is stored for some seconds after a schema change. */
const SETTLED_WITHIN_MS = 60_000;
/** More than a row has callers, each of whom is answered from the cache. */
const WARMING_REQUESTS = 400;

const { values } = parseArgs({
	options: {
		rounds: { type: "string", default: "5" },
		requests: { type: "string", default: "3000" },
		beside: { type: "string" },
		rows: { type: "string", default: "" },
	},
});
const rounds = Number(values.rounds);
const requests = Number(values.requests);

/** A process that a row is asked of. */
interface Contender {
	readonly name: string;
	readonly pid: number | undefined;
	askedAt(row: Row, index: number): (number: number) => Asked;
}

const cleanup: Cleanup = [];
try {
	const stack = await startStack(cleanup);
	const rows = await rowsOf(stack.credentials.tokenSigningKey);
	await report(
		rows.filter(({ name }) => name.includes(values.rows)),
		stack,
	);
} finally {
	closeConnections();
	for (const end of cleanup.reverse()) await end();
}

async function report(rows: readonly Row[], stack: BenchStack): Promise<void> {
	const own = await startPostern("Postern", await bundleWorker(), stack);
	const answers: Answered[] = [];
	for (const row of rows) answers.push(await warm(own, row));
	const floor = await startFloor(answers, stack.postgrestUrl);
	cleanup.push(floor.stop);
	const contenders: Contender[] = [
		{
			name: "floor",
			pid: floor.pid,
			askedAt: (row, index) => (number) =>
				row.isHit
					? { url: floor.answerUrl(index), headers: row.headersOf(number) }
					: askedOf(row, floor.proxyUrl, number),
		},
		own,
	];
	if (values.beside !== undefined) {
		const bundle = await readFile(values.beside, "utf8");
		const other = await startPostern("beside", bundle, stack);
		for (const row of rows) await warm(other, row);
		contenders.push(other);
	}
	const costs = await measure(rows, contenders);
	console.table(
		rows.map(({ name, isHit }, index) => {
			const [lowest = 0, ...others] = costs[index] ?? [];
			const columns = others.map((cost, other) => [
				contenders[other + 1]?.name,
				`${(cost / lowest).toFixed(2)} (${cost.toFixed(0)} µs)`,
			]);
			return {
				request: name,
				bytes: answers[index]?.body.length,
				...Object.fromEntries(columns),
				"compared with": `${isHit ? "an empty route" : "a proxy"} (${lowest.toFixed(0)} µs)`,
			};
		}),
	);
}

async function startPostern(
	name: string,
	bundle: string,
	{ credentials, postgrestUrl }: BenchStack,
): Promise<Contender> {
	const worker = await startWorkerd({
		bundle,
		port: await freePort(),
		variables: {
			...workerVariables(postgrestUrl, credentials),
			// No request waits for a place.
			ORIGIN_REQUESTS_PER_RELATION: String(CONCURRENCY),
		},
		log: () => {},
	});
	cleanup.push(worker.stop);
	const rootOf = ({ isOfRoute }: Row) =>
		isOfRoute ? worker.url : `${worker.url}/rest/v1`;
	return {
		name,
		pid: worker.pid,
		askedAt: (row) => (number) => askedOf(row, rootOf(row), number),
	};
}

/** @returns the CPU time of each contender for one request of each row, in microseconds: the median of the rounds */
async function measure(
	rows: readonly Row[],
	contenders: readonly Contender[],
): Promise<number[][]> {
	const costs = rows.map(() => contenders.map((): number[] => []));
	// The first round warms up.
	for (let round = 0; round <= rounds; round += 1) {
		for (const [index, row] of rows.entries()) {
			for (const [which, contender] of contenders.entries()) {
				const cost = await costOf(contender, row, index);
				if (round > 0) costs[index]?.[which]?.push(cost);
			}
		}
	}
	return costs.map((all) => all.map(median));
}

async function costOf(
	{ pid, askedAt }: Contender,
	row: Row,
	index: number,
): Promise<number> {
	if (pid === undefined) throw new Error("workerd has ended.");
	const before = await cpuMicroseconds(pid);
	await load(requests, row.status, askedAt(row, index));
	return ((await cpuMicroseconds(pid)) - before) / requests;
}

/** Asks until each caller has been answered from the cache, where the row's requests can be. @returns the last answer */
async function warm({ askedAt }: Contender, row: Row): Promise<Answered> {
	const giveUpAt = Date.now() + SETTLED_WITHIN_MS;
	const asked = askedAt(row, 0);
	for (let number = 0; ; ) {
		const answer = await ask(asked(number));
		const status = answer.headers["cache-status"] ?? String(answer.status);
		if (!row.isHit) return answer;
		if (status.includes("; hit") && answer.status === row.status) number += 1;
		if (number >= WARMING_REQUESTS) return answer;
		if (Date.now() > giveUpAt)
			throw new Error(
				`"${row.name}" is not answered from the cache: ${answer.status}, ${status}`,
			);
	}
}
