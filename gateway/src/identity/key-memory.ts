// What an isolate remembers of API keys. A known key is answered from memory and looked up again in the background. An unknown
// key is looked up at a bounded rate, and never takes a known one's place. Holds values: no request awaits another one's promise.
import { BoundedMap } from "../cache/bounded-map.ts";
import { createSingleFlight } from "../consistency/single-flight.ts";
import { Refusal } from "../http/refusals.ts";
import type { ApiKey } from "./identity.ts";

export interface KeyMemoryDeps {
	/** Asks the database for the key with this hash. @returns undefined for a key that is unknown or revoked */
	lookUp: (hash: string) => Promise<ApiKey | undefined>;
	/** Is asked before a look-up of a key that was never found. @throws {Refusal} @returns takes it back, for a key that is found */
	onUnknownKey: () => Promise<() => void>;
	/** The clock, in milliseconds since the epoch. */
	now: () => number;
	sleep: (ms: number) => Promise<void>;
	/** Work that goes on after the answer of the request at hand. */
	waitUntil: (promise: Promise<unknown>) => void;
	log: (error: unknown) => void;
}

/** A key is looked up again when its last look-up is older than `refreshMs`. One older than `usableMs` is not believed. */
const AGES: Record<ApiKey["kind"], { refreshMs: number; usableMs: number }> = {
	// It lets its caller do what a caller without credentials may do.
	publishable: { refreshMs: 60_000, usableMs: 86_400_000 },
	// As long as a verified token is believed.
	secret: { refreshMs: 5_000, usableMs: 60_000 },
};
/** A new key is accepted within this time after it was refused. */
const UNKNOWN_MS = 5_000;
/** A look-up that failed is not repeated sooner. A refusal with status 503 asks its client to wait as long. */
const FAILED_MS = 1_000;
const MAX_REMEMBERED = 1_000;

/** Look-ups of keys that were never found: this many at once, and one more in each of these times. */
const UNKNOWN_BURST = 50;
const UNKNOWN_PAUSE_MS = 200;

/** A look-up that takes longer is not waited for: its request may have been cancelled. */
const WAIT_MS = 5_000;

/** What a look-up brought. */
type Outcome = { key: ApiKey | undefined } | { error: unknown };

export interface KeyMemory {
	/** Finds a key by its hash. @returns `undefined` for a key that is unknown or revoked */
	find(hash: string): Promise<ApiKey | undefined>;
	/** What `find` would give at once; undefined where it looks the key up, or finds none. */
	recallKey(hash: string): ApiKey | undefined;
}

export function createKeyMemory(deps: KeyMemoryDeps): KeyMemory {
	const { lookUp, onUnknownKey, now, sleep, waitUntil, log } = deps;
	const found = new BoundedMap<{ key: ApiKey; asOf: number }>(MAX_REMEMBERED);
	/** Keys that were unknown, or could not be looked up. */
	const notFound = new BoundedMap<{ outcome: Outcome; until: number }>(
		MAX_REMEMBERED,
	);
	const flights = createSingleFlight({
		now,
		sleep,
		limitMs: WAIT_MS,
		maxFlights: MAX_REMEMBERED,
	});
	const budget = createBudget(UNKNOWN_BURST, UNKNOWN_PAUSE_MS, now);

	return {
		async find(hash) {
			let outcome = recall(hash);
			while (outcome === undefined) outcome = await lookUpOnce(hash);
			if ("error" in outcome) throw outcome.error;
			return outcome.key;
		},
		recallKey(hash) {
			const outcome = recall(hash);
			return outcome !== undefined && "key" in outcome
				? outcome.key
				: undefined;
		},
	};

	function recall(hash: string): Outcome | undefined {
		const known = found.get(hash);
		if (known === undefined) return recallNotFound(hash);
		const { refreshMs, usableMs } = AGES[known.key.kind];
		const ageMs = now() - known.asOf;
		if (ageMs >= usableMs) return recallNotFound(hash);
		if (ageMs >= refreshMs) refresh(hash);
		return known;
	}

	function recallNotFound(hash: string): Outcome | undefined {
		const last = notFound.get(hash);
		return last !== undefined && now() < last.until ? last.outcome : undefined;
	}

	/** Looks a key up in the background, unless that is under way or has just failed. */
	function refresh(hash: string): void {
		if (flights.isUnderWay(hash) || recallNotFound(hash) !== undefined) return;
		waitUntil(
			flights.run<void>(
				hash,
				() => undefined,
				async () => {
					const outcome = await askDatabase(hash);
					if ("error" in outcome) log(outcome.error);
				},
			),
		);
	}

	/** @returns undefined where the request that looked the key up was cancelled */
	function lookUpOnce(hash: string): Promise<Outcome | undefined> {
		return flights.run(
			hash,
			() => recall(hash),
			async () => {
				const isNew = found.get(hash) === undefined;
				const takeBack = isNew ? await onUnknownKey() : undefined;
				if (isNew && !budget.take()) {
					takeBack?.();
					throw new Refusal("over_request_rate_limit", {
						headers: { "Retry-After": "1" },
					});
				}
				// Other requests wait for it, so it goes on when its own client goes away.
				const asking = askDatabase(hash).then((outcome) => {
					if (!("key" in outcome && outcome.key === undefined)) takeBack?.();
					return outcome;
				});
				waitUntil(asking);
				return asking;
			},
		);
	}

	/** An error is an outcome, too. */
	async function askDatabase(hash: string): Promise<Outcome> {
		// The time before the database is asked: a key that is revoked meanwhile is believed no longer than another.
		const asOf = now();
		try {
			const key = await lookUp(hash);
			if (key === undefined) {
				found.delete(hash);
				return rememberNotFound(hash, { key }, asOf + UNKNOWN_MS);
			}
			if (found.get(hash) === undefined) budget.giveBack();
			found.set(hash, { key, asOf });
			return { key };
		} catch (error) {
			return rememberNotFound(hash, { error }, now() + FAILED_MS);
		}
	}

	function rememberNotFound(hash: string, outcome: Outcome, until: number) {
		notFound.set(hash, { outcome, until });
		return outcome;
	}
}

/** Lets `burst` through at once, and one more in each `pauseMs`. */
function createBudget(burst: number, pauseMs: number, now: () => number) {
	/** When nothing will be spent. */
	let fullAt = Number.NEGATIVE_INFINITY;
	return {
		take(): boolean {
			const next = Math.max(fullAt, now()) + pauseMs;
			if (next - now() > burst * pauseMs) return false;
			fullAt = next;
			return true;
		},
		giveBack(): void {
			fullAt -= pauseMs;
		},
	};
}
