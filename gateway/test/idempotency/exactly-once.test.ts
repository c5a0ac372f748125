// Writes with an Idempotency-Key through the gateway, over a PostgREST that claims keys. What the database does: gateway/test/sql/pre-request/idempotency.test.ts.
import { describe, expect, it } from "vitest";
import {
	ADA_TOKEN,
	type GatewayOptions,
	type RequestOptions,
	refusal,
	refusalInWords,
	startGateway,
} from "../support/gateway.ts";
import { startFeed } from "../support/memory-feed.ts";
import { NOW } from "../support/tokens.ts";
import { claimingOrigin, raised } from "./claiming-origin.ts";

const KEY = { "Idempotency-Key": '"k1"' };
const MILK = { title: "Milk", stars: 5 };

function insert(more: RequestOptions = {}): RequestOptions {
	const { headers = {}, ...others } = more;
	return {
		method: "POST",
		token: ADA_TOKEN,
		json: MILK,
		...others,
		headers: { ...KEY, ...headers },
	};
}

function start(
	options: Parameters<typeof claimingOrigin>[0] = {},
	gatewayOptions: GatewayOptions = {},
) {
	const database = claimingOrigin(options);
	return {
		database,
		...startGateway({ answer: database.answer, ...gatewayOptions }),
	};
}

const FEEDS: [string, () => GatewayOptions][] = [
	["with a change feed", () => ({ feed: startFeed({ now: () => NOW }) })],
	["without a change feed", () => ({})],
];

describe.each(FEEDS)("a write with a key, %s", (_, feed) => {
	it("is done once, and its repeat gets the first answer", async () => {
		const { request, database } = start(
			{
				write: () =>
					Response.json([{ id: 7 }], {
						status: 201,
						headers: {
							"content-range": "0-0/1",
							location: "/notes?id=eq.7",
							"x-own": "not kept",
						},
					}),
			},
			feed(),
		);
		const answers = [];
		for (const key of ['"k1"', "k1", '"k1"']) {
			const answer = await request(
				"/rest/v1/notes",
				insert({ headers: { "Idempotency-Key": key } }),
			);
			const { status, headers } = answer;
			answers.push({
				status,
				body: await answer.text(),
				range: headers.get("content-range"),
				location: headers.get("location"),
				own: headers.get("x-own"),
				replayed: headers.get("idempotent-replayed"),
			});
		}
		const first = {
			status: 201,
			body: '[{"id":7}]',
			range: "0-0/1",
			location: "/rest/v1/notes?id=eq.7",
		};
		const again = { ...first, own: null, replayed: "true" };
		expect(answers).toEqual([
			{ ...first, own: "not kept", replayed: null },
			again,
			again,
		]);
		expect(database.written).toHaveLength(1);
	});

	it("is refused where PostgREST does not claim keys, and is not done", async () => {
		const { request, database } = start({ isInstalled: false }, feed());
		const answer = await request("/rest/v1/notes", insert());
		expect(await refusalInWords(answer)).toEqual({
			status: 501,
			code: "idempotency_unsupported",
			message: expect.stringContaining("postern.pre_request()"),
		});
		expect(database.written).toEqual([]);
		database.isInstalled = true;
		expect((await request("/rest/v1/notes", insert())).status).toBe(201);
	});

	it("sends a claim of the gateway's own in place of the client's", async () => {
		const { request, database } = start({}, feed());
		const forged = { "Postern-Claim": "forged", "Postern-Write": "9" };
		await request("/rest/v1/notes", insert({ headers: forged }));
		await request("/rest/v1/notes", {
			...insert({ headers: forged }),
			headers: forged,
		});
		const [first, second] = database.written.map(({ headers }) =>
			headers.get("postern-claim"),
		);
		expect(first).toMatch(/^[\da-f-]{36} [\w-]{43} [\w-]{43}$/);
		expect(second).toBeNull();
		// The client's number of a write counts for nothing.
		expect(
			(await request("/rest/v1/notes", insert())).headers.get(
				"idempotent-replayed",
			),
		).toBe("true");
	});
});

