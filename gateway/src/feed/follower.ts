// Follows the database's changes for all isolates: answers what they ask, keeps itself warm by ticks while it is used, and
// prunes the outbox.

import type { Sleep } from "../consistency/sleep.ts";
import type { Feed, FeedFailure } from "./feed.ts";
import { createFeedState } from "./feed-state.ts";
import type { FeedStore } from "./feed-store.ts";
import { createLoadedCatalog } from "./loaded-catalog.ts";
import { createLoadedSchema } from "./loaded-schema.ts";
import { createPolls, PollFailed } from "./polls.ts";
import type { Tracking } from "./tracking.ts";

interface FollowerDeps {
	tracking: Tracking;
	store: FeedStore;
	/** The clock, in milliseconds. */
	now: () => number;
	sleep: Sleep;
	/** Schedules one call of `tick` after this time, in place of an earlier schedule. */
	wakeIn: (ms: number) => void;
	log: (error: unknown) => void;
	/** Bound of LastChanges. */
	maxTags?: number;
}

export interface Follower extends Feed {
	/** Keeps the feed warm while it is used. Never rejects. */
	tick(): Promise<void>;
}

/** While the feed is used it polls this often by itself, so that most requests are answered from memory. */
const TICK_MS = 1_000;
/** A tick that is later than this was lost, or is scheduled by a clock that is behind this one. */
const LATE_MS = 10_000;
/** The feed counts as used for this long after a request. */
const USE_MS = 30_000;
const PRUNE_MS = 60_000;
/** How long the first request of a run waits for PostgREST to have loaded the schema. Later ones do not wait. */
const LOOK_MS = 700;
/** While the feed is not used: writers go on, and the outbox must not grow for ever. */
const IDLE_PRUNE_MS = 3_600_000;

/** How long a request waits for a poll, which is less than an isolate waits for the object. */
const ANSWER_MS = 1_500;
/** The same while polls fail. */
const FAILING_ANSWER_MS = 200;

const NEVER = Number.NEGATIVE_INFINITY;

export function createFollower(deps: FollowerDeps): Follower {
	const { tracking, store, sleep, log, maxTags } = deps;
	const now = neverBack(deps.now);
	const state = createFeedState({ store, now, log, maxTags });
	const polls = createPolls({ tracking, state, now, sleep });
	const catalog = createLoadedCatalog({ tracking, state, polls });
	const schema = createLoadedSchema({ tracking, state, polls, now });

	let usedAt = NEVER;
	let wakesAt = NEVER;
	let pruneAt = NEVER;
	let firstLook: Promise<void> | undefined;
	const failing = new Set<string>();

	return {
		async sync({ maxAgeMs, consistencyTokens = [], known }) {
			use();
			const polling = polls.reach(maxAgeMs, consistencyTokens);
			const reached = await (state.stored ? orKnown(polling) : polling);
			if (reached === false || state.stored === undefined)
				return { state: "absent", reason: polls.absenceReason };
			if (reached === true) {
				firstLook ??= Promise.race([attempt("schema", look), sleep(LOOK_MS)]);
				await firstLook;
			}
			const answer = state.answer(state.stored, known, polls.asOf);
			return reached === true ? answer : { ...answer, failure: reached };
		},
		async catalog() {
			use();
			if (state.stored === undefined) await polls.reach(TICK_MS, []);
			return catalog.get();
		},
		async tick() {
			if (polls.isAbsent()) {
				await attempt("prune", prune);
				const mayPrune = state.stored !== undefined || polls.mayPrune();
				return sleepOn(mayPrune ? IDLE_PRUNE_MS : undefined);
			}
			if (now() - usedAt > USE_MS) {
				await attempt("prune", prune);
				return sleepOn(now() < pruneAt ? IDLE_PRUNE_MS : TICK_MS);
			}
			await attempt("poll", () => polls.reach(TICK_MS / 2, []));
			await upkeep();
			wake();
		},
	};

	/** Observes PostgREST until it has loaded the schema, or the first request of this run waits no longer. */
	async function look(): Promise<void> {
		const until = now() + LOOK_MS;
		for (let waitMs = 50; now() < until; waitMs *= 2) {
			await schema.observe();
			if (state.isSchemaLoaded() || polls.isAbsent()) return;
			await sleep(waitMs);
		}
	}

	/** The outcome of a poll; where it fails or takes long, the reason to answer by what is known already. */
	function orKnown(polling: Promise<boolean>): Promise<boolean | FeedFailure> {
		const limitMs = polls.failure === undefined ? ANSWER_MS : FAILING_ANSWER_MS;
		const late = sleep(limitMs, polling).then(
			() => polls.failure ?? "origin-timeout",
		);
		const ended = polling.catch((error) => {
			if (error instanceof PollFailed) return error.failure;
			throw error;
		});
		return Promise.race([ended, late]);
	}

	/** Where a tick is late, the request does the tick's work: each schedule replaces the one before, so that the tick might never come. */
	function use(): void {
		usedAt = now();
		if (polls.isAbsent() || now() - wakesAt <= LATE_MS) return;
		if (wakesAt !== NEVER) void upkeep();
		wake();
	}

	async function upkeep(): Promise<void> {
		await attempt("schema", schema.observe);
		await attempt("prune", prune);
	}

	function wake(): void {
		wakesAt = now() + TICK_MS;
		deps.wakeIn(TICK_MS);
	}

	/** Ends the regular ticks until the next request. @param ms until one more tick */
	function sleepOn(ms?: number): void {
		wakesAt = NEVER;
		if (ms !== undefined) deps.wakeIn(ms);
	}

	/** Logs only the first of several failures in a row. */
	async function attempt(name: string, work: () => Promise<unknown>) {
		try {
			await work();
			failing.delete(name);
		} catch (error) {
			if (!failing.has(name)) log(error);
			failing.add(name);
		}
	}

	async function prune(): Promise<void> {
		if (now() < pruneAt || !polls.mayPrune()) return;
		pruneAt = now() + PRUNE_MS;
		// The next tick prunes the rest.
		if (!(await tracking.prune())) pruneAt = now();
	}
}

/** A clock that goes on at the same pace where the given one is set back. */
function neverBack(clock: () => number): () => number {
	let last = Number.NEGATIVE_INFINITY;
	let lost = 0;
	return () => {
		const time = clock();
		if (time < last) lost += last - time;
		last = time;
		return time + lost;
	};
}
