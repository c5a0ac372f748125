// The product routes: the request to PostgREST, and the answer to the client.
import { describe, expect, it } from "vitest";
import {
	ADA_TOKEN,
	type RequestOptions,
	refusalInWords,
	startGateway,
} from "../../gateway/test/support/gateway.ts";
import { type Answer, asked } from "../../gateway/test/support/origin.ts";

const TOWER = { serialNumber: "H56", title: "Tower", weightLbs: 2_400.5 };

const STORED = {
	productId: 7,
	...TOWER,
	quantity: 0,
	createdAt: "2026-03-14T15:09:26.535897+00:00",
	updatedAt: "2026-03-14T15:09:26.535897+00:00",
};

const SELECT =
	"select=productId:id,serialNumber:serial_number,title,weightLbs:weight_lbs,quantity,createdAt:created_at,updatedAt:updated_at";

const ONE = "application/vnd.pgrst.object+json";

async function call(
	path: string,
	init: RequestOptions,
	answer: Answer = () => Response.json(STORED),
) {
	const { request, origin } = startGateway({ answer });
	const response = await request(path, { token: ADA_TOKEN, ...init });
	return { response, origin };
}

describe("POST /products", () => {
	const create = (product: unknown = TOWER) =>
		call("/products", { method: "POST", json: product }, () =>
			Response.json({ productId: 7 }, { status: 201 }),
		);

	it("inserts a row and selects its id", async () => {
		const { origin } = await create();
		expect(asked(origin.only())).toEqual({
			method: "POST",
			path: "/products",
			query: "select=productId:id",
			accept: ONE,
			prefer: "return=representation",
			body: { serial_number: "H56", title: "Tower", weight_lbs: 2_400.5 },
		});
	});

	it("answers 201 with the id and the address of the product", async () => {
		const { response } = await create();
		expect([
			response.status,
			response.headers.get("location"),
			await response.json(),
		]).toEqual([201, "/products/7", { productId: 7 }]);
	});

	it("answers in JSON", async () => {
		const { response } = await create();
		expect(response.headers.get("content-type")).toBe("application/json");
	});

	it.each([
		["the smallest number", { ...TOWER, weightLbs: Number.MIN_VALUE }],
		["the largest number", { ...TOWER, weightLbs: Number.MAX_VALUE }],
		[
			"the longest texts",
			{ ...TOWER, serialNumber: "x".repeat(100), title: "x".repeat(200) },
		],
		[
			"as many characters beyond the basic plane",
			{ ...TOWER, title: "🗼".repeat(200) },
		],
		["spaces around a text", { ...TOWER, title: " Tower " }],
		["quotes, newlines and tabs", { ...TOWER, title: "\"T\"\n'o'\twer\\" }],
	])("passes %s on unchanged", async (_, product) => {
		const { origin } = await create(product);
		expect(asked(origin.only()).body).toEqual({
			serial_number: product.serialNumber,
			title: product.title,
			weight_lbs: product.weightLbs,
		});
	});

	it.each<[string, unknown, string]>([
		[
			"no serialNumber",
			{ ...TOWER, serialNumber: undefined },
			"serialNumber is missing",
		],
		["no title", { ...TOWER, title: undefined }, "title is missing"],
		[
			"no weightLbs",
			{ ...TOWER, weightLbs: undefined },
			"weightLbs is missing",
		],
		[
			"null for serialNumber",
			{ ...TOWER, serialNumber: null },
			"serialNumber has to be a string",
		],
		["null for title", { ...TOWER, title: null }, "title has to be a string"],
		[
			"null for weightLbs",
			{ ...TOWER, weightLbs: null },
			"weightLbs has to be a number",
		],
		[
			"a number for serialNumber",
			{ ...TOWER, serialNumber: 56 },
			"serialNumber has to be a string",
		],
		[
			"a list for title",
			{ ...TOWER, title: ["Tower"] },
			"title has to be a string",
		],
		[
			"an object for title",
			{ ...TOWER, title: {} },
			"title has to be a string",
		],
		[
			"a boolean for title",
			{ ...TOWER, title: true },
			"title has to be a string",
		],
		[
			"a string for weightLbs",
			{ ...TOWER, weightLbs: "2400" },
			"weightLbs has to be a number",
		],
		[
			"a boolean for weightLbs",
			{ ...TOWER, weightLbs: true },
			"weightLbs has to be a number",
		],
		[
			"an empty serialNumber",
			{ ...TOWER, serialNumber: "" },
			"serialNumber is empty",
		],
		["an empty title", { ...TOWER, title: "" }, "title is empty"],
		[
			"a blank serialNumber",
			{ ...TOWER, serialNumber: " \t" },
			"serialNumber is blank",
		],
		["a blank title", { ...TOWER, title: "\u00a0\u2003" }, "title is blank"],
		[
			"a long serialNumber",
			{ ...TOWER, serialNumber: "x".repeat(101) },
			"serialNumber has more than 100 characters",
		],
		[
			"a long title",
			{ ...TOWER, title: "x".repeat(201) },
			"title has more than 200 characters",
		],
		[
			"a null character in serialNumber",
			{ ...TOWER, serialNumber: "H\u000056" },
			"serialNumber has a null character",
		],
		[
			"a null character in title",
			{ ...TOWER, title: "\0" },
			"title has a null character",
		],
		[
			"half a surrogate pair in title",
			{ ...TOWER, title: "\ud83d" },
			"title is not well-formed Unicode",
		],
		[
			"a weightLbs of 0",
			{ ...TOWER, weightLbs: 0 },
			"weightLbs has to be above 0",
		],
		[
			"a weightLbs of -0",
			{ ...TOWER, weightLbs: -0 },
			"weightLbs has to be above 0",
		],
		[
			"a negative weightLbs",
			{ ...TOWER, weightLbs: -1 },
			"weightLbs has to be above 0",
		],
		[
			"a column that the client may not set",
			{ ...TOWER, quantity: 5 },
			"it has unknown fields: quantity",
		],
		[
			"unknown fields",
			{ ...TOWER, color: "red", size: 1 },
			"it has unknown fields: color, size",
		],
		[
			"a field in other case",
			{ ...TOWER, Title: "Tower" },
			"it has unknown fields: Title",
		],
		[
			"the name of a column",
			{ ...TOWER, serial_number: "H57" },
			"it has unknown fields: serial_number",
		],
		[
			"several faults",
			{ serialNumber: "", weightLbs: -1, x: 1 },
			"serialNumber is empty; title is missing; weightLbs has to be above 0; it has unknown fields: x",
		],
		[
			"nothing",
			{},
			"serialNumber is missing; title is missing; weightLbs is missing",
		],
	])("refuses %s, and says what is wrong", async (_, product, fault) => {
		const { response, origin } = await create(product);
		expect([await refusalInWords(response), origin.received]).toEqual([
			{
				status: 400,
				code: "body_invalid",
				message: `The request body is not valid: ${fault}`,
			},
			[],
		]);
	});

	it("refuses a number that is too large for a double, and says what is wrong", async () => {
		const { response, origin } = await call("/products", {
			method: "POST",
			body: '{"serialNumber":"H56","title":"Tower","weightLbs":1e999}',
			headers: { "Content-Type": "application/json" },
		});
		expect([await refusalInWords(response), origin.received]).toEqual([
			{
				status: 400,
				code: "body_invalid",
				message: "The request body is not valid: weightLbs has to be a number",
			},
			[],
		]);
	});
});

