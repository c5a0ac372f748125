// Two callers alternately send the same reads through a gateway whose cache they share; each answer has to be the one that
// the database gives to this caller.
import { isDeepStrictEqual } from "node:util";
import { type Answer, askDatabase, askGateway, type Sides } from "./ask.ts";
import { type Caller, isSame } from "./callers.ts";
import type { Read, Reads } from "./reads.ts";

export interface Duel {
	readonly callers: readonly [Caller, Caller];
	readonly reads: Reads;
	/** Whether all reads are sent at once. */
	readonly isAtOnce: boolean;
}

/** An answer that is not the database's own. */
export interface Violation {
	readonly caller: Caller;
	readonly read: Read;
	readonly cacheStatus: string;
	readonly answer: Answer;
	readonly expected: Answer;
	/** The callers and reads of the duel. */
	readonly duel: Duel;
}

/** Counts of what happened, so that a cache that never stores anything does not pass. */
export interface Tally {
	duels: number;
	answers: number;
	hits: number;
	/** Answers that were collapsed with another request's. */
	collapsed: number;
	bypasses: number;
	/** Duels in which one caller got an answer that was stored for the other. */
	shared: number;
	/** Duels in which the callers had to have different answers, and each had theirs from the cache. */
	apart: number;
}

/** The result of duels. */
export interface Outcome {
	readonly tally: Tally;
	readonly violations: readonly Violation[];
}

/** More at once would only wait for PostgREST. */
const AT_ONCE = 4;

export async function fightAll(
	sides: Sides,
	duels: readonly Duel[],
): Promise<Outcome> {
	const tally = newTally();
	const violations = await atOnce(duels, (duel) => fight(sides, duel, tally));
	return { tally, violations: violations.flat() };
}

/** Does the work for each item, a few at a time. */
async function atOnce<T, Result>(
	all: Iterable<T>,
	work: (one: T) => Promise<Result>,
): Promise<Result[]> {
	const results: Result[] = [];
	const waiting = [...all].entries();
	const workOn = async () => {
		for (const [index, one] of waiting) results[index] = await work(one);
	};
	await Promise.all(Array.from({ length: AT_ONCE }, workOn));
	return results;
}

function newTally(): Tally {
	return {
		duels: 0,
		answers: 0,
		hits: 0,
		collapsed: 0,
		bypasses: 0,
		shared: 0,
		apart: 0,
	};
}

/** The duels in which the callers have to get different answers, and one in six of the others. */
export async function worthFighting(
	sides: Sides,
	duels: readonly Duel[],
): Promise<Duel[]> {
	const isWorth = await atOnce(duels.entries(), async ([index, duel]) => {
		if (index % 6 === 0) return true;
		const [read] = duel.reads;
		const [one, other] = await Promise.all(
			duel.callers.map((caller) => askDatabase(sides, read, caller)),
		);
		return !isDeepStrictEqual(one, other);
	});
	return duels.filter((_, index) => isWorth[index]);
}

/** The reads of a duel with their callers, in order. The last repeat the first, whose answers may be stored by then. */
export function readsInOrder({
	callers,
	reads,
}: Duel): readonly [Caller, Read][] {
	const [one, other] = callers;
	const [read, variant] = reads;
	return [
		[one, read],
		[other, read],
		[one, variant],
		[other, variant],
		[one, read],
		[other, read],
	];
}

async function fight(
	sides: Sides,
	duel: Duel,
	tally: Tally,
): Promise<Violation[]> {
	const turns = readsInOrder(duel);
	// Nothing is written meanwhile, so the database's answer stays the same.
	const said = await Promise.all(
		turns.slice(0, 4).map(([caller, read]) => askDatabase(sides, read, caller)),
	);
	const expectations = [...said, ...said.slice(0, 2)];
	const violations: Violation[] = [];
	const take = async ([caller, read]: [Caller, Read], index: number) => {
		const ask = () => askGateway(sides, read, caller);
		const first = await ask();
		const { answer, cacheStatus } = wasCutOff(read, first.answer)
			? await ask()
			: first;
		const expected = expectations[index] as Answer; // there is one for each
		if (!isDeepStrictEqual(answer, expected))
			violations.push({ caller, read, cacheStatus, answer, expected, duel });
		return cacheStatus;
	};
	const statuses: string[] = [];
	if (duel.isAtOnce) {
		statuses.push(...(await Promise.all(turns.map(take))));
	} else {
		for (const [index, turn] of turns.entries())
			statuses.push(await take(turn, index));
	}
	count(tally, duel, statuses, said);
	return violations;
}

/** PostgREST ends idle connections. The gateway does not send a POST again whose connection ended. */
function wasCutOff({ method }: Read, { status, body }: Answer): boolean {
	return (
		method === "POST" && status === 503 && body.includes("origin_unreachable")
	);
}

export function isHit(cacheStatus: string | undefined): boolean {
	return cacheStatus?.includes("; hit") === true;
}

function count(
	tally: Tally,
	{ callers, isAtOnce }: Duel,
	statuses: readonly string[],
	[one, other]: readonly Answer[],
): void {
	tally.duels += 1;
	tally.answers += statuses.length;
	tally.hits += statuses.filter(isHit).length;
	tally.collapsed += statuses.filter((it) => it.includes("; collapsed")).length;
	tally.bypasses += statuses.filter((it) => it.includes("fwd=bypass")).length;
	if (isAtOnce || isSame(...callers)) return;
	const [first, second] = statuses;
	if (first?.includes("; stored") && isHit(second)) tally.shared += 1;
	const [fifth, sixth] = statuses.slice(4);
	if (!isDeepStrictEqual(one, other) && isHit(fifth) && isHit(sixth))
		tally.apart += 1;
}
