// A query is taken apart as PostgREST does, or refused.
import { expect, it } from "vitest";
import { parseQuery } from "../../../src/planner/grammar/parameters.ts";

it.each<[string, [string, string | undefined][]]>([
	["", []],
	["?", []],
	["?a=1", [["a", "1"]]],
	[
		"?a=1&b=2&a=3",
		[
			["a", "1"],
			["b", "2"],
			["a", "3"],
		],
	],
	["?a=1&", [["a", "1"]]],
	["?&", [["", undefined]]],
	[
		"?a=1&&b",
		[
			["a", "1"],
			["", undefined],
			["b", undefined],
		],
	],
	["?a", [["a", undefined]]],
	["?a=", [["a", ""]]],
	["?=1", [["", "1"]]],
	["?a=b=c", [["a", "b=c"]]],
	["??a=1", [["?a", "1"]]],
	["?a+b=c+d%2Be%20f", [["a b", "c d+e f"]]],
	["?%61=%C3%BC%f0%9f%8e%ac", [["a", "ü🎬"]]],
	["?a=%26%3D%25", [["a", "&=%"]]],
	["?a=%EF%BB%BFx", [["a", "\ufeffx"]]],
])("parses %s as %j", (search, parameters) => {
	expect(parseQuery(search)).toEqual(parameters);
});

it.each([
	["a separator to some", "?a=1;b=2"],
	["a percent sign that escapes nothing", "?a=%zz"],
	["a percent sign at the end", "?a=%"],
	["bytes that are no UTF-8", "?a=%ff"],
	["half a surrogate pair", "?a=%ed%a0%80"],
	["a null character", "?a=%00"],
	["a null character in a name", "?a%00=1"],
])("is not cacheable with %s", (_, search) => {
	expect(() => parseQuery(search)).toThrow("the query");
});
