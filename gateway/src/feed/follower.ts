// Follows what the database says of its changes: polls when it is asked, gives each poll that found something the next
// number, and remembers for each tag the last one. Guesses nothing: where continuity cannot be shown, a new epoch begins.
//
// All requests of a Durable Object run in one context, so here, unlike in the gateway, one may await what another began.

import { covers } from "../consistency/consistency-token.ts";
import type { Feed, SyncAnswer, SyncRequest } from "./feed.ts";
import type { FeedState, FeedStore } from "./feed-store.ts";
import { LastChanges } from "./last-changes.ts";
import { Absent, type Poll, type Tracking } from "./tracking.ts";

interface FollowerDeps {
	tracking: Tracking;
	store: FeedStore;
	/** The clock, in milliseconds. */
	now: () => number;
	sleep: (ms: number) => Promise<void>;
	/** Has `tick` called after this time, once, in place of any time that was set before. */
	wakeIn: (ms: number) => void;
	log: (problem: unknown) => void;
	/** How many tags are kept apart. */
	maxTags?: number;
}

export interface Follower extends Feed {
	/** Keeps the feed warm while it is used. Never rejects. */
	tick(): Promise<void>;
}

/** While the feed is used it polls this often by itself, so that most of what is asked can be answered from memory. */
const TICK_MS = 1_000;
/** A tick that is later than this does not come. */
const LATE_MS = 10_000;
/** It is used for this long after it was asked. */
const USE_MS = 30_000;
const ABSENCE_MS = 30_000;
/** The cursor is stored with each change, and this often without. */
const STORE_CURSOR_MS = 600_000;
/** What is since an older cursor may be too much to read, and no answer is kept for so long. */
const OLD_CURSOR_MS = 3_600_000;
const PRUNE_MS = 60_000;
/** While it is not used: the outbox must not grow for ever. */
const IDLE_PRUNE_MS = 3_600_000;
/** The catalog is read this often, whatever the events say: they do not tell of members of roles, nor of ALTER ROLE. */
const CATALOG_MS = 60_000;
/** By a tick a little sooner, so that nobody has to wait for it. */
const CATALOG_TICK_MS = 45_000;

const CATALOG = "catalog";

/** The catalog as it was read last. */
interface Reading {
	/** Before it was asked for. */
	readonly asOf: number;
	readonly feedEpoch: string;
	readonly seq: number;
	readonly json: unknown;
}

