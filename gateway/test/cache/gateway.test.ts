// The cache in the gateway: which routes answer from it, and which tokens clients carry from one request to the next.

import { env } from "cloudflare:workers";
import { describe, expect, it, vi } from "vitest";
import type { Feed } from "../../src/feed/feed.ts";
import { answering, ISSUING, SIGNED_IN } from "../support/accounts.ts";
import { answeringKeys, knownKeys, SECRET_KEY } from "../support/api-keys.ts";
import { rows, statusOf, tokensOf } from "../support/cache.ts";
import { catalogOf, dependenceOf } from "../support/catalog.ts";
import {
	ADA_TOKEN,
	type GatewayOptions,
	refusal,
	startGateway,
} from "../support/gateway.ts";
import { startFeed } from "../support/memory-feed.ts";
import { postgrestError } from "../support/origin.ts";
import { NOW } from "../support/tokens.ts";

const NOTE = { id: 1, title: "Milk", stars: 5 };
const NEW_NOTE = {
	method: "POST",
	consistencyToken: ADA_TOKEN,
	json: { title: "Milk", stars: 5 },
};

function countingKv() {
	const put = vi.fn(env.CACHE.put.bind(env.CACHE));
	const get = env.CACHE.get.bind(env.CACHE);
	return { put, kv: { get, put } as unknown as typeof env.CACHE };
}

/** A gateway with a cache, over a database without other writers. */
function startCachingGateway({
	isAbsent = false,
	...options
}: GatewayOptions & { isAbsent?: boolean } = {}) {
	const background: Promise<unknown>[] = [];
	// Each poll takes a while.
	let ms = NOW;
	const now = () => ms++;
	const feed = startFeed({ now, isAbsent });
	const gateway = startGateway({
		answer: () => rows(JSON.stringify(NOTE)),
		now,
		feed,
		waitUntil: (promise) => background.push(promise),
		...options,
	});
	return {
		...gateway,
		feed,
		async settle() {
			await Promise.all(background);
		},
	};
}

describe("/ready", () => {
	const CONTRACT = "database contract 9, this Worker speaks 1";
	const telling = (sync: Feed["sync"]): Feed => ({
		...startFeed({ now: () => NOW }),
		sync,
	});

	it.each<[string, GatewayOptions & { isAbsent?: boolean }, object]>([
		["that all is well", {}, { feed: "ok", contract: "ok" }],
		[
			"that nothing is tracked",
			{ isAbsent: true },
			{
				...{ feed: "ok", contract: "unknown" },
				nothingIsCached: "nothing is tracked",
			},
		],
		[
			"that the contract is not known",
			{ feed: telling(async () => ({ state: "absent", reason: CONTRACT })) },
			{ feed: "ok", contract: CONTRACT, nothingIsCached: CONTRACT },
		],
		[
			"that a version was not tested",
			{
				feed: telling(async () => ({
					state: "absent",
					reason: "PostgREST 17 was not tested",
				})),
			},
			{
				...{ feed: "ok", contract: "unknown" },
				nothingIsCached: "PostgREST 17 was not tested",
			},
		],
		[
			"that PostgREST's pre-request function is not understood",
			{
				feed: startFeed({
					now: () => NOW,
					catalog: {
						...catalogOf({}),
						preRequest: dependenceOf({
							reasons: ["api.check() is volatile"],
						}),
					},
				}),
			},
			{
				...{ feed: "ok", contract: "ok" },
				nothingIsCached: "the pre-request function: api.check() is volatile",
			},
		],
		[
			"that the feed is away",
			{ feed: telling(() => Promise.reject(new Error("overloaded"))) },
			{
				...{ feed: "unreachable", contract: "unknown" },
				nothingIsCached: "feed-unreachable",
			},
		],
	])(
		"tells the origin, the feed, the contract and the cache apart: %s",
		async (_, options, told) => {
			const { request } = startCachingGateway(options);
			const response = await request("/ready");
			const { feedLagSeconds, ...others } = (await response.json()) as {
				feedLagSeconds?: number;
				contract: string;
			};
			expect([response.status, others]).toEqual([
				200,
				{ status: "ok", origin: "ok", ...told },
			]);
			// There is a view where the catalog is known.
			expect(feedLagSeconds !== undefined).toBe(others.contract === "ok");
		},
	);

	it("tells how old the gateway's knowledge of changes is", async () => {
		let ms = NOW;
		const now = () => ms;
		const { request } = startGateway({ now, feed: startFeed({ now }) });
		await request("/ready");
		ms += 2_000;
		const response = await request("/ready");
		expect(await response.json()).toMatchObject({ feedLagSeconds: 2 });
	});
});

