// Equal reads that wait for a place at the origin: which of them share an answer, and which ask for themselves.
import { describe, expect, it } from "vitest";
import type { Refusal } from "../../src/http/refusals.ts";
import type { Identity } from "../../src/identity/identity.ts";
import { createBulkhead } from "../../src/origin/bulkhead.ts";
import { ANYBODY } from "../support/cache.ts";
import { settle, stoppedTime } from "../support/change-feed.ts";

const TIMEOUT_MS = 4_000;
const ADA: Identity = { role: "authenticated", claims: { sub: "ada" } };

interface Asked {
	path?: string;
	identity?: Identity;
	init?: RequestInit;
}

/** A relation with one place, which is taken; and an origin that answers each request with its number when the test says so. */
async function busy(answerOf = (number: number) => Response.json({ number })) {
	const time = stoppedTime();
	const sent: (() => void)[] = [];
	const bulkhead = createBulkhead(
		async () => {
			const { promise, resolve } = Promise.withResolvers<void>();
			const number = sent.push(resolve);
			await promise;
			return answerOf(number);
		},
		{
			...{ limit: 1, timeoutMs: TIMEOUT_MS, now: time.now, sleep: time.sleep },
			callerOf: ({ role }) => role,
		},
	);
	const ask = ({ path = "/notes", identity = ADA, init = {} }: Asked = {}) =>
		bulkhead(new Request(`http://postgrest${path}`, init), identity).then(
			async (answer) => `${answer.status} ${await answer.text()}`,
			({ code }: Refusal) => code,
		);
	/** Answers the oldest that is not answered, and lets the others look. */
	let answered = 0;
	const turn = async () => {
		await new Response("body").text();
		await settle();
		await time.pass(10);
	};
	const answerOne = async (which = answered++) => {
		while (sent.length <= which) await turn();
		sent[which]?.();
		for (let count = 0; count < 20; count++) await turn();
	};
	const first = ask({ path: "/notes?first" });
	await settle();
	return { time, sent, ask, answerOne, first };
}

describe("reads that wait", () => {
	it("get the answer to one of them, if they are equal", async () => {
		const { time, sent, ask, answerOne } = await busy();
		const answers = Array.from({ length: 200 }, () => ask());
		await answerOne();
		await answerOne();
		// Many that wait look less often.
		await time.pass(500);
		expect(new Set(await Promise.all(answers))).toEqual(
			new Set(['200 {"number":2}']),
		);
		expect(sent).toHaveLength(2);
	});

	it.each<[what: string, one: Asked, other: Asked]>([
		["callers", { identity: ADA }, { identity: ANYBODY }],
		[
			"claims",
			{ identity: ADA },
			{ identity: { ...ADA, claims: { sub: "ada", aal: "aal2" } } },
		],
		[
			"tokens",
			{ identity: { ...ADA, tokenClaims: { exp: 1 } } },
			{ identity: { ...ADA, tokenClaims: { exp: 2 } } },
		],
		["URLs", {}, { path: "/notes?id=eq.1" }],
		["methods", {}, { init: { method: "HEAD" } }],
		["headers", {}, { init: { headers: { Accept: "text/csv" } } }],
		["cookies", {}, { init: { headers: { Cookie: "a=1" } } }],
	])("share nothing with other %s", async (_, one, other) => {
		const { sent, ask, answerOne } = await busy();
		const answers = [ask(one), ask(other)];
		for (let times = 0; times < 3; times++) await answerOne();
		expect(new Set(await Promise.all(answers)).size).toBe(2);
		expect(sent).toHaveLength(3);
	});

	it.each<[what: string, asked: Asked]>([
		["a call", { path: "/rpc/dice" }],
		["no-store", { init: { headers: { "Cache-Control": "no-store" } } }],
		["a write", { init: { method: "DELETE" } }],
	])("share nothing where it is %s", async (_, asked) => {
		const { sent, ask, answerOne } = await busy();
		const answers = [ask(asked), ask(asked)];
		for (let times = 0; times < 3; times++) await answerOne();
		await Promise.all(answers);
		expect(sent).toHaveLength(3);
	});

	it.each<[what: string, answer: (number: number) => Response]>([
		["large", () => Response.json("x".repeat(300_000))],
		["an error of the server", () => Response.json({}, { status: 500 })],
		[
			"with a cookie",
			() => Response.json({}, { headers: { "Set-Cookie": "a=1" } }),
		],
		["cut off", () => new Response('{"a"', { headers: JSON_TYPE })],
	])("ask for themselves where the answer is %s", async (_, answerOf) => {
		const { sent, ask, answerOne } = await busy(answerOf);
		const answers = [ask(), ask()];
		for (let times = 0; times < 3; times++) await answerOne();
		await Promise.all(answers);
		expect(sent).toHaveLength(3);
	});

	it("do not get an answer that was asked for before they began", async () => {
		const { sent, ask, answerOne } = await busy();
		const early = ask();
		await answerOne();
		const late = ask();
		await answerOne();
		await answerOne();
		expect([await early, await late, sent.length]).toEqual([
			'200 {"number":2}',
			'200 {"number":3}',
			3,
		]);
	});

	it("share the next one's answer where the client of the one that was sent goes away", async () => {
		const { sent, ask, answerOne } = await busy();
		const client = new AbortController();
		void ask({ init: { signal: client.signal } });
		const others = [ask(), ask()];
		await answerOne();
		client.abort();
		await answerOne(2);
		expect([await Promise.all(others), sent.length]).toEqual([
			['200 {"number":3}', '200 {"number":3}'],
			3,
		]);
	});

	it("get an answer without a body as it is", async () => {
		const { ask, answerOne } = await busy(
			() => new Response(null, { status: 204 }),
		);
		const answers = [ask(), ask()];
		await answerOne();
		await answerOne();
		expect(await Promise.all(answers)).toEqual(["204 ", "204 "]);
	});
});

const JSON_TYPE = { "Content-Type": "application/json" };

describe("an origin that is quick", () => {
	it("is asked by each read", async () => {
		const { sent, ask, answerOne, first } = await busy();
		await answerOne();
		await first;
		for (let count = 0; count < 2; count++) {
			const answer = ask();
			await settle();
			await answerOne();
			await answer;
		}
		expect(sent).toHaveLength(3);
	});
});
