// The rescue routes and /shared-data: what PostgREST is asked, and what the client gets of its answer.
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
	postgrestError,
} from "../../gateway/test/support/origin.ts";
import { rescues, sharedData } from "../src/routes/rescues.ts";

const application = {
	routes: { "/rescues": rescues, "/shared-data": sharedData },
};

const REX = { name: "Rex", age: 3, species: "dog" };
const STORED = { id: 7, ...REX };
const SELECT = "select=id,name,age,species";
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

describe("POST /rescues", () => {
	it.each([
		["that the client chose", { id: 7, ...REX }],
		["that the database chooses", REX],
	])("inserts a row with an id %s", async (_, json) => {
		const { response, origin } = await call("/rescues", {
			method: "POST",
			json,
		});
		expect(asked(origin.only())).toEqual({
			method: "POST",
			path: "/rescues",
			query: SELECT,
			accept: ONE,
			prefer: "return=representation",
			body: json,
		});
		expect([
			response.status,
			response.headers.get("location"),
			await response.json(),
		]).toEqual([201, "/rescues/7", STORED]);
	});

	it("names the id where it is taken", async () => {
		const { response } = await call(
			"/rescues",
			{ method: "POST", json: { id: 7, ...REX } },
			postgrestError(409, "23505", {
				message:
					'duplicate key value violates unique constraint "id_is_unique"',
			}),
		);
		expect(await refusalInWords(response)).toEqual({
			status: 409,
			code: "not_unique",
			message: "The value is already taken: id",
		});
	});

	it.each([
		[0, "id is below 1"],
		[1e15, "id is above 999999999999999"],
		[1.5, "id has to be a whole number"],
		["7", "id has to be a number"],
		[null, "id has to be a number"],
	])("refuses the id %j", async (id, fault) => {
		const { response } = await call("/rescues", {
			method: "POST",
			json: { id, ...REX },
		});
		expect((await refusalInWords(response)).message).toBe(
			`The request body is not valid: ${fault}`,
		);
	});
});

describe("GET /rescues", () => {
	it("selects the rows by name, and by id where names are the same", async () => {
		const { response, origin } = await call("/rescues", {}, () =>
			Response.json([STORED]),
		);
		expect(asked(origin.only())).toMatchObject({
			method: "GET",
			path: "/rescues",
			query: `${SELECT}&order=name.asc,id.asc`,
		});
		expect([response.status, await response.json()]).toEqual([200, [STORED]]);
	});
});

describe("GET /rescues/:id", () => {
	it("selects the row", async () => {
		const { response, origin } = await call("/rescues/7");
		expect(asked(origin.only())).toMatchObject({
			method: "GET",
			path: "/rescues",
			query: `${SELECT}&id=eq.7`,
			accept: ONE,
		});
		expect([response.status, await response.json()]).toEqual([200, STORED]);
	});
});

describe("PUT /rescues/:id", () => {
	it("updates the row", async () => {
		const { response, origin } = await call("/rescues/7", {
			method: "PUT",
			json: REX,
		});
		expect(asked(origin.only())).toEqual({
			method: "PATCH",
			path: "/rescues",
			query: `id=eq.7&${SELECT}`,
			accept: ONE,
			prefer: "return=representation",
			body: REX,
		});
		expect([response.status, await response.json()]).toEqual([200, STORED]);
	});

	it("creates none where there is none", async () => {
		const { response } = await call(
			"/rescues/7",
			{ method: "PUT", json: REX },
			postgrestError(406, "PGRST116"),
		);
		expect(await refusal(response)).toEqual({ status: 404, code: "not_found" });
	});

	it.each([
		[{}, "name is missing; age is missing; species is missing"],
		[{ ...REX, age: -1 }, "age is below 0"],
		[{ ...REX, age: 151 }, "age is above 150"],
		[{ ...REX, age: 2.5 }, "age has to be a whole number"],
		[{ ...REX, name: "x".repeat(101) }, "name has more than 100 characters"],
		[
			{ ...REX, species: "x".repeat(101) },
			"species has more than 100 characters",
		],
		[STORED, "it has unknown fields: id"],
	])("refuses %j", async (json, fault) => {
		const { response } = await call("/rescues/7", { method: "PUT", json });
		expect((await refusalInWords(response)).message).toBe(
			`The request body is not valid: ${fault}`,
		);
	});
});

describe("DELETE /rescues/:id", () => {
	const remove = (answer: Answer) =>
		call("/rescues/7", { method: "DELETE" }, answer);

	it("deletes the row, and answers 204 without a body", async () => {
		const { response, origin } = await remove(() => Response.json({ id: 7 }));
		expect(asked(origin.only())).toMatchObject({
			method: "DELETE",
			path: "/rescues",
			query: "id=eq.7&select=id",
			accept: ONE,
		});
		expect([response.status, response.body]).toEqual([204, null]);
	});

	it("does not claim to have deleted what was not there", async () => {
		const { response } = await remove(postgrestError(406, "PGRST116"));
		expect(await refusal(response)).toEqual({ status: 404, code: "not_found" });
	});
});

describe("GET /shared-data", () => {
	it("answers with the counts by species, and their sum", async () => {
		const counts = [
			{ species: "cat", rescues: 2 },
			{ species: "dog", rescues: 5 },
		];
		const { response, origin } = await call("/shared-data", {}, () =>
			Response.json(counts),
		);
		expect(asked(origin.only())).toMatchObject({
			method: "GET",
			path: "/rescue_counts",
			query: "select=species,rescues:count&order=species.asc",
		});
		expect(await response.json()).toEqual({ rescues: 7, species: counts });
	});
});
