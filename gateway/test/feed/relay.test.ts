// A relay between isolates and the change feed's object: when it asks, what it answers, and how old it says that is.
import { describe, expect, it } from "vitest";
import type { Feed, SyncAnswer, SyncRequest } from "../../src/feed/feed.ts";
import { createRelay } from "../../src/feed/relay.ts";
import { settle, stoppedTime } from "../support/change-feed.ts";

const SECOND = 1_000;
/** Of the object's clock. */
const OFFSET = 7_654_321;

type Following = Extract<SyncAnswer, { state: "following" }>;

/** An object that answers when the test lets it, by a poll of that moment unless told otherwise. */
function start() {
	const time = stoppedTime();
	const asked: {
		request: SyncRequest;
		answer: (answer?: Partial<Following>) => void;
		fail: (error: Error) => void;
	}[] = [];
	const absent: SyncAnswer = { state: "absent", reason: "nothing is tracked" };
	const object = {
		isAbsent: false,
		catalogs: 0,
		sync: (request: SyncRequest) =>
			new Promise<SyncAnswer>((resolve, reject) => {
				const answer = (changed: Partial<Following> = {}) =>
					resolve(
						object.isAbsent ? absent : { ...following(request), ...changed },
					);
				asked.push({ request, answer, fail: reject });
			}),
		async catalog() {
			object.catalogs += 1;
			await time.sleep(SECOND);
			return { feedEpoch: "epoch", seq: 5, catalog: {} };
		},
	} satisfies Feed & Record<string, unknown>;
	const following = ({ known }: SyncRequest): Following => ({
		state: "following",
		feedEpoch: "epoch",
		seq: 5,
		prunedBelow: 0,
		objectRun: "run",
		asOf: time.now() + OFFSET,
		now: time.now() + OFFSET,
		cursor: "cursor",
		changes: known ? [] : [["api.notes", 5]],
		isWhole: known === undefined,
		isSchemaLoaded: true,
	});
	const relay = createRelay({
		feed: object,
		now: time.now,
		sleep: time.sleep,
	});
	/** The object's answers so far are given. */
	async function answered(work: Promise<SyncAnswer>, answer = {}) {
		await settle();
		asked.at(-1)?.answer(answer);
		return (await work) as Following;
	}
	return { time, asked, object, relay, answered };
}

describe("a relay", () => {
	it("asks the object once for all who ask meanwhile", async () => {
		const { relay, asked, answered } = start();
		const works = [1, 2, 3].map(() => relay.sync({ maxAgeMs: SECOND }));
		await answered(Promise.all(works).then(([first]) => first as SyncAnswer));
		await relay.sync({ maxAgeMs: SECOND });
		expect(asked).toHaveLength(1);
	});

	it("says how old its answer is by then, and no less", async () => {
		const { relay, time, answered } = start();
		const work = relay.sync({ maxAgeMs: SECOND });
		await time.pass(100);
		const asOf = time.now() + OFFSET - 30;
		await answered(work, { asOf });
		await time.pass(400);
		const answer = (await relay.sync({ maxAgeMs: SECOND })) as Following;
		expect(answer.asOf).toBe(asOf);
		// The poll began 30 ms before the object answered, and that was anywhere in the 100 ms of the call.
		expect(answer.now - asOf).toBeGreaterThanOrEqual(530);
		expect(answer.now - asOf).toBeLessThan(535);
	});

	it("asks again where its answer is older than accepted", async () => {
		const { relay, time, asked, answered } = start();
		await answered(relay.sync({ maxAgeMs: SECOND }));
		await time.pass(SECOND);
		const { now, asOf } = await answered(relay.sync({ maxAgeMs: SECOND }));
		expect(asked).toHaveLength(2);
		expect(now - asOf).toBeLessThan(5);
	});

	it("asks after the request where a new poll is needed, though a call is under way", async () => {
		const { relay, asked, answered } = start();
		const earlier = relay.sync({ maxAgeMs: SECOND });
		await settle();
		const afterWrite = relay.sync({ maxAgeMs: 0 });
		await answered(earlier);
		await answered(afterWrite, { seq: 6 });
		expect(asked.map(({ request }) => request.maxAgeMs)).toEqual([500, 0]);
	});

	it("passes on the tokens that its answer does not cover", async () => {
		const { relay, asked, answered } = start();
		await answered(relay.sync({ maxAgeMs: SECOND }));
		const consistencyTokens = ["epoch.run2.1"];
		await answered(relay.sync({ maxAgeMs: SECOND, consistencyTokens }));
		expect(asked.at(-1)?.request.consistencyTokens).toEqual(consistencyTokens);
	});

	it("tells each isolate the changes that it does not know", async () => {
		const { relay, answered } = start();
		await answered(relay.sync({ maxAgeMs: SECOND }));
		const known = { feedEpoch: "epoch", seq: 5 };
		const [all, none] = await Promise.all([
			relay.sync({ maxAgeMs: SECOND }),
			relay.sync({ maxAgeMs: SECOND, known }),
		]);
		expect(all).toMatchObject({ isWhole: true, changes: [["api.notes", 5]] });
		expect(none).toMatchObject({ isWhole: false, changes: [] });
	});

	it("lets the object judge a number that it does not know", async () => {
		const { relay, asked, answered } = start();
		await answered(relay.sync({ maxAgeMs: SECOND }));
		const known = { feedEpoch: "epoch", seq: 6 };
		await answered(relay.sync({ maxAgeMs: SECOND, known }));
		expect(asked.at(-1)?.request.known).toEqual(known);
	});

	it("says why the object could not poll", async () => {
		const { relay, answered } = start();
		await answered(relay.sync({ maxAgeMs: SECOND }));
		const failure = "origin-unreachable";
		const answer = await answered(relay.sync({ maxAgeMs: 0 }), { failure });
		expect(answer.failure).toBe(failure);
	});

	it("says that nothing is tracked until the object says otherwise", async () => {
		const { relay, object, answered } = start();
		await answered(relay.sync({ maxAgeMs: SECOND }));
		object.isAbsent = true;
		await answered(relay.sync({ maxAgeMs: 0 }));
		const absent = await answered(relay.sync({ maxAgeMs: SECOND }));
		object.isAbsent = false;
		const following = await answered(relay.sync({ maxAgeMs: SECOND }));
		expect([absent.state, following.state]).toEqual(["absent", "following"]);
	});

	it("gives up a call that takes longer than an isolate waits, and asks again", async () => {
		const { relay, time, answered } = start();
		const hung = relay.sync({ maxAgeMs: SECOND }).catch(String);
		await time.pass(2 * SECOND);
		expect(await hung).toContain("took more than 1800 ms");
		const answer = await answered(relay.sync({ maxAgeMs: SECOND }));
		expect(answer.state).toBe("following");
	});

	it("reads the catalog once for all who ask meanwhile", async () => {
		const { relay, time, object } = start();
		const works = Promise.all([relay.catalog(), relay.catalog()]);
		await time.pass(SECOND);
		expect(await works).toHaveLength(2);
		expect(object.catalogs).toBe(1);
	});
});