describe("/rest/v1", () => {
	it("is answered from the cache", async () => {
		const { request, origin } = startCachingGateway();
		await request("/rest/v1/notes");
		const answer = await request("/rest/v1/notes");
		expect([origin.received.length, statusOf(answer).hit]).toEqual([1, true]);
	});

	// Each path is asked in one test, since KV outlives them.
	it.each([
		["twice", 2, undefined, [0, "kv"]],
		["three times", 3, undefined, [0, "kv"]],
		["once, with KV_FROM_ASK=1", 1, "1", [0, "kv"]],
		["once", 1, undefined, [1, undefined]],
	] as const)(
		"is asked of KV where another isolate was asked %s",
		async (_, times, from, expected) => {
			const path = `/rest/v1/notes?stars=eq.${times}${from ?? 0}`;
			const options = {
				kv: env.CACHE,
				env: from === undefined ? {} : { KV_FROM_ASK: from },
			};
			const first = startCachingGateway(options);
			for (let ask = 0; ask < times; ask++) await first.request(path);
			await first.settle();
			const { request, origin } = startCachingGateway(options);
			const answer = await request(path);
			expect([origin.received.length, statusOf(answer).detail]).toEqual(
				expected,
			);
		},
	);

	it("is put into KV once, when it is asked for again", async () => {
		const { kv, put } = countingKv();
		const { request, settle } = startCachingGateway({ kv });
		const puts: number[] = [];
		for (let ask = 0; ask < 5; ask++) {
			await request("/rest/v1/notes?stars=eq.1");
			await settle();
			puts.push(put.mock.calls.length);
		}
		expect(puts).toEqual([0, 1, 1, 1, 1]);
	});

	it("is put into KV at once, if it was asked for before a change", async () => {
		const { kv, put } = countingKv();
		const { request, settle, feed } = startCachingGateway({ kv });
		const path = "/rest/v1/notes?stars=eq.2";
		await request(path);
		feed.commit("api.notes");
		await request("/rest/v1/notes", { method: "POST", json: {} });
		await request(path);
		await settle();
		expect(put).toHaveBeenCalledOnce();
	});

	it("is answered by the origin after a write", async () => {
		const { request, feed } = startCachingGateway();
		await request("/rest/v1/notes");
		feed.commit("api.notes");
		await request("/rest/v1/notes", { method: "POST", json: {} });
		expect(statusOf(await request("/rest/v1/notes")).fwd).toBe("stale");
	});

	it("is answered from the schema that a client calls public", async () => {
		const { request } = startCachingGateway({
			env: { PROFILE_ALIASES: "public=api" },
		});
		await request("/rest/v1/notes");
		const answer = await request("/rest/v1/notes", {
			headers: { "Accept-Profile": "public" },
		});
		expect(statusOf(answer).hit).toBe(true);
	});

	it("is not answered from the cache if Connection names a header that the origin then does not receive", async () => {
		const { request } = startCachingGateway({
			answer: ({ headers }) => {
				const total = headers.get("Prefer") === "count=exact" ? "1" : "*";
				return rows("[{}]", { headers: { "Content-Range": `0-0/${total}` } });
			},
		});
		const headers = { Prefer: "count=exact" };
		await request("/rest/v1/notes", {
			headers: { ...headers, Connection: "close, Prefer" },
		});
		const answer = await request("/rest/v1/notes", { headers });
		expect(answer.headers.get("Content-Range")).toBe("0-0/1");
	});

	it("gives a token that forces a poll with a failed write, because it may have been done", async () => {
		const { request, feed } = startCachingGateway({
			env: { CAUSAL_COOKIE: "on" },
			async fetch({ method }) {
				if (method !== "POST") return rows();
				feed.commit("api.notes");
				throw new Error("the connection is lost");
			},
		});
		await request("/rest/v1/notes");
		const lost = await request("/rest/v1/notes", { method: "POST", json: {} });
		const again = await request("/rest/v1/notes", {
			headers: { "Postern-Token": tokensOf(lost).join() },
		});
		expect([
			lost.status,
			tokensOf(lost),
			lost.headers.get("Set-Cookie"),
			statusOf(again).fwd,
		]).toEqual([503, ["0"], expect.stringContaining("=0;"), "stale"]);
	});

	it("is refused if only a stored answer is accepted and there is none", async () => {
		const { request, logged } = startCachingGateway();
		const answer = await request("/rest/v1/notes", {
			headers: { "Cache-Control": "only-if-cached" },
		});
		expect([await refusal(answer), logged]).toEqual([
			{ status: 504, code: "not_cached" },
			[],
		]);
	});

	it("is explained to the roles of EXPLAIN_ROLES", async () => {
		const { request } = startCachingGateway({
			env: { EXPLAIN_ROLES: "authenticated" },
		});
		const explain = { "Postern-Explain": "1" };
		const one = await request("/rest/v1/notes", {
			token: ADA_TOKEN,
			headers: explain,
		});
		const other = await request("/rest/v1/notes", { headers: explain });
		expect([
			JSON.parse(one.headers.get("Postern-Explain") ?? "").tags,
			await refusal(other),
		]).toEqual([["api.notes", "catalog"], { status: 403, code: "denied" }]);
	});

	it("is explained to every caller where EXPLAIN_ROLES is *", async () => {
		const { request } = startCachingGateway({ env: { EXPLAIN_ROLES: "*" } });
		const answer = await request("/rest/v1/notes", {
			headers: { "Postern-Explain": "1" },
		});
		expect(answer.headers.has("Postern-Explain")).toBe(true);
	});

	it("logs each reason of the schema once, and none that a request gives", async () => {
		const { request, logged } = startCachingGateway();
		for (const path of ["ledger", "ledger?id=eq.1", "notes?unknown=eq.1"])
			await request(`/rest/v1/${path}`);
		expect(logged).toEqual(["Not cached: ledger is not tracked"]);
	});

	it("is answered without caching if the database tracks nothing", async () => {
		const { request } = startCachingGateway({ isAbsent: true });
		const answer = await request("/rest/v1/notes");
		expect([statusOf(answer), tokensOf(answer)]).toEqual([
			{ fwd: "bypass", detail: "untracked" },
			["0"],
		]);
	});

	it("is answered without caching if there is no cache", async () => {
		const { request } = startGateway({
			answer: () => rows(),
			env: { CAUSAL_COOKIE: "on" },
		});
		const { headers } = await request("/rest/v1/notes", {
			headers: { "Postern-Token": "a" },
		});
		expect(
			[
				"Cache-Status",
				"Cache-Control",
				"Postern-Token",
				"Vary",
				"Set-Cookie",
			].filter((name) => headers.has(name)),
		).toEqual([]);
	});
});

