// How an isolate keeps up with the feed: how old its view is, what it covers, when the feed is asked, and what happens when it fails.
import { describe, expect, it } from "vitest";
import { toConsistencyToken } from "../../src/consistency/consistency-token.ts";
import { createFreshness } from "../../src/consistency/freshness.ts";
import type { Needs } from "../../src/consistency/view.ts";
import type {
	CatalogAnswer,
	Change,
	SyncAnswer,
	SyncRequest,
} from "../../src/feed/feed.ts";
import type { Catalog } from "../../src/planner/catalog.ts";
import { settle, stoppedTime } from "../support/change-feed.ts";

const SECOND = 1_000;
/** How far the object's clock is ahead of the isolate's. */
const APART_MS = 12_345_678;

type Following = Extract<SyncAnswer, { state: "following" }>;

const ABSENT: SyncAnswer = { state: "absent", reason: "no schema postern" };

interface Asked<Answer> {
	readonly request: SyncRequest;
	readonly answer: (answer: Answer) => void;
	readonly fail: (error: unknown) => void;
}

/** An isolate, a clock that stands still, and a feed that answers when the test says so. */
/** Of the database. */
const INCARNATION = "0123456789abcdef";

function startIsolate() {
	const time = stoppedTime();
	const asked: Asked<SyncAnswer>[] = [];
	const catalogs: Asked<CatalogAnswer>[] = [];
	const logged: unknown[] = [];
	/** When the feed polled again after a failure. */
	const recoveries: number[] = [];
	const background: Promise<unknown>[] = [];
	const ask = <Answer>(all: Asked<Answer>[], request: SyncRequest) =>
		new Promise<Answer>((answer, fail) => all.push({ request, answer, fail }));
	let isLost = false;
	const freshness = createFreshness({
		onOriginBack: () => recoveries.push(time.now()),
		feed: {
			sync: (request) => ask(asked, request),
			catalog: () => ask(catalogs, { maxAgeMs: 0 }),
		},
		parseCatalog(json) {
			if (json === "none") throw new Error("no catalog");
			return json as Catalog;
		},
		now: time.now,
		sleep: (ms) => (isLost ? new Promise(() => {}) : time.sleep(ms)),
		waitUntil: (promise) => background.push(promise),
		log: (problem) => logged.push(problem),
	});
	/** An answer of the feed whose poll began `ageMs` ago. */
	const following = ({
		ageMs = 0,
		...given
	}: Partial<Following> & { ageMs?: number } = {}): Following => {
		const now = time.now() + APART_MS;
		return {
			state: "following",
			feedEpoch: "e1",
			seq: 5,
			prunedBelow: 0,
			objectRun: "l1",
			asOf: now - ageMs,
			now,
			cursor: "cursor",
			changes: [],
			isWhole: true,
			isSchemaLoaded: true,
			...given,
		};
	};
	return {
		time,
		asked,
		catalogs,
		logged,
		recoveries,
		background,
		freshness,
		following,
		/** Starts a request whose client disconnects at once: nothing that it awaits ever arrives. */
		async lose(request: () => unknown) {
			isLost = true;
			request();
			await settle();
			isLost = false;
		},
		/** Gives the isolate this answer of the feed. */
		async learn(given: Parameters<typeof following>[0] = {}) {
			const work = freshness.afterWrite();
			await settle();
			asked.at(-1)?.answer(following(given));
			await time.until(work);
			asked.length = 0;
			background.length = 0;
		},
		view: (needs: Partial<Needs> = {}) =>
			freshness.view({ maxAgeMs: 5 * SECOND, consistencyTokens: [], ...needs }),
	};
}

