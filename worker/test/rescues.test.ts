// The rescue routes and /shared-data: the request to PostgREST, and the answer to the client.
import { describe, expect, it } from "vitest";
import {
	ADA_TOKEN,
	type RequestOptions,
	refusal,
	refusalInWords,
	startGateway,
} from "../../gateway/test/support/gateway.ts";
import {
	type Answer,
	asked,
	elsewhere,
	postgrestError,
} from "../../gateway/test/support/origin.ts";

const ID = "3fa85f64-5717-4562-b3fc-2c963f66afa6";
const REX = { name: "Rex", age: 3, species: "dog" };
const STORED = { id: ID, ...REX };
const SELECT = "select=id,name,age,species";
const ONE = "application/vnd.pgrst.object+json";

async function call(
	path: string,
	init: RequestOptions = {},
	answer: Answer = () => Response.json(STORED),
) {
	const { request, origin } = startGateway({ answer });
	const response = await request(path, { token: ADA_TOKEN, ...init });
	return { response, origin };
}

describe("POST /rescues", () => {
	const create = (rescue: unknown = REX) =>
		call("/rescues", { method: "POST", json: rescue }, () =>
			Response.json(STORED, { status: 201 }),
		);

	it("inserts a row and selects it", async () => {
		const { origin } = await create();
		expect(asked(origin.only())).toEqual({
			method: "POST",
			path: "/rescues",
			query: SELECT,
			accept: ONE,
			prefer: "return=representation",
			body: REX,
		});
	});

	it("answers 201 with the rescue and its address", async () => {
		const { response } = await create();
		expect([
			response.status,
			response.headers.get("location"),
			await response.json(),
		]).toEqual([201, `/rescues/${ID}`, STORED]);
	});

	it.each([
		["the youngest", { ...REX, age: 0 }],
		["the oldest", { ...REX, age: 150 }],
		[
			"the longest texts",
			{ ...REX, name: "x".repeat(100), species: "x".repeat(100) },
		],
		[
			"as many characters beyond the basic plane",
			{ ...REX, name: "🐕".repeat(100) },
		],
	])("passes %s on unchanged", async (_, rescue) => {
		const { origin } = await create(rescue);
		expect(asked(origin.only()).body).toEqual(rescue);
	});
});

const FAULTS: [string, unknown, string][] = [
	["no name", { ...REX, name: undefined }, "name is missing"],
	["no age", { ...REX, age: undefined }, "age is missing"],
	["no species", { ...REX, species: undefined }, "species is missing"],
	["null for name", { ...REX, name: null }, "name has to be a string"],
	["null for age", { ...REX, age: null }, "age has to be a number"],
	["null for species", { ...REX, species: null }, "species has to be a string"],
	["a number for name", { ...REX, name: 1 }, "name has to be a string"],
	["a string for age", { ...REX, age: "3" }, "age has to be a number"],
	["a list for species", { ...REX, species: [] }, "species has to be a string"],
	["an empty name", { ...REX, name: "" }, "name is empty"],
	["an empty species", { ...REX, species: "" }, "species is empty"],
	["a blank name", { ...REX, name: "\n" }, "name is blank"],
	["a blank species", { ...REX, species: "  " }, "species is blank"],
	[
		"a long name",
		{ ...REX, name: "x".repeat(101) },
		"name has more than 100 characters",
	],
	[
		"a long species",
		{ ...REX, species: "x".repeat(101) },
		"species has more than 100 characters",
	],
	[
		"a null character in name",
		{ ...REX, name: "R\0x" },
		"name has a null character",
	],
	[
		"a null character in species",
		{ ...REX, species: "d\0g" },
		"species has a null character",
	],
	[
		"half a surrogate pair in name",
		{ ...REX, name: "\udc15" },
		"name is not well-formed Unicode",
	],
	["an age below 0", { ...REX, age: -1 }, "age is below 0"],
	["an age above 150", { ...REX, age: 151 }, "age is above 150"],
	["an age far above 150", { ...REX, age: 1e20 }, "age is above 150"],
	[
		"a fraction of a year",
		{ ...REX, age: 2.5 },
		"age has to be a whole number",
	],
	[
		"a field of the database's",
		{ ...REX, id: ID },
		"it has unknown fields: id",
	],
	[
		"several faults",
		{ age: -1, name: "", id: ID },
		"name is empty; age is below 0; species is missing; it has unknown fields: id",
	],
	["nothing", {}, "name is missing; age is missing; species is missing"],
];

