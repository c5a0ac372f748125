// The read cache over plain functions: which answers come from a store, which do not, and what their headers say.

import { describe, expect, it, vi } from "vitest";
import { nameOf } from "../../src/cache/entry.ts";
import type { Identity } from "../../src/identity/identity.ts";
import type { Catalog } from "../../src/planner/catalog.ts";
import type { CacheablePlan } from "../../src/planner/plan.ts";
import {
	ANYBODY,
	type Ask,
	entryOf,
	MAX_STALENESS_MS,
	mapStore,
	OPERATOR,
	planOf,
	rows,
	startCache,
	statusOf,
	tick,
	tokenAt,
	tokensOf,
} from "../support/cache.ts";
import { NOW } from "../support/tokens.ts";

const withDirectives = (text: string): Ask => ({
	headers: { "Cache-Control": text },
});

/** An origin that answers with how many times it was asked. */
function counting() {
	let count = 0;
	return () => rows(`[${++count}]`);
}

/** An origin whose answers the test lets go one by one. */
function held() {
	const waiting: ((answer: Response) => void)[] = [];
	return {
		answer: () => new Promise<Response>((resolve) => waiting.push(resolve)),
		/** Answers the request that has waited longest, when there is one. */
		async letGo(answer = rows()) {
			await vi.waitUntil(() => waiting.length > 0, { interval: 1 });
			waiting.shift()?.(answer);
		},
	};
}

describe("a read", () => {
	it("is asked of the origin once", async () => {
		const { ask, asked } = startCache();
		await ask();
		await ask();
		expect(asked.length).toBe(1);
	});

	it("is answered again as the first time", async () => {
		const { ask } = startCache({ answer: counting() });
		const [first, second] = [await ask(), await ask()];
		const seen = async ({ status, statusText, headers, body }: Response) => [
			status,
			statusText,
			[
				"content-type",
				"content-profile",
				"content-range",
				"etag",
				"server",
			].map((name) => headers.get(name)),
			await new Response(body).text(),
		];
		expect(await seen(second)).toEqual(await seen(first));
	});

	it("is passed on as it came, with its headers of the moment", async () => {
		const { ask } = startCache({
			answer: () => rows("[]", { headers: { "Server-Timing": "db;dur=1" } }),
		});
		const { headers } = await ask();
		expect([headers.get("Server-Timing"), headers.has("Age")]).toEqual([
			"db;dur=1",
			false,
		]);
	});

	it("says that it was stored", async () => {
		const { ask } = startCache();
		expect(statusOf(await ask())).toEqual({
			fwd: "uri-miss",
			stored: true,
			ttl: 5,
		});
	});

	it("says that it comes from memory", async () => {
		const { ask, clock } = startCache();
		await ask();
		clock.ms += 1_200;
		expect(statusOf(await ask())).toEqual({
			hit: true,
			ttl: 5,
			detail: "memory",
		});
	});

	it("is as old as the view is", async () => {
		const { ask, feed, clock } = startCache();
		await ask();
		feed.hold();
		clock.ms += 1_200;
		const answer = await ask();
		expect([
			statusOf(answer).ttl,
			answer.headers.get("Age"),
			answer.headers.get("Date"),
		]).toEqual([3, "2", new Date(NOW).toUTCString()]);
	});

	describe("that callers share by a plan of a moment ago", () => {
		const ada: Identity = { role: "anon", claims: { sub: "ada" } };
		const bob: Identity = { role: "anon", claims: { sub: "bob" } };
		const answer = (_: Request, { claims }: Identity) =>
			rows(JSON.stringify([claims.sub]));

		it("is not given to another where the policies have changed before it was made", async () => {
			const { ask, feed, asked } = startCache({ answer });
			// Committed after the poll of the view that plans, and before the answer.
			feed.hold();
			feed.change("catalog");
			await ask("/notes", { identity: ada });
			const other = await ask("/notes", { identity: bob });
			expect([await other.text(), asked.length]).toEqual(['["bob"]', 2]);
		});

		it("is not given to another while the feed cannot say whether they have", async () => {
			const { ask, feed, memory } = startCache({ answer });
			feed.hold();
			await ask("/notes", { identity: ada });
			expect(memory.bytes).toBeGreaterThan(0);
			feed.failFrom(2);
			const other = await ask("/notes", { identity: bob });
			expect(await other.text()).toBe('["bob"]');
		});

		it("is given to another once a poll after it has found no change of them", async () => {
			const { ask, feed, clock } = startCache({ answer });
			await ask("/notes", { identity: ada });
			clock.ms += 200;
			const other = await ask("/notes", { identity: bob });
			const [token] = feed.needs.at(-1)?.consistencyTokens ?? [];
			expect([await other.text(), statusOf(other).hit, token]).toEqual([
				'["ada"]',
				true,
				undefined,
			]);
		});

		it("asks the feed for such a poll, where there was none yet", async () => {
			const { ask, feed } = startCache({ answer });
			const first = await ask("/notes", { identity: ada });
			feed.hold();
			await ask("/notes", { identity: bob });
			expect(feed.needs.at(-1)?.consistencyTokens).toEqual([
				first.headers.get("Postern-Token"),
			]);
		});

		it("is given to the same caller without", async () => {
			const { ask, feed } = startCache({ answer });
			await ask("/notes", { identity: ada });
			feed.hold();
			const again = await ask("/notes", { identity: { ...ada } });
			expect([
				statusOf(again).hit,
				feed.needs.at(-1)?.consistencyTokens,
			]).toEqual([true, []]);
		});
	});

	it("of others is no answer to it", async () => {
		const { ask } = startCache({
			answer: (_, { role }) => rows(JSON.stringify([role])),
		});
		await ask();
		const answer = await ask("/notes", { identity: OPERATOR });
		expect(await answer.text()).toBe('["service"]');
	});

	it.each(["/others", "/notes?id=eq.1"])(
		"of something else is no answer to it: %s",
		async (path) => {
			const { ask, asked } = startCache();
			await ask();
			await ask(path);
			expect(asked.length).toBe(2);
		},
	);

	it("that is a HEAD is not one that is a GET", async () => {
		const { ask } = startCache({
			answer: ({ method }) => rows(method === "HEAD" ? null : "[1]"),
		});
		await ask("/notes", { method: "HEAD" });
		expect(await (await ask()).text()).toBe("[1]");
	});

	it("that is a HEAD is answered again, too, with the body's length", async () => {
		const { ask } = startCache({
			answer: () => rows(null, { headers: { "Content-Length": "99" } }),
		});
		const head = () => ask("/notes", { method: "HEAD" });
		await head();
		const answer = await head();
		expect([
			statusOf(answer).hit,
			answer.body,
			answer.headers.get("Content-Length"),
			answer.headers.get("ETag"),
		]).toEqual([true, null, "99", null]);
	});

	it.each([
		[
			"a part",
			() => rows("[1]", { status: 206, statusText: "Partial Content" }),
		],
		[
			"an empty list",
			() => rows("[]", { headers: { "Content-Range": "*/*" } }),
		],
		["nothing", () => rows("", { headers: { "Content-Type": "text/csv" } })],
		["bytes", () => rows(new Uint8Array([0, 255, 254]))],
	])("is answered again where the answer is %s", async (_, answer) => {
		const { ask } = startCache({ answer });
		const first = await ask();
		const second = await ask();
		expect([statusOf(second).hit, second.status, await second.bytes()]).toEqual(
			[true, first.status, await first.bytes()],
		);
	});

	it("is read from the origin an hour after it was stored, whatever the feed says", async () => {
		const { ask, clock } = startCache();
		await ask();
		clock.ms += 3_600_000 - 1;
		const before = statusOf(await ask());
		clock.ms += 1;
		const after = statusOf(await ask());
		expect([before.hit, after.fwd]).toEqual([true, "stale"]);
	});
});

