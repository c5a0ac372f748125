// How an isolate keeps up with the change feed. Gives a view that is young enough and covers the client's tokens, and the
// catalog as of that view. Where the feed gives neither, it says why, and the origin is asked.

import type { Feed, SyncAnswer } from "../feed/feed.ts";
import type { Catalog } from "../planner/catalog.ts";
import { FORCING_TOKEN } from "./consistency-token.ts";
import { createKnownCatalog } from "./known-catalog.ts";
import { createSharedCalls } from "./shared-calls.ts";
import { createSingleFlight } from "./single-flight.ts";
import type { Sleep } from "./sleep.ts";
import { type Call, createKnownFeed, type Needs, type View } from "./view.ts";

export interface Freshness {
	/** A view no older than maxAgeMs that covers the tokens; undefined where there is none and the origin has to be asked. */
	view(needs: Needs): Promise<View | undefined>;
	/** As `view`, without waiting: undefined where the feed has to be asked. */
	knownView(needs: Needs): View | undefined;
	/** The catalog as of the view; undefined while another request loads it, and where it cannot be loaded. */
	catalog(view: View): Promise<Catalog | undefined>;
	/** As `catalog`, without waiting: undefined where it has to be loaded. */
	knownCatalog(view: View): Catalog | undefined;
	/** The last known catalog, current or not. */
	lastCatalog(): Catalog | undefined;
	/** Asks the feed. @returns a token that covers the write that was just done. Never rejects. */
	afterWrite(): Promise<string>;
	/** A token for everything that the origin has shown by now. */
	consistencyTokenNow(): string;
	/** What the feed has told, however old, with the catalog as of it; undefined where it has told nothing lately. */
	lastKnown(maxSilenceMs: number): Promise<LastKnown | undefined>;
	/** Whether the feed says that it cannot poll because the origin is away. */
	readonly isOriginAway: boolean;
	/** Why there is no view or no catalog. */
	readonly reason: string | undefined;
	/** Why the feed says that the database tracks nothing. */
	readonly absence: string | undefined;
}

export interface LastKnown {
	readonly view: View;
	readonly catalog: Catalog;
}

interface FreshnessDeps {
	feed: Feed;
	/** Is called when the feed polls the origin again after a failure. */
	onOriginBack: () => void;
	/** @throws {Error} on what is not a catalog */
	parseCatalog: (json: unknown) => Catalog;
	/** The clock, in milliseconds. */
	now: () => number;
	sleep: Sleep;
	waitUntil: (promise: Promise<unknown>) => void;
	log: (error: unknown) => void;
}

/** Longest wait for the feed. */
const CALL_LIMIT_MS = 2_000;
/** A little longer than CALL_LIMIT_MS. A request whose call is still under way after this was cancelled by the runtime. */
const FLIGHT_LIMIT_MS = 2_500;
/** The feed is not asked for this long after a failure. */
const COOL_DOWN_MS = 1_000;
/** The feed is not asked for this long after it said that the database tracks nothing. */
const ABSENCE_MS = 30_000;

