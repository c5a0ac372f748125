// Answers while the origin is away: what was answered before is answered again, marked, to the same callers and within bounds.
import { describe, expect, it } from "vitest";
import { Refusal } from "../../src/http/refusals.ts";
import type { Identity } from "../../src/identity/identity.ts";
import { createBulkhead } from "../../src/origin/bulkhead.ts";
import { NotAsked } from "../../src/origin/origin-absence.ts";
import {
	ANYBODY,
	type Ask,
	entryOf,
	mapStore,
	OUTAGE_STALENESS_MS,
	rows,
	startCache,
	statusOf,
	tokenAt,
	tokensOf,
	viewOf,
} from "../support/cache.ts";
import { NOW } from "../support/tokens.ts";

const ADA: Identity = { role: "anon", claims: { sub: "ada" } };
const BOB: Identity = { role: "anon", claims: { sub: "bob" } };

const unreachable = () => {
	throw new Refusal("origin_unreachable");
};

/** An error of PostgREST's. */
function error(code: string, status = 503, headers: HeadersInit = {}) {
	return new Response(JSON.stringify({ code, message: "an error" }), {
		status,
		headers: {
			"Content-Type": "application/json; charset=utf-8",
			Server: "postgrest/12.0.2",
			...headers,
		},
	});
}

type Started = Parameters<typeof startCache>[0];

/** A cache that has answered `/notes` once. The origin and the feed are away when `goAway` is called. */
async function warm({
	away = unreachable,
	identity = ANYBODY,
	...options
}: Started & { away?: () => Response; identity?: Identity } = {}) {
	const state = { isAway: false, away };
	let count = 0;
	const started = startCache({
		answer: () => (state.isAway ? state.away() : rows(`[${++count}]`)),
		...options,
	});
	await started.ask("/notes", { identity });
	await started.settle();
	return {
		...started,
		/** A poll found what the answer may show before the outage began. */
		goAway() {
			started.clock.ms += 1_000;
			state.isAway = true;
			started.feed.lastView = started.feed.view();
			started.feed.reason = "feed-unreachable";
		},
		comeBack() {
			state.isAway = false;
			started.feed.reason = undefined;
			started.feed.lastView = undefined;
		},
	};
}

/** The answer's body, or the refusal's code. */
async function outcomeOf(answer: Promise<Response>): Promise<string> {
	return answer
		.then((response) => response.text())
		.catch((refusal) => refusal.code);
}