describe("a view", () => {
	it("is asked of the feed if the isolate has none", async () => {
		const { view, asked, following, time } = startIsolate();
		const work = view();
		await settle();
		asked[0]?.answer(following({ changes: [["api.a", 3]] }));
		const found = await time.until(work);
		expect([
			asked.map(({ request }) => request.known),
			found?.feedEpoch,
			found?.seq,
			found?.lastChange("api.a"),
			found?.lastChange("api.b"),
		]).toEqual([[undefined], "e1", 5, 3, 0]);
	});

	it("covers the token of a transaction that its cursor shows", async () => {
		const { learn, asked, following, view, freshness, time } = startIsolate();
		await learn({ cursor: `${INCARNATION}@700:700:@` });
		const consistencyTokens = [`${INCARNATION}.700`];
		const isKnown = () =>
			freshness.knownView({ maxAgeMs: 1_000, consistencyTokens });
		expect(isKnown()).toBeUndefined();
		const reading = view({ consistencyTokens });
		await settle();
		expect(asked[0]?.request.consistencyTokens).toEqual(consistencyTokens);
		asked[0]?.answer(
			following({ seq: 6, isWhole: false, cursor: `${INCARNATION}@701:701:@` }),
		);
		expect((await time.until(reading))?.seq).toBe(6);
		expect([isKnown()?.seq, asked.length]).toEqual([6, 1]);
	});

	it("is given from memory while it is young enough", async () => {
		const { learn, view, asked, time } = startIsolate();
		await learn();
		await time.pass(2_400);
		expect([(await view())?.seq, asked.length]).toEqual([5, 0]);
	});

	it("is not given from memory when it is older than wanted", async () => {
		const { learn, view, asked, time } = startIsolate();
		await learn();
		await time.pass(5 * SECOND);
		view();
		await settle();
		expect(asked).toHaveLength(1);
	});

	it("is dated at the beginning of its poll by the isolate's clock, or a little earlier", async () => {
		const { learn, view, time } = startIsolate();
		await learn({ ageMs: 700 });
		const found = await view();
		expect(time.now() - (found?.asOf ?? 0)).toBe(701);
	});

	it("is dated at the moment of the question if the answer was slow", async () => {
		const { view, asked, following, time } = startIsolate();
		const start = time.now();
		const work = view();
		await time.pass(800);
		// The poll began when the question arrived, 300 ms ago.
		asked[0]?.answer(following({ ageMs: 300 }));
		const found = await time.until(work);
		expect((found?.asOf ?? 0) - start).toBe(-301);
	});

	it("is asked for with less than half the age, because the answer ages on its way", async () => {
		const { view, asked } = startIsolate();
		view({ maxAgeMs: 3 * SECOND });
		await settle();
		expect(asked[0]?.request.maxAgeMs).toBe(1_200);
	});

	it("is asked for with an age of a minute if any age is accepted", async () => {
		const { view, asked } = startIsolate();
		view({ maxAgeMs: Number.POSITIVE_INFINITY });
		await settle();
		expect(asked[0]?.request.maxAgeMs).toBe(60 * SECOND);
	});

	it("is not given if the answer was too long on its way", async () => {
		const { view, asked, following, time } = startIsolate();
		const work = view({ maxAgeMs: SECOND });
		await time.pass(900);
		asked[0]?.answer(following({ ageMs: 200 }));
		await settle();
		await time.pass(900);
		asked[1]?.answer(following({ ageMs: 200 }));
		expect(await time.until(work)).toBe(undefined);
	});

	it("with maxAgeMs 0 comes from a poll that begins after the question, however long that takes", async () => {
		const { learn, view, asked, following, time } = startIsolate();
		await learn();
		const work = view({ maxAgeMs: 0 });
		await time.pass(900);
		asked[0]?.answer(following({ seq: 6, isWhole: false, ageMs: 900 }));
		const found = await time.until(work);
		expect([asked.length, asked[0]?.request.maxAgeMs, found?.seq]).toEqual([
			1, 0, 6,
		]);
	});

	it("is asked for by one request while others wait", async () => {
		const { view, asked, following, time } = startIsolate();
		const works = [view(), view(), view()];
		await time.pass(100);
		asked[0]?.answer(following());
		const found = await time.until(Promise.all(works));
		expect([asked.length, found.map((view) => view?.seq)]).toEqual([
			1,
			[5, 5, 5],
		]);
	});

	it("is extended by the new changes, and keeps the others", async () => {
		const { learn, view, asked, following, time } = startIsolate();
		await learn({ changes: [["api.a", 3]] });
		await time.pass(6 * SECOND);
		const work = view();
		await settle();
		asked[0]?.answer(
			following({ seq: 6, isWhole: false, changes: [["api.b", 6]] }),
		);
		const found = await time.until(work);
		expect([
			asked[0]?.request.known,
			found?.lastChange("api.a"),
			found?.lastChange("api.b"),
		]).toEqual([{ feedEpoch: "e1", seq: 5 }, 3, 6]);
	});

	it("of another feed epoch knows no change of the one before", async () => {
		const { learn, view, asked, following, time } = startIsolate();
		await learn({ changes: [["api.a", 3]] });
		await time.pass(6 * SECOND);
		const work = view();
		await settle();
		asked[0]?.answer(following({ feedEpoch: "e2", seq: 1 }));
		const found = await time.until(work);
		expect([found?.feedEpoch, found?.lastChange("api.a")]).toEqual(["e2", 0]);
	});

	it("keeps its feed epoch while a request holds it, and its prunedBelow rises with dropped changes", async () => {
		const { learn, view, following, asked, time } = startIsolate();
		await learn({ changes: [["api.a", 3]] });
		const held = await view();
		await time.pass(6 * SECOND);
		const work = view();
		await settle();
		asked[0]?.answer(following({ seq: 9, prunedBelow: 7, isWhole: false }));
		await time.until(work);
		expect([
			held?.feedEpoch,
			held?.seq,
			held?.prunedBelow,
			held?.lastChange("x"),
		]).toEqual(["e1", 5, 7, 7]);
	});

	it.each([true, false])(
		"tells whether PostgREST has loaded the schema: %s",
		async (isSchemaLoaded) => {
			const { view, asked, following, time } = startIsolate();
			const work = view();
			await time.pass(200);
			asked[0]?.answer(following({ isSchemaLoaded }));
			expect((await time.until(work))?.isSchemaLoaded).toBe(isSchemaLoaded);
		},
	);
});