describe("a change", () => {
	it("of what an answer depends on makes it stale", async () => {
		const { ask, feed } = startCache({ answer: counting() });
		await ask();
		feed.change("api.notes");
		const answer = await ask();
		expect([statusOf(answer), await answer.text()]).toEqual([
			{ fwd: "stale", stored: true, ttl: 5 },
			"[2]",
		]);
	});

	it("of something else does not", async () => {
		const { ask, feed } = startCache();
		await ask();
		feed.change("api.others");
		expect(statusOf(await ask()).hit).toBe(true);
	});

	it("is answered by the answer after it", async () => {
		const { ask, feed } = startCache();
		await ask();
		feed.change("api.notes");
		await ask();
		expect(statusOf(await ask()).hit).toBe(true);
	});

	it("of the feed epoch makes every answer stale", async () => {
		const { ask, feed } = startCache();
		await ask();
		feed.feedEpoch = "epoch2";
		expect(statusOf(await ask()).fwd).toBe("stale");
	});

	it("that the feed has forgotten makes older answers stale", async () => {
		const { ask, feed } = startCache();
		await ask();
		feed.prunedBelow = 8;
		expect(statusOf(await ask()).fwd).toBe("stale");
	});

	it("while the origin answers makes the answer stale, however late it comes", async () => {
		const origin = held();
		const { ask, feed } = startCache(origin);
		const first = ask();
		feed.change("api.notes");
		await origin.letGo(rows("[1]"));
		await first;
		const second = ask();
		await origin.letGo(rows("[2]"));
		expect([statusOf(await second).fwd, await (await second).text()]).toEqual([
			"stale",
			"[2]",
		]);
	});

	it("is not undone by an answer that was asked for before it", async () => {
		const origin = held();
		const { ask, feed } = startCache(origin);
		const slow = ask("/notes", withDirectives("no-cache"));
		await tick();
		feed.change("api.notes");
		const quick = ask("/notes", withDirectives("no-cache"));
		await tick();
		await origin.letGo(rows('["old"]'));
		await slow;
		await origin.letGo(rows('["new"]'));
		await quick;
		expect(await (await ask()).text()).toBe('["new"]');
	});

	it("of the schema: nothing is stored while PostgREST may go by the one before", async () => {
		const { ask, feed, clock } = startCache();
		feed.catalogChangedAt = NOW;
		const during = statusOf(await ask());
		clock.ms += 9_999;
		const still = statusOf(await ask());
		clock.ms += 1;
		const after = statusOf(await ask());
		expect([during, still.stored, after.stored]).toEqual([
			{ fwd: "uri-miss", detail: "the schema has just changed" },
			undefined,
			true,
		]);
	});

	it("of the schema is waited for from before the origin is asked", async () => {
		const origin = held();
		const { ask, feed, clock } = startCache(origin);
		feed.catalogChangedAt = NOW;
		const answer = ask();
		await tick();
		clock.ms += 10_000;
		await origin.letGo();
		expect(statusOf(await answer).stored).toBeUndefined();
	});
});

