// Writes with If-Match through the gateway: what the database is told, and what the client is told. What the database decides:
// gateway/test/sql/pre-request/row-conditions.test.ts, and the whole stack: test/features/if-match.test.ts.
import { describe, expect, it } from "vitest";
import { claimingOrigin, raised } from "../idempotency/claiming-origin.ts";
import { catalogOf, table, view } from "../support/catalog.ts";
import {
	ADA_TOKEN,
	type GatewayOptions,
	type RequestOptions,
	refusalInWords,
	startGateway,
} from "../support/gateway.ts";
import { cursorAt, startFeed } from "../support/memory-feed.ts";
import type { Received } from "../support/origin.ts";
import { NOW } from "../support/tokens.ts";

const CATALOG = catalogOf({
	relations: [
		table("notes", { id: "bigint", n: "integer" }),
		// Its answers depend on other rows of it.
		table("members", { id: "uuid" }, { rowKey: null }),
		table("pairs", { a: "text", b: "integer" }, { key: ["b", "a"] }),
		table("days", { day: "date" }, { key: ["day"], rowKey: null }),
		table("keyless", { n: "integer" }, { key: [], rowKey: null }),
		table("notes", { id: "integer" }, { schema: "other" }),
		view("seen", { id: "integer" }, { key: ["id"], reads: ["api.notes"] }),
	],
});

interface StartOptions {
	isInstalled?: boolean;
	/** Answers what is written. */
	write?: (received: Received) => Response;
	feed?: ReturnType<typeof startFeed> | undefined;
	env?: GatewayOptions["env"];
}

/** A gateway over a feed that the test changes, with the time standing still. */
function start({
	isInstalled = true,
	write = () => new Response(null, { status: 204 }),
	...options
}: StartOptions = {}) {
	const feed =
		"feed" in options
			? options.feed
			: startFeed({ now: () => NOW, catalog: CATALOG });
	const database = claimingOrigin({
		isInstalled,
		write: (received) =>
			received.method === "GET"
				? Response.json([{ id: 1 }], {
						headers: { "content-profile": "api", "content-range": "0-0/*" },
					})
				: write(received),
	});
	const gateway = startGateway({
		answer: database.answer,
		...(feed === undefined ? {} : { feed }),
		env: { DB_SCHEMAS: "api,other", ...options.env },
	});
	return {
		...gateway,
		database,
		feed,
		async etag(path = "notes?id=eq.1"): Promise<string> {
			const headers = { "Postern-Token": "0" };
			const answer = await gateway.request(`/rest/v1/${path}`, {
				headers,
				token: ADA_TOKEN,
			});
			return answer.headers.get("etag") ?? "none";
		},
		patch: (etags: string, path = "notes?id=eq.1", more: RequestOptions = {}) =>
			gateway.request(`/rest/v1/${path}`, {
				method: "PATCH",
				token: ADA_TOKEN,
				json: { n: 1 },
				...more,
				headers: { "If-Match": etags, ...more.headers },
			}),
		/** What the database was told of the writes that were done. */
		told: () =>
			database.written
				.filter(({ method }) => method !== "GET")
				.map(({ headers }) => {
					const sent = headers.get("postern-match");
					return sent === null ? null : JSON.parse(sent);
				}),
	};
}

const NOTE = { relation: ["api", "notes"], columns: ["id"], key: ["1"] };

