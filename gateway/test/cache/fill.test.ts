// Which of the origin's answers are stored. The others are passed on unchanged.
import { describe, expect, it } from "vitest";
import { fill, MAX_BODY_BYTES } from "../../src/cache/fill.ts";
import {
	createMemoryBudget,
	type MemoryBudget,
} from "../../src/memory/memory-budget.ts";
import { bytesOf, FEED_EPOCH, rows, tick } from "../support/cache.ts";
import { NOW } from "../support/tokens.ts";

interface Given {
	method?: string;
	headers?: Record<string, string>;
	signal?: AbortSignal;
	now?: () => number;
	filling?: MemoryBudget;
}

function filled(
	response: Response,
	{
		now = () => NOW,
		filling = createMemoryBudget(Number.POSITIVE_INFINITY, 1_000, now),
		...init
	}: Given = {},
) {
	return fill({
		request: new Request("http://postgrest/notes", init),
		response,
		schema: "api",
		stamp: { feedEpoch: FEED_EPOCH, seq: 7, tags: ["api.notes"] },
		consistencyToken: "token",
		reader: "reader",
		askedAt: NOW - 10,
		budget: filling,
		now,
	});
}

async function entryFrom(response: Response, given?: Given) {
	const { entry, ...others } = await filled(response, given);
	if (entry === undefined) throw new Error(JSON.stringify(others));
	return entry;
}

async function reasonFor(response: Response, given?: Given) {
	const result = await filled(response, given);
	return result.entry === undefined ? result.reason : undefined;
}

/** An answer of this type that tells its length. */
const sized = (body: string, type: string) =>
	rows(body, {
		headers: { "Content-Type": type, "Content-Length": `${body.length}` },
	});

const withHeaders = (headers: Record<string, string>) =>
	rows("[]", { headers });

