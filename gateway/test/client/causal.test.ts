// gateway/client/causal.ts: a request's tokens stand for every answer that came before it, in every order of events.
import { PostgrestClient } from "@supabase/postgrest-js";
import { createClient } from "@supabase/supabase-js";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { causal } from "../../client/causal.ts";

const URL_OF_ALL = "https://gateway.example/rest/v1/notes";

function sentBy(request: Request): string[] {
	return request.headers.get("Postern-Token")?.split(", ") ?? [];
}

/** A server that gives each answer when the test says so. */
function startServer() {
	const received: Request[] = [];
	const waiting: PromiseWithResolvers<Response>[] = [];
	const fetch = causal((input, init) => {
		const pending = Promise.withResolvers<Response>();
		received.push(new Request(input, init));
		waiting.push(pending);
		return pending.promise;
	});
	return {
		received,
		fetch,
		/** Answers the request of this index. */
		answer(index: number, token?: string, status = 200) {
			const headers = new Headers();
			if (token !== undefined) headers.set("Postern-Token", token);
			waiting[index]?.resolve(new Response("[]", { status, headers }));
		},
		lose(index: number) {
			waiting[index]?.reject(new TypeError("network connection lost"));
		},
	};
}

/** Sends requests that are answered at once with these tokens; returns what was sent. */
async function askedInTurn(...tokens: (string | undefined)[]) {
	const { fetch, received, answer } = startServer();
	for (const [index, token] of [...tokens, undefined].entries()) {
		const asked = fetch(URL_OF_ALL);
		answer(index, token);
		await asked;
	}
	return received.map(sentBy);
}

/** The answer after redirects, which fetch followed. */
function answered(token: string | undefined, made: object): Response {
	const headers = token === undefined ? {} : { "Postern-Token": token };
	return Object.defineProperties(
		new Response("[]", { headers }),
		Object.getOwnPropertyDescriptors(made),
	);
}

describe("a write", () => {
	it.each([
		["was followed to where it led", answered("b", { redirected: true })],
		["is not to be looked at", answered(undefined, { status: 0 })],
	])(
		"whose redirect %s makes the next read ask for a poll",
		async (_, answer) => {
			const sent: string[][] = [];
			const answers = [answered("a", {}), answer, answered("c", {})];
			const fetch = causal(async (input, init) => {
				sent.push(sentBy(new Request(input, init)));
				return answers.shift() ?? new Response();
			});
			await fetch(URL_OF_ALL);
			await fetch(URL_OF_ALL, { method: "POST" });
			await fetch(URL_OF_ALL);
			expect(sent.at(-1)).toContain("0");
		},
	);
});

describe("a causal client", () => {
	it("sends no token at first", async () => {
		expect(await askedInTurn()).toEqual([[]]);
	});

	it("sends the token of the last answer", async () => {
		expect(await askedInTurn("a", "b, c")).toEqual([[], ["a"], ["b", "c"]]);
	});

	it("keeps its token when an old answer comes from the browser's cache", async () => {
		expect(await askedInTurn("a", "b", "a", "0", "a, c", "0")).toEqual([
			[],
			["a"],
			["b"],
			["b"],
			["0"],
			["a", "c"],
			["0"],
		]);
	});

	it("keeps sending its token if an answer brings none", async () => {
		expect(await askedInTurn("a", undefined)).toEqual([[], ["a"], ["a"]]);
	});

	it("shares no token with another client", async () => {
		await askedInTurn("a");
		expect(await askedInTurn()).toEqual([[]]);
	});

	it("sends the tokens of several answers that crossed", async () => {
		const { fetch, received, answer } = startServer();
		const asked = [fetch(URL_OF_ALL), fetch(URL_OF_ALL)];
		answer(1, "b");
		answer(0, "a");
		await Promise.all(asked);
		void fetch(URL_OF_ALL);
		expect(received.map(sentBy)[2]?.sort()).toEqual(["a", "b"]);
	});

	it("replaces more tokens than the gateway reads by one that forces a poll", async () => {
		const { fetch, received, answer } = startServer();
		const asked = Array.from({ length: 33 }, () => fetch(URL_OF_ALL));
		for (const index of asked.keys()) answer(index, `t${index}`);
		await Promise.all(asked);
		void fetch(URL_OF_ALL);
		expect(received.map(sentBy)[33]).toEqual(["0"]);
	});

	it.each(["POST", "PATCH", "PUT", "DELETE"])(
		"makes the next request force a poll if the answer to a write is lost: %s",
		async (method) => {
			const { fetch, received, lose } = startServer();
			const asked = fetch(URL_OF_ALL, { method });
			lose(0);
			await asked.catch(() => {});
			void fetch(URL_OF_ALL);
			expect(received.map(sentBy)[1]).toEqual(["0"]);
		},
	);

	it.each([
		["POST", 504, ["0"]],
		["POST", 500, ["0"]],
		["POST", 409, []],
		["GET", 504, []],
	])(
		"%s answered %i without a token leads to %j",
		async (method, status, sent) => {
			const { fetch, received, answer } = startServer();
			const asked = fetch(URL_OF_ALL, { method });
			answer(0, undefined, status);
			await asked;
			void fetch(URL_OF_ALL);
			expect(received.map(sentBy)[1]).toEqual(sent);
		},
	);

	it.each(["GET", "HEAD", "OPTIONS"])(
		"keeps its tokens if the answer to a read is lost: %s",
		async (method) => {
			const { fetch, received, answer, lose } = startServer();
			const first = fetch(URL_OF_ALL);
			answer(0, "a");
			await first;
			const second = fetch(URL_OF_ALL, { method });
			lose(1);
			await second.catch(() => {});
			void fetch(URL_OF_ALL);
			expect(received.map(sentBy)[2]).toEqual(["a"]);
		},
	);

	it("fails as fetch does", async () => {
		const { fetch, lose } = startServer();
		const asked = fetch(URL_OF_ALL);
		lose(0);
		await expect(asked).rejects.toThrow("network connection lost");
	});

	it("passes everything else on unchanged", async () => {
		const { fetch, received, answer } = startServer();
		const controller = new AbortController();
		const asked = fetch(new URL(`${URL_OF_ALL}?a=b`), {
			method: "PATCH",
			headers: { Prefer: "return=minimal", apikey: "key" },
			body: '{"a":1}',
			signal: controller.signal,
		});
		answer(0);
		const answered = await asked;
		const [request] = received;
		controller.abort();
		expect([
			request?.url,
			request?.method,
			request?.headers.get("prefer"),
			request?.headers.get("apikey"),
			await request?.text(),
			await answered.text(),
		]).toEqual([
			`${URL_OF_ALL}?a=b`,
			"PATCH",
			"return=minimal",
			"key",
			'{"a":1}',
			"[]",
		]);
	});

	it("accepts a Request as fetch does, and does not change it", async () => {
		const { fetch, received, answer } = startServer();
		const first = fetch(URL_OF_ALL);
		answer(0, "a");
		await first;
		const own = new Request(URL_OF_ALL, { headers: { apikey: "key" } });
		void fetch(own);
		expect([
			received[1] && sentBy(received[1]),
			received[1]?.headers.get("apikey"),
			own.headers.has("Postern-Token"),
		]).toEqual([["a"], "key", false]);
	});
});

