// The grammar of `select` and of `order`.
import { describe, expect, it } from "vitest";
import {
	parseOrder,
	parseSelect,
	type SelectItem,
} from "../../../src/planner/grammar/select.ts";

/** Items in short: `column path cast aggregate cast`, embeds with what is in them. */
function inShort(items: readonly SelectItem[]): unknown[] {
	return items.map((item) => {
		if (item.kind === "all") return "*";
		if (item.kind === "embed") {
			const { alias, target, hint } = item;
			return [alias, target, hint, inShort(item.items)];
		}
		const { field, cast, aggregate, aggregateCast } = item;
		return [field?.name, field?.path, cast, aggregate, aggregateCast]
			.map((part) => part ?? "-")
			.join(" ");
	});
}

describe("select", () => {
	it.each<[string, unknown[]]>([
		["", []],
		["*", ["*"]],
		["id,title", ["id - - - -", "title - - - -"]],
		[" id , title ", ["id - - - -", "title - - - -"]],
		["full name", ["full name - - - -"]],
		["with-dash,$1,ß", ["with-dash - - - -", "$1 - - - -", "ß - - - -"]],
		['"a.b,c","say \\"x\\""', ["a.b,c - - - -", 'say "x" - - - -']],
		["alias:id,other:year::text", ["id - - - -", "year - text - -"]],
		["year::double precision", ["year - double precision - -"]],
		["a->b", ["a json - - -"]],
		["a->b->>c", ["a text - - -"]],
		["a->0->>-1::int", ["a text int - -"]],
		['first:a->"x.y"->>"z,"', ["a text - - -"]],
		["count()", ["- - - count -"]],
		["n:count()::text", ["- - - count text"]],
		["year.sum()", ["year - - sum -"]],
		["x:a->b::int.avg()::text", ["a json int avg text"]],
		["studios(name)", [[undefined, "studios", undefined, ["name - - - -"]]]],
		["studios()", [[undefined, "studios", undefined, []]]],
		["s:studios!inner(*)", [["s", "studios", undefined, ["*"]]]],
		["s:studios!key!left(*)", [["s", "studios", "key", ["*"]]]],
		["studios!inner!key(*)", [[undefined, "studios", "key", ["*"]]]],
		["studios!inner_key(*)", [[undefined, "studios", "inner_key", ["*"]]]],
		["...studios(name)", [[undefined, "studios", undefined, ["name - - - -"]]]],
		[
			"films(title, actors(id)),id",
			[
				[
					undefined,
					"films",
					undefined,
					["title - - - -", [undefined, "actors", undefined, ["id - - - -"]]],
				],
				"id - - - -",
			],
		],
	])("parses %j", (text, items) => {
		expect(inShort(parseSelect(text))).toEqual(items);
	});

	it.each([
		",",
		"id,",
		"id,,year",
		"id)",
		"id(",
		"films(id",
		"films(id))",
		"films(id)x",
		"id:",
		":id",
		"a:b:c",
		"id::",
		"id::varchar(10)",
		"a->",
		"a-",
		"a--b",
		'"open',
		"*x",
		"x:*",
		"year.median()",
		"year.sum",
		"year.sum(x)",
		"count(x)",
		"a.b",
		"films!(id)",
		"films!a!b(id)",
		"films!a!b!c(id)",
		"x:...films(id)",
		"id;drop",
		"id\n",
		`${"a(".repeat(30)}id${")".repeat(30)}`,
	])("refuses %j", (text) => {
		expect(() => parseSelect(text)).toThrow("select is not understood");
	});
});

describe("order", () => {
	it.each<[string, string[]]>([
		["a", ["a"]],
		["a.asc,b.desc.nullslast, c.nullsfirst", ["a", "b", "c"]],
		["a->>b.desc", ["a text"]],
		['"a.b".desc', ["a.b"]],
		["e(a).desc,b", ["e/a", "b"]],
		["e(a->b)", ["e/a json"]],
	])("parses %j as ordering by %j", (text, by) => {
		const terms = parseOrder(text).map(({ embed, field: { name, path } }) =>
			[embed === undefined ? name : `${embed}/${name}`, path ?? ""]
				.join(" ")
				.trim(),
		);
		expect(terms).toEqual(by);
	});

	it.each([
		"",
		"a,",
		"a.sideways",
		"a.desc.asc",
		"a.nullslast.asc",
		"e(a,b)",
		"e(a",
		"a.b.asc",
		"a.desc;",
	])("refuses %j", (text) => {
		expect(() => parseOrder(text)).toThrow("order is not understood");
	});
});