describe("a store beyond the isolate", () => {
	it("has what another isolate stored", async () => {
		const store = mapStore();
		const first = startCache({ store });
		await first.ask();
		await first.settle();
		const answer = await startCache({ store }).ask();
		expect(statusOf(answer)).toEqual({ hit: true, ttl: 5, detail: "kv" });
	});

	it("is not asked for what the isolate has", async () => {
		const store = { ...mapStore(), get: vi.fn(async () => entryOf()) };
		const { ask } = startCache({ store });
		await ask();
		const answer = await ask();
		expect([store.get.mock.calls.length, statusOf(answer).detail]).toEqual([
			1,
			"memory",
		]);
	});

	it("has nothing to say where its entry is stale", async () => {
		const store = { ...mapStore(), get: async () => entryOf({ seq: 6 }) };
		const { ask, feed } = startCache({ store });
		feed.change("api.notes");
		expect(statusOf(await ask()).fwd).toBe("stale");
	});

	it("may have what is newer than the isolate's", async () => {
		const store = {
			...mapStore(),
			get: async () => entryOf({ seq: 8, body: new Uint8Array([0x37]) }),
		};
		const { ask, feed, memory } = startCache({ store });
		const { key } = planOf(
			new Request("http://postgrest/notes"),
		) as CacheablePlan;
		memory.put(await nameOf(key), entryOf({ seq: 7 }));
		feed.change("api.notes");
		const answer = await ask();
		expect([statusOf(answer).detail, await answer.text()]).toEqual(["kv", "7"]);
	});

	it("names the entry by the hash of its key", async () => {
		const store = mapStore();
		const { ask, settle } = startCache({ store });
		await ask();
		await settle();
		expect([...store.entries.keys()]).toEqual([
			await nameOf('["GET","http://postgrest/notes","anon"]'),
		]);
	});

	it("does not hold up the answer", async () => {
		const store = { ...mapStore(), put: () => new Promise<never>(() => {}) };
		const { ask } = startCache({ store });
		expect(statusOf(await ask()).stored).toBe(true);
	});
});

describe("several at once", () => {
	const COUNT = 20;
	const together = <T>(ask: (index: number) => Promise<T>) =>
		Promise.all(Array.from({ length: COUNT }, (_, index) => ask(index)));

	it("are one request to the origin", async () => {
		const { ask, asked } = startCache({
			async answer() {
				await tick();
				return rows();
			},
		});
		const answers = await together(() => ask());
		const bodies = await Promise.all(answers.map((answer) => answer.text()));
		expect([asked.length, new Set(bodies)]).toEqual([
			1,
			new Set(['[{"id":1}]']),
		]);
	});

	it("say that they were one", async () => {
		const origin = held();
		const { ask } = startCache(origin);
		const answers = [ask(), ask()];
		await tick();
		await origin.letGo();
		expect((await Promise.all(answers)).map(statusOf)).toEqual([
			{ fwd: "uri-miss", stored: true, ttl: expect.any(Number) },
			{ fwd: "uri-miss", collapsed: true, ttl: expect.any(Number) },
		]);
	});

	it("are as many as there are callers", async () => {
		const origin = held();
		const { ask, asked } = startCache(origin);
		const answers = [ask(), ask("/notes", { identity: OPERATOR })];
		await origin.letGo();
		await origin.letGo();
		await Promise.all(answers);
		expect(asked.length).toBe(2);
	});

	it("ask once more where the first one's client has gone", async () => {
		let count = 0;
		const { ask, asked } = startCache({
			// Neither answers nor fails: its request was ended.
			answer: () => (count++ === 0 ? new Promise(() => {}) : rows()),
		});
		void ask();
		await tick();
		const [second, third] = await Promise.all([ask(), ask()]);
		expect([
			asked.length,
			[statusOf(second).stored, statusOf(third).collapsed].includes(true),
		]).toEqual([2, true]);
	});

	it("do not fail where the first one does", async () => {
		let count = 0;
		const { ask, asked } = startCache({
			async answer() {
				await tick();
				if (count++ === 0) throw new Error("connection lost");
				return rows();
			},
		});
		const [first, ...others] = await Promise.allSettled([ask(), ask(), ask()]);
		expect([
			first.status,
			others.map(({ status }) => status),
			asked.length,
		]).toEqual(["rejected", ["fulfilled", "fulfilled"], 2]);
	});

	it("ask the origin each where the answer cannot be stored, and do not wait for each other", async () => {
		let running = 0;
		const most: number[] = [];
		const { ask, asked } = startCache({
			async answer() {
				most.push(++running);
				await tick();
				running--;
				return rows("{}", { status: 406 });
			},
		});
		await together(() => ask());
		const first = asked.length;
		await together(() => ask());
		expect([first, asked.length, Math.max(...most.slice(first))]).toEqual([
			COUNT,
			2 * COUNT,
			COUNT,
		]);
	});

	it("become one again when the answers may be kept again", async () => {
		let status = 406;
		const { ask, asked, clock } = startCache({
			async answer() {
				await tick();
				return rows("[]", { status });
			},
		});
		await ask();
		status = 200;
		clock.ms += 10_000;
		await together(() => ask());
		expect(asked.length).toBe(2);
	});

	it("do not take an answer that is older than they may", async () => {
		const origin = held();
		const { ask, feed } = startCache(origin);
		const early = ask();
		await tick();
		feed.change("api.notes");
		const late = ask();
		await tick();
		await origin.letGo(rows('["old"]'));
		await early;
		await origin.letGo(rows('["new"]'));
		expect(await (await late).text()).toBe('["new"]');
	});
});

