// The refusals of PostgREST and of the database, as the client of a resource route sees them.
import { describe, expect, it } from "vitest";
import {
	ADA_TOKEN,
	refusal,
	refusalInWords,
	startGateway,
} from "../support/gateway.ts";
import { type Answer, elsewhere, postgrestError } from "../support/origin.ts";
import { tokenFor } from "../support/tokens.ts";

const CHANGE = { method: "PATCH", json: { stars: 1 } };

/** Calls a resource route whose origin answers so. */
async function ask(answer: Answer, token: string | null = ADA_TOKEN) {
	const gateway = startGateway({ answer });
	const response = await gateway.request("/notes/7/add-stars", {
		...CHANGE,
		...(token === null ? {} : { token }),
	});
	return { response, logged: gateway.logged };
}

const refusalTo = async (answer: Answer, token?: string | null) =>
	refusal((await ask(answer, token)).response);

const messageTo = async (answer: Answer) =>
	(await refusalInWords((await ask(answer)).response)).message;

describe("an error of PostgREST", () => {
	it.each([
		["PGRST103", 416, 416, "range_not_satisfiable"],
		["PGRST116", 406, 404, "not_found"],
		["PGRST000", 503, 503, "origin_unreachable"],
		["PGRST001", 503, 503, "origin_unreachable"],
		["PGRST002", 503, 503, "origin_unreachable"],
		["PGRST003", 504, 504, "origin_timeout"],
		["PGRST202", 404, 500, "internal_error"],
		["PGRST205", 404, 500, "internal_error"],
		["PGRST301", 401, 503, "origin_refused"],
		["PGRST999", 400, 500, "internal_error"],
	])(
		"becomes a refusal: %s (%i) is %i %s",
		async (code, from, status, expected) => {
			expect(await refusalTo(postgrestError(from, code))).toEqual({
				status,
				code: expected,
			});
		},
	);

	it("is recognised under the media type of one row, too", async () => {
		const answer = () =>
			new Response('{"code":"PGRST116"}', {
				status: 406,
				headers: [
					["Content-Type", "application/vnd.pgrst.object+json; charset=utf-8"],
					["Content-Type", "application/json; charset=utf-8"],
				],
			});
		expect(await refusalTo(answer)).toEqual({ status: 404, code: "not_found" });
	});
});

describe("an error of the database", () => {
	it.each([
		["42501", 403, 403, "denied", "no privilege"],
		["23505", 409, 409, "not_unique", "unique violation"],
		["23502", 400, 400, "body_invalid", "not null violation"],
		["23503", 409, 400, "body_invalid", "foreign key violation"],
		["23514", 400, 400, "body_invalid", "check violation"],
		["22003", 400, 400, "body_invalid", "number out of range"],
		["22P02", 400, 400, "body_invalid", "invalid text"],
		["22P05", 400, 400, "body_invalid", "character that cannot be stored"],
		["40001", 500, 409, "contended", "serialization failure"],
		["40P01", 500, 409, "contended", "deadlock"],
		["55P03", 400, 409, "contended", "lock not available"],
		["57014", 500, 504, "origin_timeout", "statement timeout"],
		["53300", 503, 503, "origin_unreachable", "too many connections"],
		["53200", 503, 503, "origin_unreachable", "out of memory"],
		["08006", 503, 503, "origin_unreachable", "connection failure"],
		["08P01", 503, 503, "origin_unreachable", "protocol violation"],
		["25006", 405, 500, "internal_error", "read-only transaction"],
		["42P01", 404, 500, "internal_error", "no such table"],
		["42703", 400, 500, "internal_error", "no such column"],
		["P0001", 400, 500, "internal_error", "raised by a function"],
		["XX000", 500, 500, "internal_error", "internal error"],
	])(
		"becomes a refusal: %s (%i) is %i %s (%s)",
		async (code, from, status, expected) => {
			expect(await refusalTo(postgrestError(from, code))).toEqual({
				status,
				code: expected,
			});
		},
	);
});

describe("a missing privilege", () => {
	const denied = postgrestError(403, "42501");

	it("asks a caller without a token for one", async () => {
		const { response } = await ask(denied, null);
		expect([
			await refusal(response),
			response.headers.get("www-authenticate"),
		]).toEqual([{ status: 401, code: "unauthenticated" }, "Bearer"]);
	});

	it("asks a caller with the anonymous role for another token", async () => {
		const token = await tokenFor({ role: "anon" });
		expect(await refusalTo(denied, token)).toEqual({
			status: 401,
			code: "unauthenticated",
		});
	});

	it("denies a caller with another role", async () => {
		const { response } = await ask(denied);
		expect([
			await refusal(response),
			response.headers.get("www-authenticate"),
		]).toEqual([{ status: 403, code: "denied" }, null]);
	});

	it("never shows the hint how to grant it", async () => {
		const answer = postgrestError(403, "42501", {
			hint: "GRANT EXECUTE ON FUNCTION",
		});
		const { response } = await ask(answer, null);
		expect(await response.text()).not.toContain("GRANT");
	});
});