describe("an answer that is stored", () => {
	it("becomes an entry with PostgREST's answer and the number known before it was asked", async () => {
		const entry = await entryFrom(
			rows("[1]", {
				status: 206,
				statusText: "Partial Content",
				headers: {
					"Content-Location": "/rest/v1/notes",
					"Content-Range": "0-0/5",
					"Preference-Applied": "count=exact",
					"Range-Unit": "items",
					Vary: "Accept, Prefer, Range",
					Warning: '299 - "deprecated"',
				},
			}),
		);
		expect(entry).toEqual({
			feedEpoch: FEED_EPOCH,
			seq: 7,
			tags: ["api.notes"],
			consistencyToken: "token",
			reader: "reader",
			askedAt: NOW - 10,
			filledAt: NOW,
			status: 206,
			statusText: "Partial Content",
			headers: [
				["content-location", "/rest/v1/notes"],
				["content-profile", "api"],
				["content-range", "0-0/5"],
				["content-type", "application/json; charset=utf-8"],
				["preference-applied", "count=exact"],
				["range-unit", "items"],
				["vary", "Accept, Prefer, Range"],
				["warning", '299 - "deprecated"'],
			],
			echoed: [],
			etag: expect.stringMatching(/^"[\w-]{27}"$/),
			body: new TextEncoder().encode("[1]"),
		});
	});

	it("goes to the client unchanged, with its ETag", async () => {
		const { response, entry } = await filled(
			withHeaders({ "Server-Timing": "db;dur=1" }),
		);
		expect([
			response.status,
			response.headers.get("server-timing"),
			response.headers.get("etag"),
			await response.text(),
		]).toEqual([
			200,
			"db;dur=1",
			entry?.etag.replace(/"$/, `.7.${FEED_EPOCH}"`),
			"[]",
		]);
	});

	it.each(['{"a":1}', '"text"', "true", "null", ' [{"a":"]"}]\n', "[1]"])(
		"may be any whole JSON without a length: %s",
		async (body) => {
			const entry = await entryFrom(rows(body));
			expect(new TextDecoder().decode(entry.body)).toBe(body);
		},
	);

	it.each([
		["text/csv", "[a"],
		["text/csv", ""],
		["application/json", "1"],
		["application/json", "[]"],
		["text/csv", "x".repeat(MAX_BODY_BYTES)],
	])(
		"may be anything that is as long as Content-Length says: %s, %.10s",
		async (type, body) => {
			const entry = await entryFrom(sized(body, type));
			expect(new TextDecoder().decode(entry.body)).toBe(body);
		},
	);

	it("may have no body if it is a HEAD's", async () => {
		const { body } = await entryFrom(rows(null), { method: "HEAD" });
		expect(body).toEqual(new Uint8Array());
	});

	it("is dated when its last byte arrived", async () => {
		let ms = NOW;
		const body = new ReadableStream({
			async pull(controller) {
				await tick();
				ms = NOW + 50;
				controller.enqueue(bytesOf("[]"));
				controller.close();
			},
		});
		const { filledAt } = await entryFrom(rows(body), { now: () => ms });
		expect(filledAt).toBe(NOW + 50);
	});

	it.each([
		["Age", "3"],
		["Alt-Svc", "h3"],
		["Cache-Status", "Tunnel; hit"],
		["CF-Cache-Status", "DYNAMIC"],
		["CF-Ray", "1-FRA"],
		["Content-Encoding", "gzip"],
		["Content-Length", "2"],
		["NEL", "{}"],
		["Report-To", "{}"],
		["Server-Timing", "db;dur=1"],
		["Strict-Transport-Security", "max-age=1"],
		["Via", "1.1 tunnel"],
		["X-Kong-Proxy-Latency", "1"],
		["X-Powered-By", "PHP"],
	])("is stored without %s", async (name, value) => {
		const { headers } = await entryFrom(withHeaders({ [name]: value }));
		expect(headers.map(([kept]) => kept)).not.toContain(name.toLowerCase());
	});

	it("goes to the client without the origin's Content-Length and Content-Encoding", async () => {
		const { response } = await filled(
			withHeaders({ "Content-Encoding": "gzip", "Content-Length": "20" }),
		);
		const { headers } = response;
		expect([
			headers.get("content-encoding"),
			headers.get("content-length"),
		]).toEqual([null, null]);
	});

	it("keeps the Content-Length of a HEAD", async () => {
		const entry = await entryFrom(
			rows(null, { headers: { "Content-Length": "99" } }),
			{ method: "HEAD" },
		);
		expect(entry.headers).toContainEqual(["content-length", "99"]);
	});

	it("does not keep the Content-Length of a compressed HEAD", async () => {
		const headers = { "Content-Length": "30", "Content-Encoding": "gzip" };
		const entry = await entryFrom(rows(null, { headers }), { method: "HEAD" });
		expect(entry.headers.map(([name]) => name)).not.toContain("content-length");
	});

	it("has no ETag for a HEAD, whose body is unknown", async () => {
		const { response } = await filled(rows(null), { method: "HEAD" });
		expect(response.headers.has("etag")).toBe(false);
	});

	it.each([
		["X-Request-Id", { "X-Request-Id": "abc" }, "abc"],
		["Traceparent", { Traceparent: "00-1-2-01" }, "00-1-2-01"],
		["X-Request-Id", {}, ""],
	])(
		"is stored without the value of the trace header, which repeats each client's own: %s",
		async (name, headers, value) => {
			const { headers: kept, echoed } = await entryFrom(
				withHeaders({ [name]: value }),
				{ headers },
			);
			expect([kept.map(([name]) => name), echoed]).toEqual([
				expect.not.arrayContaining([name.toLowerCase()]),
				[name.toLowerCase()],
			]);
		},
	);

	it("goes to the client with its trace header", async () => {
		const { response } = await filled(withHeaders({ "X-Request-Id": "abc" }), {
			headers: { "X-Request-Id": "abc" },
		});
		expect(response.headers.get("x-request-id")).toBe("abc");
	});
});

describe("an answer that is not stored", () => {
	it.each([201, 204, 300, 301, 304, 400, 401, 403, 404, 406, 416, 500, 503])(
		"has the status %i",
		async (status) => {
			const body = [204, 304].includes(status) ? null : "[]";
			expect(await reasonFor(rows(body, { status }))).toBe(
				`the status is ${status}`,
			);
		},
	);

	it.each([["public"], ["postern"], ["API"], [""]])(
		"is of another schema: %o",
		async (schema) => {
			const answer = withHeaders({ "Content-Profile": schema });
			expect(await reasonFor(answer)).toBe(
				"another schema answered than DB_SCHEMAS says",
			);
		},
	);

	it("does not name its schema", async () => {
		const answer = rows();
		answer.headers.delete("Content-Profile");
		expect(await reasonFor(answer)).toBe(
			"another schema answered than DB_SCHEMAS says",
		);
	});

	it.each([
		["Set-Cookie", "a=b"],
		["Cache-Control", "max-age=60"],
		["ETag", '"own"'],
		["Expires", "0"],
		["Last-Modified", "x"],
		["Location", "/"],
		["X-Total", "5"],
		["Postern-Token", "x"],
		["Postern-Explain", "{}"],
		["WWW-Authenticate", "Bearer"],
	])("has %s", async (name, value) => {
		expect(await reasonFor(withHeaders({ [name]: value }))).toBe(
			`the origin's answer has ${name.toLowerCase()}`,
		);
	});

	it.each(["*", "Cookie", "Accept, Cookie", "Authorization", "X-Tenant"])(
		"varies by a header that no plan considers: %s",
		async (vary) => {
			expect(await reasonFor(withHeaders({ Vary: vary }))).toBe(
				`the origin's answer varies by ${vary}`,
			);
		},
	);

	// Otherwise a client could have the header left out of the answers to others.
	it.each([
		["Cache-Control", "no-transform"],
		["Set-Cookie", "a=b"],
		["ETag", '"own"'],
		["Expires", "0"],
		["Location", "/"],
		["Postern-Token", "a"],
		["X-Frame-Options", "DENY"],
		["X-Content-Type-Options", "nosniff"],
		["X-Robots-Tag", "noindex"],
	])("has %s, even if the client has sent the same", async (name, value) => {
		const headers = { [name]: value };
		expect(await reasonFor(withHeaders(headers), { headers })).toBe(
			`the origin's answer has ${name.toLowerCase()}`,
		);
	});

	it.each([
		["X-Request-Id", { "X-Request-Id": "abc" }],
		["X-Request-Id", {}],
	])("has a trace header that says something else", async (name, headers) => {
		const answer = withHeaders({ [name]: "other" });
		expect(await reasonFor(answer, { headers })).toBe(
			"the origin's answer has x-request-id",
		);
	});

	// The runtime gives only the compressed bytes of these.
	it.each(["deflate", "zstd", "gzip, zstd", "dcb"])(
		"is compressed in a way that the runtime does not decode: %s",
		async (encoding) => {
			const answer = withHeaders({ "Content-Encoding": encoding });
			const result = await filled(answer);
			expect([result.response === answer, await reasonFor(answer)]).toEqual([
				true,
				`the body is compressed by ${encoding}`,
			]);
		},
	);

	it.each([
		...["", '[{"id":1},{"id"', "[", '{"id":1,', '"tex', '{"a":[1]', "tru"],
		// The end of an inner value is not the end of the whole.
		'[{"tags":["a"]',
		'{"a":{"b":1}',
		'[{"a":"]',
		String.raw`"a\"`,
		// This may be the beginning of 120.
		"12",
		"-1.5e3",
	])("has no length, and is not proved to be whole JSON: %s", async (body) => {
		const { response, ...others } = await filled(rows(body));
		expect([others, await response.text()]).toEqual([
			{ reason: "the body may be cut off" },
			body,
		]);
	});

	it("is not UTF-8, though it has quotes around it", async () => {
		const body = new Uint8Array([0x22, 0xc3, 0x22]);
		expect(await reasonFor(rows(body))).toBe("the body may be cut off");
	});

	it("has no length, and may end anywhere: CSV", async () => {
		const headers = { "Content-Type": "text/csv; charset=utf-8" };
		expect(await reasonFor(rows("id,name\n1,a", { headers }))).toBe(
			"the body may be cut off",
		);
	});

	it.each([
		["shorter than", { "Content-Length": "9" }],
		["longer than", { "Content-Length": "1" }],
		["compressed to", { "Content-Length": "2", "Content-Encoding": "gzip" }],
	])("is %s its length says", async (_, headers) => {
		const csv = { "Content-Type": "text/csv", ...headers };
		expect(await reasonFor(rows("id", { headers: csv }))).toBe(
			"the body may be cut off",
		);
	});

	it("goes to the client unchanged", async () => {
		const answer = rows("[1]", { status: 404, headers: { "X-A": "b" } });
		const { response } = await filled(answer);
		expect(response).toBe(answer);
	});
});

describe("many bodies at once", () => {
	it("are streamed and not stored beyond the memory budget", async () => {
		const filling = createMemoryBudget(1_500, 1_000, () => NOW);
		const other = filling.open();
		other.take(1_000);
		const { body, told } = chunked([400, 400, 400]);
		const { response, ...others } = await filled(rows(body), { filling });
		expect([others, told.taken]).toEqual([
			{ reason: "the body is too large" },
			2,
		]);
		expect((await response.arrayBuffer()).byteLength).toBe(1_200);
		other.close();
		const again = chunked([400, 400, 400]).body;
		const csv = { "Content-Type": "text/csv", "Content-Length": "1200" };
		expect(
			(await entryFrom(rows(again, { headers: csv }), { filling })).body,
		).toHaveLength(1_200);
	});
});

describe("a memory budget", () => {
	it("forgets those that have not ended after a while", () => {
		let ms = NOW;
		const budget = createMemoryBudget(100, 1_000, () => ms);
		const lost = budget.open();
		lost.take(100);
		const waiting = budget.open();
		expect(waiting.take(1)).toBe(false);
		waiting.close();
		ms += 1_000;
		const share = budget.open();
		expect([share.take(100), lost.take(1), share.take(1)]).toEqual([
			true,
			false,
			false,
		]);
	});
});

/** A body of chunks that counts how many were read, and records whether the rest was cancelled. */
function chunked(sizes: readonly number[]) {
	const told = { taken: 0, isCancelled: false };
	const body = new ReadableStream<Uint8Array>(
		{
			pull(controller) {
				const size = sizes[told.taken];
				if (size === undefined) return controller.close();
				controller.enqueue(new Uint8Array(size).fill(65 + told.taken));
				told.taken++;
			},
			cancel() {
				told.isCancelled = true;
			},
		},
		{ highWaterMark: 0 },
	);
	return { told, body };
}

/** The whole text of such a body. */
function whole(sizes: readonly number[]): Uint8Array {
	return new Uint8Array(
		sizes.flatMap((size, index) => Array(size).fill(65 + index)),
	);
}

const HALF = MAX_BODY_BYTES / 2;

describe("a body that is too large", () => {
	const sizes = [HALF, HALF, 1, 10, HALF];

	it("is not stored", async () => {
		const { body } = chunked(sizes);
		expect(await reasonFor(rows(body))).toBe("the body is too large");
	});

	it("goes to the client whole", async () => {
		const { body } = chunked(sizes);
		const { response } = await filled(rows(body));
		expect(await response.bytes()).toEqual(whole(sizes));
	});

	it("is not read ahead of the client after the limit", async () => {
		const { body, told } = chunked(sizes);
		await filled(rows(body));
		await tick();
		expect(told.taken).toBe(3);
	});

	it("is read as fast as the client reads", async () => {
		const { body, told } = chunked([MAX_BODY_BYTES + 1, 1, 1, 1, 1, 1, 1, 1]);
		const { response } = await filled(rows(body));
		const reader = response.body?.getReader();
		await reader?.read();
		await reader?.read();
		await tick();
		expect(told.taken).toBeLessThan(5);
	});

	it("is cancelled when the client cancels", async () => {
		const { body, told } = chunked(sizes);
		const { response } = await filled(rows(body));
		await response.body?.cancel();
		await tick();
		expect(told.isCancelled).toBe(true);
	});

	it("goes to the client without the origin's Content-Length", async () => {
		const { body } = chunked(sizes);
		const { response } = await filled(
			rows(body, { headers: { "Content-Length": "7" } }),
		);
		expect(response.headers.has("content-length")).toBe(false);
	});

	it("goes to the client with its status and headers, and without an ETag", async () => {
		const { body } = chunked(sizes);
		const { response } = await filled(
			rows(body, { status: 206, headers: { "Content-Range": "0-9/99" } }),
		);
		const { status, headers } = response;
		expect([status, headers.get("content-range"), headers.has("etag")]).toEqual(
			[206, "0-9/99", false],
		);
	});

	it("is not read at all if its Content-Length says so", async () => {
		const { body, told } = chunked(sizes);
		const answer = rows(body, {
			headers: { "Content-Length": String(MAX_BODY_BYTES + 1) },
		});
		const { response } = await filled(answer);
		expect([response, told.taken]).toEqual([answer, 0]);
	});

	it("breaks off when the origin does", async () => {
		let taken = 0;
		const body = new ReadableStream<Uint8Array>({
			pull(controller) {
				if (taken++ === 0)
					controller.enqueue(new Uint8Array(MAX_BODY_BYTES + 1));
				else controller.error(new Error("connection lost"));
			},
		});
		const { response } = await filled(rows(body));
		await expect(response.bytes()).rejects.toThrow("connection lost");
	});
});

describe("a body of many parts", () => {
	it("is stored in their order", async () => {
		const sizes = [3, 0, 5, 1];
		const { body } = chunked(sizes);
		const answer = rows(body, { headers: { "Content-Length": "9" } });
		expect((await entryFrom(answer)).body).toEqual(whole(sizes));
	});

	it("is stored up to the limit", async () => {
		const { body } = chunked([HALF, HALF]);
		const headers = { "Content-Length": String(MAX_BODY_BYTES) };
		expect((await entryFrom(rows(body, { headers }))).body.length).toBe(
			MAX_BODY_BYTES,
		);
	});
});

describe("a body that breaks off", () => {
	function breaking(before = () => {}) {
		return new ReadableStream<Uint8Array>({
			async pull(controller) {
				await tick();
				before();
				controller.error(new Error("connection lost"));
			},
		});
	}

	it("means that the origin is unreachable", async () => {
		await expect(filled(rows(breaking()))).rejects.toMatchObject({
			code: "origin_unreachable",
			cause: new Error("connection lost"),
		});
	});

	it("is a cancelled request if the client went away", async () => {
		const client = new AbortController();
		const answer = rows(breaking(() => client.abort()));
		await expect(
			filled(answer, { signal: client.signal }),
		).rejects.toMatchObject({ code: "client_closed" });
	});
});
