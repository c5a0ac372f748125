// The headers that the cache adds to an answer, one by one; and its ETag.
import { describe, expect, it } from "vitest";
import { conditional, entityTag } from "../../src/cache/etag.ts";
import {
	fromEntry,
	setAge,
	setDownstream,
	setStatus,
} from "../../src/cache/respond.ts";
import { bytesOf, entryOf } from "../support/cache.ts";
import { parseList } from "../support/structured-fields.ts";
import { NOW } from "../support/tokens.ts";

const GET = new Request("http://postgrest/notes");

describe("an answer built from an entry", () => {
	it("has the stored status, headers and body", async () => {
		const entry = entryOf({ status: 206, statusText: "Partial Content" });
		const answer = fromEntry(entry, GET);
		expect([
			answer.status,
			answer.statusText,
			[...answer.headers],
			await answer.text(),
		]).toEqual([
			206,
			"Partial Content",
			[
				["content-profile", "api"],
				["content-range", "0-0/*"],
				["content-type", "application/json; charset=utf-8"],
				["etag", '"tag.7.epoch1"'],
			],
			'[{"id":1}]',
		]);
	});

	it("can be built twice from one entry", async () => {
		const entry = entryOf();
		const reader = fromEntry(entry, GET).body?.getReader();
		const { value } = (await reader?.read()) ?? {};
		new Uint8Array(value?.buffer ?? []).fill(0);
		expect(await fromEntry(entry, GET).text()).toBe('[{"id":1}]');
	});

	it("has no type if the stored one has none", () => {
		const entry = entryOf({ headers: [], body: new Uint8Array() });
		expect(fromEntry(entry, GET).headers.has("content-type")).toBe(false);
	});

	it("repeats the client's own trace header, which is empty if there was none", () => {
		const entry = entryOf({ echoed: ["x-request-id"] });
		const request = new Request(GET, { headers: { "X-Request-Id": "mine" } });
		expect([
			fromEntry(entry, request).headers.get("x-request-id"),
			fromEntry(entry, GET).headers.get("x-request-id"),
		]).toEqual(["mine", ""]);
	});

	it("has neither body nor ETag for a HEAD", () => {
		const { body, headers } = fromEntry(
			entryOf(),
			new Request(GET, { method: "HEAD" }),
		);
		expect([body, headers.get("etag")]).toEqual([null, null]);
	});
});

describe("an ETag", () => {
	const answer = {
		status: 200,
		headers: entryOf().headers,
		body: bytesOf("[1]"),
	};

	it("is the same for the same answer", async () => {
		const again = { ...answer, body: bytesOf("[1]") };
		expect(await entityTag(again)).toBe(await entityTag(answer));
	});

	it("is a strong validator", async () => {
		expect(await entityTag(answer)).toMatch(/^"[\w-]{27}"$/);
	});

	it.each([
		["body", { body: bytesOf("[2]") }],
		["body's length", { body: bytesOf("[1] ") }],
		["body, empty", { body: new Uint8Array() }],
		["status", { status: 206 }],
		["header", { headers: [["content-range", "0-0/9"]] as const }],
		["headers' number", { headers: [] }],
		[
			"border of headers and body",
			{ headers: [], body: bytesOf(`${JSON.stringify(answer.headers)}[1]`) },
		],
	])("differs for another %s", async (_, change) => {
		const other = await entityTag({ ...answer, ...change });
		expect(other).not.toBe(await entityTag(answer));
	});
});

describe("Age and Date", () => {
	it.each([
		[0, "0"],
		[1, "1"],
		[1_000, "1"],
		[1_001, "2"],
		[4_999, "5"],
		// Another isolate's clock may be ahead.
		[-500, "0"],
	])("never make the answer older: %i ms", (ms, age) => {
		const headers = new Headers();
		setAge(headers, NOW - ms, NOW);
		expect([headers.get("Age"), headers.get("Date")]).toEqual([
			age,
			new Date(NOW - ms).toUTCString(),
		]);
	});
});

