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

export type FeedState = ReturnType<typeof createFeedState>;

export function createFeedState({ store, now, log, maxTags }: FeedStateDeps) {
	const objectRun = randomName();
	let stored: StoredFeed | undefined;
	/** Something was stored that cannot be read. */
	let isLost = false;
	let changes: LastChanges;
	restore();

	return {
		objectRun,
		get stored() {
			return stored;
		},
		lastCatalogChange: () => changes.lastChange(CATALOG_TAG),
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
			const { seq, storedAt, catalogChangedAt } = loaded.state;
			stored = {
				...loaded.state,
				// The storage may have been set back to an older state. There are fewer numbers than milliseconds, so this is above
				// every number that was given.
				seq: Math.max(seq, now()),
				// The clock may have been ahead.
				storedAt: Math.min(storedAt, now()),
				catalogChangedAt: catalogChangedAt && Math.min(catalogChangedAt, now()),
			};
			store.append(stored, []);
		} catch (error) {
			log(error);
			isLost = true;
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
			// What was lost may have been a change of the catalog.
			catalogChangedAt: stored !== undefined || isLost ? now() : null,
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
		const isCatalogChanged = tags.includes(CATALOG_TAG);
		const next: StoredFeed = {
			...stored,
			seq,
			cursor,
			prunedBelow: changes.prunedBelow,
			storedAt: now(),
			catalogChangedAt: isCatalogChanged ? now() : stored.catalogChangedAt,
		};
		const isGrown = store.append(next, found);
		if (isGrown) store.rewrite(next, changes.since(0));
		stored = next;
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
		const { feedEpoch, seq, catalogChangedAt } = current;
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
			// Most isolates that ask know everything.
			changes: since === seq ? [] : changes.since(since),
			isWhole,
			catalogChangedMsAgo:
				catalogChangedAt === null ? null : now() - catalogChangedAt,
		};
	}
}

function randomName(): string {
	return crypto.randomUUID().replaceAll("-", "").slice(0, 16);
}
