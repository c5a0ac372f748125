// Routes that describe themselves: what OpenAPI says of them, what their handlers get, and what is refused.
import { Validator } from "@seriousme/openapi-schema-validator";
import { describe, expect, it } from "vitest";
import * as classic from "zod";
import { describe as serve } from "../../src/application/openapi.ts";
import type { Routes } from "../../src/application/router.ts";
import * as z from "../../src/application/zod.ts";
import { Refusal } from "../../src/http/refusals.ts";
import {
	answer,
	body,
	createRoute,
	createRouter,
	emailAddress,
	fields,
	rowId,
	text,
	timestamp,
	wholeNumber,
} from "../../src/routes.ts";

const author = z
	.object({ id: z.int(), name: z.nullable(z.string()) })
	.register(z.globalRegistry, { id: "Author" });

const book = z
	.object({ title: z.string(), author, publishedAt: timestamp() })
	.register(z.globalRegistry, { id: "Book" });

const newBook = fields({
	title: text(20).with(z.describe("As on the cover")),
	contact: z.optional(emailAddress()),
	pages: wholeNumber(1, 9_999),
	isPrinted: z._default(z.boolean("has to be true or false"), true),
}).register(z.globalRegistry, { id: "NewBook", examples: [{ title: "Emma" }] });

const books = createRouter();

books.openapi(
	createRoute({
		method: "post",
		path: "/",
		request: {
			...body(newBook),
			query: z.object({
				dry: z.optional(z.enum(["yes", "no"], "is neither yes nor no")),
				tag: z._default(z.union([z.string(), z.array(z.string())]), "none"),
			}),
			headers: z.object({ "X-Shop": z.string() }),
			cookies: z.object({
				theme: z.optional(
					z.enum(["light", "dark"], "is neither light nor dark"),
				),
			}),
		},
		responses: { 200: answer("What was understood", z.unknown()) },
	}),
	({ req, json }) =>
		json(
			{
				json: req.valid("json"),
				query: req.valid("query"),
				header: req.valid("header"),
				cookie: req.valid("cookie"),
			},
			200,
		),
);

const ofBook = { params: z.object({ "book-id": rowId() }) };

books.openapi(
	createRoute({
		method: "get",
		path: "/{book-id}",
		request: ofBook,
		responses: { 200: answer("The book", book) },
	}),
	({ req, json }) =>
		json(
			{
				title: req.valid("param")["book-id"],
				author: { id: 1, name: null },
				publishedAt: "2026-11-30T12:00:00+00:00",
			},
			200,
		),
);

books.openapi(
	createRoute({
		method: "put",
		path: "/{book-id}/cover",
		request: {
			...ofBook,
			body: {
				content: {
					"application/json": { schema: { type: "object" as const } },
				},
			},
		},
		responses: { 204: { description: "Kept" } },
	}),
	({ body }) => body(null, 204),
);

books.openapi(
	createRoute({
		method: "delete",
		path: "/{book-id}",
		hide: true,
		responses: { 204: { description: "Gone" } },
	}),
	({ body }) => body(null, 204),
);

const shop = createRouter();
shop.route("/:shop/books", books);

async function ask(
	path: string,
	{ json, ...options }: RequestInit & { json?: unknown } = {},
) {
	const router = createRouter();
	router.route("/", books);
	router.onError((error) => {
		if (!(error instanceof Refusal)) throw error;
		const { status, code, message } = error;
		return Response.json({ code, message }, { status });
	});
	const response = await router.request(path, {
		...options,
		headers: { "Content-Type": "application/json", ...options.headers },
		...(json !== undefined && { method: "POST", body: JSON.stringify(json) }),
	});
	return { status: response.status, answer: await response.json() };
}

// biome-ignore lint/suspicious/noExplicitAny: a document of any content
async function documentOf(routes: Routes): Promise<any> {
	const app = createRouter();
	serve(app as never, "/openapi.json", routes, {});
	return (await app.request("/openapi.json")).json();
}

