// The rules for the body of every resource route, apart from its fields.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ISSUING, USER_ID } from "../support/accounts.ts";
import {
	type RequestOptions,
	refusal,
	refusalInWords,
	startGateway,
} from "../support/gateway.ts";
import { postgrestError } from "../support/origin.ts";
import { tokenFor } from "../support/tokens.ts";

const RESCUE_ID = "3fa85f64-5717-4562-b3fc-2c963f66afa6";
const REX = { name: "Rex", age: 3, species: "dog" };
const MILK = { name: "Buy milk", is_completed: true };
const MAX_BYTES = 65_536;

/** The claims of a user who may have todos. */
const TOKEN = await tokenFor({ sub: USER_ID });

const ROUTES = [
	{
		method: "POST",
		path: "/products",
		valid: { serialNumber: "H56", title: "Tower", weightLbs: 2_400 },
	},
	{
		method: "PATCH",
		path: "/products/7/add-quantity",
		valid: { quantity: 5 },
	},
	{ method: "POST", path: "/rescues", valid: REX },
	{ method: "PUT", path: `/rescues/${RESCUE_ID}`, valid: REX },
	{ method: "POST", path: "/users/todos", valid: MILK },
	{ method: "PUT", path: "/users/todos/7", valid: MILK },
];

describe.each(ROUTES)("$method $path", ({ method, path, valid }) => {
	const json = JSON.stringify(valid);

	async function send(init: RequestOptions, token: string | null = TOKEN) {
		const { request, origin } = startGateway({
			env: ISSUING,
			answer: () => Response.json({ productId: 1, id: RESCUE_ID }),
		});
		const response = await request(path, {
			method,
			...(token === null ? {} : { token }),
			...init,
		});
		return { response, received: origin.received };
	}

	const sendAs = (type: string, body: BodyInit | null) =>
		send({ body, headers: { "Content-Type": type } });

	it.each([
		"application/json",
		"application/json; charset=utf-8",
		"application/json;charset=UTF-8",
		"Application/JSON",
	])("accepts a body of the type %s", async (type) => {
		const { response, received } = await sendAs(type, json);
		expect([response.ok, received.length]).toEqual([true, 1]);
	});

	it.each([
		"text/plain",
		"application/x-www-form-urlencoded",
		"multipart/form-data; boundary=x",
		"application/jsonx",
		"application/vnd.pgrst.object+json",
		"application/json-patch+json",
		"text/json",
		"json",
		"",
		"application/json;",
		"application/json ; charset=utf-8",
		"application/json, text/plain",
	])("refuses a body of the type %j", async (type) => {
		const { response, received } = await sendAs(type, json);
		expect([await refusal(response), received]).toEqual([
			{ status: 415, code: "media_type_unsupported" },
			[],
		]);
	});

	it("refuses a body without a type", async () => {
		const body = new TextEncoder().encode(json);
		const { response, received } = await send({ body });
		expect([await refusal(response), received]).toEqual([
			{ status: 415, code: "media_type_unsupported" },
			[],
		]);
	});

	it.each([
		["no body", null],
		["an empty body", ""],
		["a blank body", " \r\n\t"],
	])("refuses %s", async (_, body) => {
		const { response, received } = await sendAs("application/json", body);
		expect([await refusalInWords(response), received]).toEqual([
			{
				status: 400,
				code: "body_malformed",
				message: "The request body is not JSON: it is empty",
			},
			[],
		]);
	});

	it.each([
		"{",
		json.slice(0, -1),
		`${json}}`,
		json.replaceAll('"', "'"),
		json.replace("}", ",}"),
		"undefined",
		"NaN",
		'"\n"',
		'{"a":01}',
		"a=1&b=2",
		"<xml/>",
		"\u0000",
	])("refuses a body that is not JSON: %j", async (body) => {
		const { response, received } = await sendAs("application/json", body);
		expect([await refusal(response), received]).toEqual([
			{ status: 400, code: "body_malformed" },
			[],
		]);
	});

	it.each(["null", "true", "5", '"text"', "[]", `[${json}]`])(
		"refuses JSON that is not an object: %s",
		async (body) => {
			const { response, received } = await sendAs("application/json", body);
			expect([await refusalInWords(response), received]).toEqual([
				{
					status: 400,
					code: "body_invalid",
					message: "The request body is not valid: it has to be an object",
				},
				[],
			]);
		},
	);

	it("accepts a body of 65,536 bytes", async () => {
		const { response } = await sendAs(
			"application/json",
			json + " ".repeat(MAX_BYTES - json.length),
		);
		expect(response.ok).toBe(true);
	});

	it("accepts a body of 65,536 bytes that arrives in pieces", async () => {
		const { response } = await sendAs(
			"application/json",
			inPieces(json + " ".repeat(MAX_BYTES - json.length)),
		);
		expect(response.ok).toBe(true);
	});

	const TOO_LARGE = [
		{
			status: 413,
			code: "body_too_large",
			message: "The request body is too large: the limit is 65536 bytes",
		},
		[],
	];

	it("refuses a body of one byte more", async () => {
		const { response, received } = await sendAs(
			"application/json",
			json + " ".repeat(MAX_BYTES + 1 - json.length),
		);
		expect([await refusalInWords(response), received]).toEqual(TOO_LARGE);
	});

	it("refuses a body of one byte more that arrives in pieces", async () => {
		const { response, received } = await sendAs(
			"application/json",
			inPieces(json + " ".repeat(MAX_BYTES + 1 - json.length)),
		);
		expect([await refusalInWords(response), received]).toEqual(TOO_LARGE);
	});

	it("refuses a body whose Content-Length is too large, without reading it", async () => {
		const { response, received } = await send({
			body: new ReadableStream(),
			headers: {
				"Content-Type": "application/json",
				"Content-Length": String(MAX_BYTES + 1),
			},
		});
		expect([await refusalInWords(response), received]).toEqual(TOO_LARGE);
	});

	it("refuses the type before the size", async () => {
		const { response } = await send({
			body: "x".repeat(MAX_BYTES + 1),
			headers: { "Content-Type": "text/plain" },
		});
		expect(response.status).toBe(415);
	});

	it("ignores a byte order mark", async () => {
		const { response } = await sendAs("application/json", `\ufeff${json}`);
		expect(response.ok).toBe(true);
	});

	it("refuses an invalid body before it asks whether the caller may write", async () => {
		const { response, received } = await send({ json: {} }, null);
		expect([response.status, received]).toEqual([400, []]);
	});

	it("lets the database decide whether an anonymous caller may write", async () => {
		const { request } = startGateway({
			env: ISSUING,
			answer: postgrestError(403, "42501"),
		});
		const response = await request(path, { method, json: valid });
		expect([
			await refusal(response),
			response.headers.get("www-authenticate"),
		]).toEqual([{ status: 401, code: "unauthenticated" }, "Bearer"]);
	});

	it("answers any JSON with success, or with the names of the wrong fields", async () => {
		const { request, origin, logged } = startGateway({
			env: ISSUING,
			answer: () => Response.json({ productId: 1, id: RESCUE_ID }),
		});
		const names = Object.keys(valid);
		// Near misses: right names with any value, right values, names that are special to JavaScript.
		const nearMiss = fc
			.tuple(
				fc.constant(valid),
				fc.dictionary(
					fc.constantFrom(
						...names,
						"__proto__",
						"constructor",
						"toString",
						"x",
					),
					fc.jsonValue(),
				),
				fc.subarray(names),
			)
			.map(([base, changes, left]) => {
				const mixed = new Map(Object.entries({ ...base, ...changes }));
				for (const name of left) mixed.delete(name);
				return Object.fromEntries(mixed);
			});
		await fc.assert(
			fc.asyncProperty(
				fc.oneof(
					fc.jsonValue(),
					nearMiss,
					fc.json().map((text) => JSON.parse(text)),
				),
				async (body) => {
					origin.received.length = 0;
					const response = await request(path, {
						method,
						token: TOKEN,
						json: body,
					});
					if (response.ok) {
						expect(origin.received).toHaveLength(1);
						return;
					}
					const { status, code, message } = await refusalInWords(response);
					expect([status, code, origin.received, logged]).toEqual([
						400,
						"body_invalid",
						[],
						[],
					]);
					expect(message).toMatch(
						new RegExp(`: (it|${names.join("|")}) (is|has)`),
					);
				},
			),
			{ numRuns: 200 },
		);
	});
});

/** A body of unknown length. */
function inPieces(text: string): ReadableStream {
	const bytes = new TextEncoder().encode(text);
	let offset = 0;
	return new ReadableStream({
		pull(controller) {
			controller.enqueue(bytes.slice(offset, offset + 10_000));
			offset += 10_000;
			if (offset >= bytes.length) controller.close();
		},
	});
}