describe("the origin", () => {
	it("does not receive the headers between the client and the gateway", async () => {
		const { request, origin } = startCachingGateway({
			env: { CAUSAL_COOKIE: "on", EXPLAIN_ROLES: "anon" },
		});
		await request("/rest/v1/notes", {
			headers: {
				Cookie: "postern_token_00000001=a; own=1",
				"Postern-Explain": "1",
				"Postern-Token": "b",
			},
		});
		const { headers } = origin.only();
		expect([
			[...headers.keys()].filter((name) => name.startsWith("postern")),
			headers.get("cookie"),
		]).toEqual([[], "own=1"]);
	});
});

describe("a resource route", () => {
	it("is answered from the cache without code of its own", async () => {
		const { request, origin } = startCachingGateway();
		await request("/notes/1");
		const answer = await request("/notes/1");
		expect([
			origin.received.length,
			statusOf(answer).hit,
			await answer.json(),
		]).toEqual([1, true, NOTE]);
	});

	it("forbids caches downstream to answer in its place", async () => {
		const { request } = startCachingGateway();
		const { headers } = await request("/notes/1");
		expect(headers.get("Cache-Control")).toBe("private, no-cache");
	});

	it("sends its client's tokens with its own requests", async () => {
		const { request, feed } = startCachingGateway();
		await request("/notes/1", { headers: { "Postern-Token": "a, b" } });
		expect(feed.requests[0]?.consistencyTokens).toEqual(["a", "b"]);
	});

	it("gives its client the tokens of its answers", async () => {
		const { request, feed } = startCachingGateway();
		await request("/notes/1");
		const { headers } = await request("/notes/1");
		expect(headers.get("Postern-Token")?.split(", ")[0]).toBe(
			feed.consistencyToken(),
		);
	});

	it("obeys its client's directives", async () => {
		const { request, origin } = startCachingGateway();
		await request("/notes/1");
		await request("/notes/1", { headers: { "Cache-Control": "no-cache" } });
		expect(origin.received.length).toBe(2);
	});

	it("is refused if only a stored answer is accepted and there is none", async () => {
		const { request } = startCachingGateway();
		const answer = await request("/notes/1", {
			headers: { "Cache-Control": "only-if-cached" },
		});
		expect(await refusal(answer)).toEqual({ status: 504, code: "not_cached" });
	});

	it("that writes carries the token of a poll after the write", async () => {
		const { request, feed } = startCachingGateway({
			answer: () => rows(JSON.stringify({ id: 1 }), { status: 201 }),
		});
		const answer = await request("/notes", NEW_NOTE);
		expect([
			answer.status,
			feed.requests.map(({ maxAgeMs }) => maxAgeMs),
			tokensOf(answer),
			answer.headers.has("Cache-Control"),
		]).toEqual([201, [0], [feed.consistencyToken()], false]);
	});

	it("carries a token with its refusal, too", async () => {
		const { request, feed } = startCachingGateway({
			answer: postgrestError(409, "23505"),
		});
		const answer = await request("/notes", NEW_NOTE);
		expect([answer.status, tokensOf(answer)]).toEqual([
			409,
			[feed.consistencyToken()],
		]);
	});
});