describe("the document", () => {
	it("is valid OpenAPI 3.1", async () => {
		const document = await documentOf({ "/books": books, "/shops": shop });
		const validator = new Validator();
		expect(await validator.validate(document)).toEqual({ valid: true });
		expect(validator.version).toBe("3.1");
	});

	it("names each route that is not hidden, below what it is mounted at", async () => {
		const { paths } = await documentOf({ "/books": books, "/shops": shop });
		expect(
			Object.entries(paths).map(([path, item]) => [
				path,
				Object.keys(item as object),
			]),
		).toEqual([
			["/books", ["post"]],
			["/books/{book-id}", ["get"]],
			["/books/{book-id}/cover", ["put"]],
			["/shops/{shop}/books", ["post"]],
			["/shops/{shop}/books/{book-id}", ["get"]],
			["/shops/{shop}/books/{book-id}/cover", ["put"]],
		]);
	});

	it("says what a body holds, what it may leave out and what is taken then", async () => {
		const { components, paths } = await documentOf({ "/books": books });
		expect(paths["/books"].post.requestBody).toEqual({
			required: true,
			content: {
				"application/json": {
					schema: { $ref: "#/components/schemas/NewBook" },
				},
			},
		});
		expect(components.schemas.NewBook).toEqual({
			type: "object",
			examples: [{ title: "Emma" }],
			properties: {
				title: {
					type: "string",
					description: "As on the cover",
					minLength: 1,
					maxLength: 20,
				},
				contact: {
					type: "string",
					format: "email",
					minLength: 1,
					maxLength: 300,
				},
				pages: { type: "integer", minimum: 1, maximum: 9_999 },
				isPrinted: { type: "boolean", default: true },
			},
			required: ["title", "pages"],
			additionalProperties: false,
		});
	});

	it("refers to a schema with an id wherever it is used, and leaves an answer open for more fields", async () => {
		const { components, paths } = await documentOf({ "/books": books });
		const { responses } = paths["/books/{book-id}"].get;
		expect(responses[200]).toEqual({
			description: "The book",
			content: {
				"application/json": { schema: { $ref: "#/components/schemas/Book" } },
			},
		});
		expect(components.schemas).toMatchObject({
			Book: {
				type: "object",
				properties: {
					title: { type: "string" },
					author: { $ref: "#/components/schemas/Author" },
					publishedAt: { type: "string", format: "date-time" },
				},
				required: ["title", "author", "publishedAt"],
			},
			Author: {
				properties: {
					id: { type: "integer" },
					name: { type: ["string", "null"] },
				},
			},
		});
		expect(components.schemas.Book).not.toHaveProperty("additionalProperties");
		expect(components.schemas.Author.properties.id).toEqual({
			type: "integer",
		});
	});

	it("says where each parameter is, and whether it has to be there", async () => {
		const { paths } = await documentOf({ "/books": books });
		expect(paths["/books"].post.parameters).toEqual([
			{
				name: "dry",
				in: "query",
				required: false,
				schema: { type: "string", enum: ["yes", "no"] },
			},
			{
				name: "tag",
				in: "query",
				required: false,
				schema: {
					anyOf: [
						{ type: "string" },
						{ type: "array", items: { type: "string" } },
					],
					default: "none",
				},
			},
			{
				name: "X-Shop",
				in: "header",
				required: true,
				schema: { type: "string" },
			},
			{
				name: "theme",
				in: "cookie",
				required: false,
				schema: { type: "string", enum: ["light", "dark"] },
			},
		]);
		expect(paths["/books/{book-id}"].get.parameters).toEqual([
			{
				name: "book-id",
				in: "path",
				required: true,
				schema: { type: "string", pattern: "^[1-9]\\d{0,14}$" },
			},
		]);
	});

	it("has a schema in JSON as it is", async () => {
		const { paths } = await documentOf({ "/books": books });
		expect(paths["/books/{book-id}/cover"].put.requestBody).toEqual({
			content: { "application/json": { schema: { type: "object" } } },
			required: true,
		});
	});

	it("leaves open what JSON Schema has no words for", async () => {
		const router = createRouter();
		router.openapi(
			createRoute({
				method: "get",
				path: "/",
				request: { query: z.object({ since: z.coerce.date() }) },
				responses: {
					200: answer(
						"It",
						z.object({
							length: z.pipe(
								z.string(),
								z.transform(({ length }) => length),
							),
						}),
					),
				},
			}),
			({ json }) => json({ length: 1 }, 200),
		);
		const { paths } = await documentOf({ "/": router });
		const { parameters, responses } = paths["/"].get;
		expect([
			parameters[0].schema,
			responses[200].content["application/json"].schema.properties,
		]).toEqual([{}, { length: {} }]);
	});
});