describe("the wrapped fetch", () => {
	/** A causal fetch that has seen the token `a`, and what it calls the wrapped one with. */
	async function startWrapped() {
		const calls: Parameters<typeof fetch>[] = [];
		const wrapped = causal(async (...call) => {
			calls.push(call);
			return new Response("[]", { headers: { "Postern-Token": "a" } });
		});
		await wrapped(URL_OF_ALL);
		calls.pop();
		return { wrapped, calls };
	}

	it("gets the URL as it was given", async () => {
		const { wrapped, calls } = await startWrapped();
		const url = new URL(URL_OF_ALL);
		await wrapped(URL_OF_ALL);
		await wrapped(url);
		expect(calls.map(([input]) => input)).toEqual([URL_OF_ALL, url]);
	});

	it("gets every option as it was given, those of frameworks included", async () => {
		const { wrapped, calls } = await startWrapped();
		const init = {
			method: "POST",
			body: "{}",
			next: { revalidate: 60, tags: ["notes"] },
		};
		await wrapped(URL_OF_ALL, init);
		expect(calls[0]?.[1]).toMatchObject(init);
	});

	it("gets the caller's headers, in any form, together with the token", async () => {
		const { wrapped, calls } = await startWrapped();
		const headers = { authorization: "Bearer x", accept: "text/csv" };
		await wrapped(URL_OF_ALL, { headers });
		await wrapped(URL_OF_ALL, { headers: Object.entries(headers) });
		await wrapped(URL_OF_ALL, { headers: new Headers(headers) });
		await wrapped(new Request(URL_OF_ALL, { headers }));
		expect(
			calls.map(([, init]) =>
				Object.fromEntries(new Headers(init?.headers).entries()),
			),
		).toEqual(Array(4).fill({ ...headers, "postern-token": "a" }));
	});

	it("gets the headers of the options in place of those of a Request", async () => {
		const { wrapped, calls } = await startWrapped();
		const request = new Request(URL_OF_ALL, {
			headers: { accept: "text/csv" },
		});
		await wrapped(request, { headers: { prefer: "count=exact" } });
		const [input, init] = calls[0] ?? [];
		expect([
			input,
			Object.fromEntries(new Headers(init?.headers).entries()),
		]).toEqual([request, { prefer: "count=exact", "postern-token": "a" }]);
	});

	it.each<[string, Parameters<typeof fetch>]>([
		["a Request's method", [new Request(URL_OF_ALL, { method: "POST" })]],
		["the options' method in lower case", [URL_OF_ALL, { method: "post" }]],
		[
			"the options' method before a Request's",
			[new Request(URL_OF_ALL), { method: "DELETE" }],
		],
	])("makes a write of %s", async (_, call) => {
		const sent: (string | null)[] = [];
		const wrapped = causal(async (_input, init) => {
			sent.push(new Headers(init?.headers).get("postern-token"));
			throw new TypeError("network connection lost");
		});
		await wrapped(...call).catch(() => {});
		await wrapped(URL_OF_ALL).catch(() => {});
		expect(sent).toEqual([null, "0"]);
	});
});

