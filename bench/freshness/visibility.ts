// How long a commit takes to be visible in another isolate: writes through one isolate or in SQL, reads through another
// with the row in its cache.
import { setTimeout as sleep } from "node:timers/promises";
import type { Pool } from "pg";
import { type Random, randomOf } from "../../test/histories/random.ts";
import { get, patch, versionsIn } from "./http.ts";
import { readHistory, type Version } from "./tables.ts";
import { articlePath } from "./trace.ts";

/** Rows that are written and read at the same time. */
const LANES = 20;
/** Fewer for reads that each wait for the one before, where the answers' own time counts. */
const TOKEN_LANES = 4;
/** The interval of reads while a change is awaited. */
const POLL_MS = 20;
/** The interval of reads between changes: short enough to keep the row in use. */
const IDLE_POLL_MS = 250;
/** A change that is not visible after this many times the maximum staleness never will be. */
const GIVE_UP = 4;

interface VisibilityOptions {
	readonly pool: Pool;
	readonly writerUrl: string;
	readonly readerUrl: string;
	/** `Authorization` of the writers. */
	readonly authorization: string;
	readonly samples: number;
	readonly maxStalenessMs: number;
	readonly seed: string;
}

/** One write, as the reader saw it. */
export interface Sighting {
	/** From the commit to the arrival of the first answer that shows it. */
	readonly visibleAfterMs: number;
	/** From the commit to the last request whose answer did not show it; undefined if all did. */
	readonly missedForMs: number | undefined;
	/** The latency of the first answer that shows it. */
	readonly latencyMs: number;
}

interface Seen extends Version {
	readonly visibleAt: number;
	readonly missedAt: number | undefined;
	readonly latencyMs: number;
}

/** Writes and reads a row once. */
type Look = (id: number, random: Random) => Promise<Seen>;

export async function gatewayWrites(
	options: VisibilityOptions,
): Promise<Sighting[]> {
	return observe(options, LANES, async (id, random) => {
		await keepInUse(options, id, random);
		const { row } = await writeThroughGateway(options, id);
		return lookOut(options, row);
	});
}

export async function sqlWrites(
	options: VisibilityOptions,
): Promise<Sighting[]> {
	return observe(options, LANES, async (id, random) => {
		await keepInUse(options, id, random);
		const { rows } = await options.pool.query<Version>(
			"update api.articles set title = title where id = $1 returning id, version",
			[id],
		);
		return lookOut(options, only(rows));
	});
}

/** Writes whose token goes with the next read, which has to show them. */
export async function ownWrites(
	options: VisibilityOptions,
): Promise<Sighting[]> {
	return observe(options, TOKEN_LANES, async (id) => {
		// So that there is a cached answer that could be outdated.
		await read(options, id);
		const { row, token } = await writeThroughGateway(options, id);
		if (token === undefined) throw new Error("A write came without a token.");
		return lookOut(options, row, token);
	});
}

async function observe(
	options: VisibilityOptions,
	lanes: number,
	look: Look,
): Promise<Sighting[]> {
	const random = randomOf(options.seed);
	const seen: Seen[] = [];
	let begun = 0;
	const lane = async (id: number) => {
		const own = random.stream(String(id));
		while (begun < options.samples) {
			begun += 1;
			seen.push(await look(id, own));
		}
	};
	await Promise.all(Array.from({ length: lanes }, (_, n) => lane(n + 1)));
	const history = await readHistory(options.pool);
	return seen.map((one) => {
		const committedAt = history.committedAt(one);
		if (committedAt === undefined)
			throw new Error(
				`Version ${one.version} of ${one.id} was never committed.`,
			);
		return {
			visibleAfterMs: one.visibleAt - committedAt,
			missedForMs:
				one.missedAt === undefined ? undefined : one.missedAt - committedAt,
			latencyMs: one.latencyMs,
		};
	});
}

/** Reads for a while, so that the write comes at any moment between two polls. */
async function keepInUse(
	options: VisibilityOptions,
	id: number,
	random: Random,
): Promise<void> {
	const until = Date.now() + random.between(0, options.maxStalenessMs / 2);
	do {
		await read(options, id);
		await sleep(Math.min(IDLE_POLL_MS, Math.max(0, until - Date.now())));
	} while (Date.now() < until);
}

async function lookOut(
	options: VisibilityOptions,
	row: Version,
	token?: string,
): Promise<Seen> {
	const giveUpAt = Date.now() + GIVE_UP * options.maxStalenessMs;
	let missedAt: number | undefined;
	while (Date.now() < giveUpAt) {
		const answer = await read(options, row.id, token);
		if (only(versionsIn(answer)).version >= row.version) {
			const { answeredAt: visibleAt, latencyMs } = answer;
			return { ...row, visibleAt, missedAt, latencyMs };
		}
		missedAt = answer.sentAt;
		await sleep(POLL_MS);
	}
	throw new Error(
		`A write was not seen within ${GIVE_UP} times the maximum staleness.`,
	);
}

async function read(
	{ readerUrl }: VisibilityOptions,
	id: number,
	token?: string,
) {
	const headers = token === undefined ? {} : { "postern-token": token };
	const answer = await get(readerUrl + articlePath(id), headers);
	if (answer.status !== 200)
		throw new Error(`A read was answered ${answer.status}: ${answer.body}`);
	return answer;
}

async function writeThroughGateway(
	{ writerUrl, authorization }: VisibilityOptions,
	id: number,
) {
	const answer = await patch(
		`${writerUrl}/articles?id=eq.${id}&select=id,version`,
		{ authorization, prefer: "return=representation" },
		{ title: `Article ${id}` },
	);
	if (answer.status !== 200)
		throw new Error(`A write was answered ${answer.status}: ${answer.body}`);
	const token = answer.headers["postern-token"];
	return {
		row: only(versionsIn(answer)),
		token: typeof token === "string" ? token : undefined,
	};
}

function only<T>(rows: readonly T[]): T {
	const [row] = rows;
	if (row === undefined || rows.length > 1)
		throw new Error(`There are ${rows.length} rows, not one.`);
	return row;
}