describe("a request's directives", () => {
	/** A cache that has the answer. */
	async function warm() {
		const cache = startCache({ answer: counting() });
		await cache.ask();
		return cache;
	}

	it("may ask for the origin's word: no-cache", async () => {
		const { ask } = await warm();
		const answer = await ask("/notes", withDirectives("no-cache"));
		expect([statusOf(answer), await answer.text()]).toEqual([
			{ fwd: "request", stored: true, ttl: 5 },
			"[2]",
		]);
	});

	it("leave to others what no-cache brought", async () => {
		const { ask } = await warm();
		await ask("/notes", withDirectives("no-cache"));
		expect(await (await ask()).text()).toBe("[2]");
	});

	it("may ask that nothing be kept: no-store", async () => {
		const { ask } = await warm();
		const answer = await ask("/notes", withDirectives("no-store"));
		expect([statusOf(answer), await (await ask()).text()]).toEqual([
			{ fwd: "request", detail: "no-store" },
			"[1]",
		]);
	});

	it.each([
		["max-age=2", 2_000],
		["max-age=0", 0],
		["max-age=600", MAX_STALENESS_MS],
		["min-fresh=1", 4_000],
		["max-stale=5", MAX_STALENESS_MS],
		["max-stale", MAX_STALENESS_MS],
		["max-age=1, max-stale=2", 3_000],
	])("say how old the view may be: %s", async (text, maxAgeMs) => {
		const { ask, feed } = await warm();
		feed.needs.length = 0;
		const answer = await ask("/notes", withDirectives(text));
		expect([statusOf(answer).hit, feed.needs]).toEqual([
			true,
			[{ maxAgeMs, consistencyTokens: [] }],
		]);
	});

	it("say for how long the answer is good", async () => {
		const { ask } = await warm();
		const ttls: unknown[] = [];
		for (const text of ["max-age=2", "max-stale=5", "max-stale"]) {
			ttls.push(statusOf(await ask("/notes", withDirectives(text))).ttl);
		}
		expect(ttls).toEqual([2, 5, 5]);
	});

	it("may ask for what there is: only-if-cached", async () => {
		const { ask } = await warm();
		const answer = await ask("/notes", withDirectives("only-if-cached"));
		expect(statusOf(answer).hit).toBe(true);
	});

	const REFUSED: [
		name: string,
		path: string,
		directives: string,
		plan?: string,
	][] = [
		["there is nothing", "/others", "only-if-cached"],
		["the origin is meant as well", "/notes", "only-if-cached, no-cache"],
		["nothing may be kept as well", "/notes", "only-if-cached, no-store"],
		["nothing can be", "/notes", "only-if-cached", "volatile"],
	];

	it.each(REFUSED)(
		"are refused, and the origin is not asked, where %s",
		async (_, path, directives, reason) => {
			let isBypassed = false;
			const { ask, asked } = startCache({
				plan: (request, identity) =>
					isBypassed && reason !== undefined
						? { kind: "bypass", reason }
						: planOf(request, identity),
			});
			await ask();
			isBypassed = true;
			await expect(ask(path, withDirectives(directives))).rejects.toMatchObject(
				{ code: "not_cached", status: 504 },
			);
			expect(asked.length).toBe(1);
		},
	);

	it("are refused where what there is is stale", async () => {
		const { ask, feed } = await warm();
		feed.change("api.notes");
		await expect(
			ask("/notes", withDirectives("only-if-cached")),
		).rejects.toMatchObject({ code: "not_cached" });
	});

	it("are refused where the feed cannot be asked", async () => {
		const { ask, feed } = await warm();
		feed.reason = "feed-unreachable";
		await expect(
			ask("/notes", withDirectives("only-if-cached")),
		).rejects.toMatchObject({ code: "not_cached" });
	});

	it("by an old view are not stored: policies may tell the callers apart since", async () => {
		const { ask, feed, clock } = startCache();
		feed.hold();
		clock.ms += MAX_STALENESS_MS + 1;
		const answer = await ask("/notes", withDirectives("max-stale=60"));
		expect(statusOf(answer)).toEqual({
			fwd: "uri-miss",
			detail: "the view is old",
		});
	});

	it("by a view that is just not too old store by it", async () => {
		const { ask, feed, clock } = startCache();
		feed.hold();
		clock.ms += MAX_STALENESS_MS;
		const answer = await ask("/notes", withDirectives("max-stale=60"));
		expect(statusOf(answer).stored).toBe(true);
	});
});

