// The state of the feed: the numbers of polls that found a change, and the last change of each tag. Every step is stored before
// it is told. Where continuity cannot be shown, a new feed epoch begins and nothing numbered before counts.
import type { SyncAnswer, SyncRequest } from "./feed.ts";
import type { FeedStore, StoredFeed } from "./feed-store.ts";
import { LastChanges } from "./last-changes.ts";
import { CATALOG_TAG } from "./tag.ts";

interface FeedStateDeps {
	store: FeedStore;
	/** The clock, in milliseconds. Never goes back. */
	now: () => number;
	log: (error: unknown) => void;
	/** Bound of LastChanges. */
	maxTags: number | undefined;
}

/** The cursor is stored with each change, and this often without one. */
const STORE_CURSOR_MS = 600_000;
/** What changed since an older cursor may be too much to read, and no entry lives this long. */
const OLD_CURSOR_MS = 3_600_000;

type Numbered = Pick<StoredFeed, "feedEpoch" | "seq">;

export type FeedState = ReturnType<typeof createFeedState>;

export function createFeedState({ store, now, log, maxTags }: FeedStateDeps) {
	const objectRun = randomName();
	let stored: StoredFeed | undefined;
	let changes: LastChanges;
	restore();

	return {
		objectRun,
		get stored() {
			return stored;
		},
		lastCatalogChange: () => changes.lastChange(CATALOG_TAG),
		isSchemaLoaded,
		schemaLoaded,
		usableCursor,
		beginEpoch,
		number,
		moveTo,
		answer,
	};

	function restore(): void {
		try {
			const loaded = store.load();
			changes = new LastChanges(loaded?.state.prunedBelow, maxTags);
			if (loaded === undefined) return;
			changes.record(loaded.changes);
			const { seq, storedAt } = loaded.state;
			stored = {
				...loaded.state,
				// The storage may have been set back to an older state. There are fewer numbers than milliseconds, so this is above
				// every number that was given.
				seq: Math.max(seq, now()),
				// The clock may have been ahead.
				storedAt: Math.min(storedAt, now()),
			};
			store.append(stored, []);
		} catch (error) {
			log(error);
			stored = undefined;
			changes = new LastChanges(0, maxTags);
		}
	}

	/** @param readAt when the database was polled last in this run of the object */
	function usableCursor(readAt: number): string | undefined {
		if (stored === undefined) return undefined;
		const isRecent = now() - Math.max(readAt, stored.storedAt) <= OLD_CURSOR_MS;
		return isRecent ? stored.cursor : undefined;
	}

	/** Nothing that was numbered before can be compared with what is numbered from now on. */
	function beginEpoch(cursor: string): StoredFeed {
		const next: StoredFeed = {
			feedEpoch: randomName(),
			seq: 1,
			prunedBelow: 0,
			cursor,
			storedAt: now(),
			loadedSchemaSeq: 0,
		};
		store.rewrite(next, []);
		changes = new LastChanges(0, maxTags);
		stored = next;
		return next;
	}

	/** Numbers the changes of one poll. */
	function number(tags: readonly string[], cursor: string): void {
		if (stored === undefined) return;
		const seq = stored.seq + 1;
		const found = tags.map((tag) => [tag, seq] as const);
		changes.record(found);
		const next: StoredFeed = {
			...stored,
			seq,
			cursor,
			prunedBelow: changes.prunedBelow,
			storedAt: now(),
		};
		const isGrown = store.append(next, found);
		if (isGrown) store.rewrite(next, changes.since(0));
		stored = next;
	}

	/** Before an epoch, the schema may have changed in any way. Its first number is 1. */
	function isSchemaLoaded(): boolean {
		const needed = Math.max(1, changes.lastChange(CATALOG_TAG));
		return stored !== undefined && needed <= stored.loadedSchemaSeq;
	}

	/** PostgREST has loaded the schema as of a number that the feed gave. */
	function schemaLoaded({ feedEpoch, seq }: Numbered): void {
		if (stored?.feedEpoch !== feedEpoch || seq <= stored.loadedSchemaSeq)
			return;
		stored = { ...stored, loadedSchemaSeq: seq };
		store.append(stored, []);
	}

	/** Moves the cursor after a poll that found no change. */
	function moveTo(cursor: string): void {
		if (stored === undefined) return;
		const isDue = now() - stored.storedAt >= STORE_CURSOR_MS;
		const storedAt = isDue ? now() : stored.storedAt;
		const next = { ...stored, cursor, storedAt };
		if (isDue) store.append(next, []);
		stored = next;
	}

	/** @param asOf when the last poll began */
	function answer(
		current: StoredFeed,
		known: SyncRequest["known"],
		asOf: number,
	): SyncAnswer {
		if (known?.feedEpoch === current.feedEpoch && known.seq > current.seq) {
			// The feed never gave this number: its storage was set back to an older state.
			return answer(beginEpoch(current.cursor), known, asOf);
		}
		const { feedEpoch, seq, cursor } = current;
		const isWhole = known?.feedEpoch !== feedEpoch;
		const since = isWhole ? 0 : known.seq;
		return {
			state: "following",
			feedEpoch,
			seq,
			// Not the stored one: fewer changes may have been kept when they were restored.
			prunedBelow: changes.prunedBelow,
			objectRun,
			asOf,
			now: now(),
			cursor,
			// Most isolates that ask know everything.
			changes: since === seq ? [] : changes.since(since),
			isWhole,
			isSchemaLoaded: isSchemaLoaded(),
		};
	}
}

function randomName(): string {
	return crypto.randomUUID().replaceAll("-", "").slice(0, 16);
}