describe("a view that ages", () => {
	it("is refreshed in the background when it is older than half of the accepted age", async () => {
		const { learn, view, asked, time } = startIsolate();
		await learn();
		await time.pass(2_600);
		const found = await view();
		expect([found?.seq, asked.length]).toEqual([5, 1]);
	});

	it("is refreshed by one request", async () => {
		const { learn, view, asked, time } = startIsolate();
		await learn();
		await time.pass(2_600);
		await Promise.all([view(), view(), view()]);
		expect(asked).toHaveLength(1);
	});

	it("is refreshed after the request's own end", async () => {
		const { learn, view, asked, following, background, time } = startIsolate();
		await learn();
		await time.pass(2_600);
		await view();
		asked[0]?.answer(following({ seq: 6, isWhole: false }));
		await Promise.all(background);
		expect((await view())?.seq).toBe(6);
	});

	it("is refreshed by another request if the first was cut off", async () => {
		const { learn, lose, view, asked, time } = startIsolate();
		await learn();
		await time.pass(2_600);
		await lose(view);
		await time.pass(2_500);
		view();
		await settle();
		expect(asked).toHaveLength(2);
	});

	it("stays in use if its refresh fails", async () => {
		const { learn, view, asked, background, time } = startIsolate();
		await learn();
		await time.pass(2_600);
		await view();
		asked[0]?.fail(new Error("gone"));
		await Promise.all(background);
		expect((await view())?.seq).toBe(5);
	});
});

describe("answers that overtake each other", () => {
	/** Asks the feed twice from one isolate, and leaves both unanswered. */
	async function askTwice() {
		const isolate = startIsolate();
		await isolate.learn({ changes: [["api.a", 3]] });
		const first = isolate.freshness.afterWrite();
		const second = isolate.view({ maxAgeMs: 0 });
		await isolate.time.pass(10);
		const [one, two] = isolate.asked;
		if (!one || !two) throw new Error("they share a call");
		return {
			...isolate,
			first,
			second,
			async answerFirst(answer: SyncAnswer) {
				one.answer(answer);
				await isolate.time.pass(30);
			},
			async answerSecond(answer: SyncAnswer) {
				two.answer(answer);
				await isolate.time.pass(30);
			},
		};
	}

	const later = (isolate: ReturnType<typeof startIsolate>, changes: Change[]) =>
		isolate.following({ seq: 7, isWhole: false, changes });

	it("do not take the view back", async () => {
		const isolate = await askTwice();
		const old = isolate.following({ ageMs: 5, seq: 6, isWhole: false });
		await isolate.answerSecond(later(isolate, [["api.b", 7]]));
		await isolate.answerFirst(old);
		const view = await isolate.view();
		expect([view?.seq, view?.lastChange("api.b")]).toEqual([7, 7]);
	});

	it("of one poll leave the higher number in the view", async () => {
		const isolate = await askTwice();
		const before = isolate.following({ seq: 6, isWhole: false });
		const after = { ...before, seq: 7, changes: [["catalog", 7]] as Change[] };
		await isolate.answerSecond(after);
		await isolate.answerFirst(before);
		expect((await isolate.view())?.seq).toBe(7);
	});

	it("satisfy the request that asked for the older one", async () => {
		const isolate = await askTwice();
		const old = isolate.following({ ageMs: 5, seq: 6, isWhole: false });
		const token = toConsistencyToken(old);
		await isolate.answerSecond(later(isolate, []));
		await isolate.answerFirst(old);
		const view = await isolate.view();
		expect([await isolate.first, view?.covers(token)]).toEqual([
			view?.consistencyToken,
			true,
		]);
	});

	it("do not take the view back to a feed epoch that has ended", async () => {
		const isolate = await askTwice();
		const old = isolate.following({ ageMs: 5, seq: 6, isWhole: false });
		await isolate.answerSecond(isolate.following({ feedEpoch: "e2", seq: 1 }));
		await isolate.answerFirst(old);
		expect((await isolate.view())?.feedEpoch).toBe("e2");
	});

	it("of a later run of the object count, though its clock is behind", async () => {
		const isolate = await askTwice();
		const young = isolate.following({
			objectRun: "l2",
			seq: 7,
			isWhole: false,
		});
		await isolate.answerFirst(isolate.following({ seq: 6, isWhole: false }));
		await isolate.answerSecond({
			...young,
			asOf: young.asOf - 500_000,
			now: young.now - 500_000,
		});
		const view = await isolate.view();
		expect([view?.seq, view?.consistencyToken.split(".")[1]]).toEqual([
			7,
			"l2",
		]);
	});

	it("of an earlier run of the object do not count if they were asked for earlier", async () => {
		const isolate = await askTwice();
		const old = isolate.following({ seq: 6, isWhole: false });
		await isolate.answerSecond(
			isolate.following({ objectRun: "l2", seq: 7, isWhole: false }),
		);
		await isolate.answerFirst(old);
		// The known view may be older than the request, so the feed is asked again.
		expect([
			(await isolate.view())?.consistencyToken.split(".")[1],
			isolate.asked.length,
		]).toEqual(["l2", 3]);
	});

	it("are not added to a view that they do not continue", async () => {
		const isolate = await askTwice();
		await isolate.answerFirst(isolate.following({ feedEpoch: "e2", seq: 1 }));
		// Asked for when the isolate knew e1, and answered by another run of the object with e1 only.
		await isolate.answerSecond(
			isolate.following({ objectRun: "l2", seq: 6, isWhole: false }),
		);
		expect([(await isolate.view())?.feedEpoch, isolate.asked.length]).toEqual([
			"e2",
			3,
		]);
	});

	it("of one poll count by the time of the question if the feed epoch differs", async () => {
		const isolate = await askTwice();
		const before = isolate.following({ seq: 6, isWhole: false });
		await isolate.answerFirst(before);
		await isolate.answerSecond({
			...before,
			feedEpoch: "e2",
			seq: 1,
			isWhole: true,
		});
		expect((await isolate.view())?.feedEpoch).toBe("e2");
	});

	it("that came too late for their request are used by others", async () => {
		const { view, asked, following, time } = startIsolate();
		const work = view();
		await time.pass(2_100);
		expect(await time.until(work)).toBe(undefined);
		asked[0]?.answer(following({ ageMs: 100 }));
		await settle();
		expect((await view())?.seq).toBe(5);
	});
});