describe("If-None-Match", () => {
	async function tagOf({ ask }: ReturnType<typeof startCache>) {
		return (await ask()).headers.get("ETag") ?? "";
	}
	const wanted = (tag: string, method = "GET"): Ask => ({
		method,
		headers: { "If-None-Match": tag },
	});

	it("is answered from a store without a body", async () => {
		const cache = startCache();
		const tag = await tagOf(cache);
		cache.clock.ms += 100;
		const answer = await cache.ask("/notes", wanted(`W/${tag}`));
		expect([
			answer.status,
			answer.body,
			Object.fromEntries(answer.headers),
		]).toEqual([
			304,
			null,
			{
				age: "0",
				"cache-control": "private, no-cache",
				"cache-status": 'Postern; hit; ttl=5; detail="memory"',
				date: new Date(NOW).toUTCString(),
				etag: tag,
				"postern-token": tokenAt(NOW + 100),
				vary: expect.stringContaining("Authorization"),
			},
		]);
	});

	it("is answered from the origin without a body, where the answer is the same", async () => {
		const cache = startCache();
		const tag = await tagOf(cache);
		cache.feed.change("api.notes");
		const answer = await cache.ask("/notes", wanted(tag));
		expect([answer.status, statusOf(answer)]).toEqual([
			304,
			{ fwd: "stale", stored: true, ttl: 5 },
		]);
	});

	it("is answered in full where the answer is another", async () => {
		const cache = startCache({ answer: counting() });
		const tag = await tagOf(cache);
		cache.feed.change("api.notes");
		const answer = await cache.ask("/notes", wanted(tag));
		expect([answer.status, await answer.text()]).toEqual([200, "[2]"]);
	});

	it("means nothing where there is nothing to compare: HEAD", async () => {
		const cache = startCache({ answer: () => rows(null) });
		const answer = await cache.ask("/notes", wanted("*", "HEAD"));
		expect(answer.status).toBe(200);
	});

	it.each(["POST", "GET"])(
		"is the origin's business where the answer is not kept: %s",
		async (method) => {
			const { ask } = startCache({
				plan: () => ({ kind: "bypass", reason: "volatile" }),
				answer: () => rows("[]", { headers: { ETag: '"own"' } }),
			});
			const answer = await ask("/rpc/stable", wanted('"own"', method));
			expect(answer.status).toBe(200);
		},
	);
});

describe("an answer that cannot be kept", () => {
	const NOT_KEPT: [name: string, answer: () => Response, detail: string][] = [
		["404", () => rows("{}", { status: 404 }), "the status is 404"],
		["406", () => rows("{}", { status: 406 }), "the status is 406"],
		["300", () => rows("{}", { status: 300 }), "the status is 300"],
		[
			"with a cookie",
			() => rows("[]", { headers: { "Set-Cookie": "a=b" } }),
			"the origin's answer has set-cookie",
		],
		[
			"with Cache-Control",
			() => rows("[]", { headers: { "Cache-Control": "no-store" } }),
			"the origin's answer has cache-control",
		],
		[
			"of another schema",
			() => rows("[]", { headers: { "Content-Profile": "other" } }),
			"another schema answered than DB_SCHEMAS says",
		],
		[
			"of more than 1 MiB",
			() => rows(new Uint8Array(1_048_577)),
			"the body is too large",
		],
	];

	it.each(NOT_KEPT)(
		"passes on as it is, with the reason: %s",
		async (_, answer, detail) => {
			const { ask, memory } = startCache({ answer });
			const [first, second] = [await ask(), await ask()];
			expect([
				statusOf(first),
				statusOf(second).fwd,
				memory.bytes,
				second.status,
				await second.bytes(),
			]).toEqual([
				{ fwd: "uri-miss", detail },
				"uri-miss",
				0,
				answer().status,
				await answer().bytes(),
			]);
		},
	);

	it("carries a token all the same", async () => {
		const { ask } = startCache({ answer: () => rows("{}", { status: 404 }) });
		expect(tokensOf(await ask())).toEqual([tokenAt(NOW + 100)]);
	});

	it("keeps what the origin says about keeping it", async () => {
		const { ask } = startCache({
			answer: () => rows("[]", { headers: { "Cache-Control": "max-age=9" } }),
		});
		expect((await ask()).headers.get("Cache-Control")).toBe("max-age=9");
	});
});

