import { describe, expect, it } from "vitest";
import { callerKeyOf } from "../../src/planner/caller-key.ts";
import { DependencySet } from "../../src/planner/dependencies.ts";
import { catalogOf, parsedCatalog, table } from "../support/catalog.ts";

const CLAIMS = {
	sub: "ada",
	app_metadata: { org_id: 1, roles: ["x"], "a/b~c": "odd" },
	list: ["a"],
	"https://example.test/x": "y",
};

function keyOf(
	reads: { claims?: string[]; headers?: string[]; cookies?: string[] },
	headers: Record<string, string> = {},
) {
	return callerKeyOf(
		{ role: "authenticated", claims: CLAIMS },
		{ claims: [], headers: [], cookies: [], ...reads },
		new Headers(headers),
		"postgrest",
	);
}

describe("a caller key has", () => {
	it.each<[string, unknown]>([
		["app_metadata/org_id", 1],
		["app_metadata/roles", ["x"]],
		["app_metadata/a~1b~0c", "odd"],
		["https:~1~1example.test~1x", "y"],
		["role", "authenticated"],
		["aud", "postgrest"],
	])("of the claim %s only its value", (path, value) => {
		expect(keyOf({ claims: [path] }).claims).toEqual({ [path]: value });
	});

	it.each([
		"app_metadata/none",
		"sub/length",
		"app_metadata/constructor",
		"none/x",
		"role/x",
	])("nothing of the claim %s, which is not there", (path) => {
		expect(keyOf({ claims: [path] }).claims).toEqual({});
	});

	it("the headers that are read, as the client sent them", () => {
		const headers = { "x-tenant": "T", "x-other": "o" };
		expect(
			keyOf({ headers: ["x-missing", "x-tenant"] }, headers).headers,
		).toEqual({ "x-tenant": "T" });
	});

	it("the parts of Cookie that may be about a cookie that is read, without the gateway's own", () => {
		const cookie = "a=1; session=x; postern-session=y; session =z; b=session";
		expect(keyOf({ cookies: ["session"] }, { cookie }).headers).toEqual({
			"cookie session": " session=x; session =z; b=session",
		});
	});
});

describe("an answer depends on a header", () => {
	const dependsOn = (header: string) => {
		const catalog = parsedCatalog(
			catalogOf({
				relations: [
					{ ...table("notes", { id: "integer" }), headers: [header] },
				],
			}),
		);
		const relation = catalog.relation("api", "notes");
		if (relation === undefined) throw new Error("there is no such relation");
		const dependencies = new DependencySet();
		dependencies.setRoot(relation, undefined);
		return dependencies.sum(catalog, 5_000);
	};

	it("that the client decides", () => {
		expect(dependsOn("x-tenant").callerReads.headers).toEqual(["x-tenant"]);
	});

	it.each([
		"authorization",
		"x-forwarded-for",
		"cf-ray",
		"accept-encoding",
		"host",
		"connection",
	])("that the origin does not get from the client: %s", (header) => {
		expect(() => dependsOn(header)).toThrow(
			`the origin gets another header ${header} than the client sent`,
		);
	});
});
