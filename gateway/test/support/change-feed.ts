// The surroundings of the change feed: time that only the test lets pass, a database whose outbox is read by snapshots, and
// storage that is kept when the object ends.
import type { Change } from "../../src/feed/feed.ts";
import type { FeedStore, StoredFeed } from "../../src/feed/feed-store.ts";
import { createFollower } from "../../src/feed/follower.ts";
import { Absent, type Poll, type Tracking } from "../../src/feed/tracking.ts";
import { NOW } from "./tokens.ts";

/** Long enough for every chain of promises here. */
const MICROTASKS = 60;

export async function settle(): Promise<void> {
	for (let count = 0; count < MICROTASKS; count++) await null;
}

export type Time = ReturnType<typeof stoppedTime>;

/** Time that passes only when the test says so. Each sleeper wakes at its own moment. */
export function stoppedTime(start = NOW) {
	const sleepers: { at: number; wake: () => void }[] = [];
	const time = {
		ms: start,
		/** In whole milliseconds, as Date.now has it. */
		now: () => Math.floor(time.ms),
		sleep: (ms: number) =>
			new Promise<void>((wake) => {
				sleepers.push({ at: time.ms + ms, wake });
			}),
		async pass(ms: number) {
			const until = time.ms + ms;
			await settle();
			for (;;) {
				const next = sleepers.reduce<{ at: number; wake: () => void }>(
					(first, sleeper) => (sleeper.at < first.at ? sleeper : first),
					{ at: Number.POSITIVE_INFINITY, wake: () => {} },
				);
				if (next.at > until) break;
				sleepers.splice(sleepers.indexOf(next), 1);
				time.ms = Math.max(time.ms, next.at);
				next.wake();
				await settle();
			}
			time.ms = until;
		},
		/** Lets time pass until the work has ended. */
		async until<Value>(work: Promise<Value>): Promise<Value> {
			let hasEnded = false;
			const end = () => {
				hasEnded = true;
			};
			work.then(end, end);
			await settle();
			while (!hasEnded) await time.pass(1);
			return work;
		},
	};
	return time;
}

/** What one transaction logged. */
interface Logged {
	readonly xid: number;
	readonly tags: readonly string[];
}

interface Snapshot {
	readonly next: number;
	readonly running: readonly number[];
	readonly version: string;
}

export type Database = ReturnType<typeof startDatabase>;

/** Answers as `postern.changes_since` does: what is visible now and was not in the cursor's snapshot. */
export function startDatabase() {
	const outbox: Logged[] = [];
	let objectRun = 1;
	let next = 1;
	let running: number[] = [];
	let isPruned = false;
	const database = {
		/** The answer to a poll, where it is another one. */
		fault: undefined as (() => Poll | Promise<Poll>) | undefined,
		/** Of the catalog. A poll reports its change, which no event trigger sees. */
		version: "1",
		cursors: [] as (string | undefined)[],
		catalogsRead: 0,
		prunings: 0,
		hasMoreToPrune: false,
		/** How many markers were made. PostgREST loads the last of them, unless it is slow. */
		markers: 0,
		isSchemaSlow: false,
		/** Begins a transaction with a change. @returns a function that ends it, committed or not */
		begin(...tags: string[]): () => boolean {
			const xid = next++;
			running.push(xid);
			outbox.push({ xid, tags });
			return () => {
				const isCommitted = running.includes(xid);
				running = running.filter((other) => other !== xid);
				return isCommitted;
			};
		},
		commit(...tags: string[]): void {
			database.begin(...tags)();
		},
		/** Makes all earlier cursors invalid, and rolls back open transactions. */
		restart(): void {
			objectRun += 1;
			running = [];
		},
		/** Makes all earlier cursors too old, for one poll. */
		pruneAll(): void {
			isPruned = true;
		},
		since(cursor: string | undefined): Poll {
			const snapshot = { next, running, version: database.version };
			const answer = { cursor: write(snapshot), isReset: true, tags: [] };
			const since = cursor === undefined ? undefined : read(cursor);
			if (since === undefined || isPruned) {
				isPruned = false;
				return answer;
			}
			const found = outbox.filter(
				({ xid }) => isVisible(xid, snapshot) && !isVisible(xid, since),
			);
			const isOther = since.version !== snapshot.version;
			const tags = new Set([
				...found.flatMap((change) => change.tags),
				...(isOther ? ["catalog"] : []),
			]);
			return { ...answer, isReset: false, tags: [...tags] };
		},
		tracking: {
			async poll(cursor): Promise<Poll> {
				database.cursors.push(cursor);
				return database.fault?.() ?? database.since(cursor);
			},
			async loadCatalog(): Promise<object> {
				database.catalogsRead += 1;
				return { contract: 1, version: database.version };
			},
			async prune(): Promise<boolean> {
				database.prunings += 1;
				return !database.hasMoreToPrune;
			},
			async markSchema(): Promise<string> {
				database.markers += 1;
				return `marker_${database.markers}`;
			},
			async hasLoaded(marker): Promise<boolean> {
				return (
					!database.isSchemaSlow && marker === `marker_${database.markers}`
				);
			},
		} satisfies Tracking,
	};
	return database;

	function write(snapshot: Snapshot): string {
		return JSON.stringify({ objectRun, ...snapshot });
	}

	function read(cursor: string): Snapshot | undefined {
		const { objectRun: of, ...snapshot } = JSON.parse(cursor);
		return of === objectRun ? snapshot : undefined;
	}
}

function isVisible(xid: number, { next, running }: Snapshot): boolean {
	return xid < next && !running.includes(xid);
}

export const absent = () => {
	throw new Absent("there is nothing");
};

/** The durable storage of an object. */
export function memoryStore() {
	const kept = {
		state: undefined as StoredFeed | undefined,
		changes: [] as Change[],
		writes: 0,
		isGrown: false,
		/** For one run of the object, which writes nothing after its end. */
		open(isAlive: () => boolean = () => true): FeedStore {
			const write = (state: StoredFeed, changes: readonly Change[]) => {
				if (!isAlive()) throw new Error("the object is gone");
				kept.writes += 1;
				kept.state = structuredClone(state);
				kept.changes = structuredClone([...changes]);
			};
			return {
				load: () =>
					kept.state && { state: kept.state, changes: [...kept.changes] },
				append(state, changes) {
					write(state, [...kept.changes, ...changes]);
					return kept.isGrown;
				},
				rewrite: write,
			};
		},
	};
	return kept;
}

/** A follower with its database, its storage and its time. */
export function startFollower({
	time = stoppedTime(),
	database = startDatabase(),
	kept = memoryStore(),
	maxTags = 1_000,
	tracking = database.tracking,
}: {
	time?: Time;
	database?: Database;
	kept?: ReturnType<typeof memoryStore>;
	maxTags?: number;
	tracking?: Tracking;
} = {}) {
	const logged: unknown[] = [];
	/** When the follower wants to be woken, in milliseconds from the moment it said so. */
	const wakes: number[] = [];
	const start = () =>
		createFollower({
			tracking,
			store: kept.open(),
			now: time.now,
			sleep: time.sleep,
			wakeIn: (ms) => wakes.push(ms),
			log: (problem) => logged.push(problem),
			maxTags,
		});
	return {
		time,
		database,
		kept,
		logged,
		wakes,
		follower: start(),
		/** Another run of the object, on the same storage. */
		restart: start,
	};
}