describe("a bypass", () => {
	const bypassed = (identity = ANYBODY) => ({
		plan: () => ({ kind: "bypass", reason: 'policy "vip" reads x' }) as const,
		identity,
	});

	it("goes to the origin each time, and is forbidden to be kept", async () => {
		const { ask, asked } = startCache(bypassed());
		await ask();
		const answer = await ask();
		expect([asked.length, answer.headers.get("Cache-Control")]).toEqual([
			2,
			"private, no-cache",
		]);
	});

	it("is explained to operators", async () => {
		const { ask } = startCache(bypassed());
		const answer = await ask("/notes", { identity: OPERATOR });
		expect(statusOf(answer)).toEqual({
			fwd: "bypass",
			detail: 'policy "vip" reads x',
		});
	});

	it("is not explained to others: it speaks of what they may not see", async () => {
		const { ask } = startCache(bypassed());
		expect(statusOf(await ask())).toEqual({ fwd: "bypass" });
	});

	it("carries a token", async () => {
		const { ask } = startCache(bypassed());
		expect(tokensOf(await ask())).toEqual([tokenAt(NOW + 100)]);
	});

	it("does not wait for the feed, which is looked after meanwhile", async () => {
		const { ask, feed, settle } = startCache(bypassed());
		await ask();
		await settle();
		expect(feed.needs).toEqual([
			{ maxAgeMs: MAX_STALENESS_MS, consistencyTokens: [] },
		]);
	});

	it.each([
		["untracked", "untracked"],
		["feed-unreachable", "feed-unreachable"],
	])("is what everything is while the feed is: %s", async (problem, detail) => {
		const { ask, feed } = startCache();
		feed.reason = problem;
		expect(statusOf(await ask())).toEqual({ fwd: "bypass", detail });
	});

	it("is what everything is while the catalog is read", async () => {
		const { ask, feed } = startCache();
		feed.catalog = undefined;
		expect(statusOf(await ask()).fwd).toBe("bypass");
	});

	it("is what cannot be planned by mistake, which is logged", async () => {
		const mistake = new TypeError("undefined is not a function");
		const { ask, logged } = startCache({
			plan() {
				throw mistake;
			},
		});
		const answer = await ask();
		expect([answer.status, statusOf(answer).fwd, logged]).toEqual([
			200,
			"bypass",
			[mistake],
		]);
	});
});

describe("a plan", () => {
	const OLD = { old: true } as unknown as Catalog;

	it("is made by the catalog of the view", async () => {
		const plan = vi.fn((_: Catalog, request: Request) => planOf(request));
		const { ask, feed } = startCache({
			planner: { plan, mayWrite: () => false },
		});
		feed.lastCatalog = OLD;
		await ask();
		expect(plan.mock.calls.map(([catalog]) => catalog)).toEqual([
			OLD,
			feed.catalog,
		]);
	});

	it("is made once where the catalog is the same", async () => {
		const plan = vi.fn((_: Catalog, request: Request) => planOf(request));
		const { ask } = startCache({ planner: { plan, mayWrite: () => false } });
		await ask();
		expect(plan).toHaveBeenCalledTimes(1);
	});

	it("that wants a newer view than was asked for gets it", async () => {
		const { ask, feed } = startCache({
			plan: (request) =>
				({ ...planOf(request), maxStalenessMs: 1_000 }) as CacheablePlan,
		});
		feed.lastCatalog = undefined;
		await ask();
		expect(feed.needs.map(({ maxAgeMs }) => maxAgeMs)).toEqual([5_000, 1_000]);
	});

	it("that is content with an older view asks for no more than it needs", async () => {
		const { ask, feed } = startCache({
			plan: (request) =>
				({ ...planOf(request), maxStalenessMs: 60_000 }) as CacheablePlan,
		});
		await ask();
		expect(feed.needs.map(({ maxAgeMs }) => maxAgeMs)).toEqual([60_000]);
	});

	it("is given up where each catalog wants a newer view", async () => {
		let plans = 0;
		const { ask, feed } = startCache({
			planner: {
				plan: (_, request) =>
					({
						...planOf(request),
						maxStalenessMs: 4_000 - ++plans,
					}) as CacheablePlan,
				mayWrite: () => false,
			},
		});
		feed.lastCatalog = undefined;
		Object.defineProperty(feed, "catalog", { get: () => ({}) });
		expect(statusOf(await ask())).toEqual({
			fwd: "bypass",
			detail: "the schema is changing",
		});
	});
});