export function createFreshness(deps: FreshnessDeps): Freshness {
	const { feed, onOriginBack, parseCatalog, now, sleep, waitUntil, log } = deps;
	const flights = createSingleFlight({
		now,
		sleep,
		limitMs: FLIGHT_LIMIT_MS,
		maxFlights: 3,
	});
	const known = createKnownFeed(now);
	const catalog = createKnownCatalog({
		load: () =>
			withinLimit(
				withRetry(() => feed.catalog()),
				CALL_LIMIT_MS,
				sleep,
			),
		...{ parseCatalog, flights, now, waitUntil, log },
	});
	let calls = 0;
	let heardAt = Number.NEGATIVE_INFINITY;
	let isOriginAway = false;
	let failure: "feed-unreachable" | "untracked" | undefined;
	let absence: string | undefined;
	let quietUntil = Number.NEGATIVE_INFINITY;

	const shared = { flights, call, suitable, isQuiet, now, waitUntil };
	const reads = createSharedCalls({ name: "read", ...shared });
	// Writes have calls of their own: a call that began before a write does not cover it.
	const writes = createSharedCalls({ name: "write", ...shared });

	return {
		view: async (needs) => knownView(needs) ?? reads.join(needs),
		knownView,
		catalog: catalog.at,
		knownCatalog: catalog.current,
		lastCatalog: catalog.last,
		async afterWrite() {
			const view = await writes.join({ maxAgeMs: 0, consistencyTokens: [] });
			// Another isolate may know already that the database has begun to track.
			return view?.consistencyToken ?? FORCING_TOKEN;
		},
		consistencyTokenNow: () =>
			absence === undefined ? known.consistencyTokenNow() : FORCING_TOKEN,
		async lastKnown(maxSilenceMs) {
			const { view } = known;
			const isSilent = now() - heardAt > maxSilenceMs;
			if (view === undefined || isSilent || absence !== undefined)
				return undefined;
			const current = await catalog.at(view);
			return current && { view, catalog: current };
		},
		get isOriginAway() {
			return isOriginAway;
		},
		get absence() {
			return absence;
		},
		get reason() {
			if (failure !== undefined) return failure;
			return known.view && catalog.current(known.view) === undefined
				? "catalog-reading"
				: undefined;
		},
	};

	function knownView(needs: Needs): View | undefined {
		const view = suitable(needs);
		if (view !== undefined && now() - view.asOf > needs.maxAgeMs / 2)
			reads.keepUp(needs.maxAgeMs);
		return view;
	}

	function suitable(needs: Needs): View | undefined {
		return absence === undefined ? known.suitable(needs) : undefined;
	}

	/** @returns the view of the call's answer, or a newer one */
	async function call(needs: Needs): Promise<View | undefined> {
		const sent: Call = { number: ++calls, sentAt: now() };
		const request = { ...needs, known: known.sent };
		try {
			return await withinLimit(
				// Later requests can use an answer that comes too late for this one.
				withRetry(() => feed.sync(request)).then((answer) =>
					learn(answer, sent),
				),
				CALL_LIMIT_MS,
				sleep,
			);
		} catch (error) {
			if (failure !== "feed-unreachable") log(error);
			isOriginAway =
				error instanceof CannotPoll && error.message.startsWith("origin-");
			failure = "feed-unreachable";
			quietUntil = now() + COOL_DOWN_MS;
			return undefined;
		}
	}

	/** @throws {Error} where the feed could not poll */
	function learn(answer: SyncAnswer, call: Call): View | undefined {
		heardAt = Math.max(heardAt, call.sentAt);
		if (answer.state === "absent") {
			if (known.isNewerThan(call)) return undefined;
			if (absence === undefined)
				log(new Error(`Nothing is cached: ${answer.reason}`));
			absence = answer.reason;
			failure = "untracked";
			quietUntil = now() + ABSENCE_MS;
			return undefined;
		}
		absence = undefined;
		const view = known.merge(answer, call);
		if (answer.failure !== undefined) throw new CannotPoll(answer.failure);
		if (failure === "feed-unreachable") onOriginBack();
		failure = undefined;
		isOriginAway = false;
		return view;
	}

	function isQuiet(): boolean {
		return now() < quietUntil;
	}
}

/** The feed's object answers, and cannot ask the database. The message is its `FeedFailure`. */
class CannotPoll extends Error {
	override readonly name = "CannotPoll";
}

/** @throws {Error} where the change feed takes longer */
export function withinLimit<Value>(
	call: Promise<Value>,
	limitMs: number,
	sleep: Sleep,
): Promise<Value> {
	const limit = sleep(limitMs, call).then(() => {
		throw new Error(`The change feed took more than ${limitMs} ms`);
	});
	return Promise.race([call, limit]);
}

/** Calls once more where the object was just restarted or moved. An overloaded object is not called again. */
export async function withRetry<Value>(
	ask: () => Promise<Value>,
): Promise<Value> {
	try {
		return await ask();
	} catch (error) {
		const { retryable = false, overloaded = false } = error as {
			retryable?: boolean;
			overloaded?: boolean;
		};
		if (!retryable || overloaded) throw error;
		return ask();
	}
}
