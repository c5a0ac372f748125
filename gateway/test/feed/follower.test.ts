// The follower of the database's changes: when it polls, what it numbers, what it stores, and what a restart costs.
import { PostgrestError } from "@supabase/postgrest-js";
import { describe, expect, it } from "vitest";
import { toConsistencyToken } from "../../src/consistency/consistency-token.ts";
import type { SyncAnswer, SyncRequest } from "../../src/feed/feed.ts";
import type { FeedStore } from "../../src/feed/feed-store.ts";
import { PollFailed } from "../../src/feed/polls.ts";
import { Untested } from "../../src/feed/tracking.ts";
import { Refusal } from "../../src/http/refusals.ts";
import {
	absent,
	memoryStore,
	settle,
	startDatabase,
	startFollower,
	stoppedTime,
} from "../support/change-feed.ts";

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;

type Following = Extract<SyncAnswer, { state: "following" }>;
type Started = ReturnType<typeof startFollower>;

/** Asks, and lets time pass until the answer. */
async function sync(
	{ time, follower }: Pick<Started, "time" | "follower">,
	request: Partial<SyncRequest> = {},
): Promise<Following> {
	const work = follower.sync({ maxAgeMs: 0, ...request });
	const answer = await time.until(work);
	if (answer.state !== "following") throw new Error(answer.reason);
	return answer;
}

function postgrestError(code: string): PostgrestError {
	return new PostgrestError({ message: "", details: "", hint: "", code });
}

const changesOf = ({ changes }: Following) => Object.fromEntries(changes);

/** A database that answers polls when the test lets it. */
function heldPolls() {
	const database = startDatabase();
	const held: {
		answer: () => void;
		fail: (error: Error) => void;
	}[] = [];
	database.fault = () =>
		new Promise((resolve, reject) => {
			const cursor = database.cursors.at(-1);
			held.push({
				answer: () => resolve(database.since(cursor)),
				fail: reject,
			});
		});
	return { database, held };
}

/** A follower that knows where it is, with polls that are held from now on. */
async function startHeld() {
	const { database, held } = heldPolls();
	const { fault } = database;
	database.fault = undefined;
	const started = startFollower({ database });
	await sync(started);
	await started.time.pass(10);
	database.fault = fault;
	return { ...started, held };
}

describe("the first poll", () => {
	it("is made without a cursor", async () => {
		const started = startFollower();
		await sync(started);
		expect(started.database.cursors).toEqual([undefined]);
	});

	it("begins a feed epoch without changes", async () => {
		const started = startFollower();
		started.database.commit("api.a");
		const { seq, prunedBelow, changes, isWhole } = await sync(started);
		expect({ seq, prunedBelow, changes, isWhole }).toEqual({
			seq: 1,
			prunedBelow: 0,
			changes: [],
			isWhole: true,
		});
	});
});

describe("a change", () => {
	it("gets the number of the poll that found it", async () => {
		const started = startFollower();
		await sync(started);
		started.database.commit("api.a", "api.a(1)");
		const first = await sync(started);
		started.database.commit("api.b");
		const second = await sync(started);
		expect([first.seq, second.seq, changesOf(second)]).toEqual([
			2,
			3,
			{ "api.a": 2, "api.a(1)": 2, "api.b": 3 },
		]);
	});

	it("is found even if its transaction began before others that were found", async () => {
		const started = startFollower();
		await sync(started);
		const commit = started.database.begin("api.late");
		started.database.commit("api.early");
		await sync(started);
		commit();
		expect(changesOf(await sync(started))).toEqual({
			"api.early": 2,
			"api.late": 3,
		});
	});

	it("that is not there costs no number", async () => {
		const started = startFollower();
		const first = await sync(started);
		const second = await sync(started);
		expect([second.seq, second.feedEpoch]).toEqual([
			first.seq,
			first.feedEpoch,
		]);
	});

	it("is sent alone to an isolate that knows the others", async () => {
		const started = startFollower();
		await sync(started);
		started.database.commit("api.a");
		const { feedEpoch, seq } = await sync(started);
		started.database.commit("api.b");
		const known = { feedEpoch, seq };
		const answer = await sync(started, { known });
		expect([answer.isWhole, changesOf(answer)]).toEqual([
			false,
			{ "api.b": 3 },
		]);
	});

	it("is sent with all others to an isolate of another feed epoch", async () => {
		const started = startFollower();
		await sync(started);
		started.database.commit("api.a");
		const { seq } = await sync(started);
		const known = { feedEpoch: "other", seq };
		const answer = await sync(started, { known });
		expect([answer.isWhole, changesOf(answer)]).toEqual([true, { "api.a": 2 }]);
	});
});