export function createFollower(deps: FollowerDeps): Follower {
	const { tracking, store, sleep, log } = deps;
	const now = neverBack(deps.now);
	const objectRun = randomName();
	const NEVER = Number.NEGATIVE_INFINITY;

	let state: FeedState | undefined;
	/** There was one, and it could not be read. */
	let isLost = false;
	let changes: LastChanges;
	restore();

	/** When the last poll began that was answered, and the last one at all. */
	let asOf = NEVER;
	let begunAt = NEVER;
	let running: Promise<boolean> | undefined;
	let queued: Promise<boolean> | undefined;
	let absence: { readonly reason: string; readonly until: number } | undefined;

	let reading: Reading | undefined;
	let readingNow: Promise<void> | undefined;

	let usedAt = NEVER;
	let wakesAt = NEVER;
	let pruneAt = NEVER;
	const troubles = new Set<string>();

	return {
		async sync({ maxAgeMs, tokens = [], known }) {
			use();
			const [isThere] = await Promise.all([
				reach(maxAgeMs, tokens),
				checkCatalog(CATALOG_MS),
			]);
			return isThere && state ? following(state, known) : absent();
		},
		async catalog() {
			use();
			if (state === undefined) await reach(TICK_MS, []);
			// One that was being read already may be of before the catalog's last change.
			for (let round = 0; round < 2 && !isCurrent(reading); round++) {
				await loadCatalog();
			}
			if (reading === undefined || isAbsent())
				throw new Error(`There is no catalog: ${absent().reason}`);
			const { feedEpoch, seq, json } = reading;
			return { feedEpoch, seq, catalog: json };
		},
		async tick() {
			if (isAbsent()) return sleepOn(state && IDLE_PRUNE_MS);
			if (now() - usedAt > USE_MS) {
				// Writers go on writing.
				await attempt("prune", prune);
				return sleepOn(now() < pruneAt ? IDLE_PRUNE_MS : TICK_MS);
			}
			await Promise.all([
				attempt("poll", () => reach(TICK_MS / 2, [])),
				attempt("catalog", () => checkCatalog(CATALOG_TICK_MS)),
			]);
			await attempt("prune", prune);
			wake();
		},
	};

	function use(): void {
		usedAt = now();
		if (!isAbsent() && now() - wakesAt > LATE_MS) wake();
	}

	function wake(): void {
		wakesAt = now() + TICK_MS;
		deps.wakeIn(TICK_MS);
	}

	/** Until it is used, or the time has come. */
	function sleepOn(ms?: number): void {
		wakesAt = NEVER;
		if (ms !== undefined) deps.wakeIn(ms);
	}

	/** What goes wrong is told once, and again after it has gone well. */
	async function attempt(name: string, work: () => Promise<unknown>) {
		try {
			await work();
			troubles.delete(name);
		} catch (problem) {
			if (!troubles.has(name)) log(problem);
			troubles.add(name);
		}
	}

	// ---- Polling

	/**
	 * Sees to it that the last poll began no longer ago than that, and after the tokens were made.
	 * @returns whether there is anything to follow
	 */
	async function reach(
		maxAgeMs: number,
		tokens: readonly string[],
	): Promise<boolean> {
		if (isAbsent()) return false;
		// For those a poll that is running already would not do.
		if (!(maxAgeMs > 0) || !tokens.every(isCovered)) return nextPoll();
		if (now() - asOf <= maxAgeMs) return true;
		if (running !== undefined && now() - begunAt <= maxAgeMs) return running;
		return nextPoll();
	}

	function isCovered(token: string): boolean {
		return (
			state !== undefined &&
			covers({ feedEpoch: state.feedEpoch, objectRun, asOf }, token)
		);
	}

	function isAbsent(): boolean {
		return absence !== undefined && now() < absence.until;
	}

	/** A poll that begins after this call. One runs, one waits: whoever comes meanwhile waits for the same. */
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
		// Positions are moments: no two polls may begin in the same millisecond.
		while (now() <= begunAt) await sleep(1);
		const begun = now();
		begunAt = begun;
		const cursor = usableCursor();
		let found: Poll;
		try {
			found = await tracking.poll(cursor);
		} catch (error) {
			if (!(error instanceof Absent)) throw error;
			absence = { reason: error.message, until: now() + ABSENCE_MS };
			return false;
		}
		if (cursor === undefined || found.isReset) beginEpoch(found.cursor);
		else if (found.tags.length > 0) number(found.tags, found.cursor);
		else moveTo(found.cursor);
		asOf = begun;
		absence = undefined;
		return true;
	}

	function usableCursor(): string | undefined {
		if (state === undefined) return undefined;
		const readAt = Math.max(asOf, state.storedAt);
		return now() - readAt <= OLD_CURSOR_MS ? state.cursor : undefined;
	}

	// ---- What is known. Stored first, told afterwards.

	function restore(): void {
		try {
			const stored = store.load();
			changes = new LastChanges(stored?.state.prunedBelow, deps.maxTags);
			if (stored === undefined) return;
			changes.record(stored.changes);
			const { seq, storedAt, catalogChangedAt } = stored.state;
			state = {
				...stored.state,
				// Above all that were ever given, even where the storage was set back to an older state: there are fewer than milliseconds.
				seq: Math.max(seq, now()),
				// The clock may have been ahead.
				storedAt: Math.min(storedAt, now()),
				catalogChangedAt: catalogChangedAt && Math.min(catalogChangedAt, now()),
			};
			store.append(state, []);
		} catch (problem) {
			log(problem);
			isLost = true;
			state = undefined;
			changes = new LastChanges(0, deps.maxTags);
		}
	}

	/** Nothing that was numbered before is to be compared with anything that comes. */
	function beginEpoch(cursor: string): FeedState {
		const next: FeedState = {
			feedEpoch: randomName(),
			seq: 1,
			prunedBelow: 0,
			cursor,
			storedAt: now(),
			catalog: null,
			// Where something was lost, it may have been that.
			catalogChangedAt: state !== undefined || isLost ? now() : null,
		};
		store.rewrite(next, []);
		changes = new LastChanges(0, deps.maxTags);
		reading = undefined;
		state = next;
		return next;
	}

	function number(tags: readonly string[], cursor: string): void {
		if (state === undefined) return;
		const seq = state.seq + 1;
		const found = tags.map((tag) => [tag, seq] as const);
		changes.record(found);
		const isCatalogChanged = tags.includes(CATALOG);
		const next: FeedState = {
			...state,
			seq,
			cursor,
			prunedBelow: changes.prunedBelow,
			storedAt: now(),
			catalogChangedAt: isCatalogChanged ? now() : state.catalogChangedAt,
		};
		const isGrown = store.append(next, found);
		if (isGrown) store.rewrite(next, changes.since(0));
		state = next;
	}

	function moveTo(cursor: string): void {
		if (state === undefined) return;
		const isDue = now() - state.storedAt >= STORE_CURSOR_MS;
		const next = { ...state, cursor, storedAt: isDue ? now() : state.storedAt };
		if (isDue) store.append(next, []);
		state = next;
	}

	function following(
		current: FeedState,
		known: SyncRequest["known"],
	): SyncAnswer {
		if (known?.feedEpoch === current.feedEpoch && known.seq > current.seq) {
			// Numbers that were never given: what was stored has gone back in time.
			return following(beginEpoch(current.cursor), known);
		}
		const { feedEpoch, seq, catalogChangedAt } = current;
		const isWhole = known?.feedEpoch !== feedEpoch;
		return {
			state: "following",
			feedEpoch,
			seq,
			// Not the stored one: the stored log may hold more than was kept of it when it was read.
			prunedBelow: changes.prunedBelow,
			objectRun,
			asOf,
			now: now(),
			changes: changesSince(isWhole ? 0 : known.seq, seq),
			isWhole,
			catalogChangedMsAgo:
				catalogChangedAt === null ? null : now() - catalogChangedAt,
		};
	}

	/** Most of those who ask know all. */
	function changesSince(known: number, seq: number) {
		return known === seq ? [] : changes.since(known);
	}

	function absent() {
		const reason = absence?.reason ?? "nothing was read yet";
		return { state: "absent", reason } as const;
	}

	// ---- The catalog

	function isCurrent(reading: Reading | undefined): boolean {
		return (
			reading !== undefined &&
			changes.lastChange(CATALOG) <= reading.seq &&
			now() - reading.asOf <= CATALOG_MS
		);
	}

	/** Where it has been handed out, what it says must not be out of date for longer than that. */
	async function checkCatalog(maxAgeMs: number): Promise<void> {
		const isUsed = state !== undefined && state.catalog !== null;
		const readAt = reading?.asOf ?? NEVER;
		if (isUsed && !isAbsent() && now() - readAt > maxAgeMs) await loadCatalog();
	}

	function loadCatalog(): Promise<void> {
		readingNow ??= read().finally(() => {
			readingNow = undefined;
		});
		return readingNow;
	}

	async function read(): Promise<void> {
		if (state === undefined || isAbsent()) return;
		const { feedEpoch, seq } = state;
		const begun = now();
		const { version, json } = await tracking.loadCatalog();
		if (state.feedEpoch !== feedEpoch) return;
		const last = state.catalog;
		const isKnown = last !== null && changes.lastChange(CATALOG) <= last.seq;
		if (isKnown && last.version === version) {
			reading = { asOf: begun, feedEpoch, seq, json };
			return;
		}
		// No event told of the change, so it is numbered now; and the reading, which shows it, is of no other state of the catalog.
		if (isKnown) number([CATALOG], state.cursor);
		const currentAt = isKnown ? state.seq : seq;
		const next = { ...state, catalog: { version, seq: currentAt } };
		store.append(next, []);
		state = next;
		reading = { asOf: begun, feedEpoch, seq: currentAt, json };
	}

	async function prune(): Promise<void> {
		if (now() < pruneAt || isAbsent()) return;
		pruneAt = now() + PRUNE_MS;
		// The rest by the next tick.
		if (!(await tracking.prune())) pruneAt = now();
	}
}

/** Goes on at the same pace where the clock is set back. */
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

function randomName(): string {
	return crypto.randomUUID().replaceAll("-", "").slice(0, 16);
}