describe("while the origin is away, a read", () => {
	it("is answered again, marked by what it was forwarded for and why it was not answered", async () => {
		const { ask, goAway, clock } = await warm();
		goAway();
		clock.ms += 60_000;
		const answer = await ask();
		expect([answer.status, await answer.text(), statusOf(answer)]).toEqual([
			200,
			"[1]",
			{ fwd: "stale", ttl: -55, detail: "origin-unreachable" },
		]);
	});

	it("is marked as a hit if the breaker did not let it through", async () => {
		const { ask, goAway } = await warm({
			away() {
				const cause = new NotAsked("away");
				throw new Refusal("origin_unreachable", { cause });
			},
		});
		goAway();
		expect(statusOf(await ask())).toEqual({
			hit: true,
			ttl: 5,
			detail: "origin-unreachable",
		});
	});

	it("is marked as a hit if the bulkhead did not let it through in time", async () => {
		const full = createBulkhead(() => new Promise(() => {}), {
			...{ limit: 0, timeoutMs: 0 },
			callerOf: () => "",
			now: () => 0,
			sleep: async () => {},
		});
		const waiting = () => full(new Request("http://postgrest/notes"), ADA);
		const { ask, goAway } = await warm({ away: waiting as () => never });
		goAway();
		expect(statusOf(await ask())).toEqual({
			hit: true,
			ttl: 5,
			detail: "origin-timeout",
		});
	});

	it.each([
		["the deadline", () => Promise.reject(new Refusal("origin_timeout"))],
		["PGRST003", async () => error("PGRST003", 504)],
	])("is marked as one that took too long after %s", async (_, away) => {
		const { ask, goAway } = await warm({ away: away as () => never });
		goAway();
		expect(statusOf(await ask()).detail).toBe("origin-timeout");
	});

	it.each([
		["PGRST000", 503],
		["PGRST001", 503],
		["PGRST002", 503],
		["57P01", 500],
		["57P03", 500],
		["08006", 503],
	])("is answered again after PostgREST's %s", async (code, status) => {
		const { ask, goAway } = await warm({ away: () => error(code, status) });
		goAway();
		const answer = await ask();
		expect([await answer.text(), statusOf(answer)["fwd-status"]]).toEqual([
			"[1]",
			status,
		]);
	});

	it("is answered again after a HEAD whose error has its code in a header alone", async () => {
		let isAway = false;
		const { ask, feed } = startCache({
			answer: () =>
				isAway
					? new Response(null, {
							status: 503,
							headers: { "Proxy-Status": "PostgREST; error=PGRST001" },
						})
					: rows(null),
		});
		await ask("/notes", { method: "HEAD" });
		isAway = true;
		feed.reason = "feed-unreachable";
		expect((await ask("/notes", { method: "HEAD" })).status).toBe(200);
	});

	it.each([
		["a statement that took too long", () => error("57014", 500)],
		["an error that a function raises", () => error("PT503")],
		["a denial", () => error("42501", 403)],
		[
			"what a function returns with such a status",
			() => error("PGRST000", 503, { "Content-Range": "0-0/*" }),
		],
		[
			"a refusal of the gateway's token",
			() => {
				throw new Refusal("origin_refused");
			},
		],
	])("is not answered again after %s", async (_, away) => {
		const { ask, goAway } = await warm({ away });
		goAway();
		const answer = await ask().catch((refusal) => refusal);
		expect(answer.status).toBeGreaterThanOrEqual(400);
	});

	it("is answered again though the feed knows that the rows have changed", async () => {
		const { ask, goAway, feed, clock } = await warm();
		feed.change("api.notes");
		goAway();
		clock.ms += 9_000;
		const answer = await ask();
		// As old as the answer itself: it may have been wrong from then on.
		expect([await answer.text(), answer.headers.get("Age")]).toEqual([
			"[1]",
			"10",
		]);
	});

	it("has the age of the last poll that knew no change", async () => {
		const { ask, goAway, clock } = await warm();
		clock.ms += 30_000;
		goAway();
		clock.ms += 9_000;
		expect((await ask()).headers.get("Age")).toBe("9");
	});

	it("is as old as an hour-old entry at least since that hour ended", async () => {
		const { ask, goAway, clock } = await warm();
		clock.ms += 3_600_000;
		goAway();
		clock.ms += 9_000;
		expect((await ask()).headers.get("Age")).toBe("10");
	});

	it("is refused when the answer is older than the outage staleness", async () => {
		const { ask, goAway, clock } = await warm();
		goAway();
		clock.ms += OUTAGE_STALENESS_MS;
		const last = await outcomeOf(ask());
		clock.ms += 1;
		expect([last, await outcomeOf(ask())]).toEqual([
			"[1]",
			"origin_unreachable",
		]);
	});

	it("is refused if the outage staleness is 0", async () => {
		const { ask, goAway } = await warm({ outageStalenessMs: 0 });
		goAway();
		expect(await outcomeOf(ask())).toBe("origin_unreachable");
	});

	it("that was never answered is refused", async () => {
		const { ask, goAway } = await warm();
		goAway();
		expect(await outcomeOf(ask("/others"))).toBe("origin_unreachable");
	});

	it("is answered 304 if the client has the answer", async () => {
		const { ask, goAway } = await warm();
		const etag = (await ask()).headers.get("ETag") ?? "";
		goAway();
		const answer = await ask("/notes", { headers: { "If-None-Match": etag } });
		expect([answer.status, statusOf(answer).detail]).toEqual([
			304,
			"origin-unreachable",
		]);
	});

	it("is answered from KV in an isolate that has not answered it", async () => {
		const store = mapStore();
		await warm({ store });
		const cold = startCache({ store, answer: unreachable });
		cold.feed.reason = "feed-unreachable";
		cold.clock.ms += 60_000;
		expect(await (await cold.ask()).text()).toBe("[1]");
	});

	it("is answered from KV if that has a newer answer than the memory", async () => {
		const store = mapStore();
		const { ask, goAway, feed } = await warm({ store });
		feed.change("api.notes");
		for (const name of store.entries.keys())
			store.entries.set(
				name,
				entryOf({ seq: 8, body: new Uint8Array([0x37]) }),
			);
		goAway();
		expect(await (await ask()).text()).toBe("7");
	});

	it("has an Age that is not too low where the clock of the isolate that stored it is ahead", async () => {
		const store = mapStore();
		await warm({ store });
		for (const [name, entry] of store.entries)
			store.entries.set(name, { ...entry, askedAt: NOW + 20_000 });
		const cold = startCache({ store, answer: unreachable });
		cold.feed.change("api.notes");
		cold.feed.reason = "feed-unreachable";
		cold.clock.ms += 5_000;
		const answer = await cold.ask();
		expect(Number(answer.headers.get("Age"))).toBeGreaterThanOrEqual(5);
	});

	it("is answered by the origin again as soon as that is back", async () => {
		const { ask, goAway, comeBack, feed } = await warm();
		goAway();
		await ask();
		feed.change("api.notes");
		comeBack();
		expect(await (await ask()).text()).toBe("[2]");
	});

	it("is given up soon if the feed finds the origin away as well and there is an answer", async () => {
		const signals: AbortSignal[] = [];
		let isAway = false;
		const { ask, feed } = startCache({
			answer(request) {
				if (!isAway) return rows("[1]");
				signals.push(request.signal);
				return new Promise(() => {});
			},
		});
		await ask();
		isAway = true;
		Object.assign(feed, { isOriginAway: true, reason: "feed-unreachable" });
		const answer = await ask();
		expect([await answer.text(), statusOf(answer).detail]).toEqual([
			"[1]",
			"origin-timeout",
		]);
		expect(signals.every(({ aborted }) => aborted)).toBe(true);
	});
});

