// How the planner parses the catalog and looks things up in it.
import { describe, expect, it } from "vitest";
import { catalogParts } from "../../src/feed/catalog-parts.ts";
import { parseCatalog } from "../../src/planner/catalog.ts";
import {
	CINEMA,
	catalogOf,
	cinema,
	foreignKey,
	parsedCatalog,
	routine,
	table,
	view,
} from "../support/catalog.ts";

describe("a catalog", () => {
	it.each([
		["nothing", null],
		["text", "catalog"],
		["an object of something else", { relations: [] }],
		["one without relations", { ...CINEMA, relations: undefined }],
		[
			"one with a kind of relation that is not known",
			catalogOf({ relations: [view("films", {}, { kind: "sequence" })] }),
		],
		[
			"one with a volatility that is not known",
			catalogOf({ functions: [routine("f", { volatility: "leakproof" })] }),
		],
	])("is not %s", (_, json) => {
		expect(() => parsedCatalog(json)).toThrow();
	});

	it.each<[place: string, parts: Parameters<typeof catalogOf>[0]]>([
		[
			".relations[1].columns[0].type",
			{
				relations: [
					table("films", { id: "integer" }),
					{ ...table("films", {}), columns: [{ name: "id", type: 1 }] },
				],
			},
		],
		[
			".relations[0].computed.f",
			{ relations: [{ ...table("films", {}), computed: { f: null } }] },
		],
		[
			".relations[0].maxStalenessSeconds",
			{ relations: [{ ...table("films", {}), maxStalenessSeconds: 0 }] },
		],
		[
			".relations[0].cookies",
			{ relations: [{ ...table("films", {}), cookies: "all" }] },
		],
		[
			".functions[0].arguments[0].hasDefault",
			{ functions: [{ ...routine("f"), arguments: [{ name: "", type: "" }] }] },
		],
		[
			".foreignKeys[0].to",
			{
				foreignKeys: [{ ...foreignKey("k", "a:b", "c:d"), to: null }],
			},
		],
	])("has %s, or an error that names it", (place, parts) => {
		expect(() => parsedCatalog(catalogOf(parts))).toThrow(
			`postern.catalog: ${place} is not understood`,
		);
	});

	it("throws where a part of it is asked for that the change feed made otherwise, and not before", () => {
		const parts = catalogParts(CINEMA);
		const { relation, routines } = parseCatalog({
			...parts,
			relations: { ...parts.relations, "api.films": "{}" },
			functions: "[{}]",
		});
		expect(relation("api", "studios")?.kind).toBe("table");
		expect(() => relation("api", "films")).toThrow(
			"postern.catalog: .relations: api.films.schema is not understood",
		);
		expect(() => routines("api", "best_films")).toThrow(
			"postern.catalog: .functions[0].schema is not understood",
		);
	});

	it("is none where the change feed hands over something else", () => {
		expect(() => parseCatalog(CINEMA)).toThrow(
			"postern.catalog: .relations.0 is not understood",
		);
	});

	it("may contain unknown fields", () => {
		const { relation } = parsedCatalog({ ...CINEMA, later: true });
		expect(relation("api", "films")?.kind).toBe("table");
	});
});

describe("the catalog's entry", () => {
	it("of a relation is found by its schema and name, and by no other", () => {
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

	it("of a function is found together with the others of its name", () => {
		expect(cinema.routines("api", "twofold")).toHaveLength(2);
		expect(cinema.routines("api", "nothing")).toEqual([]);
	});

	it("of a tag's maximum staleness is in seconds, null if none is set, or undefined if the tag is unknown", () => {
		expect(cinema.maxStalenessOf("api.studios")).toBe(60);
		expect(cinema.maxStalenessOf("api.films")).toBeNull();
		expect(cinema.maxStalenessOf("hidden.ledger")).toBeUndefined();
	});

	it("of the media types is in lower case", () => {
		expect(cinema.mediaTypes.size).toBe(0);
		const { mediaTypes } = parsedCatalog(
			catalogOf({ mediaTypes: ["Image/PNG"] }),
		);
		expect([...mediaTypes]).toEqual(["image/png"]);
	});
});

it("knows the function of a row in the relation's own schema, also where the database names another one first", () => {
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
		const catalog = parsedCatalog(
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
	const catalog = parsedCatalog(
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

it("parses no table but its own for what may read it", () => {
	const parts = catalogParts(
		catalogOf({
			relations: [
				table("films", {}),
				table("of_others", {}),
				view("of_films", {}, { reads: ["api.films"] }),
				view("of_both", {}, { reads: ["api.films", "api.of_others"] }),
			],
		}),
	);
	const relations = { ...parts.relations, "api.of_others": "never read" };
	const catalog = parseCatalog({ ...parts, relations });
	expect(catalog.relationsReading("api.films").map(({ name }) => name)).toEqual(
		["films", "of_films", "of_both"],
	);
	expect([...catalog.opaque]).toEqual([]);
	expect(() => catalog.relationsReading("api.of_others")).toThrow();
});