describe("a write with If-Match", () => {
	it("tells the database the row, and the cursor that it may not have changed since", async () => {
		const { etag, patch, told, feed } = start();
		const sent = await etag();
		expect((await patch(sent)).status).toBe(204);
		feed?.commit("api.notes(2)");
		await etag();
		await patch(sent);
		expect(told()).toEqual([
			{ ...NOTE, since: cursorAt(0) },
			{ ...NOTE, since: cursorAt(1) },
		]);
	});

	it.each([
		["the row", "api.notes(1)"],
		["any row", "api.notes(*)"],
		["the schema", "catalog"],
	])("has changed where the feed has told a change of %s", async (_, tag) => {
		const { etag, patch, told, feed } = start();
		const sent = await etag();
		feed?.commit(tag);
		await etag();
		await patch(sent);
		await patch(`${sent}, ${await etag()}`);
		expect(told()).toEqual([
			{ ...NOTE, since: null },
			{ ...NOTE, since: cursorAt(1) },
		]);
	});

	it("has changed where the feed has begun another epoch", async () => {
		const { etag, patch, told, feed } = start();
		const sent = await etag();
		feed?.beginEpoch();
		await etag();
		await patch(sent);
		expect(told()).toEqual([{ ...NOTE, since: null }]);
	});

	it("asks the feed where the ETag is of a later moment than the isolate knows", async () => {
		const feed = startFeed({ now: () => NOW, catalog: CATALOG });
		const [one, other] = [start({ feed }), start({ feed })];
		await one.etag();
		feed.commit("api.notes(1)");
		await one.patch(await other.etag());
		expect(one.told()).toEqual([{ ...NOTE, since: cursorAt(1) }]);
	});

	it("names any version for *, and none for ETags without a moment", async () => {
		const { patch, told } = start();
		await patch("*");
		await patch('"a"');
		expect(told().map(({ since }) => since)).toEqual(["*", null]);
	});

	it("names a row by all columns of its key, in the order of the key, in a header of ASCII", async () => {
		const { patch, told, database } = start();
		const a = 'ü "\u{1f600}"';
		await patch("*", `pairs?a=eq.${encodeURIComponent(a)}&b=eq.-1&or=(b.gt.0)`);
		await patch("*", "members?id=eq.0b5c6a52-5d0a-4f0e-9d43-00000000000a");
		await patch("*", "notes?id=eq.7", {
			headers: { "Content-Profile": "other" },
		});
		expect(told()).toEqual([
			{
				relation: ["api", "pairs"],
				columns: ["b", "a"],
				key: ["-1", a],
				since: "*",
			},
			expect.objectContaining({ relation: ["api", "members"] }),
			{ relation: ["other", "notes"], columns: ["id"], key: ["7"], since: "*" },
		]);
		const [sent] = database.written;
		expect(sent?.headers.get("postern-match")).toMatch(/^[ -~]*$/);
	});

	it("cannot be forged by a client's own header", async () => {
		const { patch, request, told } = start();
		const forged = { "Postern-Match": '{"since":"*"}' };
		await patch('"a"', "notes?id=eq.1", { headers: forged });
		const unconditional = { method: "PATCH", token: ADA_TOKEN, json: { n: 1 } };
		await request("/rest/v1/notes", { ...unconditional, headers: forged });
		expect(told()).toEqual([{ ...NOTE, since: null }, null]);
	});
});

describe("a refusal by the database", () => {
	it("is told, after the feed was asked", async () => {
		const write = () => raised(412, "precondition_failed", "it has changed");
		const { patch, etag, feed } = start({ write });
		const sent = await etag();
		const polls = feed?.requests.length ?? 0;
		const answer = await patch(sent);
		// The next read with it sees the change, and needs no poll of its own.
		expect(answer.headers.get("postern-token")).toBe(feed?.consistencyToken());
		expect(await refusalInWords(answer)).toEqual({
			status: 412,
			code: "precondition_failed",
			message: expect.stringContaining("it has changed"),
		});
		expect(feed?.requests.slice(polls)).toContainEqual(
			expect.objectContaining({ maxAgeMs: 0 }),
		);
	});

	it("of a condition that cannot be checked is told", async () => {
		const { patch } = start({
			write: () => raised(400, "precondition_unsupported", "x is not tracked"),
		});
		expect(await refusalInWords(await patch("*"))).toMatchObject({
			status: 400,
			message: expect.stringContaining("x is not tracked"),
		});
	});

	it.each([
		[412, { code: "PT412", message: "a function's own" }],
		[400, { code: "22P02", message: "precondition_failed" }],
		[412, "not an error of PostgREST's"],
	])("that is another one passes unchanged", async (status, body) => {
		const { patch } = start({ write: () => Response.json(body, { status }) });
		const answer = await patch("*");
		expect([answer.status, await answer.json()]).toEqual([status, body]);
	});
});