describe("an answer while the origin is away", () => {
	it("is not given past a change of the policies that the feed has told of", async () => {
		const { ask, goAway, feed } = await warm();
		feed.change("catalog");
		goAway();
		expect(await outcomeOf(ask())).toBe("origin_unreachable");
	});

	it("is not given from another feed epoch", async () => {
		const { ask, goAway, feed } = await warm();
		feed.feedEpoch = "epoch2";
		goAway();
		expect(await outcomeOf(ask())).toBe("origin_unreachable");
	});

	it("is not given if the feed has dropped what would tell of a change", async () => {
		const { ask, goAway, feed } = await warm();
		feed.prunedBelow = 8;
		goAway();
		expect(await outcomeOf(ask())).toBe("origin_unreachable");
	});

	it("is not given while the feed has told nothing", async () => {
		const { ask, goAway, feed } = await warm();
		goAway();
		feed.catalog = undefined;
		expect(await outcomeOf(ask())).toBe("origin_unreachable");
	});

	it("is given to its reader before a poll that began after it", async () => {
		const { ask, goAway, feed } = await warm({ identity: ADA });
		goAway();
		feed.lastView = viewOf({ asOf: NOW });
		expect(await outcomeOf(ask("/notes", { identity: ADA }))).toBe("[1]");
	});

	it("is not given to another caller before a poll that began after it", async () => {
		const { ask, goAway, feed } = await warm({ identity: ADA });
		goAway();
		feed.lastView = viewOf({ asOf: NOW });
		expect(await outcomeOf(ask("/notes", { identity: BOB }))).toBe(
			"origin_unreachable",
		);
	});

	it("is given to another caller of the same key after such a poll", async () => {
		const { ask, goAway } = await warm({ identity: ADA });
		goAway();
		expect(await outcomeOf(ask("/notes", { identity: BOB }))).toBe("[1]");
	});

	it("is not given to a caller of another key", async () => {
		const { ask, goAway } = await warm({ identity: ADA });
		goAway();
		const identity = { role: "service", claims: {} };
		expect(await outcomeOf(ask("/notes", { identity }))).toBe(
			"origin_unreachable",
		);
	});

	it("carries the tokens of what it shows", async () => {
		const { ask, goAway } = await warm();
		goAway();
		expect(tokensOf(await ask())).toEqual([tokenAt(NOW + 1_000)]);
	});
});