describe.each([
	["POST", "/rescues"],
	["PUT", `/rescues/${ID}`],
])("%s %s", (method, path) => {
	it.each(FAULTS)("refuses %s, and names it", async (_, json, fault) => {
		const { response, origin } = await call(path, { method, json });
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

describe("GET /rescues", () => {
	const all = (answer: Answer = () => Response.json([STORED])) =>
		call("/rescues", {}, answer);

	it("selects the rows ordered by name, then by id", async () => {
		const { origin } = await all();
		expect(asked(origin.only())).toEqual({
			method: "GET",
			path: "/rescues",
			query: `${SELECT}&order=name.asc,id.asc`,
			accept: null,
			prefer: null,
			body: null,
		});
	});

	it("answers with the rescues", async () => {
		const { response } = await all();
		expect([response.status, await response.json()]).toEqual([200, [STORED]]);
	});

	it("answers with an empty list if there is no rescue", async () => {
		const { response } = await all(() => Response.json([]));
		expect([response.status, await response.json()]).toEqual([200, []]);
	});
});

describe("GET /rescues/:id", () => {
	it("selects the row", async () => {
		const { origin } = await call(`/rescues/${ID}`);
		expect(asked(origin.only())).toEqual({
			method: "GET",
			path: "/rescues",
			query: `${SELECT}&id=eq.${ID}`,
			accept: ONE,
			prefer: null,
			body: null,
		});
	});

	it("answers with the rescue", async () => {
		const { response } = await call(`/rescues/${ID}`);
		expect([response.status, await response.json()]).toEqual([200, STORED]);
	});
});

describe("PUT /rescues/:id", () => {
	const replace = () => call(`/rescues/${ID}`, { method: "PUT", json: REX });

	it("updates the row and selects it", async () => {
		const { origin } = await replace();
		expect(asked(origin.only())).toEqual({
			method: "PATCH",
			path: "/rescues",
			query: `id=eq.${ID}&${SELECT}`,
			accept: ONE,
			prefer: "return=representation",
			body: REX,
		});
	});

	it("answers with the rescue as it is now", async () => {
		const { response } = await replace();
		expect([response.status, await response.json()]).toEqual([200, STORED]);
	});

	it("answers 404 if there is no such rescue, and creates none", async () => {
		const { response } = await call(
			`/rescues/${ID}`,
			{ method: "PUT", json: REX },
			postgrestError(406, "PGRST116"),
		);
		expect(await refusal(response)).toEqual({ status: 404, code: "not_found" });
	});
});

describe("DELETE /rescues/:id", () => {
	const remove = (answer: Answer = () => Response.json({ id: ID })) =>
		call(`/rescues/${ID}`, { method: "DELETE" }, answer);

	it("deletes the row and selects its id", async () => {
		const { origin } = await remove();
		expect(asked(origin.only())).toEqual({
			method: "DELETE",
			path: "/rescues",
			query: `id=eq.${ID}&select=id`,
			accept: ONE,
			prefer: "return=representation",
			body: null,
		});
	});

	it("answers 204 without a body", async () => {
		const { response } = await remove();
		expect([
			response.status,
			response.body,
			response.headers.get("content-type"),
		]).toEqual([204, null, null]);
	});

	it("answers 404 if there was no such rescue", async () => {
		const { response } = await remove(postgrestError(406, "PGRST116"));
		expect(await refusal(response)).toEqual({ status: 404, code: "not_found" });
	});

	it("does not answer 204 if another server than PostgREST answered", async () => {
		const { response } = await remove(() => elsewhere(null, { status: 404 }));
		expect(await refusal(response)).toEqual({
			status: 503,
			code: "origin_unreachable",
		});
	});
});

describe("the id of a rescue", () => {
	it("may be in upper case", async () => {
		const { origin } = await call(`/rescues/${ID.toUpperCase()}`);
		expect(origin.only().url.searchParams.get("id")).toBe(
			`eq.${ID.toUpperCase()}`,
		);
	});

	it.each([
		"0",
		"-1",
		"1.5",
		"abc",
		"9".repeat(400),
		"%20",
		"%00",
		ID.slice(1),
		`${ID}0`,
		`{${ID}}`,
		ID.replaceAll("-", ""),
		ID.replace("3fa85f64", "zfa85f64"),
		`${ID}%0A`,
		`${ID},${ID}`,
		"null",
	])("may not be %s", async (id) => {
		const { response, origin } = await call(`/rescues/${id}`);
		expect([await refusalInWords(response), origin.received]).toEqual([
			{
				status: 400,
				code: "parameter_invalid",
				message: "The URL is not valid: id has to be a UUID",
			},
			[],
		]);
	});

	it.each([
		["DELETE", undefined],
		["PUT", REX],
	])("is checked by %s", async (method, json) => {
		const { response, origin } = await call("/rescues/abc", {
			method,
			...(json === undefined ? {} : { json }),
		});
		expect([response.status, origin.received]).toEqual([400, []]);
	});
});

describe("GET /shared-data", () => {
	const COUNTS = [
		{ species: "cat", rescues: 2 },
		{ species: "dog", rescues: 5 },
	];
	const shared = (rows: unknown = COUNTS) =>
		call("/shared-data", {}, () => Response.json(rows));

	it("selects the counts by species", async () => {
		const { origin } = await shared();
		expect(asked(origin.only())).toEqual({
			method: "GET",
			path: "/rescue_counts",
			query: "select=species,rescues:count&order=species.asc",
			accept: null,
			prefer: null,
			body: null,
		});
	});

	it("answers with the counts and their sum", async () => {
		const { response } = await shared();
		expect([response.status, await response.json()]).toEqual([
			200,
			{ rescues: 7, species: COUNTS },
		]);
	});

	it("answers with 0 if there is no rescue", async () => {
		const { response } = await shared([]);
		expect(await response.json()).toEqual({ rescues: 0, species: [] });
	});

	it("answers a caller without credentials, too", async () => {
		const { request } = startGateway();
		expect((await request("/shared-data")).status).toBe(200);
	});
});