describe("signing up", () => {
	it("carries a token, and may not be stored downstream", async () => {
		const { request, feed } = startCachingGateway({
			env: ISSUING,
			answer: answering({ sign_up: SIGNED_IN }),
		});
		const answer = await request("/auth/v1/signup", {
			method: "POST",
			json: { email: "ada@example.com", password: "correct horse" },
		});
		expect([
			answer.status,
			tokensOf(answer),
			answer.headers.get("Cache-Control"),
		]).toEqual([200, [feed.consistencyToken()], "no-store"]);
	});
});

describe("an API key", () => {
	it("is looked up without the cache", async () => {
		const answerKeys = answeringKeys(knownKeys());
		const { request, feed, origin } = startCachingGateway({
			answer: (received) =>
				received.url.pathname === "/notes" ? rows() : answerKeys(received),
		});
		await request("/rest/v1/notes", { headers: { apikey: SECRET_KEY } });
		expect([
			origin.received.map(({ url }) => url.pathname),
			// A write would have asked for a poll.
			feed.requests.filter(({ maxAgeMs }) => maxAgeMs === 0),
		]).toEqual([["/rpc/find_api_key", "/notes"], []]);
	});
});

describe("a browser", () => {
	const cookies = (answer: Response) =>
		answer.headers.getSetCookie().map((cookie) => cookie.split("=")[0] ?? "");

	it("gets no cookie by default", async () => {
		const { request } = startCachingGateway();
		expect(cookies(await request("/rest/v1/notes"))).toEqual([]);
	});

	it("gets its tokens as a cookie if CAUSAL_COOKIE is on", async () => {
		const { request } = startCachingGateway({ env: { CAUSAL_COOKIE: "on" } });
		const answer = await request("/rest/v1/notes");
		const [token = ""] = tokensOf(answer);
		expect(answer.headers.getSetCookie()).toEqual([
			expect.stringMatching(
				new RegExp(
					`^postern_token_[\\da-f]{8}=${token}; Path=/; HttpOnly; SameSite=Lax; Secure$`,
				),
			),
		]);
	});

	it("gets no cookie that was stored with an answer for others", async () => {
		const { request } = startCachingGateway({ env: { CAUSAL_COOKIE: "on" } });
		const first = cookies(await request("/rest/v1/notes"));
		const second = cookies(await request("/rest/v1/notes"));
		expect([second.length, second[0] === first[0]]).toEqual([1, false]);
	});

	it.each([
		["on", ["a", "b"]],
		["off", []],
	])(
		"sends its tokens in cookies, which count if CAUSAL_COOKIE is on: %s",
		async (mode, tokens) => {
			const { request, feed } = startCachingGateway({
				env: { CAUSAL_COOKIE: mode },
			});
			await request("/notes/1", {
				headers: {
					Cookie: "postern_token_00000001=a; postern_token_00000002=b",
				},
			});
			expect(feed.requests[0]?.consistencyTokens).toEqual(tokens);
		},
	);

	/** The parts of a browser's cookie jar that these tests need. */
	function startJar() {
		const jar = new Map<string, string>();
		return {
			jar,
			cookie: () =>
				[...jar].map(([name, value]) => `${name}=${value}`).join("; "),
			take({ headers }: Response) {
				for (const cookie of headers.getSetCookie()) {
					const [pair = "", ...attributes] = cookie.split("; ");
					const [name = "", value = ""] = pair.split("=");
					if (attributes.includes("Max-Age=0")) jar.delete(name);
					else jar.set(name, value);
				}
			},
		};
	}

	it("loses no token if answers cross, because each replaces its request's cookies only", async () => {
		const { request } = startCachingGateway({ env: { CAUSAL_COOKIE: "on" } });
		const { jar, cookie, take } = startJar();
		take(await request("/rest/v1/notes"));
		const Cookie = cookie();
		const read = await request("/rest/v1/notes", { headers: { Cookie } });
		const written = await request("/rest/v1/notes", {
			method: "POST",
			json: {},
			headers: { Cookie },
		});
		take(written);
		take(read);
		expect(
			new Set([...jar.values()].flatMap((value) => value.split(":"))),
		).toEqual(new Set([...tokensOf(written), ...tokensOf(read)]));
	});

	it("has one cookie after one request, however many it had before", async () => {
		const { request } = startCachingGateway({ env: { CAUSAL_COOKIE: "on" } });
		const { jar, cookie, take } = startJar();
		const together = await Promise.all(
			Array.from({ length: 5 }, () => request("/rest/v1/notes")),
		);
		together.forEach(take);
		const before = jar.size;
		take(await request("/rest/v1/notes", { headers: { Cookie: cookie() } }));
		expect([before, jar.size]).toEqual([5, 1]);
	});
});