describe("tokens", () => {
	it("that the view covers are given from memory", async () => {
		const { learn, view, asked } = startIsolate();
		await learn();
		const token = (await view())?.consistencyToken ?? "";
		await view({ consistencyTokens: [token] });
		expect(asked).toHaveLength(0);
	});

	it.each([
		["of a later poll", (token: string) => `${token}0`],
		[
			"of another run of the object",
			(token: string) => token.replace("l1", "l2"),
		],
		["of another feed epoch", (token: string) => token.replace("e1", "e2")],
		["that are none", () => "0"],
	])("%s are asked of the feed", async (_, tokenOf) => {
		const { learn, view, asked } = startIsolate();
		await learn();
		const token = tokenOf((await view())?.consistencyToken ?? "");
		view({ consistencyTokens: [token] });
		await settle();
		expect(asked.map(({ request }) => request.consistencyTokens)).toEqual([
			[token],
		]);
	});

	it("are covered by the answer, even with an unknown text", async () => {
		const { view, asked, following, time } = startIsolate();
		const work = view({ consistencyTokens: ["0", "l2.e9.zz"] });
		await settle();
		asked[0]?.answer(following());
		expect((await time.until(work))?.seq).toBe(5);
	});

	it("are not covered by an answer that was asked for before they came", async () => {
		const { learn, view, asked, following, time } = startIsolate();
		await learn();
		await time.pass(6 * SECOND);
		const first = view();
		await time.pass(10);
		const second = view({ consistencyTokens: ["0"] });
		asked[0]?.answer(following({ seq: 6, isWhole: false }));
		await time.until(first);
		await time.pass(30);
		expect(asked.map(({ request }) => request.consistencyTokens)).toEqual([
			[],
			["0"],
		]);
		asked[1]?.answer(following({ seq: 7, isWhole: false }));
		expect((await time.until(second))?.seq).toBe(7);
	});

	it("of several requests are asked for together", async () => {
		const { learn, view, asked, following, time } = startIsolate();
		await learn();
		const works = [view({ consistencyTokens: ["a"] })];
		await time.pass(10);
		works.push(
			view({ consistencyTokens: ["b"] }),
			view({ consistencyTokens: ["c"] }),
		);
		asked[0]?.answer(following({ isWhole: false }));
		await time.pass(30);
		asked[1]?.answer(following({ isWhole: false }));
		await time.until(Promise.all(works));
		expect(asked.map(({ request }) => request.consistencyTokens)).toEqual([
			["a"],
			["b", "c"],
		]);
	});

	it("are not taken for covered if the request that asked for them has gone", async () => {
		const isolate = startIsolate();
		const { learn, lose, view, asked, following, time } = isolate;
		await learn();
		const first = view({ consistencyTokens: ["a"] });
		await time.pass(10);
		const second = view({ consistencyTokens: ["b"] });
		asked[0]?.answer(following({ isWhole: false }));
		await settle();
		// Before the second looks again, another request begins the call that it waits for.
		await lose(() => view({ consistencyTokens: ["c"] }));
		await first;
		await time.pass(2_600);
		expect([
			asked.map(({ request }) => request.consistencyTokens),
			await second,
		]).toEqual([[["a"], ["b", "c"]], undefined]);
	});

	it("are replaced by the forcing token if they are very many", async () => {
		const { learn, view, asked } = startIsolate();
		await learn();
		view({
			consistencyTokens: Array.from({ length: 101 }, (_, at) => `t${at}`),
		});
		await settle();
		expect(asked[0]?.request.consistencyTokens).toEqual(["0"]);
	});

	it("do not make a view younger than its poll", async () => {
		const { view, asked, following, time } = startIsolate();
		const work = view({ consistencyTokens: ["0"], maxAgeMs: SECOND });
		await settle();
		asked[0]?.answer(following({ ageMs: 1_001 }));
		await settle();
		asked[1]?.answer(following({ ageMs: 1_002 }));
		expect(await time.until(work)).toBe(undefined);
	});
});

