// Decides whether a history keeps the promises. Transactions became visible in a known order, so the database had a known
// sequence of states, and every answer has to be what its reader would have got in one of them:
//
//   isolation          the answer is that of some state, for this reader, and not of a later one
//   maximum staleness  of a state no older than that, counted from when the read was sent; an answer that is marked as given
//                      while the origin is away, and that the reader did not bound, may be as old as its Age says
//   sessions           of a state no older than any that the session wrote or saw before
//
// It asks nothing of the system that it judges.
import type { Commit, Event, Read, User, Write } from "./history.ts";
import { lastIndex, type State, States } from "./states.ts";

/** A read, and a reader's answer to it in a state. */
export interface Query {
	readonly name: string;
	readonly reads: readonly string[];
	answer(state: State, user: User): string;
}

export interface Promises {
	readonly maxStalenessMs: number;
	/** The same for answers that are marked as given while the origin is away. */
	readonly outageStalenessMs: number;
	/** The largest difference between the database's clock and the test's. */
	readonly toleranceMs: number;
}

export type ViolationKind =
	/** An answer that was out of date for longer than the maximum staleness. */
	| "stale"
	/** A session that did not see what it wrote or saw before. */
	| "session"
	/** An answer for another caller. */
	| "foreign"
	/** An answer of no state: put together from several, or not yet true. */
	| "impossible"
	/** A write that was acknowledged and not done. */
	| "lost write"
	/** A failure of a request that may not fail. */
	| "failure";

export interface Violation {
	readonly kind: ViolationKind;
	readonly event: Read | Write;
	readonly explanation: string;
}

export interface Verdict {
	readonly violations: readonly Violation[];
	/** The oldest answer: for how long it had been out of date when it was asked for, in milliseconds. */
	readonly worstStalenessMs: number;
	/** The number of answers that were out of date when they were asked for. */
	readonly outdated: number;
}

export interface History {
	readonly events: readonly Event[];
	readonly commits: readonly Commit[];
	readonly queries: readonly Query[];
	readonly users: readonly User[];
}

export function check(history: History, promises: Promises): Verdict {
	return new Checker(history, promises).verdict();
}

/** Checks a run's rounds, one after another. The log begins anew in each, and a marked answer may be older than its round. */
export function checkerOfRounds(
	promises: Promises,
): (round: History) => Verdict {
	const commits: Commit[] = [];
	return (round) => {
		commits.push(...round.commits);
		return check({ ...round, commits }, promises);
	};
}

class Checker {
	readonly #history: History;
	readonly #promises: Promises;
	readonly #states: States;
	readonly #queries: ReadonlyMap<string, Query>;
	readonly #users: ReadonlyMap<string, User>;
	readonly #numberOf: ReadonlyMap<string, number>;
	/** The latest and the earliest moment when each transaction became visible. */
	readonly #visibleBy: Float64Array;
	readonly #visibleFrom: Float64Array;
	readonly #answers = new Map<string, string>();
	/** By session: the oldest state that it may still see. */
	readonly #floors = new Map<string, number>();
	readonly #violations: Violation[] = [];
	#worstStalenessMs = 0;
	#outdated = 0;