describe("PostgREST's schema", () => {
	it("is loaded when it knows a table that was made after the catalog's last change", async () => {
		const started = startFollower();
		const { database, follower } = started;
		const first = await sync(started);
		database.commit("catalog");
		const changed = await sync(started);
		database.isSchemaSlow = true;
		await follower.tick();
		await started.time.pass(HOUR / 4);
		await sync(started);
		await follower.tick();
		const slow = await sync(started);
		database.isSchemaSlow = false;
		await follower.tick();
		const loaded = await sync(started);
		expect(
			[first, changed, slow, loaded].map(
				({ isSchemaLoaded }) => isSchemaLoaded,
			),
		).toEqual([true, false, false, true]);
		expect(database.markers).toBe(2);
	});

	it("is not proved by a table that was made before another change of the catalog", async () => {
		const started = startFollower();
		const { database, follower } = started;
		await sync(started);
		database.isSchemaSlow = true;
		database.commit("catalog");
		await sync(started);
		await follower.tick();
		database.commit("catalog");
		await sync(started);
		database.isSchemaSlow = false;
		const before = await sync(started);
		await follower.tick();
		expect([
			before.isSchemaLoaded,
			(await sync(started)).isSchemaLoaded,
			database.markers,
		]).toEqual([false, true, 3]);
	});

	it("is asked for again where a marker was not found for long, since the database drops it", async () => {
		const started = startFollower();
		await sync(started);
		started.database.isSchemaSlow = true;
		started.database.commit("catalog");
		for (const passed of [0, HOUR]) {
			await started.time.pass(passed);
			await sync(started);
			await started.follower.tick();
		}
		expect(started.database.markers).toBe(3);
	});

	it("is waited for by the first request of a run, though not for long", async () => {
		const database = startDatabase();
		database.isSchemaSlow = true;
		const started = startFollower({ database });
		const began = started.time.now();
		const { isSchemaLoaded } = await sync(started);
		const firstMs = started.time.now() - began;
		await sync(started);
		expect(isSchemaLoaded).toBe(false);
		expect([firstMs, started.time.now() - began]).toEqual([
			expect.closeTo(700, -1),
			expect.closeTo(700, -1),
		]);
	});

	it("is asked by requests where every tick is scheduled again before it comes", async () => {
		const started = startFollower();
		await sync(started);
		started.database.commit("catalog");
		const changed = await sync(started);
		await started.time.pass(12_000);
		await sync(started);
		await started.time.pass(10);
		const later = await sync(started);
		expect([changed.isSchemaLoaded, later.isSchemaLoaded]).toEqual([
			false,
			true,
		]);
	});

	it("is not known of a new feed epoch", async () => {
		const started = startFollower();
		await sync(started);
		started.database.isSchemaSlow = true;
		started.database.restart();
		expect((await sync(started)).isSchemaLoaded).toBe(false);
	});

	it("is not loaded where the database does not make the table, and the first failure is logged", async () => {
		const database = startDatabase();
		const started = startFollower({
			database,
			tracking: { ...database.tracking, markSchema: absent },
		});
		const { isSchemaLoaded } = await sync(started);
		await started.follower.tick();
		expect([isSchemaLoaded, started.logged.length]).toEqual([false, 1]);
	});
});

describe("an answer from memory", () => {
	it("is given if the last poll began within the accepted age", async () => {
		const started = startFollower();
		await sync(started);
		await started.time.pass(500);
		const answer = await sync(started, { maxAgeMs: 500 });
		expect([started.database.cursors.length, answer.now - answer.asOf]).toEqual(
			[1, 500],
		);
	});

	it("is not given if the last poll began earlier", async () => {
		const started = startFollower();
		await sync(started);
		await started.time.pass(501);
		await sync(started, { maxAgeMs: 500 });
		expect(started.database.cursors).toHaveLength(2);
	});

	it("is dated before the poll was sent", async () => {
		const { time, follower, held } = await startHeld();
		const begun = time.now();
		const work = follower.sync({ maxAgeMs: 0 });
		await time.pass(300);
		held[0]?.answer();
		const answer = (await work) as Following;
		expect([answer.asOf, answer.now]).toEqual([begun, begun + 300]);
	});

	it("is given for a token of a poll that it knows, or a later one", async () => {
		const started = startFollower();
		const first = await sync(started);
		await started.time.pass(10);
		await sync(started);
		const consistencyTokens = [toConsistencyToken(first)];
		await sync(started, { maxAgeMs: HOUR, consistencyTokens });
		expect(started.database.cursors).toHaveLength(2);
	});

	it.each<[string, (answer: Following) => string]>([
		["of a moment after its last poll", (answer) => later(answer, 1)],
		[
			"of another run of the object",
			(answer) => toConsistencyToken({ ...answer, objectRun: "other" }),
		],
		[
			"of another feed epoch",
			(answer) => toConsistencyToken({ ...answer, feedEpoch: "other" }),
		],
		["that is none", () => "0"],
		["that is empty", () => ""],
	])("is not given for a token %s", async (_, tokenOf) => {
		const started = startFollower();
		const consistencyTokens = [tokenOf(await sync(started))];
		await sync(started, { maxAgeMs: HOUR, consistencyTokens });
		expect(started.database.cursors).toHaveLength(2);
	});

	it("is not given if one of several tokens is not covered", async () => {
		const started = startFollower();
		const answer = await sync(started);
		const consistencyTokens = [toConsistencyToken(answer), later(answer, 1)];
		await sync(started, { maxAgeMs: HOUR, consistencyTokens });
		expect(started.database.cursors).toHaveLength(2);
	});

	it.each([0, -1, Number.NaN])("is not given for %d ms", async (maxAgeMs) => {
		const started = startFollower();
		await sync(started);
		await sync(started, { maxAgeMs });
		expect(started.database.cursors).toHaveLength(2);
	});
});

