// What every route with a body does with it before its own code runs, by one of them.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
	ADA_TOKEN,
	type RequestOptions,
	refusal,
	refusalInWords,
	startGateway,
} from "../support/gateway.ts";
import { postgrestError } from "../support/origin.ts";

const MAX_BYTES = 65_536;

const method = "POST";
const path = "/notes";
const valid = { title: "Milk", stars: 5, isPinned: true };

describe("a body", () => {
	const json = JSON.stringify(valid);

	async function send(init: RequestOptions, token: string | null = ADA_TOKEN) {
		const { request, origin } = startGateway({
			answer: () => Response.json({ id: 1 }),
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
		"APPLICATION/JSON;CHARSET=UTF8",
		"application/json ; charset=utf-8",
		'application/json; charset="utf-8"',
		"application/json;charset = utf-8 ;",
		"application/json; charset=us-ascii",
		"application/json;",
		"application/json; ;",
		'application/json; version=1; profile="a,b"',
		"application/json; odd",
	])("is taken with the type %s", async (type) => {
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
		"application/json, text/plain",
		"text/plain, application/json",
		"text/plain; application/json",
		"application",
		"application/json x",
	])("is refused with the type %j", async (type) => {
		const { response, received } = await sendAs(type, json);
		expect([await refusal(response), received]).toEqual([
			{ status: 415, code: "media_type_unsupported" },
			[],
		]);
	});

	it.each(["latin1", "utf-16", '"iso-8859-1"', "utf-8x", ""])(
		"is refused in another charset: %s",
		async (charset) => {
			const type = `application/json; charset=${charset}`;
			const { response, received } = await sendAs(type, json);
			expect([await refusalInWords(response), received]).toEqual([
				{
					status: 415,
					code: "media_type_unsupported",
					message:
						"The Content-Type has to be application/json: its charset has to be UTF-8",
				},
				[],
			]);
		},
	);

	it("is refused without a type", async () => {
		const body = new TextEncoder().encode(json);
		const { response, received } = await send({ body });
		expect([await refusal(response), received]).toEqual([
			{ status: 415, code: "media_type_unsupported" },
			[],
		]);
	});

	it.each([
		["not there", null],
		["empty", ""],
		["blank", " \r\n\t"],
	])("is refused where it is %s", async (_, body) => {
		const { response, received } = await sendAs("application/json", body);
		expect([await refusalInWords(response), received]).toEqual([
			{
				status: 400,
				code: "body_malformed",
				message: "The request body is malformed: it is empty",
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
	])("is refused where it is not JSON: %j", async (body) => {
		const { response, received } = await sendAs("application/json", body);
		expect([await refusal(response), received]).toEqual([
			{ status: 400, code: "body_malformed" },
			[],
		]);
	});

	it.each(["null", "true", "5", '"text"', "[]", `[${json}]`])(
		"is refused where it is not an object: %s",
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

	it("is taken with 65,536 bytes", async () => {
		const { response } = await sendAs(
			"application/json",
			json + " ".repeat(MAX_BYTES - json.length),
		);
		expect(response.ok).toBe(true);
	});

	it("is taken with 65,536 bytes that come in pieces", async () => {
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

	it("is refused with one byte more", async () => {
		const { response, received } = await sendAs(
			"application/json",
			json + " ".repeat(MAX_BYTES + 1 - json.length),
		);
		expect([await refusalInWords(response), received]).toEqual(TOO_LARGE);
	});

	it("is refused with one byte more that come in pieces", async () => {
		const { response, received } = await sendAs(
			"application/json",
			inPieces(json + " ".repeat(MAX_BYTES + 1 - json.length)),
		);
		expect([await refusalInWords(response), received]).toEqual(TOO_LARGE);
	});

	it("is refused unread where its Content-Length is larger", async () => {
		const { response, received } = await send({
			body: new ReadableStream(),
			headers: {
				"Content-Type": "application/json",
				"Content-Length": String(MAX_BYTES + 1),
			},
		});
		expect([await refusalInWords(response), received]).toEqual(TOO_LARGE);
	});

	it("is refused for its type before its size", async () => {
		const { response } = await send({
			body: "x".repeat(MAX_BYTES + 1),
			headers: { "Content-Type": "text/plain" },
		});
		expect(response.status).toBe(415);
	});

	it("may begin with a byte order mark", async () => {
		const { response } = await sendAs("application/json", `\ufeff${json}`);
		expect(response.ok).toBe(true);
	});

	it("is checked before the database is asked who may", async () => {
		const { response, received } = await send({ json: {} }, null);
		expect([response.status, received]).toEqual([400, []]);
	});

	it("of an anonymous caller is the database's to refuse", async () => {
		const { request } = startGateway({
			answer: postgrestError(403, "42501"),
		});
		const response = await request(path, { method, json: valid });
		expect([
			await refusal(response),
			response.headers.get("www-authenticate"),
		]).toEqual([{ status: 401, code: "unauthenticated" }, "Bearer"]);
	});

	it("of any JSON is answered with success or with the names of its fields", async () => {
		const { request, origin, logged } = startGateway({
			answer: () => Response.json({ id: 1 }),
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
						token: ADA_TOKEN,
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
