// The record of a run: every operation with its time by one monotonic clock, in milliseconds, and its outcome.

/** The caller of a request. */
export interface User {
	readonly name: string;
	readonly role: string;
	readonly claims: Readonly<Record<string, string>>;
}

interface Step {
	/** The session that did it, one operation after another. */
	readonly session: string;
	readonly sentAt: number;
	/** When the answer had arrived, or when it was clear that none would. */
	readonly endedAt: number;
}

export interface Read extends Step {
	readonly kind: "read";
	readonly user: string;
	readonly query: string;
	/** The isolate or the PostgREST that answered. */
	readonly from: string;
	/** Canonical text of the answer; undefined if there was none, or it was a failure. */
	readonly answer: string | undefined;
	/** The reason if there is no answer: a status, or an error of the connection. */
	readonly failure?: string | undefined;
	readonly cacheStatus: string;
	/** What the header Age says, which is whole seconds, rounded up. */
	readonly ageMs?: number | undefined;
	/** The session sent its consistency tokens, so it has to see what it saw before. */
	readonly isCausal: boolean;
	/** The maximum staleness in milliseconds, if the reader asked for another than the configured one. */
	readonly maxStalenessMs?: number | undefined;
}

export interface Write extends Step {
	readonly kind: "write";
	/** The name that the transaction has in the log. */
	readonly operation: string;
	readonly description: string;
	/** The answer said that it was done. */
	readonly isAcknowledged: boolean;
	/** If it is done, it changes something. */
	readonly hasEffect: boolean;
	/** The answer brought a consistency token. */
	readonly isCausal: boolean;
	readonly outcome: string;
}

/** One session receives another's tokens, and has to see from now on what that one saw. */
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
	/** The earliest moment when it was visible, by the same clock; the latest is the next transaction's. */
	readonly at: number;
	readonly changes: readonly Change[];
}

export interface Change {
	readonly relation: string;
	readonly key: string;
	/** null if the row was deleted. */
	readonly contents: unknown;
}

/** The clock of all times in a history. */
export const now = () => performance.now();
