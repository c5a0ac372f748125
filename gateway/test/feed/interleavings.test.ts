// Any order of things: commits early and late, polls that fail or hang, an object that ends at any point, answers that overtake
// each other, clocks that do not agree. In every order of events no view shows more than a poll has seen.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
	createFreshness,
	type Freshness,
} from "../../src/consistency/freshness.ts";
import type { View } from "../../src/consistency/view.ts";
import type { Feed, SyncAnswer } from "../../src/feed/feed.ts";
import { createFollower, type Follower } from "../../src/feed/follower.ts";
import type { Catalog } from "../../src/planner/catalog.ts";
import {
	memoryStore,
	startDatabase,
	stoppedTime,
} from "../support/change-feed.ts";
import { createRandom } from "../support/random.ts";

const ISOLATES = 3;
const MAX_STALENESS_MS = 5_000;

const TABLES = ["api.a", 'api."b(c)"'];

/** What a read may depend on: a table, or a row by its key. */
const PLANS = TABLES.flatMap((table) => [
	[table, "catalog"],
	...[1, 2].map((key) => [`${table}(${key})`, `${table}(*)`, "catalog"]),
]);

/** What a change may log. */
const LOGGED = [
	["catalog"],
	...TABLES.flatMap((table) => [
		[table, `${table}(*)`],
		...[1, 2].map((key) => [table, `${table}(${key})`]),
	]),
];

type Deed = { afterMs: number } & (
	| { kind: "commit"; tags: readonly string[]; takesMs: number }
	| { kind: "read"; isolate: number; plan: readonly string[]; maxAgeMs: number }
	| { kind: "write"; isolate: number; tags: readonly string[] }
	| { kind: "end object" }
	| { kind: "lose polls"; forMs: number; isSilent: boolean }
	| { kind: "restart database" }
	| { kind: "prune all" }
	/** A change that no event tells of. */
	| { kind: "alter role" }
);

const afterMs = fc.oneof(
	{ weight: 8, arbitrary: fc.double({ min: 0, max: 200, noNaN: true }) },
	{ weight: 2, arbitrary: fc.double({ min: 0, max: 1_200, noNaN: true }) },
	{ weight: 1, arbitrary: fc.double({ min: 0, max: 8_000, noNaN: true }) },
);
const logged = fc.constantFrom(...LOGGED);
const isolate = fc.nat(ISOLATES - 1);

const deed: fc.Arbitrary<Deed> = fc.oneof(
	{
		weight: 20,
		arbitrary: fc.record({
			kind: fc.constant("commit" as const),
			afterMs,
			tags: logged,
			takesMs: fc.oneof(
				fc.constant(0),
				fc.double({ min: 0, max: 3_000, noNaN: true }),
			),
		}),
	},
	{
		weight: 40,
		arbitrary: fc.record({
			kind: fc.constant("read" as const),
			afterMs,
			isolate,
			plan: fc.constantFrom(...PLANS),
			maxAgeMs: fc.constantFrom(0, 300, MAX_STALENESS_MS, MAX_STALENESS_MS),
		}),
	},
	{
		weight: 12,
		arbitrary: fc.record({
			kind: fc.constant("write" as const),
			afterMs,
			isolate,
			tags: logged,
		}),
	},
	{
		weight: 3,
		arbitrary: fc.record({ kind: fc.constant("end object" as const), afterMs }),
	},
	{
		weight: 1,
		arbitrary: fc.record({
			kind: fc.constant("lose polls" as const),
			afterMs,
			forMs: fc.double({ min: 0, max: 3_000, noNaN: true }),
			isSilent: fc.boolean(),
		}),
	},
	{
		weight: 1,
		arbitrary: fc.record({
			kind: fc.constantFrom(
				"restart database" as const,
				"prune all" as const,
				"alter role" as const,
			),
			afterMs,
		}),
	},
);

