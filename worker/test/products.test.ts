// The product routes: what PostgREST is asked, and what the client gets of its answer.
import { describe, expect, it } from "vitest";
import { claimingOrigin } from "../../gateway/test/idempotency/claiming-origin.ts";
import {
	catalogOf,
	routine,
	table,
} from "../../gateway/test/support/catalog.ts";
import {
	ADA_TOKEN,
	type RequestOptions,
	refusalInWords,
	startGateway,
} from "../../gateway/test/support/gateway.ts";
import { cursorAt, startFeed } from "../../gateway/test/support/memory-feed.ts";
import {
	type Answer,
	asked,
	postgrestError,
} from "../../gateway/test/support/origin.ts";
import { NOW } from "../../gateway/test/support/tokens.ts";
import { constraints, ownRefusals } from "../src/refusals.ts";
import { products } from "../src/routes/products.ts";

const application = {
	routes: { "/products": products },
	refusals: ownRefusals,
	constraints,
};

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
	init: RequestOptions = {},
	answer: Answer = () => Response.json(STORED),
) {
	const { request, origin } = startGateway({ application, answer });
	const response = await request(path, { token: ADA_TOKEN, ...init });
	return { response, origin };
}

describe("POST /products", () => {
	it("inserts a row, and answers 201 with its id and address", async () => {
		const { response, origin } = await call(
			"/products",
			{ method: "POST", json: TOWER },
			() => Response.json({ productId: 7 }, { status: 201 }),
		);
		expect(asked(origin.only())).toEqual({
			method: "POST",
			path: "/products",
			query: "select=productId:id",
			accept: ONE,
			prefer: "return=representation",
			body: { serial_number: "H56", title: "Tower", weight_lbs: 2_400.5 },
		});
		expect([
			response.status,
			response.headers.get("location"),
			await response.json(),
		]).toEqual([201, "/products/7", { productId: 7 }]);
	});

	it.each([
		[{}, "serialNumber is missing; title is missing; weightLbs is missing"],
		[{ ...TOWER, weightLbs: -1 }, "weightLbs has to be above 0"],
		[
			{ ...TOWER, serialNumber: "x".repeat(101) },
			"serialNumber has more than 100 characters",
		],
		[
			{ ...TOWER, title: "x".repeat(201) },
			"title has more than 200 characters",
		],
		[{ ...TOWER, quantity: 5 }, "it has unknown fields: quantity"],
		[
			{ ...TOWER, serial_number: "H57" },
			"it has unknown fields: serial_number",
		],
	])("refuses %j", async (json, fault) => {
		const { response } = await call("/products", { method: "POST", json });
		expect(await refusalInWords(response)).toEqual({
			status: 400,
			code: "body_invalid",
			message: `The request body is not valid: ${fault}`,
		});
	});
});

describe("GET /products/:productId", () => {
	it("selects the row", async () => {
		const { response, origin } = await call("/products/7");
		expect(asked(origin.only())).toEqual({
			method: "GET",
			path: "/products",
			query: `${SELECT}&id=eq.7`,
			accept: ONE,
			prefer: null,
			body: null,
		});
		expect([response.status, await response.json()]).toEqual([200, STORED]);
	});

	it("passes neither the caller's headers nor its query on", async () => {
		const { origin } = await call("/products/7?id=gt.0&select=*", {
			headers: {
				Prefer: "tx=rollback",
				Range: "0-0",
				"Accept-Profile": "auth",
			},
		});
		const received = origin.only();
		expect([
			asked(received).query,
			received.headers.get("prefer"),
			received.headers.get("range"),
			received.headers.get("accept-profile"),
		]).toEqual([`${SELECT}&id=eq.7`, null, null, null]);
	});
});

describe("DELETE /products/:productId", () => {
	it("deletes the row, and answers with the product as it was", async () => {
		const { response, origin } = await call("/products/7", {
			method: "DELETE",
		});
		expect(asked(origin.only())).toEqual({
			method: "DELETE",
			path: "/products",
			query: `id=eq.7&${SELECT}`,
			accept: ONE,
			prefer: "return=representation",
			body: null,
		});
		expect([response.status, await response.json()]).toEqual([200, STORED]);
	});
});