describe("a token", () => {
	it("of a request is one that the view has to cover", async () => {
		const { ask, feed } = startCache();
		await ask("/notes", { headers: { "Postern-Token": "a, b" } });
		expect(feed.needs).toEqual([
			{ maxAgeMs: MAX_STALENESS_MS, consistencyTokens: ["a", "b"] },
		]);
	});

	it("of an answer of the origin is ahead of every view by then", async () => {
		const { ask } = startCache();
		expect(tokensOf(await ask())).toEqual([tokenAt(NOW + 100)]);
	});

	it("of a stored answer is the view's and, where it may show more, the answer's own", async () => {
		const { ask } = startCache();
		await ask();
		expect(tokensOf(await ask())).toEqual([tokenAt(NOW), tokenAt(NOW + 100)]);
	});

	it("of a stored answer is the view's where that reaches as far", async () => {
		const { ask, clock } = startCache();
		await ask();
		clock.ms += 100;
		expect(tokensOf(await ask())).toEqual([tokenAt(NOW + 100)]);
	});

	it.each([
		[60_000, [tokenAt(NOW + 60_000), tokenAt(NOW, "life0")]],
		[60_001, [tokenAt(NOW + 60_001)]],
	])(
		"of an entry from before the feed's object restarted is sent for a minute: %i ms",
		async (ms, expected) => {
			const token = tokenAt(NOW, "life0");
			const store = {
				...mapStore(),
				get: async () => entryOf({ consistencyToken: token }),
			};
			const { ask, clock } = startCache({ store });
			clock.ms += ms;
			expect(tokensOf(await ask())).toEqual(expected);
		},
	);

	it("of a collapsed answer is what the view lacks, too", async () => {
		const origin = held();
		const { ask, feed } = startCache(origin);
		feed.hold();
		const answers = [ask(), ask()];
		await tick();
		await origin.letGo();
		const [first, second] = await Promise.all(answers);
		expect(first && second && tokensOf(second)).toEqual([
			tokenAt(NOW),
			...tokensOf(first as Response),
		]);
	});

	it("forces a poll where the isolate takes the database for untracked", async () => {
		const { ask, feed } = startCache();
		feed.reason = "untracked";
		const read = await ask();
		const written = await ask("/notes", { method: "POST" });
		expect([read, written].flatMap(tokensOf)).toEqual(["0", "0"]);
	});
});

describe("a write", () => {
	it.each(["POST", "PATCH", "PUT", "DELETE"])(
		"carries a token of a poll after it: %s",
		async (method) => {
			const { ask, feed, clock } = startCache({
				answer() {
					clock.ms += 40;
					return rows(null, { status: 201 });
				},
			});
			const answer = await ask("/notes", { method });
			expect([feed.syncs, tokensOf(answer), statusOf(answer)]).toEqual([
				1,
				[tokenAt(NOW + 40)],
				{ fwd: "method" },
			]);
		},
	);

	it("that fails may have been done, too", async () => {
		const { ask, feed } = startCache({
			answer: () => rows("{}", { status: 409 }),
		});
		await ask("/notes", { method: "POST" });
		expect(feed.syncs).toBe(1);
	});

	it("is passed on as it came", async () => {
		const { ask } = startCache({
			answer: () =>
				rows("{}", {
					status: 201,
					headers: { Location: "/rest/v1/notes?id=eq.1" },
				}),
		});
		const { status, headers } = await ask("/notes", { method: "POST" });
		expect([
			status,
			headers.get("location"),
			headers.has("cache-control"),
			headers.has("etag"),
			headers.has("age"),
		]).toEqual([201, "/rest/v1/notes?id=eq.1", false, false, false]);
	});

	it("is what may be one by mistake, which is logged", async () => {
		const mistake = new URIError("malformed");
		const { ask, feed, logged } = startCache({
			planner: {
				plan: (_, request) => planOf(request),
				mayWrite() {
					throw mistake;
				},
			},
		});
		await ask();
		expect([feed.syncs, logged]).toEqual([1, [mistake]]);
	});

	it("is not what a POST does that only reads", async () => {
		const { ask, feed } = startCache({
			plan: () => ({ kind: "bypass", reason: "the method is POST" }),
		});
		const answer = await ask("/rpc/stable", { method: "POST" });
		expect([feed.syncs, statusOf(answer), tokensOf(answer)]).toEqual([
			0,
			{ fwd: "method" },
			[tokenAt(NOW + 100)],
		]);
	});

	it("is not what OPTIONS asks", async () => {
		const { ask, feed, asked } = startCache();
		const answer = await ask("/notes", { method: "OPTIONS" });
		expect([
			asked.length,
			feed.syncs,
			feed.needs,
			answer.headers.has("Cache-Status"),
		]).toEqual([1, 0, [], false]);
	});
});

describe("an explanation", () => {
	const Explain = { "Postern-Explain": "1" };

	it("is given to operators", async () => {
		const { ask } = startCache();
		const answer = await ask("/notes", {
			identity: OPERATOR,
			headers: Explain,
		});
		expect(JSON.parse(answer.headers.get("Postern-Explain") ?? "")).toEqual({
			key: '["GET","http://postgrest/notes","service"]',
			tags: ["api.notes", "catalog"],
			callerKey: { role: "service", claims: {} },
			maxStalenessSeconds: 5,
			view: { feedEpoch: "epoch1", seq: 7, prunedBelow: 0 },
		});
	});

	it("is given with a 304", async () => {
		const { ask } = startCache();
		await ask("/notes", { identity: OPERATOR });
		const headers = { ...Explain, "If-None-Match": "*" };
		const answer = await ask("/notes", { identity: OPERATOR, headers });
		expect([answer.status, answer.headers.has("Postern-Explain")]).toEqual([
			304,
			true,
		]);
	});

	it("is not left in the store for others", async () => {
		const { ask } = startCache({ plan: (request) => planOf(request) });
		await ask("/notes", { identity: OPERATOR, headers: Explain });
		expect((await ask()).headers.has("Postern-Explain")).toBe(false);
	});

	it("is refused to others, before anything is asked", async () => {
		const { ask, asked, feed } = startCache();
		await expect(ask("/notes", { headers: Explain })).rejects.toMatchObject({
			code: "denied",
		});
		expect([asked, feed.needs]).toEqual([[], []]);
	});
});