const setting = fc.record({
	seed: fc.integer(),
	/** How far each isolate's clock and the object's are off, in milliseconds. */
	offsets: fc.array(fc.double({ min: -1e6, max: 1e6, noNaN: true }), {
		minLength: ISOLATES + 1,
		maxLength: ISOLATES + 1,
	}),
	maxTags: fc.constantFrom(3, 6, 1_000, 1_000, 1_000),
	longestWayMs: fc.constantFrom(1, 150, 400),
	deeds: fc.array(deed, { minLength: 20, maxLength: 80, size: "max" }),
});
type Setting = typeof setting extends fc.Arbitrary<infer Value> ? Value : never;

interface Commit {
	readonly at: number;
	readonly tags: readonly string[];
}

/** An answer of the origin's, kept. */
interface Kept {
	readonly feedEpoch: string;
	readonly seq: number;
	/** When the database answered. */
	readonly readAt: number;
	readonly plan: readonly string[];
}

/** A view at some moment. What was asked of the origin from then on may be stored under it. */
interface Stamp {
	readonly feedEpoch: string;
	readonly seq: number;
	readonly at: number;
}

/** A token with the moment up to which everything was committed that it stands for. */
interface Given {
	readonly token: string;
	readonly until: number;
}

function isFresh(
	{ feedEpoch, seq }: Pick<Stamp, "feedEpoch" | "seq">,
	plan: readonly string[],
	view: View,
): boolean {
	return (
		feedEpoch === view.feedEpoch &&
		seq >= view.prunedBelow &&
		plan.every((tag) => view.lastChange(tag) <= seq)
	);
}