/** An event of a client: it sends a request, or one of its pending requests ends. */
const event = fc.oneof(
	{
		weight: 4,
		arbitrary: fc.record({
			kind: fc.constant("ask" as const),
			isWrite: fc.boolean(),
		}),
	},
	{
		weight: 4,
		arbitrary: fc.record({
			kind: fc.constant("answer" as const),
			which: fc.nat(),
			/** The token that an answer has while the feed cannot be asked. */
			isForcing: fc.boolean(),
		}),
	},
	{
		weight: 1,
		arbitrary: fc.record({
			kind: fc.constant("lose" as const),
			which: fc.nat(),
		}),
	},
);

/** What the server means by a text: answers, by their numbers. */
type Meaning = ReadonlySet<number>;

describe("in any order of events", () => {
	it("a request's tokens stand for every answer that came before it", async () => {
		await fc.assert(
			fc.asyncProperty(
				fc.array(event, { maxLength: 60, size: "max" }),
				async (events) => {
					const { fetch, received, answer, lose } = startServer();
					const meanings = new Map<string, Meaning>();
					const underWay: {
						index: number;
						isWrite: boolean;
						/** The answers that its own answer stands for, besides itself. */
						known: Meaning;
						ended: Promise<unknown>;
					}[] = [];
					const come = new Set<number>();
					let mayBeDone = false;

					for (const one of events) {
						if (one.kind === "ask") {
							const index = received.length;
							const method = one.isWrite ? "POST" : "GET";
							const ended = fetch(URL_OF_ALL, { method }).catch(() => {});
							// The request is sent within the call.
							const sent = sentBy(received[index] as Request);
							const forces = sent.includes("0");
							// A poll that begins now shows everything that came before.
							const known = forces
								? new Set(come)
								: new Set(
										sent.flatMap((text) => [...(meanings.get(text) ?? [])]),
									);
							expect([...come].filter((number) => !known.has(number))).toEqual(
								[],
							);
							if (mayBeDone) expect(forces).toBe(true);
							underWay.push({ index, isWrite: one.isWrite, known, ended });
							continue;
						}
						const [asked] = underWay.splice(
							one.which % (underWay.length || 1),
							1,
						);
						if (asked === undefined) continue;
						const { index, known, isWrite, ended } = asked;
						if (one.kind === "lose") {
							lose(index);
							// Until an answer to a later request, which forced a poll.
							mayBeDone ||= isWrite && underWay.length === 0;
							await ended;
							continue;
						}
						const text = one.isForcing ? "0" : `t${index}`;
						meanings.set(text, new Set([...known, index]));
						answer(index, text);
						await ended;
						come.add(index);
						if (sentBy(received[index] as Request).includes("0"))
							mayBeDone = false;
					}
				},
			),
			{ numRuns: 500 },
		);
	});
});

/** A server that counts its answers in their tokens. */
function counting() {
	const received: { sent: string[]; method: string; apikey: string | null }[] =
		[];
	const fetch: typeof globalThis.fetch = async (input, init) => {
		const request = new Request(input, init);
		const { method, headers } = request;
		received.push({
			sent: sentBy(request),
			method,
			apikey: headers.get("apikey"),
		});
		return Response.json([{ id: 1 }], {
			status: method === "POST" ? 201 : 200,
			headers: { "Postern-Token": `t${received.length}` },
		});
	};
	return { received, fetch };
}

describe("the causal fetch", () => {
	it("works with postgrest-js", async () => {
		const { received, fetch } = counting();
		const db = new PostgrestClient("https://gateway.example/rest/v1", {
			fetch: causal(fetch),
		});
		const written = await db.from("notes").insert({ body: "a" }).select();
		const read = await db.from("notes").select().eq("id", 1);
		expect([written.data, read.data, received]).toEqual([
			[{ id: 1 }],
			[{ id: 1 }],
			[
				{ sent: [], method: "POST", apikey: null },
				{ sent: ["t1"], method: "GET", apikey: null },
			],
		]);
	});

	it("works with supabase-js", async () => {
		const { received, fetch } = counting();
		const db = createClient("https://gateway.example", "key", {
			global: { fetch: causal(fetch) },
			auth: { persistSession: false, autoRefreshToken: false },
		});
		await db.from("notes").insert({ body: "a" });
		await db.rpc("add_stars", { stars: 1 });
		const { data } = await db.from("notes").select();
		expect([data, received]).toEqual([
			[{ id: 1 }],
			[
				{ sent: [], method: "POST", apikey: "key" },
				{ sent: ["t1"], method: "POST", apikey: "key" },
				{ sent: ["t2"], method: "GET", apikey: "key" },
			],
		]);
	});
});
