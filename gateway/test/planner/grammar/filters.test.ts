// The grammar of filters, alone and in conditions.
import { describe, expect, it } from "vitest";
import {
	looksLikeOperation,
	parseLogic,
	parseOperation,
} from "../../../src/planner/grammar/filters.ts";

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
	])("compares by %j with %j", (text, literals) => {
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
	])("is not parsed: %j", (text) => {
		expect(() => parseOperation(text)).toThrow("a filter is not understood");
	});

	it("is an equality if it is `eq`, neither negated nor quantified", () => {
		const equalities = ["eq.1", "not.eq.1", "eq(any).{1}", "neq.1", "in.(1)"];
		expect(equalities.map((text) => parseOperation(text).isEquality)).toEqual([
			true,
			false,
			false,
			false,
			false,
		]);
	});

	it("is a null test if it is `is.null`, negated or not", () => {
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
		// Columns named like operators
		[
			"(or.eq.1,not.eq.2)",
			[
				["or", "1"],
				["not", "2"],
			],
		],
	])("contains the filters of %j: %j", (text, held) => {
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
	])("is not parsed: %j", (text) => {
		expect(() => parseLogic(text)).toThrow("not understood");
	});
});

it.each([
	["eq.1", true],
	["not.eq.1", true],
	["in.(1)", true],
	["fts(english).a", true],
	// Versions of PostgREST differ on these
	["eq", true],
	["not", true],
	["is.what", true],
	["fts(x", true],
	["equal.1", false],
	["1", false],
	["nothing", false],
	["index.html", false],
])("says that %j looks like an operation: %s", (text, does) => {
	expect(looksLikeOperation(text)).toBe(does);
});