function later(answer: Following, ms: number): string {
	return toConsistencyToken({ ...answer, asOf: answer.asOf + ms });
}

describe("a poll", () => {
	it("never begins in the same millisecond as another", async () => {
		const started = startFollower();
		const first = await sync(started);
		const second = await sync(started);
		expect(second.asOf).toBeGreaterThan(first.asOf);
	});

	it("never runs at the same time as another", async () => {
		const { time, follower, held } = await startHeld();
		follower.sync({ maxAgeMs: 0 });
		follower.sync({ maxAgeMs: 0 });
		follower.sync({ maxAgeMs: 0 });
		await time.pass(100);
		expect(held).toHaveLength(1);
	});

	it("is shared by all requests that came while another ran", async () => {
		const { time, follower, held, database } = await startHeld();
		const first = follower.sync({ maxAgeMs: 0 });
		await time.pass(10);
		const others = [1, 2, 3].map(() => follower.sync({ maxAgeMs: 0 }));
		await time.pass(10);
		held[0]?.answer();
		await first;
		await time.pass(10);
		held[1]?.answer();
		await Promise.all(others);
		expect([held.length, database.cursors.length]).toEqual([2, 3]);
	});

	it("shows what was committed while the one before it ran", async () => {
		const { time, follower, held, database } = await startHeld();
		const first = follower.sync({ maxAgeMs: 0 });
		await time.pass(10);
		// The poll's snapshot is taken, and the change comes after it.
		held[0]?.answer();
		database.commit("api.a");
		const second = follower.sync({ maxAgeMs: 0 });
		await first;
		await time.pass(10);
		held[1]?.answer();
		expect(changesOf((await second) as Following)).toEqual({ "api.a": 2 });
	});

	it("that runs does not serve a token that it may not cover", async () => {
		const { time, follower, held } = await startHeld();
		follower.sync({ maxAgeMs: 0 });
		await time.pass(10);
		const second = follower.sync({ maxAgeMs: HOUR, consistencyTokens: ["0"] });
		held[0]?.answer();
		await time.pass(10);
		held[1]?.answer();
		await second;
		expect(held).toHaveLength(2);
	});

	it("that runs serves a request that accepts some age", async () => {
		const { time, follower, held } = await startHeld();
		follower.sync({ maxAgeMs: 0 });
		await time.pass(100);
		const second = follower.sync({ maxAgeMs: 105 });
		held[0]?.answer();
		await second;
		expect(held).toHaveLength(1);
	});

	it("that began too long ago does not, and the next one begins when it ends", async () => {
		const { time, follower, held } = await startHeld();
		follower.sync({ maxAgeMs: 0 });
		await time.pass(100);
		const second = follower.sync({ maxAgeMs: 99 });
		await settle();
		held[0]?.answer();
		await time.pass(10);
		held[1]?.answer();
		await second;
		expect(held).toHaveLength(2);
	});

	it("that fails rejects the requests that waited for it, where nothing is known yet", async () => {
		const started = startFollower();
		started.database.fault = () => {
			throw new Error("unreachable");
		};
		await expect(sync(started)).rejects.toThrow("could not be polled");
	});

	it("that fails answers the requests that waited for it with what is known, and says so", async () => {
		const { time, follower, held, database } = await startHeld();
		const known = await sync({ time, follower }, { maxAgeMs: HOUR });
		const work = follower.sync({ maxAgeMs: 0 });
		await settle();
		database.commit("api.a");
		held[0]?.fail(new Error("unreachable"));
		expect(await work).toEqual({ ...known, failure: "feed-unreachable" });
		database.fault = undefined;
		expect(changesOf(await sync({ time, follower }))).toEqual({ "api.a": 2 });
	});

	it.each([
		["origin-unreachable", new Refusal("origin_unreachable")],
		["origin-timeout", new Refusal("origin_timeout")],
		["origin-unreachable", postgrestError("PGRST001")],
		["origin-timeout", postgrestError("PGRST003")],
		["feed-unreachable", postgrestError("55P03")],
		["feed-unreachable", new Refusal("origin_refused")],
	])("that fails says why: %s", async (failure, error) => {
		const { follower, held } = await startHeld();
		const work = follower.sync({ maxAgeMs: 0 });
		await settle();
		held[0]?.fail(error);
		expect(await work).toHaveProperty("failure", failure);
	});

	it("that takes long is waited for a moment, and for less while polls fail", async () => {
		const { time, follower, held } = await startHeld();
		const began = time.now();
		expect(await sync({ time, follower })).toHaveProperty(
			"failure",
			"origin-timeout",
		);
		const first = time.now() - began;
		held[0]?.fail(new Refusal("origin_timeout"));
		await settle();
		await sync({ time, follower });
		expect([first, time.now() - began - first]).toEqual([1_500, 200]);
	});

	it("that succeeds ends the failure", async () => {
		const { time, follower, held, database } = await startHeld();
		const work = follower.sync({ maxAgeMs: 0 });
		await settle();
		held[0]?.fail(new Refusal("origin_timeout"));
		await work;
		database.fault = undefined;
		expect(await sync({ time, follower })).not.toHaveProperty("failure");
	});

	it("that fails in a restarted object is answered with what was stored, as of 1970", async () => {
		const started = startFollower();
		await sync(started);
		started.database.commit("api.a");
		const { feedEpoch } = await sync(started);
		started.database.fault = () => {
			throw new Refusal("origin_unreachable");
		};
		const { time } = started;
		const answer = await sync({ time, follower: started.restart() });
		expect([answer.feedEpoch, answer.asOf, answer.failure]).toEqual([
			feedEpoch,
			0,
			"origin-unreachable",
		]);
		expect(changesOf(answer)).toEqual({ "api.a": 2 });
	});

	it("that fails is followed by the one that waits", async () => {
		const { time, follower, held } = await startHeld();
		const first = follower.sync({ maxAgeMs: 0 });
		await time.pass(10);
		const second = follower.sync({ maxAgeMs: 0 });
		held[0]?.fail(new Error("unreachable"));
		await first.catch(() => {});
		await time.pass(10);
		held[1]?.answer();
		expect((await second).state).toBe("following");
	});

	it("that fails does not make the last one newer", async () => {
		const started = startFollower();
		const first = await sync(started);
		await started.time.pass(10);
		started.database.fault = () => {
			throw new Error("unreachable");
		};
		await sync(started).catch(() => {});
		started.database.fault = undefined;
		const { asOf } = await sync(started, { maxAgeMs: HOUR });
		expect(asOf).toBe(first.asOf);
	});
});

