// Plays a trace against one contender: the requests to the origin, the age of the answers, and their latency.
import { setTimeout as sleep } from "node:timers/promises";
import type { Pool } from "pg";
import type { Contender } from "./contenders.ts";
import { type Answer, get, patch, versionsIn } from "./http.ts";
import { type Counts, difference } from "./origin.ts";
import { median, percentile } from "./statistics.ts";
import { readHistory } from "./tables.ts";
import {
	asksForRow,
	KEYED,
	LISTS,
	livesOf,
	type Operation,
	rowsOutOfDate,
	type Trace,
} from "./trace.ts";

export interface Result {
	readonly name: string;
	readonly reads: number;
	/** The errors of reads and writes. */
	readonly failures: readonly string[];
	/** The requests that reached the origin. */
	readonly asked: Counts;
	readonly hitRatio: number;
	readonly worstStalenessMs: number;
	readonly staleness99Ms: number;
	readonly medianMs: number;
	readonly latency99Ms: number;
	/** The 99th percentile of how late requests were sent: high when the machine is too small for the rate. */
	readonly lateness99Ms: number;
	/** The answers by their Cache-Status. */
	readonly groups: readonly Group[];
}

/** Answers with the same Cache-Status. */
export interface Group {
	readonly question: "one row" | "several";
	/** Cache-Status (RFC 9211) without times. */
	readonly status: string;
	readonly answers: number;
	readonly medianMs: number;
	readonly latency99Ms: number;
}

const WARMERS = 16;
/** Enough rounds for all paths. */
const WARMING_MS = 3_000;

export async function play(
	contender: Contender,
	trace: Trace,
	pool: Pool,
): Promise<Result> {
	await warm(contender, trace, pool);
	const before = { ...contender.origin.counts };
	const start = performance.now();
	const latenesses: number[] = [];
	const underWay: Promise<Answer | Error | undefined>[] = [];
	for (const operation of trace.operations) {
		const due = start + operation.at - performance.now();
		if (due > 0) await sleep(due);
		latenesses.push(performance.now() - start - operation.at);
		underWay.push(
			perform(contender, operation, pool).catch((error: Error) => error),
		);
	}
	const outcomes = await Promise.all(underWay);
	const asked = difference(contender.origin.counts, before);
	const failures = outcomes.filter((outcome) => outcome instanceof Error);
	const answers = outcomes.filter(
		(outcome): outcome is Answer =>
			outcome !== undefined && !(outcome instanceof Error),
	);
	const history = await readHistory(pool);
	const staleness = answers.map((answer) =>
		history.stalenessMs(versionsIn(answer), answer.sentAt),
	);
	const latencies = answers.map(({ latencyMs }) => latencyMs);
	return {
		name: contender.name,
		reads: answers.length,
		failures: failures.map(({ message }) => message),
		asked,
		hitRatio: 1 - asked.reads / answers.length,
		worstStalenessMs: percentile(staleness, 1),
		staleness99Ms: percentile(staleness, 0.99),
		medianMs: median(latencies),
		latency99Ms: percentile(latencies, 0.99),
		lateness99Ms: percentile(latenesses, 0.99),
		groups: groups(answers),
	};
}

/** Brings the caches to the state after a long run; empty ones would show their beginning. */
async function warm(
	{ entrances, origin, ttlSeconds }: Contender,
	trace: Trace,
	pool: Pool,
): Promise<void> {
	// A cache that counts whole seconds starts at the beginning of one, as ttlOfEqualMisses assumes.
	const start = Math.ceil((Date.now() + WARMING_MS) / 1000);
	if (ttlSeconds !== undefined) {
		const lives = livesOf(trace, ttlSeconds);
		origin.lifeOf = (path) => {
			const last = start + (lives.get(path) ?? Number.NEGATIVE_INFINITY);
			return Math.max(0, last - Math.floor(Date.now() / 1000));
		};
	}
	await askFor(KEYED, entrances);
	// One by one, because tracking does not name the rows of a statement that changes many.
	for (const id of rowsOutOfDate(trace)) await writeInSql(pool, id);
	await askFor(LISTS, entrances);
	origin.lifeOf = undefined;
	await sleep(Math.max(0, start * 1000 - Date.now()));
}

async function askFor(
	questions: readonly { path: string }[],
	entrances: readonly string[],
): Promise<void> {
	for (const entrance of entrances) {
		const rest = [...questions];
		const warmer = async () => {
			for (let one = rest.pop(); one !== undefined; one = rest.pop())
				await get(entrance + one.path);
		};
		await Promise.all(Array.from({ length: WARMERS }, warmer));
	}
}

/**
 * @returns the answer to a read
 * @throws {Error} if there is none, or a write was refused
 */
async function perform(
	{ entrances, authorization }: Contender,
	operation: Operation,
	pool: Pool,
): Promise<Answer | undefined> {
	const entrance = entrances[Math.floor(operation.entrance * entrances.length)];
	if (operation.kind === "read") {
		const answer = await get(entrance + operation.path);
		expectStatus(answer, 200);
		return answer;
	}
	const { id, by } = operation;
	const changed = `/articles?id=eq.${id}`;
	if (by === "gateway") {
		const title = `Article ${id}`;
		expectStatus(
			await patch(entrance + changed, { authorization }, { title }),
			204,
		);
	} else {
		await writeInSql(pool, id);
	}
	return undefined;
}

async function writeInSql(pool: Pool, id: number): Promise<void> {
	await pool.query("update api.articles set title = title where id = $1", [id]);
}

function expectStatus({ status, body }: Answer, expected: number): void {
	if (status !== expected)
		throw new Error(`${status} in place of ${expected}: ${body}`);
}

function groups(answers: readonly Answer[]): Group[] {
	const byName = Object.groupBy(answers, (answer) =>
		JSON.stringify([questionOf(answer), statusOf(answer)]),
	);
	return Object.values(byName).flatMap((alike = []) => {
		const [first] = alike;
		const status = first && statusOf(first);
		if (first === undefined || status === undefined) return [];
		const latencies = alike.map(({ latencyMs }) => latencyMs);
		return {
			question: questionOf(first),
			status,
			answers: alike.length,
			medianMs: median(latencies),
			latency99Ms: percentile(latencies, 0.99),
		};
	});
}

function questionOf({ url }: Answer): Group["question"] {
	return asksForRow(url) ? "one row" : "several";
}

function statusOf({ headers }: Answer): string | undefined {
	const status = headers["cache-status"];
	return status && `${status}`.replace(/^Postern; |; ttl=-?\d+/g, "");
}