describe("GET /products/:productId", () => {
	it("selects the row", async () => {
		const { origin } = await call("/products/7", {});
		expect(asked(origin.only())).toEqual({
			method: "GET",
			path: "/products",
			query: `${SELECT}&id=eq.7`,
			accept: ONE,
			prefer: null,
			body: null,
		});
	});

	it("answers with the product", async () => {
		const { response } = await call("/products/7", {});
		expect([response.status, await response.json()]).toEqual([200, STORED]);
	});

	it("answers a caller without credentials, too", async () => {
		const { request } = startGateway({ answer: () => Response.json(STORED) });
		expect((await request("/products/7")).status).toBe(200);
	});

	it("does not pass the caller's headers on", async () => {
		const { origin } = await call("/products/7", {
			headers: {
				Prefer: "tx=rollback",
				Range: "0-0",
				"Accept-Profile": "auth",
			},
		});
		const { headers } = origin.only();
		expect([
			headers.get("prefer"),
			headers.get("range"),
			headers.get("accept-profile"),
		]).toEqual([null, null, null]);
	});

	it("does not pass the caller's query on", async () => {
		const { origin } = await call("/products/7?id=gt.0&select=*", {});
		expect(asked(origin.only()).query).toBe(`${SELECT}&id=eq.7`);
	});
});