describe("a clock that is set back", () => {
	it("makes no poll younger", async () => {
		const time = stoppedTime();
		const started = startFollower({ time });
		await sync(started);
		time.ms -= HOUR;
		await sync(started, { maxAgeMs: 500 });
		await time.pass(501);
		await sync(started, { maxAgeMs: 500 });
		expect(started.database.cursors).toHaveLength(2);
	});

	it("still gives later polls later positions", async () => {
		const started = startFollower();
		const first = await sync(started);
		started.time.ms -= HOUR;
		const second = await sync(started);
		expect(second.asOf - first.asOf).toBe(1);
	});
});

describe("a new feed epoch", () => {
	it("begins if the database cannot say what changed", async () => {
		const started = startFollower();
		const first = await sync(started);
		started.database.restart();
		const second = await sync(started);
		expect(second.feedEpoch).not.toBe(first.feedEpoch);
	});

	it("knows no change of the previous one", async () => {
		const started = startFollower();
		await sync(started);
		started.database.commit("api.a");
		const known = await sync(started);
		started.database.restart();
		const answer = await sync(started, { known });
		expect([answer.isWhole, answer.changes]).toEqual([true, []]);
	});

	it("may have another catalog", async () => {
		const started = startFollower();
		await sync(started);
		started.database.restart();
		await sync(started);
		await started.time.pass(10);
		started.database.isSchemaSlow = true;
		const { isSchemaLoaded } = await sync(started, { maxAgeMs: HOUR });
		expect(isSchemaLoaded).toBe(false);
	});

	it("continues from its own cursor", async () => {
		const started = startFollower();
		await sync(started);
		started.database.pruneAll();
		await sync(started);
		started.database.commit("api.a");
		expect(changesOf(await sync(started))).toEqual({ "api.a": 2 });
	});

	it("begins if the cursor is so old that too much may have changed since", async () => {
		const started = startFollower();
		const first = await sync(started);
		await started.time.pass(HOUR + 1);
		const second = await sync(started);
		expect([
			started.database.cursors.at(-1),
			second.feedEpoch === first.feedEpoch,
		]).toEqual([undefined, false]);
	});

	it("does not begin if the cursor is younger", async () => {
		const started = startFollower();
		const first = await sync(started);
		await started.time.pass(HOUR - MINUTE);
		expect((await sync(started)).feedEpoch).toBe(first.feedEpoch);
	});

	it("begins if an isolate knows a number that was never given", async () => {
		const started = startFollower();
		const { feedEpoch, seq } = await sync(started);
		const known = { feedEpoch, seq: seq + 1 };
		const answer = await sync(started, { known });
		expect([answer.feedEpoch === feedEpoch, answer.isWhole]).toEqual([
			false,
			true,
		]);
	});

	it("is stored", async () => {
		const started = startFollower();
		await sync(started);
		started.database.commit("api.a");
		await sync(started);
		started.database.restart();
		const { feedEpoch } = await sync(started);
		expect([started.kept.state?.feedEpoch, started.kept.changes]).toEqual([
			feedEpoch,
			[],
		]);
	});
});

