// Polls of the database: one at a time, shared by all requests that one poll satisfies.
//
// All requests of a Durable Object run in one context. So here, unlike in the Worker, a request may await another one's promise.
import { PostgrestError } from "@supabase/postgrest-js";
import { covers } from "../consistency/consistency-token.ts";
import { absenceOf, reasonBy } from "../origin/origin-absence.ts";
import type { FeedFailure } from "./feed.ts";
import type { FeedState } from "./feed-state.ts";
import { Absent, type Poll, type Tracking, Untested } from "./tracking.ts";

interface PollsDeps {
	tracking: Tracking;
	state: FeedState;
	/** The clock, in milliseconds. Never goes back. */
	now: () => number;
	sleep: (ms: number) => Promise<void>;
}

/** The database is not polled for this long after it was found to track nothing. */
const ABSENCE_MS = 30_000;

const NEVER = Number.NEGATIVE_INFINITY;

export type Polls = ReturnType<typeof createPolls>;

export function createPolls({ tracking, state, now, sleep }: PollsDeps) {
	/** When the last poll that was answered began. */
	let asOf = NEVER;
	/** When the last poll began. */
	let begunAt = NEVER;
	let running: Promise<boolean> | undefined;
	let queued: Promise<boolean> | undefined;
	/** Why the last poll failed. */
	let failure: FeedFailure | undefined;
	let absence:
		| {
				readonly reason: string;
				readonly until: number;
				readonly mayPrune: boolean;
		  }
		| undefined;

	return {
		/** When the last poll that was answered began. In 1970 where this run of the object has made none. */
		get asOf() {
			return Math.max(0, asOf);
		},
		get failure() {
			return failure;
		},
		reach,
		isAbsent,
		/** Whether the outbox may be pruned: its writers go on where nothing is cached. */
		mayPrune: () => !isAbsent() || absence?.mayPrune === true,
		/** Why the database tracks nothing. */
		get absenceReason() {
			return absence?.reason ?? "nothing was read yet";
		},
	};

	/**
	 * Polls unless the last poll began no longer than maxAgeMs ago and covers the tokens.
	 * @returns false where the database tracks nothing
	 */
	async function reach(
		maxAgeMs: number,
		consistencyTokens: readonly string[],
	): Promise<boolean> {
		if (isAbsent()) return false;
		// A poll that is under way began too early for these.
		if (!(maxAgeMs > 0) || !consistencyTokens.every(isCovered))
			return nextPoll();
		if (now() - asOf <= maxAgeMs) return true;
		if (running !== undefined && now() - begunAt <= maxAgeMs) return running;
		return nextPoll();
	}

	function isCovered(consistencyToken: string): boolean {
		const { stored, objectRun } = state;
		if (stored === undefined) return false;
		const { feedEpoch, cursor } = stored;
		return covers({ feedEpoch, objectRun, asOf, cursor }, consistencyToken);
	}

	function isAbsent(): boolean {
		return absence !== undefined && now() < absence.until;
	}

	/** A poll that begins after the call. */
	function nextPoll(): Promise<boolean> {
		if (queued !== undefined) return queued;
		if (running === undefined) return beginPoll();
		queued = running
			.catch(() => false)
			.then(() => {
				queued = undefined;
				return beginPoll();
			});
		return queued;
	}

	function beginPoll(): Promise<boolean> {
		running = poll().finally(() => {
			running = undefined;
		});
		return running;
	}

	async function poll(): Promise<boolean> {
		// A position is a moment, so no two polls may begin in the same millisecond.
		while (now() <= begunAt) await sleep(1);
		const begun = now();
		begunAt = begun;
		const cursor = state.usableCursor(asOf);
		let found: Poll;
		try {
			found = await tracking.poll(cursor);
		} catch (error) {
			if (!(error instanceof Absent)) {
				const failed = new PollFailed(error);
				failure = failed.failure;
				throw failed;
			}
			absence = {
				reason: error.message,
				until: now() + ABSENCE_MS,
				mayPrune: error instanceof Untested,
			};
			return false;
		}
		if (cursor === undefined || found.isReset) state.beginEpoch(found.cursor);
		else if (found.tags.length > 0) state.number(found.tags, found.cursor);
		else state.moveTo(found.cursor);
		asOf = begun;
		absence = undefined;
		failure = undefined;
		return true;
	}
}

/** The database was not asked, or its answer was not one. */
export class PollFailed extends Error {
	override readonly name = "PollFailed";
	readonly failure: FeedFailure;

	constructor(cause: unknown) {
		super("The database could not be polled", { cause });
		const code = cause instanceof PostgrestError ? cause.code : undefined;
		this.failure =
			absenceOf(cause)?.reason ?? reasonBy(code) ?? "feed-unreachable";
	}
}