describe("PATCH /products/:productId/add-quantity", () => {
	const add = (json: unknown, answer?: Answer) =>
		call("/products/7/add-quantity", { method: "PATCH", json }, answer);

	it("calls the function of the database, and answers with the product", async () => {
		const { response, origin } = await add({ quantity: -3 });
		expect(asked(origin.only())).toEqual({
			method: "POST",
			path: "/rpc/add_quantity",
			query: SELECT,
			accept: ONE,
			prefer: "return=representation",
			body: { product_id: 7, quantity: -3 },
		});
		expect([response.status, await response.json()]).toEqual([200, STORED]);
	});

	it("refuses a quantity that would fall below zero", async () => {
		const { response } = await add(
			{ quantity: -3 },
			postgrestError(400, "23514", {
				message:
					'new row for relation "products" violates check constraint "quantity_is_not_negative"',
			}),
		);
		expect(await refusalInWords(response)).toEqual({
			status: 409,
			code: "quantity_below_zero",
			message: "The quantity would fall below zero; nothing was changed",
		});
	});

	it.each([
		[{}, "quantity is missing"],
		[{ quantity: "1" }, "quantity has to be a number"],
		[{ quantity: 1.5 }, "quantity has to be a whole number"],
		[{ quantity: 2_147_483_648 }, "quantity is above 2147483647"],
		[{ quantity: -2_147_483_648 }, "quantity is below -2147483647"],
	])("refuses %j", async (json, fault) => {
		const { response, origin } = await add(json);
		expect([(await refusalInWords(response)).message, origin.received]).toEqual(
			[`The request body is not valid: ${fault}`, []],
		);
	});
});

describe("the id of a product", () => {
	it.each([
		["GET", "/products/abc", undefined],
		["DELETE", "/products/abc", undefined],
		["PATCH", "/products/abc/add-quantity", { quantity: 1 }],
	])("is checked by %s %s", async (method, path, json) => {
		const { response, origin } = await call(path, {
			method,
			...(json === undefined ? {} : { json }),
		});
		expect([response.status, origin.received]).toEqual([400, []]);
	});
});

describe("a product's ETag", () => {
	const catalog = catalogOf({
		relations: [
			table("products", {
				...{ id: "integer", serial_number: "text", title: "text" },
				...{ weight_lbs: "double precision", quantity: "integer" },
				created_at: "timestamp with time zone",
				updated_at: "timestamp with time zone",
			}),
		],
		functions: [routine("add_quantity", { volatility: "volatile" })],
	});

	function start(given: unknown = STORED) {
		const feed = startFeed({ now: () => NOW, catalog });
		const database = claimingOrigin({
			write: () =>
				Response.json(given, { headers: { "content-profile": "api" } }),
		});
		const { request } = startGateway({
			application,
			answer: database.answer,
			feed,
		});
		return {
			database,
			feed,
			ask: (
				headers = {},
				method = "GET",
				path = "/products/7",
				json?: object,
			) =>
				request(path, {
					...{ method, headers, token: ADA_TOKEN },
					...(json && { json }),
				}),
		};
	}

	it("is answered 304 while the answer is the same, with CORS", async () => {
		const { ask } = start();
		const etag = (await ask()).headers.get("etag") ?? "";
		expect(etag).toMatch(/^"[\w-]{27}\.0\.epoch1"$/);
		const again = await ask({ "If-None-Match": etag });
		expect([
			again.status,
			await again.text(),
			again.headers.get("etag"),
			again.headers.get("access-control-allow-origin"),
			again.headers.get("cache-control"),
		]).toEqual([304, "", etag, "*", "private, no-cache"]);
		const other = await start({ ...STORED, quantity: 1 }).ask();
		expect(other.headers.get("etag")).not.toBe(etag);
	});

	it("is the condition of a DELETE, which the database checks", async () => {
		const { ask, database, feed } = start();
		const { headers } = await ask();
		const condition = { "If-Match": headers.get("etag") ?? "" };
		await ask(condition, "DELETE");
		feed.commit("api.products(7)");
		await ask({ "Postern-Token": "0" });
		await ask(condition, "DELETE");
		const told = database.written
			.filter(({ method }) => method === "DELETE")
			.map(({ headers }) => JSON.parse(headers.get("postern-match") ?? "null"));
		const row = { relation: ["api", "products"], columns: ["id"], key: ["7"] };
		expect(told).toEqual([
			{ ...row, since: cursorAt(0) },
			{ ...row, since: null },
		]);
	});

	it("is no condition of a call of a function, which is refused", async () => {
		const { ask, database } = start();
		const path = "/products/7/add-quantity";
		const refused = await ask({ "If-Match": "*" }, "PATCH", path, {
			quantity: 1,
		});
		expect(await refusalInWords(refused)).toMatchObject({
			status: 400,
			code: "precondition_unsupported",
		});
		expect(database.written).toEqual([]);
	});
});