describe("a handler", () => {
	const json = { title: "Emma", pages: 474 };

	it("gets what each part of the request holds, with what was left out", async () => {
		const { answer } = await ask("/?tag=a&tag=b&dry=yes", {
			json: { ...json, contact: "ada@example.com" },
			headers: { "x-shop": "7", Cookie: "theme=dark; other=1" },
		});
		expect(answer).toEqual({
			json: { ...json, contact: "ada@example.com", isPrinted: true },
			query: { tag: ["a", "b"], dry: "yes" },
			header: { "X-Shop": "7" },
			cookie: { theme: "dark" },
		});
	});

	it.each([
		["none", "/?n=1", { n: 1, plain: [], nested: undefined }],
		["one", "/?n=1&plain=a&nested=2", { n: 1, plain: ["a"], nested: [2] }],
		["two", "/?plain=a&plain=&n=1", { n: 1, plain: ["a", ""] }],
		["none beside others", "/?n=1&constructor=a", { n: 1, plain: [] }],
	])("gets a list of %s of a parameter that is one", async (_, path, query) => {
		const router = createRouter();
		router.openapi(
			createRoute({
				method: "get",
				path: "/",
				request: {
					query: z.object({
						n: z.coerce.number(),
						plain: z._default(z.array(z.string()), []),
						nested: z.optional(z.nullable(z.array(z.coerce.number()))),
					}),
				},
				responses: { 200: answer("It", z.unknown()) },
			}),
			({ req, json }) => json(req.valid("query"), 200),
		);
		expect(await (await router.request(path)).json()).toEqual(query);
	});

	it("gets a parameter in the path", async () => {
		expect((await ask("/12")).answer).toMatchObject({ title: "12" });
	});

	it("is not called where a part does not fit, which is named", async () => {
		const headers = { "X-Shop": "7" };
		expect([
			await ask("/first"),
			await ask("/?dry=perhaps", { json, headers }),
			await ask("/", { json }),
			await ask("/", { json: { title: 1, pages: 0 }, headers }),
			await ask("/", { json, headers: { ...headers, Cookie: "theme=" } }),
		]).toEqual([
			refused("parameter_invalid", "book-id has to be a positive whole number"),
			refused("parameter_invalid", "dry is neither yes nor no"),
			refused("header_malformed", "X-Shop is missing"),
			refused("body_invalid", "title has to be a string; pages is below 1"),
			refused("header_malformed", "theme is neither light nor dark"),
		]);
	});

	it("may have schemas of zod's classic form", async () => {
		const router = createRouter();
		const named = classic.object({ name: classic.string() });
		router.openapi(
			createRoute({
				method: "get",
				path: "/{name}",
				request: { params: named },
				responses: { 200: answer("It", named.meta({ id: "Named" })) },
			}),
			({ req, json }) => json(req.valid("param"), 200),
		);
		const response = await router.request("/ada");
		const { components } = await documentOf({ "/": router });
		expect([await response.json(), components.schemas.Named]).toEqual([
			{ name: "ada" },
			{
				type: "object",
				properties: { name: { type: "string" } },
				required: ["name"],
			},
		]);
	});

	it("has its answer checked by the compiler", () => {
		const route = createRoute({
			method: "get",
			path: "/",
			responses: { 200: answer("An author", author) },
		});
		const ada = { id: 1, name: "Ada" };
		createRouter().openapi(route, ({ json }) => json(ada, 200));
		// @ts-expect-error: an author has a name
		createRouter().openapi(route, ({ json }) => json({ id: 1 }, 200));
		// @ts-expect-error: it does not answer 201
		createRouter().openapi(route, ({ json }) => json(ada, 201));
		// @ts-expect-error: it takes no body
		createRouter().openapi(route, ({ json, req }) => json(req.valid("json")));
	});
});

const PARTS: Readonly<Record<string, string>> = {
	body_invalid: "The request body",
	header_malformed: "A header of the request",
	parameter_invalid: "The URL",
};

function refused(code: string, fault: string) {
	return {
		status: 400,
		answer: { code, message: `${PARTS[code]} is not valid: ${fault}` },
	};
}