describe("a condition is refused, and nothing is written", () => {
	it.each<[string, string, RequestOptions, string]>([
		["of several rows", "notes?id=gt.1", {}, "id=eq.(value)"],
		["of one of two rows", "notes?id=eq.1&id=eq.2", {}, "id=eq.(value)"],
		["of rows of a list", "notes?id=in.(1)", {}, "id=eq.(value)"],
		["of a row that is not the one", "notes?id=not.eq.1", {}, "id=eq.(value)"],
		[
			"of one of two conditions",
			"notes?or=(id.eq.1,n.eq.1)",
			{},
			"id=eq.(value)",
		],
		["of an embedded row", "notes?members.id=eq.1", {}, "id=eq.(value)"],
		["of an id in another form", "notes?id=eq.01", {}, "id=eq.(value)"],
		["of a part of the key", "pairs?b=eq.1", {}, "b=eq.(value)&a=eq.(value)"],
		[
			"of a key with many texts",
			"days?day=eq.2026-01-01",
			{},
			"day=eq.(value)",
		],
		["of a table without a key", "keyless?n=eq.1", {}, "has no primary key"],
		["of a view", "seen?id=eq.1", {}, '"seen" is not a table'],
		["of no relation", "missing?id=eq.1", {}, '"missing" is not a table'],
		["of no path", "", {}, "the path names no relation"],
		["of a filter that is not understood", "notes?id=eq.1&n=what", {}, ""],
		[
			"of another schema",
			"notes?id=eq.1",
			{ headers: { "Content-Profile": "x" } },
			"profile",
		],
		["of an insert", "notes?id=eq.1", { method: "POST" }, "PATCH, PUT, DELETE"],
		["of a call", "rpc/add", { method: "POST" }, "PATCH, PUT, DELETE"],
	])("%s", async (_, path, init, reason) => {
		const { patch, told } = start();
		for (const etags of ["*", '"a"'])
			expect(await refusalInWords(await patch(etags, path, init))).toEqual({
				status: 400,
				code: "precondition_unsupported",
				message: expect.stringContaining(reason),
			});
		expect(told()).toEqual([]);
	});

	it.each<[string, StartOptions, string]>([
		[
			"where PostgREST calls no pre-request function",
			{ isInstalled: false },
			"postern.pre_request()",
		],
		["where there is no change feed", { feed: undefined }, "no change feed"],
		[
			"where nothing is tracked",
			{ feed: startFeed({ now: () => NOW, isAbsent: true }) },
			"tracks no changes",
		],
	])("%s", async (_, options, reason) => {
		const { patch, told } = start(options);
		expect(await refusalInWords(await patch("*"))).toEqual({
			status: 400,
			code: "precondition_unsupported",
			message: expect.stringContaining(reason),
		});
		expect(told()).toEqual([]);
	});

	it("until the change feed answers", async () => {
		const feed = startFeed({ now: () => NOW, catalog: CATALOG });
		const broken = { ...feed, sync: () => Promise.reject(new Error("away")) };
		const { patch, told } = start({ feed: broken });
		expect(await refusalInWords(await patch("*"))).toMatchObject({
			status: 503,
			code: "origin_not_ready",
		});
		expect(told()).toEqual([]);
	});
});

it("has no effect on reads, by POST as well", async () => {
	const { request } = start();
	const headers = { "If-Match": "abc" };
	const answer = await request("/rest/v1/notes", { headers, token: ADA_TOKEN });
	expect(answer.status).toBe(200);
});

it("gives the repeat of a write with an idempotency key its first answer, though the row has changed", async () => {
	const { etag, patch, feed, told } = start();
	const sent = await etag();
	const key = { headers: { "Idempotency-Key": "k" } };
	expect((await patch(sent, "notes?id=eq.1", key)).status).toBe(204);
	feed?.commit("api.notes(1)");
	await etag();
	const again = await patch(sent, "notes?id=eq.1", key);
	expect([again.status, again.headers.get("idempotent-replayed")]).toEqual([
		204,
		"true",
	]);
	expect(told()).toEqual([{ ...NOTE, since: cursorAt(0) }]);
});