describe("a restart", () => {
	async function startChanged() {
		const started = startFollower();
		await sync(started);
		started.database.commit("api.a", "catalog");
		const before = await sync(started);
		return { ...started, before };
	}

	it("continues the feed epoch and its changes", async () => {
		const { time, restart, before } = await startChanged();
		const after = await sync({ time, follower: restart() });
		expect([after.feedEpoch, after.changes]).toEqual([
			before.feedEpoch,
			before.changes,
		]);
	});

	it("gives no number twice, even if the storage has gone back to an older state", async () => {
		const { time, database, kept, follower, restart } = await startChanged();
		const { state, changes } = kept;
		for (let count = 0; count < 3; count++) {
			database.commit("api.other");
			await sync({ time, follower });
		}
		const stamp = await sync({ time, follower });
		Object.assign(kept, { state, changes });
		const next = restart();
		await sync({ time, follower: next });
		database.commit("api.a");
		const after = await sync({ time, follower: next });
		expect([
			after.feedEpoch === stamp.feedEpoch,
			(changesOf(after)["api.a"] ?? 0) > stamp.seq,
			kept.state?.seq,
		]).toEqual([true, true, after.seq]);
	});

	it("has stored the number that it begins with", async () => {
		const { time, kept, restart } = await startChanged();
		const after = await sync({ time, follower: restart() });
		expect(kept.state?.seq).toBe(after.seq);
	});

	it("has another objectRun", async () => {
		const { time, restart, before } = await startChanged();
		const after = await sync({ time, follower: restart() });
		expect(after.objectRun).not.toBe(before.objectRun);
	});

	it("remembers that PostgREST has loaded the schema", async () => {
		const { time, follower, restart, database } = await startChanged();
		await follower.tick();
		await sync({ time, follower });
		database.isSchemaSlow = true;
		const after = await sync({ time, follower: restart() });
		expect(after.isSchemaLoaded).toBe(true);
	});

	it("polls before it answers, even if any age is accepted", async () => {
		const { time, restart, database } = await startChanged();
		await sync({ time, follower: restart() }, { maxAgeMs: HOUR });
		expect(database.cursors).toHaveLength(3);
	});

	it("covers no earlier token without a poll", async () => {
		const { time, restart, database, before } = await startChanged();
		const follower = restart();
		await sync({ time, follower });
		const consistencyTokens = [toConsistencyToken(before)];
		await sync({ time, follower }, { maxAgeMs: HOUR, consistencyTokens });
		expect(database.cursors).toHaveLength(4);
	});

	it("finds what was committed meanwhile, and gives it a new number", async () => {
		const { time, restart, database, before } = await startChanged();
		database.commit("api.b");
		const after = await sync({ time, follower: restart() }, { known: before });
		expect([after.seq > before.seq, changesOf(after)]).toEqual([
			true,
			{ "api.b": after.seq },
		]);
	});

	it("finds again what was polled and not stored", async () => {
		const { database, held } = heldPolls();
		const { fault } = database;
		database.fault = undefined;
		const started = startFollower({ database });
		await sync(started);
		database.commit("api.a");
		database.fault = fault;
		started.follower.sync({ maxAgeMs: 0 });
		await started.time.pass(10);
		database.fault = undefined;
		// The answer is on its way while the object ends.
		expect(held).toHaveLength(1);
		const follower = started.restart();
		const after = await sync({ time: started.time, follower });
		expect(changesOf(after)).toEqual({ "api.a": after.seq });
	});

	it("continues from a cursor that is at most ten minutes old", async () => {
		const { time, follower, kept, database } = await startChanged();
		const cursor = kept.state?.cursor;
		// Another snapshot, and nothing to find or to store.
		database.begin("api.open");
		database.isSchemaSlow = true;
		await time.pass(10 * MINUTE - 10);
		await sync({ time, follower });
		const early = kept.state?.cursor;
		await time.pass(10);
		await sync({ time, follower });
		expect([early === cursor, kept.state?.cursor === cursor]).toEqual([
			true,
			false,
		]);
	});

	it("begins a new feed epoch if the stored state cannot be read", async () => {
		const { time, kept, logged, before } = await startChanged();
		const store = kept.open();
		const started = startFollower({
			time,
			kept: {
				...kept,
				open: () => ({
					...store,
					load() {
						throw new Error("broken");
					},
				}),
			},
		});
		const after = await sync(started);
		expect([
			after.feedEpoch === before.feedEpoch,
			logged,
			started.logged,
		]).toEqual([false, [], [new Error("broken")]]);
	});
});