describe("DELETE /products/:productId", () => {
	it("deletes the row and selects it", async () => {
		const { origin } = await call("/products/7", { method: "DELETE" });
		expect(asked(origin.only())).toEqual({
			method: "DELETE",
			path: "/products",
			query: `id=eq.7&${SELECT}`,
			accept: ONE,
			prefer: "return=representation",
			body: null,
		});
	});

	it("answers with the product as it was", async () => {
		const { response } = await call("/products/7", { method: "DELETE" });
		expect([response.status, await response.json()]).toEqual([200, STORED]);
	});
});

describe("PATCH /products/:productId/add-quantity", () => {
	const add = (change: unknown) =>
		call("/products/7/add-quantity", { method: "PATCH", json: change });

	it("calls the database function add_quantity", async () => {
		const { origin } = await add({ quantity: -3 });
		expect(asked(origin.only())).toEqual({
			method: "POST",
			path: "/rpc/add_quantity",
			query: SELECT,
			accept: ONE,
			prefer: "return=representation",
			body: { product_id: 7, quantity: -3 },
		});
	});

	it("answers with the product as it is now", async () => {
		const { response } = await add({ quantity: 1 });
		expect([response.status, await response.json()]).toEqual([200, STORED]);
	});

	it.each([0, 1, -1, 2_147_483_647, -2_147_483_647])(
		"accepts %i",
		async (quantity) => {
			const { origin } = await add({ quantity });
			expect(asked(origin.only()).body).toEqual({ product_id: 7, quantity });
		},
	);

	it.each<[string, unknown, string]>([
		["no quantity", {}, "quantity is missing"],
		["null", { quantity: null }, "quantity has to be a number"],
		["a string", { quantity: "1" }, "quantity has to be a number"],
		["a boolean", { quantity: true }, "quantity has to be a number"],
		["a list", { quantity: [1] }, "quantity has to be a number"],
		["a fraction", { quantity: 1.5 }, "quantity has to be a whole number"],
		["too much", { quantity: 2_147_483_648 }, "quantity is above 2147483647"],
		["far too much", { quantity: 1e20 }, "quantity is above 2147483647"],
		[
			"too little",
			{ quantity: -2_147_483_648 },
			"quantity is below -2147483647",
		],
		["far too little", { quantity: -1e300 }, "quantity is below -2147483647"],
		[
			"another field",
			{ quantity: 1, reason: "x" },
			"it has unknown fields: reason",
		],
	])("refuses %s, and says what is wrong", async (_, change, fault) => {
		const { response, origin } = await add(change);
		expect([await refusalInWords(response), origin.received]).toEqual([
			{
				status: 400,
				code: "body_invalid",
				message: `The request body is not valid: ${fault}`,
			},
			[],
		]);
	});
});

describe("the id of a product", () => {
	it.each(["1", "7", "999999999999999"])("may be %s", async (id) => {
		const { origin } = await call(`/products/${id}`, {});
		expect(origin.only().url.searchParams.get("id")).toBe(`eq.${id}`);
	});

	const BAD = [
		"0",
		"-1",
		"+1",
		"01",
		"1.5",
		"1e3",
		"0x1",
		"abc",
		"1000000000000000",
		"9".repeat(400),
		"%20",
		"1%20",
		"1%0A",
		"%00",
		"1,2",
		"eq.1",
		"1%2F2",
		"%E0%A4%A",
		"١",
		"null",
	];

	it.each(BAD)("may not be %s", async (id) => {
		const { response, origin } = await call(`/products/${id}`, {});
		expect([await refusalInWords(response), origin.received]).toEqual([
			{
				status: 400,
				code: "parameter_invalid",
				message:
					"The URL is not valid: productId has to be a positive whole number",
			},
			[],
		]);
	});

	it.each([
		["DELETE", "/products/abc", undefined],
		["PATCH", "/products/abc/add-quantity", { quantity: 1 }],
	])("is checked by %s %s", async (method, path, json) => {
		const { response, origin } = await call(path, {
			method,
			...(json === undefined ? {} : { json }),
		});
		expect([response.status, origin.received]).toEqual([400, []]);
	});

	it("may not be empty", async () => {
		const { response } = await call("/products//add-quantity", {
			method: "PATCH",
			json: { quantity: 1 },
		});
		expect(response.status).toBe(404);
	});
});