describe("a key", () => {
	it.each<[string, string, RequestOptions]>([
		["another body", "/rest/v1/notes", { json: { title: "Tea" } }],
		["another method", "/rest/v1/notes", { method: "PATCH" }],
		["another table", "/rest/v1/users", {}],
		["another filter", "/rest/v1/notes?id=eq.1", {}],
		[
			"another preference",
			"/rest/v1/notes",
			{ headers: { Prefer: "return=minimal" } },
		],
	])("is refused with %s", async (_, path, other) => {
		const { request, database } = start();
		await request("/rest/v1/notes", insert());
		expect(await refusal(await request(path, insert(other)))).toEqual({
			status: 422,
			code: "idempotency_key_reused",
		});
		expect(database.written).toHaveLength(1);
	});

	it("is refused while its write is under way, with Retry-After", async () => {
		const { request } = start({
			write: () => raised(409, "idempotency_in_flight"),
		});
		const answer = await request("/rest/v1/notes", insert());
		expect(answer.headers.get("retry-after")).toBe("1");
		expect(await refusal(answer)).toEqual({
			status: 409,
			code: "idempotency_in_flight",
		});
	});

	it("is free again where the database refuses the write", async () => {
		let isFull = true;
		const { request, database } = start({
			write: () =>
				isFull
					? Response.json({ code: "23505", message: "taken" }, { status: 409 })
					: Response.json([], { status: 201 }),
		});
		const first = await request("/rest/v1/notes", insert());
		expect(await refusal(first)).toEqual({ status: 409, code: "23505" });
		isFull = false;
		expect((await request("/rest/v1/notes", insert())).status).toBe(201);
		expect(database.written).toHaveLength(1);
	});

	it("means nothing to a read", async () => {
		const { request, origin } = start({ isInstalled: false });
		const answer = await request("/rest/v1/notes", { headers: KEY });
		expect(answer.status).toBe(201);
		expect(origin.only().headers.get("postern-claim")).toBeNull();
	});

	it("is refused with a body over 1 MiB, which is not sent", async () => {
		const { request, database } = start();
		const answer = await request("/rest/v1/notes", {
			...insert(),
			json: "x".repeat(1_048_576),
		});
		expect(await refusal(answer)).toEqual({
			status: 413,
			code: "body_too_large",
		});
		expect(database.written).toEqual([]);
	});

	it("has its answer kept though the client has gone", async () => {
		const client = new AbortController();
		const { request, database } = start({
			write: ({ signal }) => {
				client.abort();
				if (signal.aborted) throw signal.reason;
				return Response.json([{ id: 3 }], { status: 201 });
			},
		});
		const gone = { ...insert(), signal: client.signal };
		await request("/rest/v1/notes", gone).catch(() => {});
		const again = await request("/rest/v1/notes", insert());
		expect([again.status, await again.text()]).toEqual([201, '[{"id":3}]']);
		expect(database.written).toHaveLength(1);
	});
});

describe("the deadline of a write", () => {
	it("also ends the wait for the rest of its answer; it was done once", async () => {
		const { request, database } = start(
			{ write: () => new Response(new ReadableStream(), { status: 201 }) },
			{ env: { ORIGIN_TIMEOUT_MS: "200" } },
		);
		expect(await refusal(await request("/rest/v1/notes", insert()))).toEqual({
			status: 504,
			code: "origin_timeout",
		});
		expect((await request("/rest/v1/notes", insert())).status).toBe(201);
		expect(database.written).toHaveLength(1);
	});
});

it.each(["claims_keys", "kept_answer"])(
	"is sent again by its client where the answer of %s is cut off",
	async (name) => {
		const database = claimingOrigin();
		let isCut = false;
		const { request } = startGateway({
			answer: (received) =>
				isCut && received.url.pathname === `/rpc/${name}`
					? new Response('{"status":2', {
							headers: { "content-type": "application/json" },
						})
					: database.answer(received),
		});
		if (name === "kept_answer") await request("/rest/v1/notes", insert());
		isCut = true;
		const cut = await request("/rest/v1/notes", insert());
		expect(await refusal(cut)).toEqual({
			status: 503,
			code: "origin_unreachable",
		});
		isCut = false;
		expect((await request("/rest/v1/notes", insert())).status).toBe(201);
		expect(database.written).toHaveLength(1);
	},
);