/** What was wrong, and what was done. */
async function live({ seed, offsets, maxTags, longestWayMs, deeds }: Setting) {
	const random = createRandom(seed);
	const time = stoppedTime(2_000_000);
	const database = startDatabase();
	database.version = "0";
	const durable = memoryStore();
	const wrong: string[] = [];
	const done = { hits: 0, fills: 0, bypasses: 0, covered: 0 };
	const commits: Commit[] = [];
	const kept: Kept[] = [];
	/** The first of each feed epoch and number. */
	const stamps = new Map<string, Stamp>();
	const given: Given[] = [];
	const numbers = new Map<string, number>();
	/** When each version of the catalog came; their numbers are their places. */
	const versions = [0];
	let lastRun = 0;
	let follower: Follower;
	let pollsLost: { until: number; isSilent: boolean } | undefined;

	const way = () => time.sleep(random() * longestWayMs);
	const clock = (index: number) => () =>
		Math.floor(time.ms + (offsets[index] ?? 0));

	/** What an object that has ended awaits never comes. */
	const ofRun =
		(objectRun: number) =>
		async <Value>(work: Promise<Value>): Promise<Value> => {
			try {
				const value = await work;
				if (objectRun === lastRun) return value;
			} catch (error) {
				if (objectRun === lastRun) throw error;
			}
			return new Promise(() => {});
		};

	function beginRun(): void {
		lastRun += 1;
		const objectRun = lastRun;
		const live = ofRun(objectRun);
		let alarm = 0;
		const own = createFollower({
			tracking: {
				...database.tracking,
				poll: (cursor) =>
					live(
						(async () => {
							await way();
							if (pollsLost && time.ms < pollsLost.until) {
								await time.sleep(pollsLost.isSilent ? 5_000 : 0);
								throw new Error("the poll is lost");
							}
							const answer = database.since(cursor);
							await way();
							return answer;
						})(),
					),
				loadCatalog: () =>
					live(
						(async () => {
							await way();
							const answer = await database.tracking.loadCatalog();
							await way();
							return answer;
						})(),
					),
			},
			store: durable.open(() => objectRun === lastRun),
			now: clock(ISOLATES),
			sleep: (ms) => live(time.sleep(ms)),
			wakeIn(ms) {
				alarm += 1;
				const set = alarm;
				time.sleep(ms).then(() => {
					if (set === alarm && objectRun === lastRun) own.tick();
				});
			},
			log: () => {},
			maxTags,
		});
		follower = own;
	}
	beginRun();

	/** The object as an isolate reaches it: it may end on the way there, while it works, and on the way back. */
	const feed: Feed = {
		async sync(request) {
			await way();
			const objectRun = lastRun;
			const answer = await Promise.race([
				follower.sync(structuredClone(request)),
				endOf(objectRun),
			]);
			checkNumber(answer);
			await way();
			return structuredClone(answer);
		},
		async catalog() {
			await way();
			const answer = await Promise.race([follower.catalog(), endOf(lastRun)]);
			await way();
			return structuredClone(answer);
		},
	};

	const ends = new Map<number, (error: Error) => void>();
	const endings = new Map<number, Promise<never>>();
	function endOf(objectRun: number): Promise<never> {
		const known = endings.get(objectRun);
		if (known) return known;
		const { promise, reject } = Promise.withResolvers<never>();
		promise.catch(() => {});
		ends.set(objectRun, reject);
		endings.set(objectRun, promise);
		return promise;
	}

	const isolates: Freshness[] = Array.from({ length: ISOLATES }, (_, index) =>
		createFreshness({
			onOriginBack() {},
			feed,
			parseCatalog: (json) => json as Catalog,
			now: clock(index),
			sleep: time.sleep,
			waitUntil: () => {},
			log: () => {},
		}),
	);

	/** Numbers are sent in their order, and each was stored before. */
	function checkNumber(answer: SyncAnswer): void {
		if (answer.state !== "following") return;
		const { feedEpoch, seq } = answer;
		if (seq < (numbers.get(feedEpoch) ?? 0))
			wrong.push(`${seq} after a higher number`);
		numbers.set(feedEpoch, seq);
		const stored = durable.state;
		if (stored?.feedEpoch !== feedEpoch || stored.seq < seq)
			wrong.push(`${seq} was told before it was stored`);
	}

	/** The view takes everything for stale that may have been kept before a change up to that moment. */
	function checkView(view: View, until: number, why: string): void {
		for (const { at, tags } of commits) {
			if (at > until) continue;
			const touched = PLANS.filter((plan) =>
				plan.some((tag) => tags.includes(tag)),
			);
			for (const stamp of stamps.values()) {
				if (stamp.at >= at) continue;
				for (const plan of touched) {
					if (isFresh(stamp, plan, view))
						wrong.push(
							`${why}: ${plan} of ${stamp.at} is fresh though ${tags} changed at ${at}`,
						);
				}
			}
		}
	}

	/** All that is promised of a view when it is given. */
	function check(view: View, index: number, tokens: readonly Given[]): void {
		checkView(view, view.asOf - (offsets[index] ?? 0), "asOf");
		checkView(view, latest(tokens), "token");
		const covered = given.filter(({ token }) => view.covers(token));
		done.covered += covered.length;
		checkView(view, latest(covered), "covered");
	}

	/** The catalog is no older than the view. */
	function checkCatalog(catalog: Catalog, view: View, index: number): void {
		const { version } = catalog as unknown as { version: string };
		const outdatedAt = versions[Number(version) + 1] ?? time.ms;
		const seenUntil = view.asOf - (offsets[index] ?? 0);
		for (const { at, tags } of commits) {
			if (at <= seenUntil && at >= outdatedAt && tags.includes("catalog"))
				wrong.push(`the catalog is of before ${at}`);
		}
	}

	function give(token: string | undefined, until: number): void {
		if (token !== undefined) given.push({ token, until });
	}

	/** None mostly, or some of those that were ever given, the newest most of all. */
	function someTokens(): Given[] {
		if (random() < 0.6) return [];
		return given.filter(
			(_, at) => random() < (at < given.length - 2 ? 0.05 : 0.5),
		);
	}

	async function read(
		index: number,
		plan: readonly string[],
		maxAgeMs: number,
	) {
		const freshness = isolates[index];
		if (freshness === undefined) return;
		const tokens = someTokens();
		const start = time.ms;
		const view = await freshness.view({
			maxAgeMs,
			consistencyTokens: tokens.map(({ token }) => token),
		});
		if (view === undefined) {
			done.bypasses += 1;
			return;
		}
		const { feedEpoch, seq } = view;
		const name = `${feedEpoch} ${seq}`;
		if (!stamps.has(name)) stamps.set(name, { feedEpoch, seq, at: time.ms });
		check(view, index, tokens);
		if (maxAgeMs === 0) checkView(view, start, "max-age 0");
		else checkView(view, start - maxAgeMs, "max-age");
		give(view.consistencyToken, view.asOf - (offsets[index] ?? 0));
		const catalog = await freshness.catalog(view);
		if (catalog !== undefined) checkCatalog(catalog, view, index);
		const entry = kept.find(
			(entry) => entry.plan === plan && isFresh(entry, plan, view),
		);
		if (entry !== undefined) {
			done.hits += 1;
			return;
		}
		await way();
		const readAt = time.ms;
		await way();
		kept.push({ feedEpoch, seq, readAt, plan });
		done.fills += 1;
		give(freshness.consistencyTokenNow(), readAt);
	}

	async function write(index: number, tags: readonly string[]) {
		const freshness = isolates[index];
		if (freshness === undefined) return;
		await way();
		commit(tags);
		const at = time.ms;
		await way();
		const token = await freshness.afterWrite();
		if (token === undefined) return;
		give(token, at);
		const view = await freshness.view({
			maxAgeMs: MAX_STALENESS_MS,
			consistencyTokens: [token],
		});
		if (view !== undefined) check(view, index, [{ token, until: at }]);
	}

	function commit(tags: readonly string[]): void {
		database.commit(...tags);
		note(tags);
	}

	function note(tags: readonly string[]): void {
		if (tags.includes("catalog")) {
			database.version = String(versions.length);
			versions.push(time.ms);
		}
		commits.push({ at: time.ms, tags });
	}

	function act(deed: Deed): void {
		if (deed.kind === "commit") {
			const end = database.begin(...deed.tags);
			time.sleep(deed.takesMs).then(() => {
				if (end()) note(deed.tags);
			});
		} else if (deed.kind === "read")
			read(deed.isolate, deed.plan, deed.maxAgeMs);
		else if (deed.kind === "write") write(deed.isolate, deed.tags);
		else if (deed.kind === "end object") {
			const error = Object.assign(new Error("restarted"), {
				retryable: random() < 0.5,
			});
			const end = ends.get(lastRun);
			beginRun();
			end?.(error);
		} else if (deed.kind === "lose polls")
			pollsLost = { until: time.ms + deed.forMs, isSilent: deed.isSilent };
		else if (deed.kind === "restart database") database.restart();
		else if (deed.kind === "prune all") database.pruneAll();
		else note(["catalog"]);
	}

	for (const deed of deeds) {
		await time.pass(deed.afterMs);
		act(deed);
	}
	// When nothing happens any more, every view is fresh and every answer stored.
	await time.pass(60_000);
	for (let index = 0; index < ISOLATES; index++) {
		const { hits } = done;
		for (let round = 0; round < 4; round++) {
			await time.until(read(index, PLANS[0] ?? [], MAX_STALENESS_MS));
			await time.pass(2_000);
		}
		if (done.hits === hits) wrong.push("nothing is fresh any more");
	}
	return { wrong, done };
}

function latest(tokens: readonly Given[]): number {
	return Math.max(0, ...tokens.map(({ until }) => until));
}

describe("in every order of events", () => {
	it("no view shows more than a poll has seen, and no number is given twice", async () => {
		const total = { hits: 0, fills: 0, bypasses: 0, covered: 0 };
		await fc.assert(
			fc.asyncProperty(setting, async (setting) => {
				const { wrong, done } = await live(setting);
				expect(wrong).toEqual([]);
				for (const name of Object.keys(total) as (keyof typeof total)[])
					total[name] += done[name];
			}),
			{ numRuns: 120 },
		);
		// Else it has shown nothing.
		expect(Math.min(...Object.values(total))).toBeGreaterThan(100);
	}, 60_000);
});