const refuse = () => {
	throw new Error("full");
};

/** The storage with these methods replaced. */
function refusing(
	kept: ReturnType<typeof memoryStore>,
	methods: Partial<FeedStore>,
) {
	return { ...kept, open: () => ({ ...kept.open(), ...methods }) };
}

describe("an answer", () => {
	it("is stored before it is given", async () => {
		const kept = memoryStore();
		const started = startFollower({ kept });
		await sync(started);
		started.database.commit("api.a");
		const answer = await sync(started);
		expect([kept.state?.seq, kept.changes]).toEqual([
			answer.seq,
			answer.changes,
		]);
	});

	it("is not given if it cannot be stored", async () => {
		const kept = memoryStore();
		const started = startFollower({ kept });
		await sync(started);
		const full = startFollower({
			...started,
			kept: refusing(kept, { append: refuse, rewrite: refuse }),
		});
		started.database.commit("api.a");
		await expect(sync(full)).rejects.toThrow("full");
	});

	it("has a new feed epoch if the storage can be read and not written", async () => {
		const kept = memoryStore();
		const started = startFollower({ kept });
		await sync(started);
		started.database.commit("api.a");
		const before = await sync(started);
		const half = startFollower({
			...started,
			kept: refusing(kept, { append: refuse }),
		});
		expect((await sync(half)).feedEpoch).not.toBe(before.feedEpoch);
	});

	it("is rewritten when the log has grown", async () => {
		const kept = memoryStore();
		const started = startFollower({ kept });
		await sync(started);
		for (let count = 0; count < 3; count++) {
			started.database.commit("api.a");
			await sync(started);
		}
		const before = kept.changes.length;
		kept.isGrown = true;
		started.database.commit("api.b");
		await sync(started);
		expect([before, kept.changes]).toEqual([
			3,
			[
				["api.a", 4],
				["api.b", 5],
			],
		]);
	});

	it("includes prunedBelow, which a restart does not lower", async () => {
		const started = startFollower({ maxTags: 3 });
		await sync(started);
		for (const tag of ["api.a", "api.b", "api.c", "api.d"]) {
			started.database.commit(tag);
			await sync(started);
		}
		const before = await sync(started);
		const follower = started.restart();
		const after = await sync({ time: started.time, follower });
		expect([before.prunedBelow, after.prunedBelow]).toEqual([4, 4]);
	});

	it("is raised by what a restart cannot keep: the stored log may be longer than the one in memory", async () => {
		const started = startFollower({ maxTags: 3 });
		await sync(started);
		for (const name of "abcdef") {
			started.database.commit(`api.${name}`);
			await sync(started);
		}
		const { time, restart } = started;
		const after = await sync({ time, follower: restart() });
		const kept = changesOf(after);
		const lastOf = (name: string) => kept[`api.${name}`] ?? after.prunedBelow;
		expect([..."abcdef"].every((name, at) => lastOf(name) >= at + 2)).toBe(
			true,
		);
	});
});

describe("a database that tracks nothing", () => {
	it("is answered with the reason", async () => {
		const { follower, database } = startFollower();
		database.fault = absent;
		expect(await follower.sync({ maxAgeMs: 0 })).toEqual({
			state: "absent",
			reason: "there is nothing",
		});
	});

	it("is not polled for half a minute, even for a request that needs a poll", async () => {
		const { time, follower, database } = startFollower();
		database.fault = absent;
		await follower.sync({ maxAgeMs: 0 });
		await time.pass(30 * SECOND - 1);
		const consistencyTokens = ["0"];
		const { state } = await follower.sync({ maxAgeMs: 0, consistencyTokens });
		expect([state, database.cursors.length]).toEqual(["absent", 1]);
	});

	it("is asked again after that", async () => {
		const started = startFollower();
		started.database.fault = absent;
		await started.follower.sync({ maxAgeMs: 0 });
		started.database.fault = undefined;
		await started.time.pass(30 * SECOND);
		expect((await sync(started)).state).toBe("following");
	});

	it("continues its feed epoch when tracking is back, and finds what was committed meanwhile", async () => {
		const started = startFollower();
		const before = await sync(started);
		started.database.fault = absent;
		await started.time.until(started.follower.sync({ maxAgeMs: 0 }));
		started.database.commit("api.a");
		started.database.fault = undefined;
		await started.time.pass(30 * SECOND);
		const after = await sync(started);
		expect([after.feedEpoch, changesOf(after)]).toEqual([
			before.feedEpoch,
			{ "api.a": 2 },
		]);
	});

	it("does not become a tracked one between a poll and its answer", async () => {
		const started = startFollower();
		await sync(started);
		started.database.fault = absent;
		await started.time.until(started.follower.sync({ maxAgeMs: 0 }));
		await started.time.pass(30 * SECOND - 1);
		// A request that gets "absent" does not get an old poll's state.
		const work = started.follower.sync({ maxAgeMs: 0 });
		started.time.ms += 1;
		expect((await work).state).toBe("absent");
	});

	it("has no catalog", async () => {
		const { follower, database } = startFollower();
		database.fault = absent;
		await expect(follower.catalog()).rejects.toThrow("there is nothing");
	});

	it("is not polled by ticks", async () => {
		const { follower, database, wakes } = startFollower();
		database.fault = absent;
		await follower.sync({ maxAgeMs: 0 });
		const before = wakes.length;
		await follower.tick();
		expect([database.cursors.length, wakes.length - before]).toEqual([1, 0]);
	});
});

