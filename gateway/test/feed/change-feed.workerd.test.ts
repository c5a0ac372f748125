// The Durable Object itself, in workerd: its storage and alarm, evictions, what isolates share of it, and the origin behind it.

import {
	abortAllDurableObjects,
	evictDurableObject,
	runDurableObjectAlarm,
	runInDurableObject,
} from "cloudflare:test";
import { env } from "cloudflare:workers";
import {
	afterAll,
	afterEach,
	beforeAll,
	beforeEach,
	expect,
	it,
	vi,
} from "vitest";
import { toConsistencyToken } from "../../src/consistency/consistency-token.ts";
import { type ChangeFeed, feedFor } from "../../src/feed/change-feed.ts";
import type { Feed, SyncAnswer, SyncRequest } from "../../src/feed/feed.ts";
import { parseFeedSettings } from "../../src/settings/feed-settings.ts";
import { catalogOf } from "../support/catalog.ts";
import { type Database, startDatabase } from "../support/change-feed.ts";
import { ENV } from "../support/gateway.ts";
import { asPostgrest, postgrestError } from "../support/origin.ts";

type Following = Extract<SyncAnswer, { state: "following" }>;

let database: Database;
let objects = 0;
const stubs: ReturnType<typeof env.CHANGE_FEED.getByName>[] = [];
/** Replaces the database's answer. */
let fault: (() => Response | Promise<Response>) | undefined;
const errors = vi.spyOn(console, "error");
const fetches = vi.spyOn(globalThis, "fetch");

beforeAll(() => {
	Object.assign(env, ENV);
});
beforeEach(() => {
	database = startDatabase();
	fault = undefined;
	errors.mockReset().mockImplementation(() => {});
	const origin = asPostgrest(async (request) => {
		const url = new URL(request.url);
		if (request.method === "OPTIONS") return fault?.() ?? options(url);
		const body = (await request.json()) as { cursor?: string };
		return fault?.() ?? answer(url, body);
	});
	fetches
		.mockReset()
		.mockImplementation((input) => origin(new Request(input as Request)));
});
afterEach(async () => {
	// Otherwise they would go on polling the next test's database.
	for (const stub of stubs.splice(0)) {
		await runInDurableObject(stub, (_: ChangeFeed, { storage }) =>
			storage.deleteAlarm(),
		);
	}
	await abortAllDurableObjects();
	delete (env as { ORIGIN?: unknown }).ORIGIN;
});

afterAll(() => {
	errors.mockRestore();
	fetches.mockRestore();
});

async function answer(url: URL, body: { cursor?: string }): Promise<Response> {
	if (url.pathname === "/rpc/changes_since") {
		const poll = await database.tracking.poll(body.cursor ?? undefined);
		const { cursor, isReset, tags } = poll;
		return Response.json({
			contract: 1,
			postgres: 18,
			cursor,
			reset: isReset,
			tags,
		});
	}
	if (url.pathname === "/rpc/catalog")
		return Response.json({
			...catalogOf({}),
			...(await database.tracking.loadCatalog()),
		});
	if (url.pathname === "/rpc/mark_schema")
		return Response.json({ marker: await database.tracking.markSchema() });
	const isDone = await database.tracking.prune();
	return Response.json({ pruned: 0, isDone });
}

async function options({ pathname }: URL): Promise<Response> {
	const hasLoaded = await database.tracking.hasLoaded(pathname.slice(1));
	return hasLoaded
		? new Response(null, { headers: { Allow: "OPTIONS,GET,HEAD" } })
		: Response.json({ code: "PGRST205", message: "unknown" }, { status: 404 });
}

/** An object that has had no request yet. */
function newFeed() {
	const stub = env.CHANGE_FEED.getByName(`feed ${objects++}`);
	stubs.push(stub);
	// The stub's own type loses the tuples.
	const feed = stub as unknown as Feed;
	return {
		stub,
		feed,
		async sync(request: Partial<SyncRequest> = {}): Promise<Following> {
			const answer = await feed.sync({ maxAgeMs: 0, ...request });
			if (answer.state !== "following") throw new Error(answer.reason);
			return answer;
		},
	};
}

function alarmOf(stub: (typeof stubs)[number]): Promise<number | null> {
	return runInDurableObject(stub, (_: ChangeFeed, { storage }) =>
		storage.getAlarm(),
	);
}

it("follows the database even if variables are wrong that it does not need", async () => {
	const wrong = { ISSUERS: "?", TOKEN_JWKS: "?", CORS_ORIGINS: "?" };
	Object.assign(env, wrong);
	try {
		expect((await newFeed().sync()).state).toBe("following");
	} finally {
		Object.assign(env, ENV);
		for (const name of ["ISSUERS", "CORS_ORIGINS"]) {
			delete (env as unknown as Record<string, unknown>)[name];
		}
	}
});

it("follows the database", async () => {
	const { sync } = newFeed();
	const first = await sync();
	database.commit("api.a", "api.a(1)");
	const second = await sync({ known: first });
	expect([first.isWhole, second.seq - first.seq, second.changes]).toEqual([
		true,
		1,
		[
			["api.a", second.seq],
			["api.a(1)", second.seq],
		],
	]);
});

it.each([
	["by the object without relays", "off", [false, false]],
	["by the relay of its data centre with relays", "on", [true, false]],
])("answers an isolate %s", async (_, FEED_RELAYS, isOld) => {
	const object = env.CHANGE_FEED.getByName("feed");
	stubs.push(object);
	const settings = parseFeedSettings({ ...ENV, FEED_RELAYS });
	const ask = async (dataCentre: string) => {
		const feed = feedFor(env.CHANGE_FEED, settings, dataCentre);
		return (await feed.sync({ maxAgeMs: 60_000 })) as Following;
	};
	const first = await ask("FRA");
	await object.sync({ maxAgeMs: 0 });
	const later = [await ask("FRA"), await ask("CDG")];
	expect(later.map(({ asOf }) => asOf === first.asOf)).toEqual(isOld);
});

