// The read cache over plain functions: which answers come from a store, and what their headers say.

import { describe, expect, it, vi } from "vitest";
import type { Identity } from "../../src/identity/identity.ts";
import type { PipelineRequest } from "../../src/pipeline.ts";
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

/** An origin that answers with the number of requests so far. */
function counting() {
	let count = 0;
	return () => rows(`[${++count}]`);
}

/** An origin whose answers the test releases one by one. */
function held() {
	const waiting: ((answer: Response) => void)[] = [];
	return {
		answer: () => new Promise<Response>((resolve) => waiting.push(resolve)),
		/** Answers the request that has waited longest, as soon as there is one. */
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

	it("is answered from the cache as it was the first time", async () => {
		const { ask } = startCache({ answer: counting() });
		const [first, second] = [await ask(), await ask()];
		const seen = async ({ status, statusText, headers, body }: Response) => [
			status,
			statusText,
			["content-type", "content-profile", "content-range", "etag"].map((name) =>
				headers.get(name),
			),
			await new Response(body).text(),
		];
		expect(await seen(second)).toEqual(await seen(first));
	});

	it("is passed on unchanged the first time, with the headers that are not stored", async () => {
		const { ask } = startCache({
			answer: () => rows("[]", { headers: { "Server-Timing": "db;dur=1" } }),
		});
		const { headers } = await ask();
		expect([headers.get("Server-Timing"), headers.has("Age")]).toEqual([
			"db;dur=1",
			false,
		]);
	});

	it("is answered with a Cache-Status that says it was stored", async () => {
		const { ask } = startCache();
		expect(statusOf(await ask())).toEqual({
			fwd: "uri-miss",
			stored: true,
			ttl: 5,
		});
	});

	it("is answered with a Cache-Status that names the memory", async () => {
		const { ask, clock } = startCache();
		await ask();
		clock.ms += 1_200;
		expect(statusOf(await ask())).toEqual({
			hit: true,
			ttl: 5,
			detail: "memory",
		});
	});

	it("is answered with the view's age", async () => {
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
		const answer = (_: PipelineRequest, { claims }: Identity) =>
			rows(JSON.stringify([claims.sub]));

		it("is not given to another caller if the policies changed before it was made", async () => {
			const { ask, feed, asked } = startCache({ answer });
			// Committed after the poll of the view that plans, and before the answer.
			feed.hold();
			feed.change("catalog");
			await ask("/notes", { identity: ada });
			const other = await ask("/notes", { identity: bob });
			expect([await other.text(), asked.length]).toEqual(['["bob"]', 2]);
		});

		it("is not given to another caller if another isolate knew of the change when it made it", async () => {
			const store = mapStore();
			const knowing = startCache({ answer, store });
			knowing.feed.change("catalog");
			await knowing.ask("/notes", { identity: ada });
			await knowing.settle();
			expect(store.entries.size).toBe(1);
			const { ask, feed } = startCache({ answer, store });
			feed.hold();
			feed.change("catalog");
			const other = await ask("/notes", { identity: bob });
			expect(await other.text()).toBe('["bob"]');
		});

		it("is not given to a caller of the same role with another header either", async () => {
			const { ask, feed } = startCache({
				answer: ({ headers }) => rows(JSON.stringify([headers.get("X-Team")])),
			});
			feed.hold();
			feed.change("catalog");
			await ask("/notes", { headers: { "X-Team": "red" } });
			const other = await ask("/notes", { headers: { "X-Team": "blue" } });
			expect(await other.text()).toBe('["blue"]');
		});

		it("is not given to another caller while the feed cannot say whether they changed", async () => {
			const { ask, feed, memory } = startCache({ answer });
			feed.hold();
			await ask("/notes", { identity: ada });
			expect(memory.bytes).toBeGreaterThan(0);
			feed.failFrom(2);
			const other = await ask("/notes", { identity: bob });
			expect(await other.text()).toBe('["bob"]');
		});

		it("is given to another caller after a later poll found no change of the policies", async () => {
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

		it("makes another caller ask the feed for such a poll, if there was none yet", async () => {
			const { ask, feed } = startCache({ answer });
			const first = await ask("/notes", { identity: ada });
			feed.hold();
			await ask("/notes", { identity: bob });
			expect(feed.needs.at(-1)?.consistencyTokens).toEqual([
				first.headers.get("Postern-Token"),
			]);
		});

		it("is given to the same caller without such a poll", async () => {
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

	it("that is a HEAD is answered from the cache, too, with the body's length", async () => {
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
		[
			"nothing",
			() =>
				rows("", {
					headers: { "Content-Type": "text/csv", "Content-Length": "0" },
				}),
		],
		[
			"bytes",
			() =>
				rows(new Uint8Array([0, 255, 254]), {
					headers: { "Content-Length": "3" },
				}),
		],
	])("is answered from the cache if the answer is %s", async (_, answer) => {
		const { ask } = startCache({ answer });
		const first = await ask();
		const second = await ask();
		expect([statusOf(second).hit, second.status, await second.bytes()]).toEqual(
			[true, first.status, await first.bytes()],
		);
	});

	it("is read from the origin an hour after it was stored, even if the feed knows no change", async () => {
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
	it("of a table that an answer depends on makes it stale", async () => {
		const { ask, feed } = startCache({ answer: counting() });
		await ask();
		feed.change("api.notes");
		const answer = await ask();
		expect([statusOf(answer), await answer.text()]).toEqual([
			{ fwd: "stale", stored: true, ttl: 5 },
			"[2]",
		]);
	});

	it("of another table leaves it fresh", async () => {
		const { ask, feed } = startCache();
		await ask();
		feed.change("api.others");
		expect(statusOf(await ask()).hit).toBe(true);
	});

	it("is shown by the next answer", async () => {
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

	it("that the feed has dropped makes older answers stale", async () => {
		const { ask, feed } = startCache();
		await ask();
		feed.prunedBelow = 8;
		expect(statusOf(await ask()).fwd).toBe("stale");
	});

	it("during the origin's answer makes the answer stale, however late it arrives", async () => {
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

	it("of the schema lets nothing be stored until PostgREST has loaded it, however long that takes", async () => {
		const { ask, feed, clock } = startCache();
		feed.isSchemaLoaded = false;
		const during = statusOf(await ask());
		clock.ms += 3_600_000;
		const still = statusOf(await ask());
		feed.isSchemaLoaded = true;
		const after = statusOf(await ask());
		expect([during, still.stored, after.stored]).toEqual([
			{
				fwd: "uri-miss",
				detail: "PostgREST has not loaded the changed schema",
			},
			undefined,
			true,
		]);
	});

	it("of the schema counts if PostgREST loads it after it was asked", async () => {
		const origin = held();
		const { ask, feed } = startCache(origin);
		feed.isSchemaLoaded = false;
		const answer = ask();
		await tick();
		feed.isSchemaLoaded = true;
		await origin.letGo();
		expect(statusOf(await answer).stored).toBeUndefined();
	});
});

describe("a store outside the isolate", () => {
	it("gives what another isolate stored", async () => {
		const store = mapStore();
		const first = startCache({ store });
		await first.ask();
		await first.settle();
		const answer = await startCache({ store }).ask();
		expect(statusOf(answer)).toEqual({ hit: true, ttl: 5, detail: "kv" });
	});

	it("is not asked for what the isolate has in memory", async () => {
		const store = { ...mapStore(), get: vi.fn(async () => entryOf()) };
		const { ask } = startCache({ store });
		await ask();
		const answer = await ask();
		expect([store.get.mock.calls.length, statusOf(answer).detail]).toEqual([
			1,
			"memory",
		]);
	});

	it("is ignored if its entry is stale", async () => {
		const store = { ...mapStore(), get: async () => entryOf({ seq: 6 }) };
		const { ask, feed } = startCache({ store });
		feed.change("api.notes");
		expect(statusOf(await ask()).fwd).toBe("stale");
	});

	it("may give a newer entry than the isolate's", async () => {
		const store = {
			...mapStore(),
			get: async () => entryOf({ seq: 8, body: new Uint8Array([0x37]) }),
		};
		const { ask, feed, memory } = startCache({ store });
		const { key } = planOf(
			new Request("http://postgrest/notes"),
		) as CacheablePlan;
		memory.put(key, entryOf({ seq: 7 }));
		feed.change("api.notes");
		const answer = await ask();
		expect([statusOf(answer).detail, await answer.text()]).toEqual(["kv", "7"]);
	});

	it("holds the entry under the hash of its key", async () => {
		const store = mapStore();
		const { ask, settle } = startCache({ store });
		await ask();
		await settle();
		expect([...store.entries.keys()]).toEqual([
			'["GET","http://postgrest/notes","anon"]',
		]);
	});

	it("does not delay the answer", async () => {
		const store = { ...mapStore(), put: () => new Promise<never>(() => {}) };
		const { ask } = startCache({ store });
		expect(statusOf(await ask()).stored).toBe(true);
	});
});

describe("several equal requests at once", () => {
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

	it("are marked as collapsed", async () => {
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

	it("are one request for each caller key", async () => {
		const origin = held();
		const { ask, asked } = startCache(origin);
		const answers = [ask(), ask("/notes", { identity: OPERATOR })];
		await origin.letGo();
		await origin.letGo();
		await Promise.all(answers);
		expect(asked.length).toBe(2);
	});

	it("ask the origin once more if the first one's client has gone", async () => {
		let count = 0;
		const { ask, asked } = startCache({
			// Neither answers nor fails, because the runtime cancelled its request.
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

	it("do not fail if the first one does", async () => {
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

	it("each ask the origin, without waiting, if the answer cannot be stored", async () => {
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

	it("become one again when the answers may be stored again", async () => {
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

	it("refuse a shared answer that is older than they accept", async () => {
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
	/** A cache with the answer in it. */
	async function warm() {
		const cache = startCache({ answer: counting() });
		await cache.ask();
		return cache;
	}

	it("may demand the origin's answer: no-cache", async () => {
		const { ask } = await warm();
		const answer = await ask("/notes", withDirectives("no-cache"));
		expect([statusOf(answer), await answer.text()]).toEqual([
			{ fwd: "request", stored: true, ttl: 5 },
			"[2]",
		]);
	});

	it("let others have the answer that no-cache fetched", async () => {
		const { ask } = await warm();
		await ask("/notes", withDirectives("no-cache"));
		expect(await (await ask()).text()).toBe("[2]");
	});

	it("may forbid storing the answer: no-store", async () => {
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
	])("limit the age of the view: %s", async (text, maxAgeMs) => {
		const { ask, feed } = await warm();
		feed.needs.length = 0;
		const answer = await ask("/notes", withDirectives(text));
		expect([statusOf(answer).hit, feed.needs]).toEqual([
			true,
			[{ maxAgeMs, consistencyTokens: [] }],
		]);
	});

	it("determine the ttl in Cache-Status", async () => {
		const { ask } = await warm();
		const ttls: unknown[] = [];
		for (const text of ["max-age=2", "max-stale=5", "max-stale"]) {
			ttls.push(statusOf(await ask("/notes", withDirectives(text))).ttl);
		}
		expect(ttls).toEqual([2, 5, 5]);
	});

	it("may demand a stored answer: only-if-cached", async () => {
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
		["nothing is stored", "/others", "only-if-cached"],
		["no-cache contradicts", "/notes", "only-if-cached, no-cache"],
		["no-store contradicts", "/notes", "only-if-cached, no-store"],
		["the read is not cacheable", "/notes", "only-if-cached", "volatile"],
	];

	it.each(REFUSED)(
		"are refused, without asking the origin, if %s",
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

	it("are refused if the stored answer is stale", async () => {
		const { ask, feed } = await warm();
		feed.change("api.notes");
		await expect(
			ask("/notes", withDirectives("only-if-cached")),
		).rejects.toMatchObject({ code: "not_cached" });
	});

	it("are refused if the feed cannot be asked", async () => {
		const { ask, feed } = await warm();
		feed.reason = "feed-unreachable";
		await expect(
			ask("/notes", withDirectives("only-if-cached")),
		).rejects.toMatchObject({ code: "not_cached" });
	});

	it("that accept a view beyond the maximum staleness have the answer not stored, because policies may have changed", async () => {
		const { ask, feed, clock } = startCache();
		feed.hold();
		clock.ms += MAX_STALENESS_MS + 1;
		const answer = await ask("/notes", withDirectives("max-stale=60"));
		expect(statusOf(answer)).toEqual({
			fwd: "uri-miss",
			detail: "the view is old",
		});
	});

	it("that are served by a view just within the maximum staleness have the answer stored", async () => {
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

	it("is answered from the origin without a body, if the answer is the same", async () => {
		const cache = startCache();
		const tag = await tagOf(cache);
		cache.feed.change("api.notes");
		const answer = await cache.ask("/notes", wanted(tag));
		expect([answer.status, statusOf(answer)]).toEqual([
			304,
			{ fwd: "stale", stored: true, ttl: 5 },
		]);
	});

	it("is answered in full if the answer differs", async () => {
		const cache = startCache({ answer: counting() });
		const tag = await tagOf(cache);
		cache.feed.change("api.notes");
		const answer = await cache.ask("/notes", wanted(tag));
		expect([answer.status, await answer.text()]).toEqual([200, "[2]"]);
	});

	it("is ignored if there is nothing to compare: HEAD", async () => {
		const cache = startCache({ answer: () => rows(null) });
		const answer = await cache.ask("/notes", wanted("*", "HEAD"));
		expect(answer.status).toBe(200);
	});

	it.each(["POST", "GET"])(
		"is passed to the origin if the answer cannot be stored: %s",
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

describe("an answer that cannot be stored", () => {
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

	it("carries a token, too", async () => {
		const { ask } = startCache({ answer: () => rows("{}", { status: 404 }) });
		expect(tokensOf(await ask())).toEqual([tokenAt(NOW + 100)]);
	});

	it("keeps the origin's own Cache-Control", async () => {
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

	it("goes to the origin each time, and its answer may not be stored", async () => {
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

	it("is not explained to others, because the reason names what they may not see", async () => {
		const { ask } = startCache(bypassed());
		expect(statusOf(await ask())).toEqual({ fwd: "bypass" });
	});

	it("carries a token", async () => {
		const { ask } = startCache(bypassed());
		expect(tokensOf(await ask())).toEqual([tokenAt(NOW + 100)]);
	});

	it("does not wait for the feed, which is asked meanwhile", async () => {
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
	])(
		"is the plan of every read while the feed is: %s",
		async (reason, detail) => {
			const { ask, feed } = startCache();
			feed.reason = reason;
			expect(statusOf(await ask())).toEqual({ fwd: "bypass", detail });
		},
	);

	it("is the plan of every read while the catalog is loaded", async () => {
		const { ask, feed } = startCache();
		feed.catalog = undefined;
		expect(statusOf(await ask()).fwd).toBe("bypass");
	});

	it("is the plan of a read if the planner throws, which is logged", async () => {
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

	it("is made with the catalog of the view", async () => {
		const plan = vi.fn((_: Catalog, request: PipelineRequest) =>
			planOf(request),
		);
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

	it("is made once if the catalog is the same", async () => {
		const plan = vi.fn((_: Catalog, request: PipelineRequest) =>
			planOf(request),
		);
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

	it("that accepts an older view asks for no newer one", async () => {
		const { ask, feed } = startCache({
			plan: (request) =>
				({ ...planOf(request), maxStalenessMs: 60_000 }) as CacheablePlan,
		});
		await ask();
		expect(feed.needs.map(({ maxAgeMs }) => maxAgeMs)).toEqual([60_000]);
	});

	it("is given up if each new catalog demands a newer view", async () => {
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

describe("a consistency token", () => {
	it("of a request has to be covered by the view", async () => {
		const { ask, feed } = startCache();
		await ask("/notes", { headers: { "Postern-Token": "a, b" } });
		expect(feed.needs).toEqual([
			{ maxAgeMs: MAX_STALENESS_MS, consistencyTokens: ["a", "b"] },
		]);
	});

	it("of an answer of the origin is ahead of every view so far", async () => {
		const { ask } = startCache();
		expect(tokensOf(await ask())).toEqual([tokenAt(NOW + 100)]);
	});

	it("of a stored answer is the view's and, if the answer may show more, its own", async () => {
		const { ask } = startCache();
		await ask();
		expect(tokensOf(await ask())).toEqual([tokenAt(NOW), tokenAt(NOW + 100)]);
	});

	it("of a stored answer is the view's alone if that reaches as far", async () => {
		const { ask, clock } = startCache();
		await ask();
		clock.ms += 100;
		expect(tokensOf(await ask())).toEqual([tokenAt(NOW + 100)]);
	});

	it.each([
		[60_000, [tokenAt(NOW + 60_000), tokenAt(NOW, "run0")]],
		[60_001, [tokenAt(NOW + 60_001)]],
	])(
		"of an entry from before the feed's object restarted is sent for a minute: %i ms",
		async (ms, expected) => {
			const token = tokenAt(NOW, "run0");
			const store = {
				...mapStore(),
				get: async () => entryOf({ consistencyToken: token }),
			};
			const { ask, clock } = startCache({ store });
			clock.ms += ms;
			expect(tokensOf(await ask())).toEqual(expected);
		},
	);

	it("of a collapsed answer includes the answer's own, too", async () => {
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

	it("forces a poll if the isolate takes the database for untracked", async () => {
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

	describe("whose transaction the database names", () => {
		const NAME = "0123456789abcdef.700";
		const ADA = { role: "authenticated", claims: { sub: "ada" } };
		const BOB = { role: "authenticated", claims: { sub: "bob" } };
		const start = () =>
			startCache({
				answer: ({ method }) =>
					rows("[]", {
						headers: method === "PATCH" ? { "Postern-Transaction": NAME } : {},
					}),
			});

		it("carries that name, and nobody polls for it", async () => {
			const { ask, feed } = start();
			const answer = await ask("/notes", { method: "PATCH" });
			expect([
				feed.syncs,
				tokensOf(answer),
				answer.headers.has("Postern-Transaction"),
			]).toEqual([0, [NAME], false]);
		});

		it("is shown to its user, who sends no token, and until then delays nobody else", async () => {
			const { ask, feed } = start();
			await ask("/notes", { method: "PATCH", identity: ADA });
			for (const [index, identity] of [BOB, ANYBODY, ADA, ADA].entries())
				await ask(`/notes?id=eq.${index}`, { identity });
			expect(feed.needs.map((it) => it.consistencyTokens)).toEqual([
				[],
				[],
				[NAME],
				[],
			]);
		});

		it("by a caller that is no user delays nobody", async () => {
			const { ask, feed } = start();
			await ask("/notes", { method: "PATCH" });
			await ask();
			expect(feed.needs.map((it) => it.consistencyTokens)).toEqual([[]]);
		});

		it("is remembered while the feed cannot be asked", async () => {
			const { ask, feed } = start();
			await ask("/notes", { method: "PATCH", identity: ADA });
			feed.failFrom(0);
			await ask("/notes", { identity: ADA });
			await ask("/notes", { identity: ADA });
			expect(feed.needs.map((it) => it.consistencyTokens)).toEqual([
				[NAME],
				[NAME],
			]);
		});
	});

	it("that fails carries one as well, because it may have been done", async () => {
		const { ask, feed } = startCache({
			answer: () => rows("{}", { status: 409 }),
		});
		await ask("/notes", { method: "POST" });
		expect(feed.syncs).toBe(1);
	});

	it("is passed on unchanged", async () => {
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

	it("is assumed if the planner throws, which is logged", async () => {
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

	it("is not assumed of a POST that only reads", async () => {
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

	it("is not assumed of OPTIONS", async () => {
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
			callerKey: { role: "service", claims: {}, headers: {} },
			maxStalenessSeconds: 5,
			view: { feedEpoch: "epoch1", seq: 7, prunedBelow: 0 },
		});
	});

	it("is given with a 304, too", async () => {
		const { ask } = startCache();
		await ask("/notes", { identity: OPERATOR });
		const headers = { ...Explain, "If-None-Match": "*" };
		const answer = await ask("/notes", { identity: OPERATOR, headers });
		expect([answer.status, answer.headers.has("Postern-Explain")]).toEqual([
			304,
			true,
		]);
	});

	it("is not stored with the answer", async () => {
		const { ask } = startCache({ plan: (request) => planOf(request) });
		await ask("/notes", { identity: OPERATOR, headers: Explain });
		expect((await ask()).headers.has("Postern-Explain")).toBe(false);
	});

	it("is refused to others before the origin is asked", async () => {
		const { ask, asked, feed } = startCache();
		await expect(ask("/notes", { headers: Explain })).rejects.toMatchObject({
			code: "denied",
		});
		expect([asked, feed.needs]).toEqual([[], []]);
	});
});

describe("an answer to caches downstream", () => {
	it.each([
		["a miss", 0],
		["a hit", 1],
	])("may not be given to other callers: %s", async (_, before) => {
		const { ask } = startCache();
		for (let i = 0; i < before; i++) await ask();
		const { headers } = await ask();
		expect([headers.get("Cache-Control"), headers.get("Vary")]).toEqual([
			"private, no-cache",
			"Accept, Accept-Profile, Authorization, Apikey, Prefer, Range, Range-Unit",
		]);
	});

	it("has PostgREST's Vary and the gateway's own as one list without repeats", async () => {
		const { ask } = startCache({
			answer: () => rows("[]", { headers: { Vary: "Accept, Prefer, Range" } }),
		});
		await ask();
		expect((await ask()).headers.get("Vary")).toBe(
			"Accept, Prefer, Range, Accept-Profile, Authorization, Apikey, Range-Unit",
		);
	});

	it("has the Cache-Status of caches nearer to the origin once", async () => {
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

it("answers each request, even if the answer of another one fails", async () => {
	const { ask } = startCache();
	await (await ask()).body?.cancel();
	const second = await ask();
	const reader = second.body?.getReader();
	new Uint8Array((await reader?.read())?.value?.buffer ?? []).fill(0);
	expect(await (await ask()).text()).toBe('[{"id":1}]');
});

// The catalog may be ahead of the view, which then does not know of the change.
it("compares an entry by its own tags, not by the plan's present ones", async () => {
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

it("keeps its entry if the origin gives the same answer again", async () => {
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

it("uses another request's answer that arrived while the store was asked", async () => {
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