describe("the catalog", () => {
	const read = ({ time, follower }: Pick<Started, "time" | "follower">) =>
		time.until(follower.catalog());

	it("is loaded once while nothing changes", async () => {
		const started = startFollower();
		await sync(started);
		await read(started);
		await started.time.pass(HOUR);
		await read(started);
		expect(started.database.catalogsRead).toBe(1);
	});

	it("is loaded after a poll if nothing is known", async () => {
		const started = startFollower();
		const { feedEpoch, seq } = await read(started);
		const answer = await sync(started);
		expect([feedEpoch, seq]).toEqual([answer.feedEpoch, answer.seq]);
	});

	it("is loaded again after it has changed", async () => {
		const started = startFollower();
		await sync(started);
		await read(started);
		started.database.commit("catalog");
		started.database.version = "2";
		const { seq } = await sync(started);
		expect(await read(started)).toMatchObject({
			seq,
			catalog: { version: "2" },
		});
	});

	it("has the number that was known before it was loaded", async () => {
		const database = startDatabase();
		const { promise, resolve } = Promise.withResolvers<void>();
		const tracking = {
			...database.tracking,
			async loadCatalog() {
				await promise;
				return database.tracking.loadCatalog();
			},
		};
		const started = startFollower({ database, tracking });
		const before = await sync(started);
		const reading = started.follower.catalog();
		await settle();
		database.commit("api.a");
		await sync(started);
		resolve();
		expect((await reading).seq).toBe(before.seq);
	});

	it("is loaded a second time if it changed while it was loaded", async () => {
		const database = startDatabase();
		const held: (() => void)[] = [];
		const tracking = {
			...database.tracking,
			async loadCatalog() {
				const { version } = database;
				await new Promise<void>((resolve) => held.push(resolve));
				return { version };
			},
		};
		const started = startFollower({ database, tracking });
		await sync(started);
		const reading = started.follower.catalog();
		await settle();
		database.commit("catalog");
		database.version = "2";
		const { seq } = await sync(started);
		held[0]?.();
		await settle();
		held[1]?.();
		expect(await reading).toMatchObject({ seq, catalog: { version: "2" } });
	});

	it("is not numbered a second time if an event told of its change", async () => {
		const started = startFollower();
		await sync(started);
		await read(started);
		started.database.version = "2";
		started.database.commit("catalog");
		const { seq } = await sync(started);
		await read(started);
		expect((await sync(started)).seq).toBe(seq);
	});

	it("is not loaded before an isolate asked for it", async () => {
		const started = startFollower();
		await sync(started);
		await started.time.pass(61 * SECOND);
		await sync(started);
		expect(started.database.catalogsRead).toBe(0);
	});

	it("of a feed epoch that has ended is not given", async () => {
		const started = startFollower();
		await sync(started);
		await read(started);
		started.database.restart();
		const { feedEpoch } = await sync(started);
		const answer = await read(started);
		expect([answer.feedEpoch, started.database.catalogsRead]).toEqual([
			feedEpoch,
			2,
		]);
	});
});

