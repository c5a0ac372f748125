// gateway/client/exactly-once.ts: each write has one key, and is sent again while its answer is lost, within bounds.
import { PostgrestClient } from "@supabase/postgrest-js";
import { describe, expect, it } from "vitest";
import { causal, exactlyOnce } from "../../client/index.ts";

const URL_OF_NOTES = "https://gateway.example/rest/v1/notes";

type Outcome = Response | Error;

const lost = new TypeError("network connection lost");
const refused = (status: number, code: string, headers = {}) =>
	Response.json({ code, message: code }, { status, headers });

/** A server with these outcomes in turn. */
function startServer(outcomes: readonly (() => Outcome)[], attempts = 5) {
	const received: { key: string | null; body: string }[] = [];
	const pauses: number[] = [];
	const fetch = exactlyOnce(
		async (input, init) => {
			const request = new Request(input, init);
			const outcome = outcomes[received.length]?.() ?? Response.json([]);
			received.push({
				key: request.headers.get("Idempotency-Key"),
				body: await request.text(),
			});
			if (outcome instanceof Error) throw outcome;
			return outcome;
		},
		{ attempts, sleep: async (ms) => pauses.push(ms) },
	);
	return { fetch, received, pauses };
}

const write = { method: "POST", body: '{"id":1}' };

describe("a write", () => {
	it.each<[string, () => Outcome]>([
		["its answer is lost", () => lost],
		["the origin was not reached", () => refused(503, "origin_unreachable")],
		["the origin was late", () => refused(504, "origin_timeout")],
		["a proxy answers", () => new Response("bad gateway", { status: 502 })],
		["it is under way", () => refused(409, "idempotency_in_flight")],
	])(
		"is sent again with the same key and body where %s",
		async (_, outcome) => {
			const { fetch, received } = startServer([outcome, outcome]);
			expect((await fetch(URL_OF_NOTES, write)).status).toBe(200);
			const [first] = received;
			expect(first?.key).toMatch(/^"[\da-f-]{36}"$/);
			expect(received).toEqual([first, first, first]);
			expect(first?.body).toBe(write.body);
		},
	);

	it.each([
		[409, "23505"],
		[409, "idempotency_answer_lost"],
		[422, "idempotency_key_reused"],
		[501, "idempotency_unsupported"],
		[500, "internal_error"],
	])("is not sent again after %s %s", async (status, code) => {
		const { fetch, received } = startServer([() => refused(status, code)]);
		const answer = await fetch(URL_OF_NOTES, write);
		expect([answer.status, await answer.json()]).toMatchObject([
			status,
			{ code },
		]);
		expect(received).toHaveLength(1);
	});

	it("is sent as often as is allowed, and ends as the last one did", async () => {
		const never = Array.from({ length: 9 }, () => () => lost);
		const { fetch, received, pauses } = startServer(never, 3);
		await expect(fetch(URL_OF_NOTES, write)).rejects.toBe(lost);
		expect(received).toHaveLength(3);
		expect(pauses).toHaveLength(2);
	});

	it("waits as long as Retry-After says, up to 10 s, and longer each time without it", async () => {
		const after = (seconds: number) => () =>
			refused(503, "origin_unreachable", { "Retry-After": String(seconds) });
		const { fetch, pauses } = startServer([
			after(3),
			after(60),
			() => lost,
			() => lost,
		]);
		await fetch(URL_OF_NOTES, write);
		const [first, second, third = 0, fourth = 0] = pauses;
		expect([first, second]).toEqual([3_000, 10_000]);
		expect(third).toBeGreaterThanOrEqual(500);
		expect(third).toBeLessThanOrEqual(1_500);
		expect(fourth).toBeGreaterThanOrEqual(1_000);
		expect(fourth).toBeLessThanOrEqual(3_000);
	});

	it("is sent again from a Request, whose body is read once only", async () => {
		const { fetch, received } = startServer([() => lost, () => lost]);
		await fetch(new Request(URL_OF_NOTES, write));
		expect(received.map(({ body }) => body)).toEqual(Array(3).fill(write.body));
		expect(new Set(received.map(({ key }) => key)).size).toBe(1);
	});

	it("is sent once where its body is a stream", async () => {
		const { fetch, received } = startServer([() => lost]);
		const body = new Blob(["{}"]).stream();
		await expect(
			// duplex is missing in the types of Workers.
			fetch(URL_OF_NOTES, { method: "POST", body, duplex: "half" } as object),
		).rejects.toBe(lost);
		expect(received).toHaveLength(1);
	});

	it("is not sent again after it was aborted", async () => {
		const { fetch, received } = startServer([() => lost]);
		await expect(
			fetch(URL_OF_NOTES, { ...write, signal: AbortSignal.abort() }),
		).rejects.toThrow();
		expect(received.length).toBeLessThanOrEqual(1);
	});

	it("keeps a key of the caller's", async () => {
		const { fetch, received } = startServer([]);
		const headers = { "Idempotency-Key": "own" };
		await fetch(URL_OF_NOTES, { ...write, headers });
		expect(received[0]?.key).toBe("own");
	});

	it("has another key than the next", async () => {
		const { fetch, received } = startServer([]);
		await fetch(URL_OF_NOTES, write);
		await fetch(URL_OF_NOTES, write);
		expect(received[0]?.key).not.toBe(received[1]?.key);
	});
});

it.each([
	["a read", URL_OF_NOTES, { method: "GET" }],
	["a sign-in", "https://gateway.example/auth/v1/token", write],
	["a file", "https://gateway.example/storage/v1/object/a", write],
])("%s has no key, and is sent once", async (_, url, init) => {
	const { fetch, received } = startServer([() => lost]);
	await expect(fetch(url, init)).rejects.toBe(lost);
	expect(received.map(({ key }) => key)).toEqual([null]);
});

it("serves postgrest-js, and sees its own writes with causal", async () => {
	const { fetch, received } = startServer([() => lost]);
	const client = new PostgrestClient("https://gateway.example/rest/v1", {
		fetch: causal(fetch),
		retry: false,
	});
	const { error } = await client.from("notes").insert({ id: 1 });
	expect(error).toBeNull();
	expect(received.map(({ body }) => body)).toEqual(['{"id":1}', '{"id":1}']);
});