describe("after a write", () => {
	it("the feed is asked for a poll that begins after it", async () => {
		const { learn, freshness, asked } = startIsolate();
		await learn();
		freshness.afterWrite();
		await settle();
		expect(asked.map(({ request }) => request.maxAgeMs)).toEqual([0]);
	});

	it("the token is of that poll, and the view follows", async () => {
		const { learn, freshness, asked, following, view, time } = startIsolate();
		await learn();
		await time.pass(10);
		const work = freshness.afterWrite();
		await settle();
		const answer = following({ seq: 6, isWhole: false });
		asked[0]?.answer(answer);
		expect([await time.until(work), (await view())?.seq]).toEqual([
			toConsistencyToken(answer),
			6,
		]);
	});

	it("the feed is called even during a reader's call", async () => {
		const { view, freshness, asked } = startIsolate();
		view();
		await settle();
		freshness.afterWrite();
		await settle();
		expect(asked).toHaveLength(2);
	});

	it("a call that was made for another write before is not enough", async () => {
		const { freshness, asked, following, time } = startIsolate();
		const first = freshness.afterWrite();
		await time.pass(10);
		const second = freshness.afterWrite();
		asked[0]?.answer(following());
		await time.until(first);
		await time.pass(30);
		expect(asked).toHaveLength(2);
		const answer = following({ seq: 6, isWhole: false });
		asked[1]?.answer(answer);
		expect(await time.until(second)).toBe(toConsistencyToken(answer));
	});

	it("the token forces a poll if the feed cannot be asked", async () => {
		const { learn, freshness, asked, time } = startIsolate();
		await learn();
		const work = freshness.afterWrite();
		await settle();
		asked[0]?.fail(new Error("gone"));
		expect(await time.until(work)).toBe("0");
	});

	it("the token forces a poll if the feed does not answer in two seconds", async () => {
		const { freshness, time } = startIsolate();
		const work = freshness.afterWrite();
		const start = time.ms;
		expect([await time.until(work), time.ms - start]).toEqual(["0", 2_000]);
	});

	it("the token forces a poll if the database tracks nothing", async () => {
		const { freshness, asked, time } = startIsolate();
		const work = freshness.afterWrite();
		await settle();
		asked[0]?.answer(ABSENT);
		expect(await time.until(work)).toBe("0");
	});
});

describe("a consistency token for the present moment", () => {
	const asOfIn = (token = "") =>
		Number.parseInt(token.split(".")[2] ?? "", 36) - APART_MS;

	it("is later than any moment that the object's clock can have shown", async () => {
		const { freshness, asked, following, time } = startIsolate();
		const work = freshness.afterWrite();
		await time.pass(400);
		const answer = following();
		await time.pass(300);
		asked[0]?.answer(answer);
		await time.until(work);
		await time.pass(5 * SECOND);
		const ahead = asOfIn(freshness.consistencyTokenNow()) - time.now();
		// 400 ms on the way, a thousandth of the time since then, and 1 ms for each rounding.
		expect([ahead >= 402, ahead <= 402 + 8]).toEqual([true, true]);
	});

	it("is not covered by a view of the same moment", async () => {
		const { learn, freshness, view } = startIsolate();
		await learn();
		const token = freshness.consistencyTokenNow() ?? "";
		expect((await view())?.covers(token)).toBe(false);
	});

	it("names the known feed epoch and run of the object", async () => {
		const { learn, freshness } = startIsolate();
		await learn({ feedEpoch: "e7", objectRun: "l7" });
		expect(freshness.consistencyTokenNow()).toMatch(/^e7\.l7\./);
	});

	it("forces a poll if nothing is known of the object", () => {
		expect(startIsolate().freshness.consistencyTokenNow()).toBe("0");
	});

	it("forces a poll if the clock was set back", async () => {
		const { learn, freshness, time } = startIsolate();
		await learn();
		time.ms -= SECOND;
		expect(freshness.consistencyTokenNow()).toBe("0");
	});

	it("forces a poll if the database tracks nothing", async () => {
		const { freshness, view, asked, time } = startIsolate();
		const work = view();
		await settle();
		asked[0]?.answer(ABSENT);
		await time.until(work);
		expect(freshness.consistencyTokenNow()).toBe("0");
	});
});