describe("Cache-Status", () => {
	function written(...statuses: Parameters<typeof setStatus>[1][]): string {
		const headers = new Headers();
		for (const status of statuses) setStatus(headers, status);
		return headers.get("Cache-Status") ?? "";
	}

	it.each([
		[
			{ isHit: true, ttlMs: 4_999, detail: "memory" },
			'Postern; hit; ttl=4; detail="memory"',
		],
		[
			{ forwarded: "uri-miss", isStored: true, ttlMs: 5_000 },
			"Postern; fwd=uri-miss; stored; ttl=5",
		],
		[
			{ forwarded: "stale", isCollapsed: true, ttlMs: 0 },
			"Postern; fwd=stale; collapsed; ttl=0",
		],
		[
			{ forwarded: "bypass", detail: "untracked" },
			'Postern; fwd=bypass; detail="untracked"',
		],
		[{ forwarded: "method" }, "Postern; fwd=method"],
	] as const)("says what was done: %o", (status, text) => {
		expect(written(status)).toBe(text);
	});

	it.each([
		['a "quoted" word', 'a "quoted" word'],
		["a\\b", "a\\b"],
		["städte", "st?dte"],
		["two\r\nlines: x", "two??lines: x"],
		["\u007f\t\0", "???"],
		['"; hit, Other; hit', '"; hit, Other; hit'],
		["", ""],
	])("is a structured field for any detail: %o", (detail, read) => {
		expect(parseList(written({ forwarded: "bypass", detail }))).toEqual([
			{ name: "Postern", parameters: { fwd: "bypass", detail: read } },
		]);
	});

	it("follows the Cache-Status of caches nearer to the origin", () => {
		const headers = new Headers({ "Cache-Status": "Tunnel; fwd=miss" });
		setStatus(headers, { forwarded: "bypass" });
		expect(parseList(headers.get("Cache-Status") ?? "")).toEqual([
			{ name: "Tunnel", parameters: { fwd: "miss" } },
			{ name: "Postern", parameters: { fwd: "bypass" } },
		]);
	});

	it("is rejected by the parser of these tests if it is malformed", () => {
		for (const text of [
			"Postern; hit,",
			"Postern hit",
			'Postern; detail="a\nb"',
			'Postern; detail="a',
			"Postern; TTL=1",
			"Postern; ttl=1.",
			"Postern; a; a",
			", Postern",
		]) {
			expect(() => parseList(text), text).toThrow();
		}
	});
});

describe("the headers for caches downstream", () => {
	function told(given: Record<string, string> = {}): Headers {
		const headers = new Headers(given);
		setDownstream(headers);
		return headers;
	}

	it("demand revalidation, and forbid sharing", () => {
		expect(told().get("Cache-Control")).toBe("private, no-cache");
	});

	it("keep the origin's Cache-Control", () => {
		const { headers } = new Response(null, {
			headers: { "Cache-Control": "public, max-age=60" },
		});
		setDownstream(headers);
		expect(headers.get("Cache-Control")).toBe("public, max-age=60");
	});

	it("include a Vary with every request header that an answer depends on", () => {
		expect(told().get("Vary")).toBe(
			"Accept, Accept-Profile, Authorization, Apikey, Prefer, Range, Range-Unit",
		);
	});

	it("include each name of Vary once", () => {
		expect(told({ Vary: "accept, Prefer, Range" }).get("Vary")).toBe(
			"accept, Prefer, Range, Accept-Profile, Authorization, Apikey, Range-Unit",
		);
	});

	it("keep `Vary: *` unchanged", () => {
		expect(told({ Vary: "*" }).get("Vary")).toBe("*");
	});

	it("are the same when they are set twice", () => {
		const headers = told();
		const before = [...headers];
		setDownstream(headers);
		expect([...headers]).toEqual(before);
	});
});

describe("If-None-Match", () => {
	const HEADERS = {
		Age: "3",
		"Cache-Control": "private, no-cache",
		"Cache-Status": "Postern; hit",
		"Content-Location": "/rest/v1/notes",
		"Content-Range": "0-0/*",
		"Content-Type": "application/json",
		Date: new Date(NOW).toUTCString(),
		ETag: '"tag.7.epoch1"',
		"Postern-Token": "a",
		Vary: "Accept",
	};

	function answered(
		wanted: string | undefined,
		{ method = "GET", headers = HEADERS as Record<string, string> } = {},
	): Response {
		const request = new Request("https://x.example/", {
			method,
			headers: wanted === undefined ? {} : { "If-None-Match": wanted },
		});
		const body = method === "HEAD" ? null : "[]";
		return conditional(request, new Response(body, { headers }));
	}

	it.each([
		'"tag.7.epoch1"',
		// Equal content at another moment, or from before ETags had one.
		'W/"tag.6.epoch1"',
		'"tag.7.epoch0"',
		'"tag"',
		'W/"tag"',
		'"other", "tag"',
		'"other",W/"tag" , "third"',
		"*",
		" * ",
		'"a,b", "tag"',
	])("is answered 304 if the client has the answer: %s", (wanted) => {
		expect(answered(wanted).status).toBe(304);
	});

	it.each([
		'"other"',
		'"other.7.epoch1"',
		'".7.epoch1"',
		'"tags.7.epoch1"',
		'""',
		'"TAG"',
		"tag",
		'"tag',
		'W/"other"',
		'"tag, x"',
		'"*"',
		"",
		undefined,
	])("is answered in full if it has not: %s", async (wanted) => {
		const answer = answered(wanted);
		expect([answer.status, await answer.text()]).toEqual([200, "[]"]);
	});

	it("is answered in full if the answer has no ETag", () => {
		const { ETag: _, ...headers } = HEADERS;
		expect(answered("*", { headers }).status).toBe(200);
	});

	it("is answered with the headers that a cache needs, and without a body", () => {
		const answer = answered('"tag"');
		const { "Content-Range": _, "Content-Type": __, ...kept } = HEADERS;
		expect([answer.body, Object.fromEntries(answer.headers)]).toEqual([
			null,
			Object.fromEntries(new Headers(kept)),
		]);
	});
});