it("asks the origin over the binding, if there is one", async () => {
	const bound = vi.fn((request: Request) => globalThis.fetch(request));
	Object.assign(env, { ORIGIN: { fetch: bound } });
	await newFeed().sync();
	expect(bound.mock.calls[0]?.[0].url).toBe(
		"http://127.0.0.1:3000/rpc/changes_since",
	);
});

it("continues after an eviction with its stored state", async () => {
	const { stub, sync } = newFeed();
	await sync();
	database.commit("api.a");
	const before = await sync();
	await evictDurableObject(stub);
	database.commit("api.b");
	const after = await sync({ known: before });
	expect([
		after.feedEpoch === before.feedEpoch,
		after.objectRun === before.objectRun,
		after.seq > before.seq,
		after.changes,
	]).toEqual([true, false, true, [["api.b", after.seq]]]);
});

it("never gives a number twice, at any point where it ends", async () => {
	const { stub, sync } = newFeed();
	const given = new Map<string, string>();
	let last = await sync();
	for (let round = 0; round < 2; round++) {
		const tag = `api.t${round}`;
		database.commit(tag);
		// Its answer is lost, or arrives.
		const lost = sync().catch(() => undefined);
		if (round % 2 === 0) await lost;
		await evictDurableObject(stub);
		const answer = await sync({ known: last });
		expect(answer.feedEpoch).toBe(last.feedEpoch);
		for (const [changed, seq] of answer.changes) {
			expect(given.get(String(seq)) ?? changed).toBe(changed);
			given.set(String(seq), changed);
		}
		expect(answer.changes.map(([changed]) => changed)).toContain(tag);
		last = answer;
	}
	expect(given.size).toBe(2);
});

it("lets many wait for one poll", async () => {
	const { sync } = newFeed();
	await sync();
	const before = database.cursors.length;
	const { promise, resolve } = Promise.withResolvers<void>();
	fault = async () => {
		await promise;
		fault = undefined;
		return answer(new URL("http://origin/rpc/changes_since"), {
			cursor: database.cursors.at(-1) ?? "",
		});
	};
	const first = sync().catch(() => undefined);
	await scheduler.wait(20);
	const others = Array.from({ length: 20 }, () => sync());
	await scheduler.wait(20);
	resolve();
	const answers = await Promise.all(others);
	await first;
	expect([
		database.cursors.length - before,
		new Set(answers.map(({ asOf }) => asOf)).size,
	]).toEqual([2, 1]);
});

it("answers from memory a request that accepts some age", async () => {
	const { sync } = newFeed();
	const { asOf } = await sync();
	const again = await sync({ maxAgeMs: 60_000 });
	expect([again.asOf, database.cursors.length]).toEqual([asOf, 1]);
});

it("polls for a token that it does not cover", async () => {
	const { stub, sync } = newFeed();
	const token = toConsistencyToken(await sync());
	await evictDurableObject(stub);
	await sync();
	await sync({ maxAgeMs: 60_000, consistencyTokens: [token] });
	expect(database.cursors).toHaveLength(3);
});

it("tells what it knows, and that the origin is away, while the database cannot be asked", async () => {
	const { sync } = newFeed();
	const { asOf } = await sync();
	fault = () => Promise.reject(new Error("gone"));
	expect(await sync()).toMatchObject({ asOf, failure: "origin-unreachable" });
});

it("gives the reason if the database tracks nothing", async () => {
	fault = () => postgrestError(404, "PGRST202")({} as never) as Response;
	expect(await newFeed().feed.sync({ maxAgeMs: 0 })).toEqual({
		state: "absent",
		reason: "the database has no function for it",
	});
});

it("gives the catalog, and loads it again when it changed", async () => {
	const { feed, sync } = newFeed();
	await sync();
	const first = await feed.catalog();
	database.version = "2";
	database.commit("catalog");
	const { seq } = await sync();
	const second = await feed.catalog();
	expect([first.catalog, second.catalog, second.seq]).toMatchObject([
		{ contract: 1, version: "1" },
		{ contract: 1, version: "2" },
		seq,
	]);
});

it("has an alarm while it is used, which polls and sets the next", async () => {
	const { stub, sync } = newFeed();
	await sync();
	await scheduler.wait(600);
	const before = database.cursors.length;
	const hasRun = await runDurableObjectAlarm(stub);
	const next = await alarmOf(stub);
	expect([
		hasRun,
		database.cursors.length - before,
		next !== null,
		database.prunings,
	]).toEqual([true, 1, true, 1]);
});

it("prunes once an hour, and polls no more, after an alarm that found it unused since an eviction", async () => {
	const { stub, sync } = newFeed();
	await sync();
	await evictDurableObject(stub);
	const hasRun = await runDurableObjectAlarm(stub);
	const next = await alarmOf(stub);
	expect([
		hasRun,
		Math.round(((next ?? 0) - Date.now()) / 60_000),
		database.cursors.length,
		database.prunings,
	]).toEqual([true, 60, 1, 1]);
});

it("sets its next alarm even if the database cannot be asked", async () => {
	const { stub, sync } = newFeed();
	await sync();
	await scheduler.wait(600);
	fault = () => Promise.reject(new Error("gone"));
	await runDurableObjectAlarm(stub);
	expect([
		await runDurableObjectAlarm(stub),
		errors.mock.calls.length > 0,
	]).toEqual([true, true]);
});