describe("ticks", () => {
	it("are scheduled by the first use", async () => {
		const started = startFollower();
		await sync(started);
		expect(started.wakes).toEqual([SECOND]);
	});

	it("are not scheduled again while one is due", async () => {
		const started = startFollower();
		await sync(started);
		await started.time.pass(900);
		await sync(started);
		expect(started.wakes).toHaveLength(1);
	});

	it("are scheduled again if one did not come", async () => {
		const started = startFollower();
		await sync(started);
		await started.time.pass(15 * SECOND);
		await sync(started);
		expect(started.wakes).toHaveLength(2);
	});

	it("poll, and schedule the next", async () => {
		const started = startFollower();
		await sync(started);
		await started.time.pass(SECOND);
		await started.follower.tick();
		expect([started.database.cursors.length, started.wakes]).toEqual([
			2,
			[SECOND, SECOND],
		]);
	});

	it("do not poll just after a request did", async () => {
		const started = startFollower();
		await sync(started);
		await started.time.pass(600);
		await sync(started);
		await started.time.pass(400);
		await started.follower.tick();
		expect(started.database.cursors).toHaveLength(2);
	});

	it("wait for the poll that is running, and begin none", async () => {
		const { time, follower, held } = await startHeld();
		follower.sync({ maxAgeMs: 0 });
		await time.pass(400);
		const tick = follower.tick();
		await time.pass(10);
		held[0]?.answer();
		await tick;
		expect(held).toHaveLength(1);
	});

	it("stop half a minute after the last use", async () => {
		const started = startFollower();
		await sync(started);
		await started.time.pass(30 * SECOND + 10);
		await started.follower.tick();
		expect([started.database.cursors.length, started.wakes]).toEqual([
			1,
			[SECOND, HOUR],
		]);
	});

	it("begin again with the next use", async () => {
		const started = startFollower();
		await sync(started);
		await started.time.pass(30 * SECOND + 10);
		await started.follower.tick();
		await sync(started);
		expect(started.wakes).toEqual([SECOND, HOUR, SECOND]);
	});

	it("only prune if this run of the object had no request", async () => {
		const started = startFollower();
		await sync(started);
		await started.restart().tick();
		const { cursors, prunings } = started.database;
		expect([cursors.length, prunings, started.wakes]).toEqual([
			1,
			1,
			[SECOND, HOUR],
		]);
	});

	it("prune each hour while the feed is not used, in as many calls as it takes", async () => {
		const started = startFollower();
		const { time, database, follower, wakes } = started;
		await sync(started);
		for (let hour = 0; hour < 3; hour++) {
			await time.pass(HOUR);
			await follower.tick();
		}
		database.hasMoreToPrune = true;
		await time.pass(HOUR);
		await follower.tick();
		expect([database.prunings, wakes]).toEqual([
			4,
			[SECOND, HOUR, HOUR, HOUR, SECOND],
		]);
	});

	it("prune again after the database tracked nothing", async () => {
		const started = startFollower();
		const { time, database, follower, wakes } = started;
		await sync(started);
		database.fault = absent;
		await time.until(follower.sync({ maxAgeMs: 0 }));
		await follower.tick();
		expect(wakes).toEqual([SECOND, HOUR]);
		await time.pass(HOUR);
		await follower.tick();
		expect([database.prunings, wakes]).toEqual([1, [SECOND, HOUR, HOUR]]);
	});

	it("prune where versions that were not tested keep everything from being cached, once a minute at most", async () => {
		const { time, database, follower, wakes } = startFollower();
		database.fault = () => {
			throw new Untested("PostgreSQL 19 was not tested");
		};
		for (let round = 0; round < 4; round++) {
			expect((await follower.sync({ maxAgeMs: 0 })).state).toBe("absent");
			await follower.tick();
			await time.pass(30 * SECOND);
		}
		expect([database.prunings, wakes.slice(0, 3)]).toEqual([
			2,
			[SECOND, HOUR, SECOND],
		]);
	});

	it("prune again after pruning has failed", async () => {
		const { tracking, ...database } = startDatabase();
		const started = startFollower({
			tracking: {
				...tracking,
				async prune() {
					throw new Error("unreachable");
				},
			},
			database: { ...database, tracking },
		});
		await sync(started);
		await started.time.pass(HOUR);
		await started.follower.tick();
		expect([started.wakes, started.logged]).toEqual([
			[SECOND, HOUR],
			[new Error("unreachable")],
		]);
	});

	it("continue after a poll has failed, and log it once", async () => {
		const started = startFollower();
		await sync(started);
		started.database.fault = () => {
			throw new Error("unreachable");
		};
		for (let count = 0; count < 3; count++) {
			await started.time.pass(SECOND);
			await started.follower.tick();
		}
		expect([started.wakes.length, started.logged]).toEqual([
			4,
			[new PollFailed(new Error("unreachable"))],
		]);
	});

	it("log a failure again after a success", async () => {
		const started = startFollower();
		await sync(started);
		for (const isBroken of [true, false, true]) {
			started.database.fault = isBroken
				? () => {
						throw new Error("unreachable");
					}
				: undefined;
			await started.time.pass(SECOND);
			await started.follower.tick();
		}
		expect(started.logged).toHaveLength(2);
	});

	it("prune once a minute", async () => {
		const started = startFollower();
		for (let seconds = 0; seconds < 100; seconds++) {
			await sync(started, { maxAgeMs: 2 * SECOND });
			await started.time.pass(SECOND);
			await started.follower.tick();
		}
		expect(started.database.prunings).toBe(2);
	});

	it("continue to prune while there is more", async () => {
		const started = startFollower();
		await sync(started);
		started.database.hasMoreToPrune = true;
		for (let seconds = 0; seconds < 5; seconds++) {
			await started.time.pass(SECOND);
			await started.follower.tick();
		}
		expect(started.database.prunings).toBe(5);
	});

	it("continue after pruning has failed", async () => {
		const database = startDatabase();
		const tracking = {
			...database.tracking,
			prune: () => Promise.reject(new Error("not now")),
		};
		const started = startFollower({ database, tracking });
		await sync(started);
		await started.time.pass(SECOND);
		await started.follower.tick();
		expect([started.wakes.length, started.logged]).toEqual([
			2,
			[new Error("not now")],
		]);
	});
});
