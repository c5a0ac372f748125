// The inventory over HTTP on the whole stack: concurrent changes lose nothing, and bad input changes nothing.
import { request } from "node:http";
import { text as readText } from "node:stream/consumers";
import { Client } from "pg";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { call, callerToken, stack } from "../support/client.ts";

const database = new Client({ connectionString: stack.databaseUrl });
let token: string;
let serials = 0;

beforeAll(async () => {
	await database.connect();
	token = await callerToken({ sub: "ada" });
});

afterAll(() => database.end());

describe("concurrent add-quantity", () => {
	it("loses none of 200 changes and never falls below zero", async () => {
		const product = await createProduct();
		const changes = Array.from({ length: 200 }, (_, index) =>
			index % 2 === 0 ? 1 : -1,
		);
		const answers = await Promise.all(
			changes.map(async (change) => {
				const response = await add(product, change);
				return {
					change,
					status: response.status,
					...(await answerOf(response)),
				};
			}),
		);
		const done = answers.filter(({ status }) => status === 200);
		const refused = answers.filter(({ status }) => status !== 200);
		// Every change was either done or refused because the quantity would fall below zero.
		expect(new Set(refused.map(({ code }) => code))).toEqual(
			new Set(refused.length > 0 ? ["quantity_below_zero"] : []),
		);
		expect(refused.every(({ change }) => change === -1)).toBe(true);
		expect(done.every(({ quantity }) => quantity >= 0)).toBe(true);
		expect(await quantityOf(product)).toBe(
			done.reduce((sum, { change }) => sum + change, 0),
		);
	});

	it("does every one of 200 changes that the stock covers", async () => {
		const product = await createProduct();
		await add(product, 100);
		const changes = Array.from({ length: 200 }, (_, index) =>
			index % 2 === 0 ? 1 : -1,
		);
		const statuses = await Promise.all(
			changes.map(async (change) => (await add(product, change)).status),
		);
		expect(new Set(statuses)).toEqual(new Set([200]));
		expect(await quantityOf(product)).toBe(100);
	});
});

describe("a rescue", () => {
	const REX = { name: "Rex", age: 3, species: "dog" };
	const add = (rescue: object) => call("/rescues", { token, json: rescue });

	it("has an id that the database chooses, and is found at its Location", async () => {
		const created = await add(REX);
		const rescue = (await created.json()) as { id: number };
		const location = created.headers.get("location");
		expect([created.status, rescue, location]).toEqual([
			201,
			{ id: expect.any(Number), ...REX },
			`/rescues/${rescue.id}`,
		]);
		for (const path of [location, `${location}/`]) {
			expect(await (await call(String(path))).json()).toEqual(rescue);
		}
	});

	it("has the id that its client chose, which the database then gives to no other", async () => {
		const { id } = (await (await add(REX)).json()) as { id: number };
		const chosen = await add({ id: id + 1, ...REX });
		expect([chosen.status, await chosen.json()]).toEqual([
			201,
			{ id: id + 1, ...REX },
		]);
		const given = await add(REX);
		expect(given.status).toBe(201);
		expect(await given.json()).not.toMatchObject({ id: id + 1 });
	});

	it("cannot have an id that is taken", async () => {
		const { id } = (await (await add(REX)).json()) as { id: number };
		const response = await add({ id, ...REX });
		expect([response.status, await answerOf(response)]).toMatchObject([
			409,
			{ code: "not_unique", message: "The value is already taken: id" },
		]);
	});

	it.each([
		["GET", undefined],
		["PUT", REX],
		["DELETE", undefined],
	])(
		"is not found under an id that does not exist by %s",
		async (method, json) => {
			const response = await call("/rescues/99999999", {
				method,
				token,
				...(json === undefined ? {} : { json }),
			});
			expect(response.status).toBe(404);
		},
	);
});

describe("users", () => {
	it("are found by the number of their followers", async () => {
		const response = await call(
			"/rest/v1/users?select=fullname,followers&followers=gte.100&order=followers.desc",
		);
		expect(await response.json()).toEqual([
			{ fullname: "Margaret Hamilton", followers: 125 },
			{ fullname: "Radia Perlman", followers: 110 },
		]);
	});
});