describe("those downstream", () => {
	it.each([
		["a miss", 0],
		["a hit", 1],
	])("may not give the answer to others: %s", async (_, before) => {
		const { ask } = startCache();
		for (let i = 0; i < before; i++) await ask();
		const { headers } = await ask();
		expect([headers.get("Cache-Control"), headers.get("Vary")]).toEqual([
			"private, no-cache",
			"Accept, Accept-Profile, Authorization, Apikey, Prefer, Range, Range-Unit",
		]);
	});

	it("sends PostgREST's Vary and the gateway's own as one list without repeats", async () => {
		const { ask } = startCache({
			answer: () => rows("[]", { headers: { Vary: "Accept, Prefer, Range" } }),
		});
		await ask();
		expect((await ask()).headers.get("Vary")).toBe(
			"Accept, Prefer, Range, Accept-Profile, Authorization, Apikey, Range-Unit",
		);
	});

	it("get the Cache-Status of caches nearer to the origin once", async () => {
		const { ask } = startCache({
			answer: () =>
				rows("[]", { headers: { "Cache-Status": "Tunnel; fwd=miss" } }),
		});
		const first = await ask();
		const second = await ask();
		expect(
			[first, second].map(({ headers }) => headers.get("Cache-Status")),
		).toEqual([
			"Tunnel; fwd=miss, Postern; fwd=uri-miss; stored; ttl=5",
			'Postern; hit; ttl=5; detail="memory"',
		]);
	});
});

it("answers each request, whatever happens to the answer of another one", async () => {
	const { ask } = startCache();
	await (await ask()).body?.cancel();
	const second = await ask();
	const reader = second.body?.getReader();
	new Uint8Array((await reader?.read())?.value?.buffer ?? []).fill(0);
	expect(await (await ask()).text()).toBe('[{"id":1}]');
});

// The catalog may be ahead of the view, which then knows of no change of the schema.
it("compares an entry by its own tags, whatever the plan's tags are now", async () => {
	let tag = "api.before";
	const { ask, feed } = startCache({
		plan: (request) => ({ ...planOf(request), tags: [tag, "catalog"] }),
	});
	await ask();
	feed.change("api.before");
	tag = "api.after";
	expect(statusOf(await ask()).fwd).toBe("stale");
});

it("repeats each client's own trace header", async () => {
	const { ask } = startCache({
		answer: ({ headers }) => {
			const trace = headers.get("X-Request-Id") ?? "";
			return rows("[]", { headers: { "X-Request-Id": trace } });
		},
	});
	const answers = [];
	for (const headers of [{ "X-Request-Id": "1" }, { "X-Request-Id": "2" }, {}])
		answers.push(await ask("/notes", { headers }));
	expect(
		answers.map((answer) => [
			statusOf(answer).hit,
			answer.headers.get("X-Request-Id"),
		]),
	).toEqual([
		[undefined, "1"],
		[true, "2"],
		[true, ""],
	]);
});

it("does not wait for a request whose client has gone", async () => {
	let count = 0;
	const { ask, clock } = startCache({
		answer: () => (count++ === 0 ? new Promise(() => {}) : rows()),
	});
	const client = new AbortController();
	ask("/notes", { signal: client.signal });
	await tick();
	client.abort();
	const before = clock.ms;
	await ask();
	expect(clock.ms - before).toBeLessThan(100);
});

it("keeps what it has where the origin says the same again", async () => {
	let puts = 0;
	const { ask } = startCache({
		store: {
			...mapStore(),
			async put() {
				puts++;
			},
		},
	});
	const answers = [];
	for (let count = 0; count < 3; count++)
		answers.push(
			await ask("/notes", { headers: { "Cache-Control": "no-cache" } }),
		);
	expect([puts, answers.map((answer) => statusOf(answer).stored)]).toEqual([
		1,
		[true, undefined, undefined],
	]);
});

it("takes another's answer that has come while the store was asked", async () => {
	const slow = Promise.withResolvers<undefined>();
	let gets = 0;
	const { ask, asked } = startCache({
		store: {
			...mapStore(),
			get: async () => (gets++ === 0 ? slow.promise : undefined),
		},
	});
	const late = ask();
	await tick();
	await ask();
	slow.resolve(undefined);
	expect([statusOf(await late).collapsed, asked.length]).toEqual([true, 1]);
});
