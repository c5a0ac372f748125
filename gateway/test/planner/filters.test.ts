// The grammar of filters, alone and in conditions; and of order.
import { describe, expect, it } from "vitest";
import {
	looksLikeOperation,
	parseLogic,
	parseOperation,
} from "../../src/planner/filters.ts";
import { parseOrder } from "../../src/planner/order.ts";

describe("a filter", () => {
	it.each<[string, string[]]>([
		["eq.1", ["1"]],
		["eq.", [""]],
		["eq.a.b,c)", ["a.b,c)"]],
		['eq."a"', ['"a"']],
		["not.eq.1", ["1"]],
		["gte.now", ["now"]],
		["isdistinct.x", ["x"]],
		["like(any).{a,b}", ["{a,b}"]],
		["not.imatch(all).{a}", ["{a}"]],
		["cs.{a}", ["{a}"]],
		["in.(1,2)", ["1", "2"]],
		["in.()", [""]],
		['in.("a,b","say \\"x\\"",c)', ["a,b", 'say "x"', "c"]],
		['in.("a"b,c)', ['"a"b', "c"]],
		["is.null", []],
		["not.is.NULL", []],
		["is.unknown", []],
		["fts.x", []],
		["wfts(english).x or y", []],
	])("%j compares with %j", (text, literals) => {
		expect(parseOperation(text).literals).toEqual(literals);
	});

	it.each([
		"",
		"1",
		"eq",
		"eq1",
		"equal.1",
		"not.not.eq.1",
		"neq(any).{1}",
		"eq(some).{1}",
		"in.1",
		"in.(1",
		"in.(1)x",
		"is.maybe",
		"is.nullx",
		"fts().x",
		"EQ.1",
	])("%j is not understood", (text) => {
		expect(() => parseOperation(text)).toThrow("a filter is not understood");
	});

	it("is an equality if it is neither negated nor one of several", () => {
		const equalities = ["eq.1", "not.eq.1", "eq(any).{1}", "neq.1", "in.(1)"];
		expect(equalities.map((text) => parseOperation(text).isEquality)).toEqual([
			true,
			false,
			false,
			false,
			false,
		]);
	});

	it("tests for null, or its opposite", () => {
		const tests = [
			"is.null",
			"not.is.null",
			"is.not_null",
			"is.true",
			"eq.null",
		];
		expect(tests.map((text) => parseOperation(text).isNullTest)).toEqual([
			true,
			true,
			false,
			false,
			false,
		]);
	});
});

describe("a condition", () => {
	it.each<[string, [string, ...string[]][]]>([
		["(a.eq.1)", [["a", "1"]]],
		[
			"( a.eq.1 , b.neq.2 )",
			[
				["a", "1 "],
				["b", "2 "],
			],
		],
		[
			"(a.eq.1,or(b.eq.2,not.and(c.eq.3)))",
			[
				["a", "1"],
				["b", "2"],
				["c", "3"],
			],
		],
		["(a.in.(1,2),b.is.null)", [["a", "1", "2"], ["b"]]],
		[
			'(a.eq."x,y",b.eq.{1,2},c.eq.z)',
			[
				["a", "x,y"],
				["b", "{1,2}"],
				["c", "z"],
			],
		],
		["(a.not.eq.1)", [["a", "1"]]],
		["(a->>b.eq.1)", [["a", "1"]]],
		// Columns of these names
		[
			"(or.eq.1,not.eq.2)",
			[
				["or", "1"],
				["not", "2"],
			],
		],
	])("%j holds %j", (text, held) => {
		expect(
			parseLogic(text).map(({ field, operation }) => [
				field.name,
				...operation.literals,
			]),
		).toEqual(held);
	});

	it.each([
		"",
		"()",
		"(a.eq.1",
		"(a.eq.1)x",
		"a.eq.1",
		"(a.eq.1,)",
		"(a.b.eq.1)",
		"(xor(a.eq.1))",
		"(a.eq.{1}x)",
		"(a)",
		`${"(and".repeat(30)}(a.eq.1)${")".repeat(30)}`,
	])("%j is not understood", (text) => {
		expect(() => parseLogic(text)).toThrow("not understood");
	});
});

it.each([
	["eq.1", true],
	["not.eq.1", true],
	["in.(1)", true],
	["fts(english).a", true],
	// Versions of PostgREST differ about these
	["eq", true],
	["not", true],
	["is.what", true],
	["fts(x", true],
	["equal.1", false],
	["1", false],
	["nothing", false],
	["index.html", false],
])("%j looks like an operation: %s", (text, does) => {
	expect(looksLikeOperation(text)).toBe(does);
});

describe("order", () => {
	it.each<[string, string[]]>([
		["a", ["a"]],
		["a.asc,b.desc.nullslast, c.nullsfirst", ["a", "b", "c"]],
		["a->>b.desc", ["a text"]],
		['"a.b".desc', ["a.b"]],
		["e(a).desc,b", ["e/a", "b"]],
		["e(a->b)", ["e/a json"]],
	])("%j is by %j", (text, by) => {
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
	])("%j is not understood", (text) => {
		expect(() => parseOrder(text)).toThrow("order is not understood");
	});
});
