// What the feed asks of the database and takes for an answer: nothing that it does not know means that nothing changed.
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { catalogParts } from "../../src/feed/catalog-parts.ts";
import { createTracking } from "../../src/feed/tracking.ts";
import { createOrigin } from "../../src/origin/origin.ts";
import { createSign } from "../../src/origin/sign.ts";
import { parseConfig } from "../../src/settings/settings.ts";
import { catalogOf } from "../support/catalog.ts";
import { ENV } from "../support/gateway.ts";
import {
	type Answer,
	elsewhere,
	postgrestError,
	recordingOrigin,
	silence,
} from "../support/origin.ts";
import { NOW } from "../support/tokens.ts";

const POLL = {
	contract: 1,
	postgres: 18,
	application: "PostgREST 12.0.2 (a4e00ff)",
	cursor: "1@2:2:",
	reset: false,
	reason: null,
};

const CATALOG = catalogOf({});

function startTracking(answer: Answer, variables: object = {}) {
	const origin = recordingOrigin(answer);
	const config = parseConfig({
		...ENV,
		DB_SCHEMAS: "api,shop",
		...variables,
	});
	const sign = createSign(config.origin, () => NOW);
	const pipeline = createOrigin(config.origin, sign, origin.fetch, "");
	return { origin, tracking: createTracking(pipeline, config) };
}

const answering = (body: unknown) => startTracking(() => Response.json(body));

describe("a poll", () => {
	it("asks for what was committed since the cursor, as the role postern, of the schema postern", async () => {
		const { origin, tracking } = answering({ ...POLL, tags: [] });
		await tracking.poll("1@1:1:");
		const { method, target, headers, body } = origin.only();
		const [, claims = ""] = headers.get("authorization")?.split(".") ?? [];
		expect([
			method,
			target,
			headers.get("content-profile"),
			JSON.parse(body),
			JSON.parse(atob(claims)).role,
		]).toEqual([
			"POST",
			"/rpc/changes_since",
			"postern",
			{ cursor: "1@1:1:" },
			"postern",
		]);
	});

	it("without a cursor says so", async () => {
		const { origin, tracking } = answering({ ...POLL, tags: [] });
		await tracking.poll(undefined);
		expect(JSON.parse(origin.only().body)).toEqual({ cursor: null });
	});

	it("brings the tags and the next cursor", async () => {
		const { tracking } = answering({ ...POLL, tags: ["api.a", "api.a(1)"] });
		expect(await tracking.poll("1@1:1:")).toEqual({
			cursor: "1@2:2:",
			isReset: false,
			tags: ["api.a", "api.a(1)"],
		});
	});

	it("tells that it cannot be said what changed", async () => {
		const { tracking } = answering({ ...POLL, reset: true, tags: [] });
		expect((await tracking.poll("1@1:1:")).isReset).toBe(true);
	});

	it.each([
		null,
		[],
		{ contract: 1 },
		"ok",
		[{ ...POLL, tags: [] }],
		{ ...POLL },
		{ ...POLL, tags: null },
		{ ...POLL, tags: "api.a" },
		{ ...POLL, tags: {} },
		{ ...POLL, tags: [1] },
		{ ...POLL, tags: [null] },
		{ ...POLL, tags: [""] },
		{ ...POLL, tags: [], cursor: undefined },
		{ ...POLL, tags: [], cursor: "" },
		{ ...POLL, tags: [], cursor: 5 },
		{ ...POLL, tags: [], reset: undefined },
		{ ...POLL, tags: [], reset: "false" },
		{ ...POLL, tags: [], reset: null },
	])("fails where the answer is %j", async (body) => {
		const { tracking } = answering(body);
		await expect(tracking.poll("1@1:1:")).rejects.toMatchObject({
			name: "$ZodError",
		});
	});
});

describe("a database that tracks nothing", () => {
	it.each([
		[406, "PGRST106", "db-schemas"],
		[404, "PGRST202", "no function"],
		[404, "42883", "no function"],
		[400, "3F000", "no schema postern"],
		[400, "22023", "no role postern"],
		[403, "42501", "may not call"],
		[401, "42501", "may not call"],
		[401, "PGRST301", "token"],
		[401, "PGRST302", "token"],
		[401, "PGRST303", "token"],
	])("is told by %d %s", async (status, code, words) => {
		const { tracking } = startTracking(postgrestError(status, code));
		await expect(tracking.poll(undefined)).rejects.toMatchObject({
			name: "Absent",
			message: expect.stringContaining(words),
		});
	});

	it.each<[string, Answer]>([
		["that has no schema cache yet", postgrestError(503, "PGRST002")],
		["that is a standby", postgrestError(503, "PT503")],
		["that took too long", postgrestError(500, "57014")],
		["that has another error", postgrestError(400, "PGRST999")],
		["behind a tunnel that is down", () => elsewhere("", { status: 530 })],
		["behind a proxy", () => elsewhere("<p>", { status: 404 })],
		["that says nothing", () => elsewhere(null, { status: 404 })],
		[
			"behind something else that speaks JSON",
			() =>
				elsewhere('{"error":"not found"}', {
					status: 404,
					headers: { "Content-Type": "application/json" },
				}),
		],
		[
			"that redirects",
			() => elsewhere(null, { status: 302, headers: { Location: "/" } }),
		],
		["that cannot be reached", () => Promise.reject(new Error("gone"))],
	])("is not taken for one %s", async (_, answer) => {
		const { tracking } = startTracking(answer);
		await expect(tracking.poll("1@1:1:")).rejects.not.toMatchObject({
			name: "Absent",
		});
	});
});