	constructor(history: History, promises: Promises) {
		const { commits, queries, users, events } = history;
		this.#history = history;
		this.#promises = promises;
		this.#states = new States(commits);
		this.#queries = new Map(queries.map((query) => [query.name, query]));
		this.#users = new Map(users.map((user) => [user.name, user]));
		this.#numberOf = new Map(
			commits.flatMap(({ operation }, number) =>
				operation === undefined ? [] : [[operation, number]],
			),
		);
		this.#visibleFrom = Float64Array.from(commits, ({ at }) => at);
		this.#visibleBy = visibleBy(commits, events);
	}

	verdict(): Verdict {
		const inOrder = this.#history.events.toSorted(
			(one, other) => one.endedAt - other.endedAt,
		);
		for (const event of inOrder) {
			if (event.kind === "read") this.#checkRead(event);
			else if (event.kind === "write") this.#checkWrite(event);
			else if (event.kind === "handover")
				this.#raiseFloor(event.session, this.#floors.get(event.of) ?? 0);
		}
		return {
			violations: this.#violations,
			worstStalenessMs: this.#worstStalenessMs,
			outdated: this.#outdated,
		};
	}

	#checkWrite(write: Write): void {
		const number = this.#numberOf.get(write.operation);
		if (!write.isAcknowledged) return;
		if (number !== undefined) {
			if (write.isCausal) this.#raiseFloor(write.session, number);
		} else if (write.hasEffect) {
			this.#complain("lost write", write, "it is in no transaction");
		}
	}

	#checkRead(read: Read): void {
		const { answer, session, sentAt, endedAt } = read;
		if (answer === undefined) return;
		const { toleranceMs } = this.#promises;
		const maxStalenessMs = read.maxStalenessMs ?? this.#boundOf(read);
		const newest = lastIndex(
			this.#visibleFrom,
			(at) => at <= endedAt + toleranceMs,
		);
		const current = this.#visibleAt(sentAt);
		const bound = this.#visibleAt(sentAt - maxStalenessMs - toleranceMs);
		const floor = read.isCausal ? (this.#floors.get(session) ?? 0) : 0;
		const match = this.#firstMatch(read, Math.max(bound, floor), newest);
		if (match === undefined) {
			this.#explain(read, { bound, floor, newest });
			return;
		}
		if (read.isCausal) this.#raiseFloor(session, match);
		const latest = this.#lastMatch(read, match, newest) ?? match;
		if (!isOfOutage(read))
			this.#noteStaleness(this.#staleness(read, latest, current));
	}

	#boundOf(read: Read): number {
		const { maxStalenessMs, outageStalenessMs } = this.#promises;
		if (!isOfOutage(read)) return maxStalenessMs;
		return Math.min(outageStalenessMs, read.ageMs ?? 0);
	}

	/** The first state from `from` on that gives this answer. */
	#firstMatch(read: Read, from: number, to: number): number | undefined {
		for (let number = from; number <= to; number += 1) {
			if (this.#answerOf(read, number) === read.answer) return number;
			number = this.#nextChange(read, number, to) - 1;
		}
		return undefined;
	}

	/** The last state, not before `from`, that gives this answer. */
	#lastMatch(read: Read, from: number, to: number): number | undefined {
		let number = to;
		while (number >= from) {
			if (this.#answerOf(read, number) === read.answer) return number;
			number = this.#segmentOf(read, number) - 1;
		}
		return undefined;
	}

	/** For how long a state's answer had been out of date when it was asked for. */
	#staleness({ sentAt }: Read, number: number, current: number): number {
		if (number >= current) return 0;
		return sentAt - (this.#visibleBy[number + 1] ?? sentAt);
	}

	#noteStaleness(staleness: number): void {
		if (staleness > 0) this.#outdated += 1;
		this.#worstStalenessMs = Math.max(this.#worstStalenessMs, staleness);
	}

	/** The violation of an answer that matches no allowed state. */
	#explain(
		read: Read,
		{ bound, floor, newest }: { bound: number; floor: number; newest: number },
	): void {
		const stale = this.#lastMatch(read, 0, Math.max(bound, floor) - 1);
		if (stale !== undefined && stale < bound) {
			const outdated = this.#staleness(read, stale, bound);
			const next = this.#nextChange(read, stale, newest);
			this.#noteStaleness(outdated);
			this.#complain(
				"stale",
				read,
				`it had been out of date for ${outdated.toFixed(0)} ms, since ${this.#name(next)}`,
			);
		} else if (stale !== undefined) {
			this.#complain(
				"session",
				read,
				`it is of ${this.#name(stale)}, but the session knows ${this.#name(floor)}`,
			);
		} else {
			const owner = this.#ownerOf(read, newest);
			if (owner !== undefined)
				this.#complain("foreign", read, `it is what ${owner} may see`);
			else
				this.#complain(
					"impossible",
					read,
					`at ${this.#name(newest)} it would be ${this.#answerOf(read, newest)}`,
				);
		}
	}

	/** Another caller to whom this answer belongs. */
	#ownerOf(read: Read, newest: number): string | undefined {
		for (const { name } of this.#history.users) {
			const other = { ...read, user: name };
			if (this.#lastMatch(other, 0, newest) !== undefined) return name;
		}
		return undefined;
	}

	#answerOf({ query: name, user: userName }: Read, number: number): string {
		const query = this.#queries.get(name);
		const user = this.#users.get(userName);
		if (query === undefined || user === undefined)
			throw new Error(`There is no query ${name} of ${userName}.`);
		const since = this.#states.unchangedSince(query.reads, number);
		const memo = `${since} ${userName} ${name}`;
		let answer = this.#answers.get(memo);
		if (answer === undefined) {
			answer = query.answer(this.#states.at(number), user);
			this.#answers.set(memo, answer);
		}
		return answer;
	}

	/** The first state with the same rows under a query as this one. */
	#segmentOf({ query: name }: Read, number: number): number {
		const reads = this.#queries.get(name)?.reads ?? [];
		return this.#states.unchangedSince(reads, number);
	}

	/** The first state after this one with other rows under a query, or the one after the last. */
	#nextChange(read: Read, number: number, last: number): number {
		const here = this.#segmentOf(read, number);
		let low = number;
		let high = last + 1;
		while (low + 1 < high) {
			const middle = (low + high) >>> 1;
			if (this.#segmentOf(read, middle) === here) low = middle;
			else high = middle;
		}
		return high;
	}

	/** The last state that was visible to everyone by then. */
	#visibleAt(time: number): number {
		return Math.max(
			0,
			lastIndex(this.#visibleBy, (at) => at <= time),
		);
	}

	#raiseFloor(session: string, number: number): void {
		const floor = this.#floors.get(session) ?? 0;
		this.#floors.set(session, Math.max(floor, number));
	}

	#complain(
		kind: ViolationKind,
		event: Read | Write,
		explanation: string,
	): void {
		this.#violations.push({ kind, event, explanation });
	}

	#name(number: number): string {
		const operation = this.#history.commits[number]?.operation;
		return `transaction ${number}${operation === undefined ? "" : ` (${operation})`}`;
	}
}

/** Whether the answer is marked as given while the origin is away. */
function isOfOutage({ cacheStatus }: Read): boolean {
	return /Postern; (hit|fwd=stale);.* detail="origin-(unreachable|timeout)"/.test(
		cacheStatus,
	);
}

/**
 * The latest moment when each transaction became visible: it was acknowledged, or followed by another. So were all before it, and an
 * earlier one is never later.
 */
function visibleBy(
	commits: readonly Commit[],
	events: readonly Event[],
): Float64Array {
	const acknowledgedAt = new Map<string, number>();
	for (const event of events) {
		if (event.kind === "write" && event.isAcknowledged)
			acknowledgedAt.set(event.operation, event.endedAt);
	}
	const times = new Float64Array(commits.length);
	let later = Number.POSITIVE_INFINITY;
	for (let number = commits.length - 1; number >= 0; number -= 1) {
		const { operation = "" } = commits[number] ?? {};
		later = Math.min(
			later,
			acknowledgedAt.get(operation) ?? Number.POSITIVE_INFINITY,
			commits[number + 1]?.at ?? Number.POSITIVE_INFINITY,
		);
		times[number] = later;
	}
	return times;
}
