// The operations of readers and writers and their moments, drawn from a seed, the same for every contender. Also how a cache with a time to
// live would do on them, by arithmetic.
import { type Random, randomOf } from "../../test/histories/random.ts";
import { ARTICLES, AUTHORS } from "./tables.ts";

interface Read {
	readonly kind: "read";
	/** Path and query, below PostgREST's root. */
	readonly path: string;
}
interface Write {
	readonly kind: "write";
	readonly id: number;
	readonly by: "gateway" | "sql";
}
export type Operation = (Read | Write) & {
	/** Milliseconds from the start. */
	readonly at: number;
	/** 0 to 1: chooses one of the contender's servers. */
	readonly entrance: number;
};

interface TraceOptions {
	readonly seed: string;
	readonly seconds: number;
	readonly perSecond: number;
	/** The share of writes among the operations. */
	readonly writes: number;
}

export interface Trace extends TraceOptions {
	readonly operations: readonly Operation[];
}

/** A path, and its share of the reads. */
interface Question {
	readonly path: string;
	readonly share: number;
}

/** The share of reads of one row by its key; half of the others are lists, half embeds. */
const BY_KEY = 0.85;
const ZIPF_EXPONENT = 1;

export function articlePath(id: number): string {
	return `/articles?id=eq.${id}&select=id,version,title,body`;
}

export function asksForRow(url: string): boolean {
	return url.includes("/articles?id=");
}

function listPath(author: number): string {
	return `/articles?author_id=eq.${author}&select=id,version,title&order=id`;
}

function embedPath(author: number): string {
	return `/authors?id=eq.${author}&select=id,name,articles(id,version,title)`;
}

const articleShares = zipf(ARTICLES);
const authorShares = zipf(AUTHORS);
/** Reads of one row by its key. */
export const KEYED = questions(articlePath, articleShares, BY_KEY);
/** Reads of several rows by their author. */
export const LISTS = [
	...questions(listPath, authorShares, (1 - BY_KEY) / 2),
	...questions(embedPath, authorShares, (1 - BY_KEY) / 2),
];

function questions(
	pathOf: (id: number) => string,
	shares: readonly number[],
	ofAll: number,
): Question[] {
	return shares.map((share, index) => ({
		path: pathOf(index + 1),
		share: share * ofAll,
	}));
}

/** Shares that add up to 1: the n-th is in proportion to 1 / n^s. */
function zipf(count: number): number[] {
	const weights = Array.from(
		{ length: count },
		(_, index) => (index + 1) ** -ZIPF_EXPONENT,
	);
	const sum = weights.reduce((left, right) => left + right);
	return weights.map((weight) => weight / sum);
}

/** Operations come at random moments (a Poisson process); writes choose rows with the same shares as reads. */
export function makeTrace(options: TraceOptions): Trace {
	const random = randomOf(options.seed);
	const questions = [...KEYED, ...LISTS];
	const question = chooser(questions.map(({ share }) => share));
	const article = chooser(articleShares);
	const operations: Operation[] = [];
	let writes = 0;
	const operation = (): Read | Write => {
		if (random.chance(options.writes)) {
			writes += 1;
			const by = writes % 2 === 0 ? "gateway" : "sql";
			return { kind: "write", id: article(random) + 1, by };
		}
		return { kind: "read", path: questions[question(random)]?.path ?? "" };
	};
	let at = 0;
	for (;;) {
		at -= (Math.log(1 - random.fraction()) * 1000) / options.perSecond;
		if (at > options.seconds * 1000) return { ...options, operations };
		operations.push({ ...operation(), at, entrance: random.fraction() });
	}
}

/** Chooses an index, each with its share. */
function chooser(shares: readonly number[]): (random: Random) => number {
	let sum = 0;
	const upTo = shares.map((share) => {
		sum += share;
		return sum;
	});
	return (random) => {
		const wanted = random.fraction() * sum;
		return upTo.findIndex((end) => end > wanted);
	};
}

/** After a long run, the rows that were written since a cache that hears of writes last read them. */
export function rowsOutOfDate({ seed, writes }: Trace): number[] {
	const random = randomOf(`${seed}/out of date`);
	const ids = articleShares.map((_, index) => index + 1);
	// A row's last operation is a write with the share of writes.
	return ids.filter(() => random.chance(writes));
}

/**
 * After a long run, for how many more seconds a cache with a time to live keeps each answer: 0 to all of
 * it. What it does not have is left out; that is so for the share of the time that passes between an answer's end and the next read.
 */
export function livesOf(
	{ perSecond, writes }: Trace,
	ttlSeconds: number,
): Map<string, number> {
	const readsPerLife = perSecond * (1 - writes) * ttlSeconds;
	const lives = new Map<string, number>();
	for (const { path, share } of [...KEYED, ...LISTS]) {
		const random = randomOf(path);
		const ofThis = readsPerLife * share;
		if (random.chance(ofThis / (1 + ofThis)))
			lives.set(path, random.integer(ttlSeconds + 1));
	}
	return lives;
}

const MAX_TTL_SECONDS = 900;

/** The shortest time to live, in whole seconds as nginx requires, with which a cache asks the origin no more often on this trace. */
export function ttlOfEqualMisses(trace: Trace, misses: number): number {
	let tooShort = 0;
	let enough = MAX_TTL_SECONDS;
	while (enough - tooShort > 1) {
		const middle = Math.floor((tooShort + enough) / 2);
		if (missesOf(trace, middle) > misses) tooShort = middle;
		else enough = middle;
	}
	return enough;
}

/** nginx counts whole seconds, and keeps an answer to the end of its last one. */
function missesOf(trace: Trace, ttlSeconds: number): number {
	const lastSeconds = livesOf(trace, ttlSeconds);
	let misses = 0;
	for (const operation of trace.operations) {
		if (operation.kind === "write") continue;
		const second = Math.floor(operation.at / 1000);
		const last = lastSeconds.get(operation.path);
		if (last !== undefined && last >= second) continue;
		misses += 1;
		lastSeconds.set(operation.path, second + ttlSeconds);
	}
	return misses;
}