describe("a database of another contract", () => {
	const ANSWER = { ...POLL, ...CATALOG, tags: [] };

	it.each([
		[{}, 0],
		[{ ...ANSWER, contract: undefined }, 0],
		[{ ...ANSWER, contract: 0 }, 0],
		[{ ...ANSWER, contract: 2 }, 2],
		[{ contract: 2, other: "shape" }, 2],
	])(
		"tracks nothing that the Worker understands: %j",
		async (body, contract) => {
			const { tracking } = answering(body);
			const refusal = {
				name: "Absent",
				message: `database contract ${contract}, this Worker speaks 1`,
			};
			await expect(tracking.poll("1@1:1:")).rejects.toMatchObject(refusal);
			await expect(tracking.loadCatalog()).rejects.toMatchObject(refusal);
		},
	);

	it.each([null, "1", true, 1.5])(
		"is not told by the contract %j",
		async (contract) => {
			const { tracking } = answering({ ...ANSWER, contract });
			await expect(tracking.poll("1@1:1:")).rejects.toMatchObject({
				name: "$ZodError",
			});
		},
	);
});

describe("a version that was not tested", () => {
	const poll = { ...POLL, tags: [] };
	/** The header Server of PostgREST's answer. */
	const from = (server: string, answer: object) => () =>
		Response.json(answer, {
			headers: { server, "content-profile": "postern" },
		});
	const POSTGREST = "postgrest/16.2";

	it.each<[string, Answer, string]>([
		[
			"a newer PostgreSQL",
			from(POSTGREST, { ...poll, postgres: 19 }),
			"PostgreSQL 19 was not tested; 15, 16, 17 and 18 were",
		],
		[
			"an older PostgreSQL",
			from(POSTGREST, { ...poll, postgres: 14 }),
			"PostgreSQL 14 was not tested; 15, 16, 17 and 18 were",
		],
		[
			"a PostgreSQL that does not tell its version",
			from(POSTGREST, { ...poll, postgres: undefined }),
			"PostgreSQL does not tell its version; 15, 16, 17 and 18 were",
		],
		[
			"a newer PostgREST",
			from("postgrest/17.0", poll),
			"PostgREST 17 was not tested; 12, 14 and 16 were",
		],
		[
			"an older PostgREST",
			from("postgrest/11.2.2", poll),
			"PostgREST 11 was not tested; 12, 14 and 16 were",
		],
		[
			"a PostgREST between two tested ones",
			from("postgrest/13.0.4", poll),
			"PostgREST 13 was not tested; 12, 14 and 16 were",
		],
		[
			"a newer PostgREST behind a proxy that replaces Server",
			from("cloudflare", { ...poll, application: "PostgREST 17.0 (pre)" }),
			"PostgREST 17 was not tested; 12, 14 and 16 were",
		],
		[
			"a PostgREST that tells its version nowhere",
			from("cloudflare", { ...poll, application: "api" }),
			"PostgREST does not tell its version; 12, 14 and 16 were",
		],
	])(
		"tracks nothing until a setting allows it: %s",
		async (_, answer, reason) => {
			await expect(
				startTracking(answer).tracking.poll(""),
			).rejects.toMatchObject({
				name: "Absent",
				message: expect.stringContaining(
					`${reason}, and CACHE_UNTESTED_VERSIONS=on `,
				),
			});
			const allowed = startTracking(answer, { CACHE_UNTESTED_VERSIONS: "on" });
			expect(await allowed.tracking.poll("")).toMatchObject({ tags: [] });
		},
	);

	it.each<[string, Answer]>([
		["the oldest", from("postgrest/12.0.2", { ...poll, postgres: 15 })],
		["the newest", from("postgrest/16.2", { ...poll, postgres: 18 })],
		[
			"where a proxy replaces Server",
			from("cloudflare", { ...poll, application: "PostgREST 14.17" }),
		],
		[
			"where PostgREST's db-uri sets another application_name",
			from(POSTGREST, { ...poll, application: "api" }),
		],
	])("is none of these: %s", async (_, answer) => {
		const { tracking } = startTracking(answer);
		expect(await tracking.poll("")).toMatchObject({ tags: [] });
	});
});