describe("bad input", () => {
	const valid = { serialNumber: "S", title: "T", weightLbs: 1 };
	const cases: [string, () => Promise<Response>, number, RegExp][] = [
		["malformed JSON", () => post("/products", "{"), 400, /not JSON/],
		["an empty body", () => post("/products", ""), 400, /empty/],
		["an array", () => post("/products", "[]"), 400, /object/],
		[
			"a number for a text",
			() => post("/products", JSON.stringify({ ...valid, title: 1 })),
			400,
			/title has to be a string/,
		],
		[
			"a text for a number",
			() => post("/products", JSON.stringify({ ...valid, weightLbs: "1" })),
			400,
			/weightLbs has to be a number/,
		],
		[
			"a negative weight",
			() => post("/products", JSON.stringify({ ...valid, weightLbs: -1 })),
			400,
			/weightLbs has to be above 0/,
		],
		[
			"a missing field",
			() => post("/products", JSON.stringify({ title: "T", weightLbs: 1 })),
			400,
			/serialNumber is missing/,
		],
		[
			"a quantity for a new product",
			() => post("/products", JSON.stringify({ ...valid, quantity: 5 })),
			400,
			/quantity/,
		],
		[
			"another media type",
			() => post("/products", "a=1", "application/x-www-form-urlencoded"),
			415,
			/Content-Type/,
		],
		["an unknown route", () => post("/produce", "{}"), 404, /route/],
		[
			"a wrong method",
			() => call("/products/1", { method: "PUT", token }),
			405,
			/method/,
		],
		["an id that is no number", () => call("/products/abc"), 400, /productId/],
		[
			"an id of a rescue that is no number",
			() => call("/rescues/x"),
			400,
			/id/,
		],
		["an id of nothing", () => call("/products/999999999"), 404, /id/],
	];

	it.each(cases)(
		"refuses %s, says why, and changes nothing",
		async (_, send, status, reason) => {
			const before = await contents();
			const response = await send();
			expect(response.status).toBe(status);
			expect(await response.json()).toEqual({
				code: expect.stringMatching(/^[a-z_]+$/),
				message: expect.stringMatching(reason),
				details: null,
				hint: null,
			});
			expect(await contents()).toEqual(before);
		},
	);

	it("with a Content-Length of 10 MB is refused before the body is sent, and changes nothing", async () => {
		const before = await contents();
		const { status, code } = await beginToSend(10_000_000);
		expect({ status, code }).toEqual({ status: 413, code: "body_too_large" });
		expect(await contents()).toEqual(before);
	});

	it("with a wrong type or a fraction as a quantity is refused, and changes nothing", async () => {
		const product = await createProduct();
		for (const quantity of ["1", 1.5, null, [], 3e9]) {
			const response = await call(`/products/${product}/add-quantity`, {
				method: "PATCH",
				token,
				json: { quantity },
			});
			expect(response.status).toBe(400);
			expect((await answerOf(response)).message).toContain("quantity");
		}
		expect(await quantityOf(product)).toBe(0);
	});

	it("without credentials is refused, and changes nothing", async () => {
		const before = await contents();
		const response = await call("/products", { json: { ...valid } });
		expect(response.status).toBe(401);
		expect(response.headers.get("www-authenticate")).toBe("Bearer");
		expect(await contents()).toEqual(before);
	});
});

async function createProduct(): Promise<number> {
	serials += 1;
	const serialNumber = `T-${Date.now()}-${serials}`;
	const response = await call("/products", {
		token,
		json: { serialNumber, title: "Tested", weightLbs: 1 },
	});
	return (await answerOf(response)).productId;
}

/** The answer of the routes: a product or an error. */
interface Answer {
	productId: number;
	quantity: number;
	code?: string;
	message?: string;
}

async function answerOf(response: Response): Promise<Answer> {
	return (await response.json()) as Answer;
}

function add(product: number, quantity: number): Promise<Response> {
	return call(`/products/${product}/add-quantity`, {
		method: "PATCH",
		token,
		json: { quantity },
	});
}

function post(
	path: string,
	body: string,
	type = "application/json",
): Promise<Response> {
	return call(path, {
		method: "POST",
		token,
		body,
		headers: { "content-type": type },
	});
}

/**
 * Announces a product of so many bytes and sends the first of them: a server that has read the announcement can answer.
 * The proxy of `wrangler dev` passes an answer on only when all has been sent, so after a second the rest follows.
 */
function beginToSend(bytes: number): Promise<{ status: number; code: string }> {
	const body = `{"title":"${"x".repeat(bytes - 12)}"}`;
	return new Promise((resolve, reject) => {
		const outgoing = request(`${stack.gatewayUrl}/products`, {
			method: "POST",
			headers: {
				authorization: `Bearer ${token}`,
				"content-type": "application/json",
				"content-length": body.length,
			},
		});
		const rest = setTimeout(() => outgoing.end(body.slice(1_000)), 1_000);
		outgoing.on("error", reject);
		outgoing.on("response", async (incoming) => {
			clearTimeout(rest);
			const { code } = JSON.parse(await readText(incoming));
			resolve({ status: incoming.statusCode ?? 0, code });
			outgoing.destroy();
		});
		outgoing.write(body.slice(0, 1_000));
	});
}

async function quantityOf(product: number): Promise<number> {
	const { rows } = await database.query(
		"select quantity from api.products where id = $1",
		[product],
	);
	return rows[0].quantity;
}

/** All rows that the routes could have changed. */
async function contents(): Promise<unknown> {
	const products = await database.query(
		"select * from api.products order by id",
	);
	const rescues = await database.query("select * from api.rescues order by id");
	return [products.rows, rescues.rows];
}
