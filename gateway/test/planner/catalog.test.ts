// The catalog as the planner looks it up, and what it takes for one.
import { describe, expect, it } from "vitest";
import { parseCatalog } from "../../src/planner/catalog.ts";
import {
	CINEMA,
	catalogOf,
	cinema,
	foreignKey,
	routine,
	table,
	view,
} from "../support/catalog.ts";

describe("a catalog", () => {
	it.each([
		["nothing", null],
		["text", "catalog"],
		["an object of something else", { relations: [] }],
		["one without a version", { ...CINEMA, version: undefined }],
		[
			"one with a kind of relation that is not known",
			catalogOf({ relations: [view("films", {}, { kind: "sequence" })] }),
		],
		[
			"one with a volatility that is not known",
			catalogOf({ functions: [routine("f", { volatility: "leakproof" })] }),
		],
	])("is not %s", (_, json) => {
		expect(() => parseCatalog(json)).toThrow();
	});

	it("is one with more in it than is known", () => {
		expect(parseCatalog({ ...CINEMA, later: true }).version).toBe("1");
	});
});

describe("what the catalog says", () => {
	it("of a relation is found by its schema and name, and nothing by another's", () => {
		expect(cinema.relation("api", "films")?.columns.get("year")).toBe(
			"integer",
		);
		expect(cinema.relation("other", "films")).toBeUndefined();
		expect(cinema.relation("api", "constructor")).toBeUndefined();
		expect(cinema.relation("api.films", "")).toBeUndefined();
	});

	it("of a relation is found by the name that it has in tags", () => {
		expect(cinema.relationNamed('api."odd, (names)"')?.name).toBe(
			"odd, (names)",
		);
	});

	it("of functions is found together for those that share a name", () => {
		expect(cinema.routines("api", "twofold")).toHaveLength(2);
		expect(cinema.routines("api", "nothing")).toEqual([]);
	});

	it("of roles includes themselves", () => {
		expect([...(cinema.memberships("editor") ?? [])]).toEqual([
			"editor",
			"authenticated",
		]);
		expect(cinema.memberships("stranger")).toBeUndefined();
	});

	it("of the maximum staleness are seconds, null where none is set, or undefined where the tag is unknown", () => {
		expect(cinema.maxStalenessOf("api.studios")).toBe(60);
		expect(cinema.maxStalenessOf("api.films")).toBeNull();
		expect(cinema.maxStalenessOf("hidden.ledger")).toBeUndefined();
	});

	it("of media types may be missing, and is in lower case", () => {
		expect(cinema.mediaTypes.size).toBe(0);
		const { mediaTypes } = parseCatalog(
			catalogOf({ mediaTypes: ["Image/PNG"] }),
		);
		expect([...mediaTypes]).toEqual(["image/png"]);
	});
});

it("knows the function of a row in the relation's own schema, whichever of two the database names", () => {
	const functions = ["api", "other"].map((schema) =>
		routine("headline", {
			schema,
			arguments: { film: "api.films" },
			reads: [`${schema}.secrets`],
		}),
	);
	for (const signature of [
		"api.headline(api.films)",
		"other.headline(api.films)",
	]) {
		const catalog = parseCatalog(
			catalogOf({
				functions,
				relations: [table("films", {}, { computed: { headline: signature } })],
			}),
		);
		const films = catalog.relation("api", "films");
		expect(films?.computed.get("headline")?.reads).toEqual(["api.secrets"]);
	}
});

it("cannot tell what materialized views are related to, and views of them or of what has no keys", () => {
	const catalog = parseCatalog(
		catalogOf({
			relations: [
				table("films", {}),
				view(
					"m",
					{},
					{ kind: "materialized view", tag: "api.m", reads: ["api.m"] },
				),
				view("of_films", {}, { reads: ["api.films"] }),
				view("of_m", {}, { reads: ["api.films", "api.m"] }),
				view("of_hidden", {}, { reads: ["hidden.a"] }),
				view("of_keyless", {}, { reads: ["hidden.keyless"] }),
			],
			foreignKeys: [foreignKey("key", "hidden.a:b", "hidden.c:id")],
		}),
	);
	expect([...catalog.opaque].map(({ name }) => name)).toEqual([
		"m",
		"of_m",
		"of_keyless",
	]);
});
