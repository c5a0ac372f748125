// The body of a call by POST: which texts mean the same arguments.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
	literalOf,
	parseCallArguments,
} from "../../../src/planner/grammar/call-arguments.ts";

function parsed(text: string): [string, string][] | undefined {
	const found = parseCallArguments(text);
	return found && [...found];
}

it.each<[string, [string, string][]]>([
	["{}", []],
	[" {\n} ", []],
	['{"a":1}', [["a", "1"]]],
	['\t{ "a" :\r\n1 }', [["a", "1"]]],
	[
		'{"b":true,"a":null}',
		[
			["b", "true"],
			["a", "null"],
		],
	],
	['{"\\u0061":"\\u00e9\\/"}', [["a", '"é/"']]],
	['{"a":"}, \\"b\\": [1"}', [["a", '"}, \\"b\\": [1"']]],
	[
		'{"a":"\\ud83d\\udc22","b":"\\ud800"}',
		[
			["a", '"🐢"'],
			["b", '"\\ud800"'],
		],
	],
	// Digits, blanks, keys and their order stay, because the database may show them.
	[
		'{"a":1.0,"b":1e0,"c":-0}',
		[
			["a", "1.0"],
			["b", "1e0"],
			["c", "-0"],
		],
	],
	['{"a": {"x": [1, {}], "x":2} }', [["a", '{"x": [1, {}], "x":2}']]],
	[
		'{"a":[[],"]"],"b":""}',
		[
			["a", '[[],"]"]'],
			["b", '""'],
		],
	],
	[
		'{"":1,"__proto__":2}',
		[
			["", "1"],
			["__proto__", "2"],
		],
	],
])("%s", (text, expected) => {
	expect(parsed(text)).toEqual(expected);
});

it.each([
	...["", " ", "null", "1", '"{}"', "[]", '[{"a":1}]', "{", "{}{}", "{a:1}"],
	...['{"a":1,}', '{"a" 1}', '{"a":01}', "\ufeff{}", '{"a":"\n"}'],
	// Named twice, in other words, too.
	...['{"a":1,"a":1}', '{"a":1,"b":2,"\\u0061":3}'],
])("is no object of arguments: %j", (text) => {
	expect(parsed(text)).toBeUndefined();
});

describe("for any object", () => {
	const json = fc.jsonValue({ maxDepth: 3 });
	const object = fc.dictionary(fc.string({ unit: "binary" }), json);

	it("has the names and values that JSON.parse has", () => {
		fc.assert(
			fc.property(
				object,
				fc.constantFrom(undefined, 1, "\t"),
				(all, indent) => {
					const found = parsed(JSON.stringify(all, null, indent));
					expect(
						found?.map(([name, value]) => [name, JSON.parse(value)]),
					).toEqual(Object.entries(JSON.parse(JSON.stringify(all))));
				},
			),
		);
	});
});

it.each([
	['"\\u006eow"', "now"],
	['["\\u006eow"]', '["now"]'],
	["1.0", "1"],
	["null", "null"],
])("the text in %s is %s", (value, literal) => {
	expect(literalOf(value)).toBe(literal);
});
