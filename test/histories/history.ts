// What a run records: every operation with its time by one monotonic clock, in milliseconds, and what came of it.

/** Who asks. */
export interface User {
	readonly name: string;
	readonly role: string;
	readonly claims: Readonly<Record<string, string>>;
}

interface Step {
	/** Whoever did it: one thing after another. */
	readonly session: string;
	readonly sentAt: number;
	/** When the answer was there; of what was never answered, when that was clear. */
	readonly endedAt: number;
}

export interface Read extends Step {
	readonly kind: "read";
	readonly user: string;
	readonly query: string;
	/** Who answered. */
	readonly from: string;
	/** Canonical text of the answer; undefined where there was none, or one that says that it is none. */
	readonly answer: string | undefined;
	/** Why there is none: a status, or what became of the connection. */
	readonly failure?: string | undefined;
	readonly cacheStatus: string;
	/** The session sent what tokens it had: it has to see what it saw before. */
	readonly isCausal: boolean;
	/** How old the answer may be, where the reader asked for another one than is promised, in milliseconds. */
	readonly maxStalenessMs?: number | undefined;
}

export interface Write extends Step {
	readonly kind: "write";
	/** The transaction says so in the log. */
	readonly operation: string;
	readonly description: string;
	/** It was answered, and as done. */
	readonly isAcknowledged: boolean;
	/** Done, it changed something. */
	readonly hasEffect: boolean;
	/** The answer brought a token. */
	readonly isCausal: boolean;
	readonly outcome: string;
}

/** One session is told another's tokens, and has to see from now on what that one saw. */
export interface Handover extends Step {
	readonly kind: "handover";
	readonly of: string;
}

export interface Mishap extends Step {
	readonly kind: "mishap";
	readonly description: string;
}

export type Event = Read | Write | Handover | Mishap;

/** A transaction, in the order in which they became visible. */
export interface Commit {
	readonly operation: string | undefined;
	/** When it began to be visible, by the same clock; it was visible at the latest when the next one began to be. */
	readonly at: number;
	readonly changes: readonly Change[];
}

export interface Change {
	readonly relation: string;
	readonly key: string;
	/** null: it was deleted. */
	readonly contents: unknown;
}

/** The clock of all times in a history. */
export const now = () => performance.now();