describe("what a client asks for while the origin is away", () => {
	const withHeader = (name: string, value: string): Ask => ({
		headers: { [name]: value },
	});
	const directive = (text: string) => withHeader("Cache-Control", text);

	it.each([
		["no-cache", "Cache-Control: no-cache"],
		["no-store", "Cache-Control: no-store"],
		["max-age=9", "Cache-Control"],
		["min-fresh=1", "Cache-Control"],
		["max-age=5, max-stale=4", "Cache-Control"],
		["stale-if-error=4", "Cache-Control"],
	])("is not overridden, and the refusal names it: %s", async (text, name) => {
		const { ask, goAway, clock } = await warm();
		goAway();
		clock.ms += 9_001;
		const refusal = await ask("/notes", directive(text)).catch((it) => it);
		expect([refusal.code, refusal.message]).toEqual([
			"origin_unreachable",
			`The database could not be reached: no stored answer satisfies ${name}`,
		]);
	});

	it.each([
		"max-age=10",
		"max-age=5, max-stale=5",
		"min-fresh=1, max-stale=6",
		"max-stale",
		"stale-if-error=5",
		"only-if-cached",
	])("is satisfied by an answer that is young enough: %s", async (text) => {
		const { ask, goAway, feed, clock } = await warm();
		goAway();
		feed.isOriginAway = true;
		clock.ms += 9_001;
		expect(await outcomeOf(ask("/notes", directive(text)))).toBe("[1]");
	});

	it("is a fresh answer or none with only-if-cached, while nobody knows the origin away", async () => {
		const { ask, goAway } = await warm();
		goAway();
		expect(await outcomeOf(ask("/notes", directive("only-if-cached")))).toBe(
			"not_cached",
		);
	});

	it.each([
		["a token that the last poll covers", tokenAt(NOW + 1_000), "[1]"],
		[
			"a token of later than the last poll",
			tokenAt(NOW + 1_001),
			"origin_unreachable",
		],
		["a token that forces a poll", "0", "origin_unreachable"],
	])("counts: %s", async (_, token, expected) => {
		const { ask, goAway } = await warm();
		goAway();
		const answer = ask("/notes", withHeader("Postern-Token", token));
		expect(await outcomeOf(answer)).toBe(expected);
	});

	it("is named in the refusal where it is a token", async () => {
		const { ask, goAway } = await warm();
		goAway();
		await expect(
			ask("/notes", withHeader("Postern-Token", "0")),
		).rejects.toThrow("no stored answer satisfies Postern-Token");
	});

	it("is named in Cache-Status where the error is PostgREST's", async () => {
		const { ask, goAway } = await warm({ away: () => error("PGRST001") });
		goAway();
		const answer = await ask("/notes", withHeader("Postern-Token", "0"));
		expect([answer.status, statusOf(answer)]).toEqual([
			503,
			{
				fwd: "stale",
				"fwd-status": 503,
				detail:
					"origin-unreachable, and no stored answer satisfies Postern-Token",
			},
		]);
	});

	it("is not satisfied by rows that have changed, if it has seen the change", async () => {
		const { ask, goAway, feed } = await warm();
		feed.change("api.notes");
		goAway();
		const seen = tokenAt(NOW + 1_000);
		const answer = ask("/notes", withHeader("Postern-Token", seen));
		expect(await outcomeOf(answer)).toBe("origin_unreachable");
	});
});

describe("a request that no answer is kept for", () => {
	it("is refused if it is a write", async () => {
		const { ask, goAway } = await warm();
		goAway();
		expect(await outcomeOf(ask("/notes", { method: "PATCH" }))).toBe(
			"origin_unreachable",
		);
	});

	it("is refused if it is a read that is never cached", async () => {
		const { ask, goAway } = await warm({
			plan: () => ({ kind: "bypass", reason: "a function is volatile" }),
		});
		goAway();
		expect(await outcomeOf(ask())).toBe("origin_unreachable");
	});
});