describe("a refused duplicate value", () => {
	it("is named by its field", async () => {
		const answer = postgrestError(409, "23505", {
			message:
				'duplicate key value violates unique constraint "short_title_is_unique"',
		});
		expect(await messageTo(answer)).toBe(
			"The value is already taken: shortTitle",
		);
	});

	it("is not repeated", async () => {
		const answer = postgrestError(409, "23505", {
			message:
				'duplicate key value violates unique constraint "short_title_is_unique"',
			details: "Key (short_title)=(another-tenants-value) already exists.",
		});
		expect(await messageTo(answer)).not.toContain("another-tenants-value");
	});

	it.each([
		'duplicate key value violates unique constraint "notes_pkey"',
		"doppelter Schlüsselwert",
	])("is not named if the constraint is not known: %s", async (message) => {
		expect(await messageTo(postgrestError(409, "23505", { message }))).toBe(
			"The value is already taken",
		);
	});
});

describe("a constraint", () => {
	const violated = (constraint: string) =>
		postgrestError(400, "23514", {
			message: `new row for relation "notes" violates check constraint "${constraint}"`,
			details: "Failing row contains (7, Secret plan, -1).",
		});

	it("that the application names becomes the application's refusal", async () => {
		expect(await refusalTo(violated("stars_are_not_negative"))).toEqual({
			status: 409,
			code: "stars_below_zero",
		});
	});

	it("that the application names is answered with the application's message", async () => {
		expect(await messageTo(violated("stars_are_not_negative"))).toBe(
			"The stars would fall below zero; nothing was changed",
		);
	});

	it("that the application does not name is put in words by its own name", async () => {
		expect(await messageTo(violated("title_has_1_to_100_characters"))).toBe(
			"The request body is not valid: title has 1 to 100 characters",
		);
	});

	it("is answered without the row", async () => {
		expect(await messageTo(violated("any"))).not.toContain("Secret plan");
	});

	it("without a name is put in the database's words", async () => {
		const answer = postgrestError(400, "23514", { message: "verletzt" });
		expect(await messageTo(answer)).toBe(
			"The request body is not valid: verletzt",
		);
	});
});

describe("a value that the database refuses", () => {
	it("is answered with the database's message", async () => {
		const answer = postgrestError(400, "22003", {
			message: "integer out of range",
		});
		expect(await messageTo(answer)).toBe(
			"The request body is not valid: integer out of range",
		);
	});
});

describe("an answer of another server", () => {
	it.each([
		["an empty 404", () => elsewhere(null, { status: 404 })],
		["HTML of the tunnel", () => html(530)],
		["HTML of a proxy", () => html(502)],
		[
			"the login page of Access",
			() =>
				elsewhere(null, {
					status: 302,
					headers: { Location: "https://team.cloudflareaccess.com/" },
				}),
		],
		["a refusal of Access", () => html(403)],
	])("means that the origin is unreachable: %s", async (_, answer) => {
		expect(await refusalTo(answer)).toEqual({
			status: 503,
			code: "origin_unreachable",
		});
	});

	it.each([
		["no code", { message: "no" }],
		["a number for a code", { code: 1033 }],
		["null for a code", { code: null, message: null }],
		["nothing", {}],
	])("is an internal error if it is JSON with %s", async (_, body) => {
		const answer = () => Response.json(body, { status: 500 });
		expect(await refusalTo(answer)).toEqual({
			status: 500,
			code: "internal_error",
		});
	});

	it("means that the origin is unreachable even with a success status", async () => {
		expect(await refusalTo(() => html(200))).toEqual({
			status: 503,
			code: "origin_unreachable",
		});
	});

	it("is logged with its status", async () => {
		const { logged } = await ask(() => html(530));
		expect(String(logged[0])).toContain("530");
	});

	it("is logged with its message if it has no code", async () => {
		const { logged } = await ask(() =>
			Response.json({ message: "told so" }, { status: 500 }),
		);
		expect(String(logged[0])).toContain("told so");
	});
});

describe("the origin of a resource route", () => {
	it("is asked once even if it answers with an error", async () => {
		const { request, origin } = startGateway({
			answer: postgrestError(503, "PGRST002"),
		});
		await request("/notes");
		expect(origin.received).toHaveLength(1);
	});

	it.each([
		[
			"once by a write",
			{ method: "POST", json: { title: "Milk", stars: 5 } },
			1,
		],
		["twice by a read", {}, 2],
	])("is asked %s if it cannot be reached", async (_, init, times) => {
		let calls = 0;
		const { request } = startGateway({
			fetch() {
				calls += 1;
				return Promise.reject(new TypeError("connection refused"));
			},
		});
		await request("/notes", { ...init, token: ADA_TOKEN });
		expect(calls).toBe(times);
	});
});

function html(status: number): Response {
	return elsewhere("<html>", {
		status,
		headers: { "Content-Type": "text/html" },
	});
}
