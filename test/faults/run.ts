// One fault after another under traffic, and a row of figures for each.
import { setTimeout as sleep } from "node:timers/promises";
import type { FaultCase } from "./faults.ts";
import type { FaultyStack } from "./origin.ts";
import {
	isMarked,
	read,
	type Seen,
	startTraffic,
	WARM_READS,
	write,
} from "./traffic.ts";

export interface Row {
	readonly fault: string;
	readonly isOutage: boolean;
	readonly reads: number;
	readonly fresh: number;
	readonly marked: number;
	/** Reads without an answer of the database's: refused, or nothing. */
	readonly failed: readonly Seen[];
	/** Answers with a body that the database never gave. */
	readonly wrong: readonly Seen[];
	readonly slowestReadMs: number;
	readonly readP99Ms: number;
	readonly writes: number;
	readonly acknowledged: number;
	/** How often a write with a key was sent again. */
	readonly repeats: number;
	readonly slowestWriteMs: number;
	/** Acknowledged and not there. */
	readonly lost: number;
	/** There more than once. */
	readonly twice: number;
	/** From the fault's end to a fresh answer of each read and a write. */
	readonly recoveredMs: number;
}

interface Options {
	readonly stack: FaultyStack;
	readonly token: string;
	readonly lastsMs: number;
	/** How many writers send keys. */
	readonly keyedWriters: number;
}

/** How long a warm view is let grow old before the fault, at most: each fault begins at another age of it. */
const MAX_LEAD_MS = 1_500;

export async function runFault(
	fault: FaultCase,
	{ stack, token, lastsMs, keyedWriters }: Options,
): Promise<Row> {
	const bodies = await warmUp(stack, token);
	await sleep(Math.random() * MAX_LEAD_MS);
	await fault.begin(stack);
	const began = performance.now();
	const traffic = startTraffic(stack, token, keyedWriters);
	await sleep(lastsMs);
	const endsAt = performance.now();
	await fault.end(stack);
	const ended = performance.now();
	const recoveredMs = await untilFresh(stack, token, ended);
	await traffic.stop();
	const during = traffic.reads.filter(({ at }) => at >= began);
	const good = during.filter(({ status }) => status === 200);
	const writes = traffic.writes.filter(({ at }) => at < endsAt);
	const counts = await stack.query(
		"select name, count(*)::int as count from api.rescues where name like 'Rex %' group by name",
	);
	const times = new Map<string, number>(
		counts.rows.map(({ name, count }) => [name, count]),
	);
	const acknowledged = traffic.writes.filter(({ status }) => status === 201);
	return {
		fault: fault.name,
		isOutage: fault.isOutage,
		reads: during.length,
		fresh: good.filter((seen) => !isMarked(seen)).length,
		marked: good.filter(isMarked).length,
		failed: during.filter(({ status }) => status !== 200),
		wrong: good.filter(({ path, body }) => bodies.get(path) !== body),
		slowestReadMs: Math.max(0, ...during.map(({ tookMs }) => tookMs)),
		readP99Ms: percentile(during.map(({ tookMs }) => tookMs)),
		writes: writes.length,
		acknowledged: writes.filter(({ status }) => status === 201).length,
		repeats: traffic.repeats(),
		slowestWriteMs: Math.max(0, ...writes.map(({ tookMs }) => tookMs)),
		lost: acknowledged.filter(({ name }) => !times.has(name)).length,
		twice: [...times.values()].filter((count) => count > 1).length,
		recoveredMs,
	};
}

function percentile(values: readonly number[]): number {
	const sorted = values.toSorted((one, other) => one - other);
	return sorted[Math.floor(sorted.length * 0.99)] ?? 0;
}

/** Reads until every answer is in the cache and covered by a poll. @returns the right bodies, by path */
async function warmUp(
	{ gatewayUrl }: FaultyStack,
	token: string,
): Promise<ReadonlyMap<string, string>> {
	const bodies = new Map<string, string>();
	const isWarm = async () => {
		let areHits = true;
		for (const path of WARM_READS) {
			for (const headers of [{}, { Authorization: `Bearer ${token}` }]) {
				const seen = await read(gatewayUrl, path, headers);
				if (seen.status === 200) bodies.set(path, seen.body);
				areHits &&= seen.status === 200 && /; hit/.test(seen.cacheStatus);
			}
		}
		return areHits;
	};
	await until(isWarm);
	return bodies;
}

async function untilFresh(
	stack: FaultyStack,
	token: string,
	ended: number,
): Promise<number> {
	await until(async () => {
		for (const path of WARM_READS) {
			const seen = await read(stack.gatewayUrl, path);
			if (seen.status !== 200 || isMarked(seen)) return false;
		}
		return (await write(stack, token)).status === 201;
	});
	return performance.now() - ended;
}

/** @throws {Error} where it takes more than a minute */
export async function until(isReady: () => Promise<boolean>): Promise<void> {
	const giveUpAt = performance.now() + 60_000;
	while (!(await isReady())) {
		if (performance.now() > giveUpAt) throw new Error("It took a minute");
		await sleep(50);
	}
}

/** The rows as a table. */
export function tell(rows: readonly Row[]): string {
	const heads = [
		"fault",
		"reads",
		"fresh",
		"marked",
		"failed",
		"wrong",
		"p99 ms",
		"max ms",
		"writes",
		"done",
		"sent again",
		"max ms",
		"lost",
		"twice",
		"recovered ms",
	];
	const lines = rows.map((row) => [
		row.fault,
		row.reads,
		row.fresh,
		row.marked,
		row.failed.length,
		row.wrong.length,
		Math.round(row.readP99Ms),
		Math.round(row.slowestReadMs),
		row.writes,
		row.acknowledged,
		row.repeats,
		Math.round(row.slowestWriteMs),
		row.lost,
		row.twice,
		Math.round(row.recoveredMs),
	]);
	return [heads, heads.map(() => "---"), ...lines]
		.map((cells) => `| ${cells.join(" | ")} |`)
		.join("\n");
}