describe("a feed that cannot be asked", () => {
	async function startFailed(error: unknown = new Error("gone")) {
		const isolate = startIsolate();
		const work = isolate.view();
		await settle();
		isolate.asked[0]?.fail(error);
		const found = await isolate.time.until(work);
		return { ...isolate, found };
	}

	it("gives no view, and gives the reason", async () => {
		const { found, freshness } = await startFailed();
		expect([found, freshness.reason]).toEqual([undefined, "feed-unreachable"]);
	});

	it("is not asked for a second", async () => {
		const { view, freshness, asked, time } = await startFailed();
		await time.pass(SECOND - 1);
		const answers = [await view(), await freshness.afterWrite()];
		expect([answers, asked.length]).toEqual([[undefined, "0"], 1]);
	});

	it("is asked again after that", async () => {
		const { view, asked, following, freshness, time } = await startFailed();
		await time.pass(SECOND);
		const work = view();
		await settle();
		asked[1]?.answer(following());
		const found = await time.until(work);
		expect([found?.seq, freshness.reason]).toEqual([5, "catalog-reading"]);
	});

	it("is logged once", async () => {
		const { view, asked, logged, time } = await startFailed();
		await time.pass(SECOND);
		const work = view();
		await settle();
		asked[1]?.fail(new Error("gone again"));
		await time.until(work);
		expect(logged).toEqual([new Error("gone")]);
	});

	it("leaves a young enough view in use", async () => {
		const { learn, view, asked, freshness, time } = startIsolate();
		await learn();
		const work = freshness.afterWrite();
		await settle();
		asked[0]?.fail(new Error("gone"));
		await time.until(work);
		expect((await view())?.seq).toBe(5);
	});

	it("keeps no request waiting that arrived meanwhile", async () => {
		const { view, asked, time } = startIsolate();
		const works = [view(), view({ consistencyTokens: ["0"] })];
		await time.pass(10);
		asked[0]?.fail(new Error("gone"));
		expect([await time.until(Promise.all(works)), asked.length]).toEqual([
			[undefined, undefined],
			1,
		]);
	});

	it("is waited for two seconds", async () => {
		const { view, time } = startIsolate();
		const start = time.ms;
		expect([await time.until(view()), time.ms - start]).toEqual([
			undefined,
			2_000,
		]);
	});

	it("is asked a second time if the object was just restarted", async () => {
		const { view, asked, following, time } = startIsolate();
		const work = view();
		await settle();
		asked[0]?.fail(Object.assign(new Error("moved"), { retryable: true }));
		await settle();
		asked[1]?.answer(following());
		expect((await time.until(work))?.seq).toBe(5);
	});

	it("is not asked a second time if it is overloaded", async () => {
		const overloaded = { retryable: true, overloaded: true };
		const { asked } = await startFailed(
			Object.assign(new Error("busy"), overloaded),
		);
		expect(asked).toHaveLength(1);
	});

	it("is asked twice at the most", async () => {
		const { view, asked, time } = startIsolate();
		const work = view();
		const moved = Object.assign(new Error("moved"), { retryable: true });
		for (let count = 0; count < 3; count++) {
			await settle();
			asked[count]?.fail(moved);
		}
		await time.until(work);
		expect(asked).toHaveLength(2);
	});

	it("is asked by another reader if the one that asked has gone with its client", async () => {
		const { lose, view, asked, following, time } = startIsolate();
		await lose(view);
		const start = time.ms;
		const work = view();
		await time.pass(2_600);
		asked[1]?.answer(following());
		const found = await time.until(work);
		expect([found?.seq, time.ms - start <= 2_600]).toEqual([5, true]);
	});

	it("is asked by another writer if the first one's client has gone", async () => {
		const { lose, freshness, asked, following, time } = startIsolate();
		await lose(freshness.afterWrite);
		const work = freshness.afterWrite();
		await time.pass(2_600);
		const answer = following();
		asked[1]?.answer(answer);
		expect(await time.until(work)).toBe(toConsistencyToken(answer));
	});
});