describe("the deadline", () => {
	beforeEach(() => {
		vi.useFakeTimers();
	});
	afterEach(() => {
		vi.useRealTimers();
	});

	it.each<[string, Answer]>([
		["a database that does not answer", silence],
		[
			"an answer that does not end",
			() =>
				new Response(
					new ReadableStream({
						start: (stream) => stream.enqueue(new TextEncoder().encode("{")),
					}),
					{ headers: { "Content-Type": "application/json" } },
				),
		],
		["what does not heed it", () => new Promise(() => {})],
	])("of five seconds ends a poll of %s", async (_, answer) => {
		const { tracking } = startTracking(answer);
		const poll = tracking.poll("1@1:1:");
		let hasEnded = false;
		const ended = poll.catch((error) => {
			hasEnded = true;
			return error;
		});
		await vi.advanceTimersByTimeAsync(4_999);
		const early = hasEnded;
		await vi.advanceTimersByTimeAsync(1);
		expect([early, String(await ended)]).toEqual([
			false,
			"Refusal: The database did not answer in time: the limit is 5000 ms",
		]);
	});

	it("ends the request, too", async () => {
		const { origin, tracking } = startTracking(silence);
		tracking.poll("1@1:1:").catch(() => {});
		await vi.advanceTimersByTimeAsync(5_000);
		expect(origin.only().signal.aborted).toBe(true);
	});

	it("leaves no timer behind", async () => {
		const { tracking } = answering({ ...POLL, tags: [] });
		await tracking.poll("1@1:1:");
		expect(vi.getTimerCount()).toBe(0);
	});
});

describe("a marker of the schema", () => {
	it("is made by the database, which names it", async () => {
		const { origin, tracking } = answering({ marker: "schema_marker_1_ab" });
		expect([await tracking.markSchema(), origin.only().target]).toEqual([
			"schema_marker_1_ab",
			"/rpc/mark_schema",
		]);
	});

	it("with a name that is no name of a table is an error", async () => {
		const { tracking } = answering({ marker: "a?b" });
		await expect(tracking.markSchema()).rejects.toMatchObject({
			name: "$ZodError",
		});
	});

	it("is asked for with OPTIONS, which PostgREST answers from what it has loaded", async () => {
		const { origin, tracking } = startTracking(
			() => new Response(null, { headers: { Allow: "OPTIONS,GET,HEAD,POST" } }),
		);
		const hasLoaded = await tracking.hasLoaded("schema_marker_1_ab");
		const { method, target, headers } = origin.only();
		expect([hasLoaded, method, target, headers.get("accept-profile")]).toEqual([
			true,
			"OPTIONS",
			"/schema_marker_1_ab",
			"postern",
		]);
	});

	it.each(["PGRST205", "42P01"])(
		"that PostgREST does not know is not loaded: %s",
		async (code) => {
			const { tracking } = startTracking(postgrestError(404, code));
			expect(await tracking.hasLoaded("schema_marker_1_ab")).toBe(false);
		},
	);

	it.each<[string, Answer]>([
		["PostgREST while it has no schema", postgrestError(503, "PGRST002")],
		["a proxy", () => elsewhere("<p>", { status: 200 })],
		["an absent tunnel", () => elsewhere(null, { status: 404 })],
	])("is not told by %s", async (_, answer) => {
		const { tracking } = startTracking(answer);
		await expect(tracking.hasLoaded("schema_marker_1_ab")).rejects.toThrow();
	});
});

describe("the catalog", () => {
	it("is asked for the schemas that callers reach", async () => {
		const { origin, tracking } = answering(CATALOG);
		const read = await tracking.loadCatalog();
		const { target, body } = origin.only();
		expect([target, JSON.parse(body), read]).toEqual([
			"/rpc/catalog",
			{ schemas: ["api", "shop"], pre_request: null },
			catalogParts(CATALOG),
		]);
	});

	it("is none where it is null", async () => {
		const { tracking } = answering(null);
		await expect(tracking.loadCatalog()).rejects.toMatchObject({
			name: "$ZodError",
		});
	});

	it("is none where a part of it is not understood, and the error names the part", async () => {
		const { tracking } = answering({ ...CATALOG, functions: [{}] });
		await expect(tracking.loadCatalog()).rejects.toThrow(
			"postern.catalog: .functions[0].schema is not understood",
		);
	});
});

describe("pruning", () => {
	it("tells whether there is more", async () => {
		const { origin, tracking } = answering({ pruned: 10_000, isDone: false });
		const isDone = await tracking.prune();
		const { method, target, body } = origin.only();
		expect([method, target, body, isDone]).toEqual([
			"POST",
			"/rpc/prune",
			"{}",
			false,
		]);
	});
});