it("sends the length of a body that came in chunks", async () => {
	const { request, database } = start();
	const body = new Blob(['{"title":"Milk"}']).stream();
	const { json: _, ...chunked } = insert({
		headers: { "Content-Type": "application/json" },
	});
	await request("/rest/v1/notes", { ...chunked, body });
	const [sent] = database.written;
	expect(sent?.headers.get("content-length")).toBe("16");
	expect(sent?.body).toBe('{"title":"Milk"}');
});

it.each(["7", "-1.5e+30", '"text"', "null"])(
	"keeps the result of a function: %s",
	async (result) => {
		const { request } = start({
			write: () =>
				new Response(result, {
					headers: {
						"content-type": "application/json; charset=utf-8",
						"content-range": "0-0/*",
					},
				}),
		});
		await request("/rest/v1/rpc/add", insert());
		const again = await request("/rest/v1/rpc/add", insert());
		expect([again.status, await again.text()]).toEqual([200, result]);
	},
);

describe("an answer that was not kept", () => {
	const prefer = (value: string) => insert({ headers: { Prefer: value } });

	it.each<[string, string, RequestOptions, number]>([
		["POST", "/rest/v1/notes", insert(), 201],
		["POST", "/rest/v1/notes", prefer("return=minimal, missing=default"), 201],
		["PATCH", "/rest/v1/notes?id=eq.1", { ...insert(), method: "PATCH" }, 204],
		[
			"DELETE",
			"/rest/v1/notes?id=eq.1",
			{ ...insert(), method: "DELETE" },
			204,
		],
	])(
		"follows from a %s that asked for no rows",
		async (_, path, sent, status) => {
			const { request, database, logged } = start({ keeps: false });
			expect((await request(path, sent)).status).toBe(201);
			expect(logged).toHaveLength(1);
			const again = await request(path, sent);
			expect([again.status, await again.text()]).toEqual([status, ""]);
			expect(again.headers.get("idempotent-replayed")).toBe("true");
			expect(database.written).toHaveLength(1);
		},
	);

	it.each<[string, string, RequestOptions]>([
		["rows", "/rest/v1/notes", prefer("return=representation")],
		["a count", "/rest/v1/notes", prefer("count=exact")],
		["an upsert", "/rest/v1/notes", prefer("resolution=merge-duplicates")],
		["PUT", "/rest/v1/notes?id=eq.1", { ...insert(), method: "PUT" }],
		["a function's result", "/rest/v1/rpc/add", insert()],
	])("is refused as done with %s", async (_, path, sent) => {
		const { request, database } = start({ keeps: false });
		await request(path, sent);
		expect(await refusal(await request(path, sent))).toEqual({
			status: 409,
			code: "idempotency_answer_lost",
		});
		expect(database.written).toHaveLength(1);
	});

	it.each<[string, () => Response]>([
		["too large", () => Response.json("x".repeat(65_536))],
		["not text", () => new Response(new Uint8Array([255, 0]))],
		[
			"cut off",
			() =>
				new Response('[{"id":1}', {
					headers: { "content-type": "application/json" },
				}),
		],
	])("is one that is %s", async (_, made) => {
		const { request, database } = start({ write: made });
		const sent = prefer("return=representation");
		const first = await request("/rest/v1/notes", sent);
		expect(await first.bytes()).toEqual(await made().bytes());
		expect(await refusal(await request("/rest/v1/notes", sent))).toMatchObject({
			code: "idempotency_answer_lost",
		});
		expect(database.written).toHaveLength(1);
	});
});

describe("a resource route", () => {
	it("does its write once, and says that its answer is the first one's", async () => {
		const { request, database } = start({
			write: () => Response.json({ id: 1, ...MILK }, { status: 201 }),
		});
		const first = await request("/notes", insert());
		const again = await request("/notes", insert());
		expect([first.status, again.status]).toEqual([201, 201]);
		expect(await again.json()).toEqual(await first.json());
		expect(first.headers.get("idempotent-replayed")).toBeNull();
		expect(again.headers.get("idempotent-replayed")).toBe("true");
		expect(database.written).toHaveLength(1);
	});

	it("refuses as /rest/v1 does", async () => {
		const { request } = start({ isInstalled: false });
		expect(await refusal(await request("/notes", insert()))).toMatchObject({
			code: "idempotency_unsupported",
		});
	});
});