describe("a database that tracks nothing", () => {
	it("is not believed if a later question was answered otherwise", async () => {
		const { freshness, view, asked, following, time } = startIsolate();
		const early = view();
		await settle();
		const late = freshness.afterWrite();
		await settle();
		asked[1]?.answer(following());
		const token = await time.until(late);
		asked[0]?.answer(ABSENT);
		expect(await time.until(early)).toMatchObject({
			consistencyToken: token,
		});
		expect(freshness.reason).not.toBe("untracked");
	});

	async function startUntracked() {
		const isolate = startIsolate();
		await isolate.learn();
		const work = isolate.freshness.afterWrite();
		await settle();
		isolate.asked[0]?.answer(ABSENT);
		await isolate.time.until(work);
		return isolate;
	}

	it("gives no view, though there was one, and gives the reason", async () => {
		const { view, freshness } = await startUntracked();
		expect([await view(), freshness.reason]).toEqual([undefined, "untracked"]);
	});

	it("is not asked about for half a minute", async () => {
		const { view, asked, time } = await startUntracked();
		await time.pass(30 * SECOND - 1);
		await view();
		expect(asked).toHaveLength(1);
	});

	it("is asked about after that", async () => {
		const { view, asked, following, time } = await startUntracked();
		await time.pass(30 * SECOND);
		const work = view();
		await settle();
		asked[1]?.answer(following({ isWhole: false, seq: 8 }));
		expect((await time.until(work))?.seq).toBe(8);
	});

	it("is logged once", async () => {
		const { view, asked, logged, time } = await startUntracked();
		await time.pass(30 * SECOND);
		const work = view();
		await settle();
		asked[1]?.answer(ABSENT);
		await time.until(work);
		expect(logged.map(String)).toEqual([
			"Error: Nothing is cached: no schema postern",
		]);
	});
});

describe("the catalog", () => {
	const CATALOG = {} as Catalog;

	async function startViewing() {
		const isolate = startIsolate();
		await isolate.learn();
		const view = await isolate.view();
		if (view === undefined) throw new Error("there is no view");
		return { ...isolate, current: view };
	}

	async function startPlanning() {
		const isolate = await startViewing();
		const { freshness, current, catalogs, time } = isolate;
		const work = freshness.catalog(current);
		await settle();
		catalogs[0]?.answer({ feedEpoch: "e1", seq: 5, catalog: CATALOG });
		await time.until(work);
		return isolate;
	}

	it("is loaded by the first request that needs it, which waits", async () => {
		const { freshness, current, catalogs, time } = await startViewing();
		const work = freshness.catalog(current);
		await settle();
		catalogs[0]?.answer({ feedEpoch: "e1", seq: 5, catalog: CATALOG });
		expect(await time.until(work)).toBe(CATALOG);
	});

	it("is missing for other requests while it is loaded", async () => {
		const { freshness, current, catalogs } = await startViewing();
		freshness.catalog(current);
		await settle();
		expect([
			await freshness.catalog(current),
			catalogs.length,
			freshness.reason,
		]).toEqual([undefined, 1, "catalog-reading"]);
	});

	it("is kept while it is current", async () => {
		const { freshness, current, catalogs } = await startPlanning();
		expect([
			await freshness.catalog(current),
			catalogs.length,
			freshness.reason,
		]).toEqual([CATALOG, 1, undefined]);
	});

	it("is loaded again when the view knows of a change", async () => {
		const { freshness, view, learn, catalogs } = await startPlanning();
		await learn({ seq: 6, isWhole: false, changes: [["catalog", 6]] });
		const changed = await view();
		if (changed !== undefined) freshness.catalog(changed);
		await settle();
		expect(catalogs).toHaveLength(2);
	});

	it("is loaded again when the view has forgotten the changes to compare it with", async () => {
		const { freshness, view, learn, catalogs } = await startPlanning();
		await learn({ seq: 9, prunedBelow: 6, isWhole: false });
		const changed = await view();
		if (changed !== undefined) freshness.catalog(changed);
		await settle();
		expect(catalogs).toHaveLength(2);
	});

	it("is loaded again in another feed epoch", async () => {
		const { freshness, view, learn, catalogs } = await startPlanning();
		await learn({ feedEpoch: "e2", seq: 1 });
		const changed = await view();
		if (changed !== undefined) freshness.catalog(changed);
		await settle();
		expect(catalogs).toHaveLength(2);
	});

	it("is not given if it turns out to be older than the change that the view knows", async () => {
		const { freshness, view, learn, catalogs, time } = await startPlanning();
		await learn({ seq: 6, isWhole: false, changes: [["catalog", 6]] });
		const changed = await view();
		const work = changed && freshness.catalog(changed);
		await settle();
		catalogs[1]?.answer({ feedEpoch: "e1", seq: 5, catalog: CATALOG });
		expect(await time.until(Promise.resolve(work))).toBe(undefined);
	});

	it("is the last known one until it is loaded again", async () => {
		const { freshness, learn } = await startPlanning();
		await learn({ seq: 6, isWhole: false, changes: [["catalog", 6]] });
		expect(freshness.lastCatalog()).toBe(CATALOG);
	});

	it.each(["that cannot be read", "that is none"])(
		"%s is not asked for again for a second, and is logged once",
		async (kind) => {
			const { freshness, current, catalogs, logged, time } =
				await startViewing();
			const fail = async () => {
				const work = freshness.catalog(current);
				await settle();
				if (kind === "that is none")
					catalogs.at(-1)?.answer({ feedEpoch: "e1", seq: 5, catalog: "none" });
				else catalogs.at(-1)?.fail(new Error("gone"));
				return time.until(work);
			};
			const answers = [await fail()];
			await time.pass(SECOND - 1);
			await freshness.catalog(current);
			const early = catalogs.length;
			await time.pass(1);
			answers.push(await fail());
			expect([answers, early, catalogs.length, logged.length]).toEqual([
				[undefined, undefined],
				1,
				2,
				1,
			]);
		},
	);

	it("is waited for two seconds", async () => {
		const { freshness, current, time } = await startViewing();
		const start = time.ms;
		const found = await time.until(freshness.catalog(current));
		expect([found, time.ms - start]).toEqual([undefined, 2_000]);
	});
});

