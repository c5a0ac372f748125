// The schemas of fields: what each takes, and the words in which it refuses the rest. Each is a field of a route of the test's own.
import { describe, expect, it } from "vitest";
import * as z from "../../src/application/zod.ts";
import {
	body,
	createRoute,
	createRouter,
	emailAddress,
	fields,
	number,
	rowId,
	text,
	wholeNumber,
} from "../../src/routes.ts";
import { ADA_TOKEN, refusalInWords, startGateway } from "../support/gateway.ts";
import { asked } from "../support/origin.ts";
import emails from "../vectors/emails.json";

const notes = createRouter();
notes.openapi(
	createRoute({
		method: "put",
		path: "/{noteId}",
		request: {
			params: z.object({ noteId: rowId() }),
			...body(
				fields({
					title: text(10),
					email: emailAddress(),
					weight: number().check(z.positive("has to be above 0")),
					stars: wholeNumber(0, 5),
				}),
			),
		},
		responses: { 200: { description: "Stored" } },
	}),
	async (context) => {
		const { noteId } = context.req.valid("param");
		await context.var.database
			.from("notes")
			.update(context.req.valid("json"))
			.eq("id", noteId)
			.select("id")
			.throwOnError();
		return context.json(null);
	},
);

const VALID = {
	title: "Milk",
	email: "ada@example.com",
	weight: 0.5,
	stars: 3,
};

async function put(json: unknown, id = "7") {
	const { request, origin } = startGateway({
		application: { routes: { "/notes": notes } },
		answer: () => Response.json([]),
	});
	const response = await request(`/notes/${id}`, {
		method: "PUT",
		token: ADA_TOKEN,
		...(typeof json === "string"
			? { body: json, headers: { "Content-Type": "application/json" } }
			: { json }),
	});
	return { response, origin };
}

describe("an e-mail address", () => {
	it.each(emails.valid)("is taken as it is: %s", async (email) => {
		const { response, origin } = await put({ ...VALID, email });
		expect([response.status, JSON.parse(origin.only().body).email]).toEqual([
			200,
			email,
		]);
	});

	it.each(emails.invalid)("is refused: %j", async (email) => {
		const { response, origin } = await put({ ...VALID, email });
		const { status, code, message } = await refusalInWords(response);
		expect([status, code, origin.received]).toEqual([400, "body_invalid", []]);
		expect(message).toMatch(
			/: email (is not an e-mail address|is empty|has more than 300 characters)$/,
		);
	});
});

describe("a field", () => {
	it.each<[string, unknown, string]>([
		["title", undefined, "title is missing"],
		["title", null, "title has to be a string"],
		["title", 1, "title has to be a string"],
		["title", true, "title has to be a string"],
		["title", ["Milk"], "title has to be a string"],
		["title", {}, "title has to be a string"],
		["title", "", "title is empty"],
		["title", " \t", "title is blank"],
		["title", "\u00a0\u2003", "title is blank"],
		["title", "x".repeat(11), "title has more than 10 characters"],
		["title", "M\0lk", "title has a null character"],
		["title", "\ud83d", "title is not well-formed Unicode"],
		["title", "\udc15", "title is not well-formed Unicode"],
		["email", undefined, "email is missing"],
		[
			"email",
			`${"x".repeat(289)}@example.com`,
			"email has more than 300 characters",
		],
		["weight", undefined, "weight is missing"],
		["weight", null, "weight has to be a number"],
		["weight", "1", "weight has to be a number"],
		["weight", true, "weight has to be a number"],
		["weight", [1], "weight has to be a number"],
		["weight", 0, "weight has to be above 0"],
		["weight", -0, "weight has to be above 0"],
		["weight", -1, "weight has to be above 0"],
		["stars", -1, "stars is below 0"],
		["stars", 6, "stars is above 5"],
		["stars", 1e20, "stars is above 5"],
		["stars", 2.5, "stars has to be a whole number"],
		["Title", "Milk", "it has unknown fields: Title"],
		["constructor", 1, "it has unknown fields: constructor"],
	])("%s is refused where it is %j", async (field, value, fault) => {
		const { response, origin } = await put({ ...VALID, [field]: value });
		expect([await refusalInWords(response), origin.received]).toEqual([
			{
				status: 400,
				code: "body_invalid",
				message: `The request body is not valid: ${fault}`,
			},
			[],
		]);
	});

	it("is refused where its number is beyond all numbers", async () => {
		const { response } = await put(
			JSON.stringify(VALID).replace("0.5", "1e999"),
		);
		expect((await refusalInWords(response)).message).toBe(
			"The request body is not valid: weight has to be a number",
		);
	});

	it("is named with every other that is wrong, each once", async () => {
		const { response } = await put({ title: "", weight: -1, x: 1, y: 2 });
		expect((await refusalInWords(response)).message).toBe(
			"The request body is not valid: title is empty; email is missing; weight has to be above 0; stars is missing; it has unknown fields: x, y",
		);
	});

	it.each<[string, unknown]>([
		["title", "x".repeat(10)],
		["title", "🗼".repeat(10)],
		["title", " Milk "],
		["title", '"T"\n\'\twer\\'],
		["email", `${"x".repeat(40)}@example.com`],
		["weight", Number.MIN_VALUE],
		["weight", Number.MAX_VALUE],
		["stars", 0],
		["stars", 5],
	])("%s is taken as it is: %j", async (field, value) => {
		const { origin } = await put({ ...VALID, [field]: value });
		expect(asked(origin.only()).body).toEqual({ ...VALID, [field]: value });
	});
});

describe("the id of a row", () => {
	it.each(["1", "7", "999999999999999"])("may be %s", async (id) => {
		const { origin } = await put(VALID, id);
		expect(origin.only().url.searchParams.get("id")).toBe(`eq.${id}`);
	});

	it.each([
		...["0", "-1", "+1", "01", "1.5", "1e3", "0x1", "abc", "null", "١"],
		...["1000000000000000", "9".repeat(400), "eq.1", "1,2", "1%2F2"],
		...["%20", "1%20", "%201", "1%0A", "%00", "%E0%A4%A"],
	])("may not be %s", async (id) => {
		const { response, origin } = await put(VALID, id);
		expect([await refusalInWords(response), origin.received]).toEqual([
			{
				status: 400,
				code: "parameter_invalid",
				message:
					"The URL is not valid: noteId has to be a positive whole number",
			},
			[],
		]);
	});
});