describe("what a feed that cannot poll has told", () => {
	const failing = { failure: "origin-unreachable" } as const;

	/** An isolate that is told this when its view is too old. */
	async function told(given: Partial<Following> & { ageMs?: number }) {
		const isolate = startIsolate();
		const { learn, view, asked, following, time, freshness } = isolate;
		await learn({ changes: [["api.a", 3]] });
		isolate.catalogs.length = 0;
		await time.pass(5 * SECOND);
		const work = view();
		await settle();
		asked[0]?.answer(following({ ageMs: 5 * SECOND, ...given }));
		const seen = await time.until(work);
		const lastKnown = async (maxSilenceMs = 5 * SECOND) => {
			const known = freshness.lastKnown(maxSilenceMs);
			await settle();
			isolate.catalogs
				.at(-1)
				?.answer({ feedEpoch: "e1", seq: 99, catalog: "a catalog" });
			return time.until(known);
		};
		return { ...isolate, seen, lastKnown };
	}

	it("is no view to answer by", async () => {
		const { seen, freshness } = await told(failing);
		expect([seen, freshness.reason, freshness.isOriginAway]).toEqual([
			undefined,
			"feed-unreachable",
			true,
		]);
	});

	it("ends when it polls again, which says that the origin answers", async () => {
		const { asked, following, freshness, recoveries, time, view } =
			await told(failing);
		expect(recoveries).toEqual([]);
		await time.pass(2 * SECOND);
		for (let poll = 0; poll < 2; poll++) {
			const work = view();
			await settle();
			asked.at(-1)?.answer(following());
			await time.until(work);
			await time.pass(6 * SECOND);
		}
		expect([recoveries.length, freshness.isOriginAway]).toEqual([1, false]);
	});

	it("is known with its changes, and as old as its last poll", async () => {
		const { lastKnown, time } = await told({
			...failing,
			seq: 6,
			changes: [["catalog", 6]],
			isWhole: false,
		});
		const known = await lastKnown();
		expect([
			known?.view.lastChange("api.a"),
			known?.view.lastChange("catalog"),
			time.now() - (known?.view.asOf ?? 0),
			known?.catalog,
		]).toEqual([3, 6, 5_001, "a catalog"]);
	});

	it("by a restarted object adds to what is known of the last poll", async () => {
		const { lastKnown, time } = await told({
			...failing,
			...{ objectRun: "l2", asOf: 0, seq: 900, changes: [["api.b", 6]] },
		});
		const known = await lastKnown();
		expect([
			known?.view.lastChange("api.a"),
			known?.view.lastChange("api.b"),
			time.now() - (known?.view.asOf ?? 0),
		]).toEqual([3, 6, 5_001]);
	});

	it("is not known when the object has been silent for too long", async () => {
		const { lastKnown, time } = await told(failing);
		await time.pass(5 * SECOND + 1);
		expect(await lastKnown()).toBeUndefined();
	});

	it("is not known where the database tracks nothing", async () => {
		const { view, asked, time, lastKnown } = await told(failing);
		await time.pass(SECOND);
		const work = view();
		await settle();
		asked.at(-1)?.answer(ABSENT);
		await time.until(work);
		expect(await lastKnown()).toBeUndefined();
	});

	it("says nothing of the origin if the database answers", async () => {
		const { freshness } = await told({ failure: "feed-unreachable" });
		expect(freshness.isOriginAway).toBe(false);
	});

	it("says nothing of the origin when the object itself is out of reach", async () => {
		const { view, asked, time, freshness } = await told(failing);
		await time.pass(SECOND);
		const work = view();
		await settle();
		asked.at(-1)?.fail(new Error("no object"));
		await time.until(work);
		expect(freshness.isOriginAway).toBe(false);
	});

	it("ends with the next poll", async () => {
		const { learn, freshness, time } = await told(failing);
		await time.pass(SECOND);
		await learn({});
		expect([freshness.isOriginAway, freshness.reason]).toEqual([
			false,
			"catalog-reading",
		]);
	});
});
