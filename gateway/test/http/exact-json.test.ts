// JSON whose numbers stay as they are written.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isJsonObject, parseExactJson } from "../../src/http/exact-json.ts";

describe("JSON", () => {
	it.each([
		"9007199254740993",
		"-1152921504606846977",
		"1.0",
		"2.50",
		"1e400",
		"-1E-400",
		"1e5",
		"-0",
		"0.1",
		`[${"7".repeat(400)}]`,
		'{"a":[1.0,{"b":[[1e400]]}],"":2.0}',
		'{"__proto__":1.0,"constructor":{"__proto__":[2.0]}}',
		'["1.0","\\"1.0","\\\\",1.0,"[1e400]"]',
	])("is written as it was, row %#", (text) => {
		expect(JSON.stringify(parseExactJson(text))).toBe(text);
	});

	it("without such numbers is parsed as JSON.parse does", () => {
		fc.assert(
			fc.property(fc.json(), (text) => {
				const plain = JSON.stringify(JSON.parse(text));
				expect(parseExactJson(plain)).toEqual(JSON.parse(plain));
			}),
		);
	});

	it("with any numbers and strings is written as it was", () => {
		const number = fc
			.tuple(
				fc.constantFrom("", "-"),
				fc.bigInt({ min: 0n, max: 10n ** 30n }),
				fc.constantFrom("", ".0", ".50", ".123456789012345678901"),
				fc.constantFrom("", "e1", "E+400", "e-400", "e021"),
			)
			.map((parts) => parts.join(""));
		const text = fc.string({ unit: fc.constantFrom(...'1.0e\\",[{: ü') });
		const scalar = fc.oneof(
			number,
			text.map((value) => JSON.stringify(value)),
		);
		fc.assert(
			fc.property(fc.array(fc.tuple(text, scalar)), (entries) => {
				const list = entries.map(([, value]) => value).join(",");
				const named = entries.map(
					([name, value], index) =>
						`${JSON.stringify(`k${index}${name}`)}:${value}`,
				);
				const json = `[[${list}],{${named.join(",")}}]`;
				expect(JSON.stringify(parseExactJson(json))).toBe(json);
			}),
			{ numRuns: 500 },
		);
	});

	it.each(["", "01", "1.", "-", "1e", "{1.0:2}", "[1.0", "1.0x", '"\n"'])(
		"is refused where it is none: %j",
		(text) => {
			expect(() => parseExactJson(text)).toThrow(SyntaxError);
		},
	);

	it.each([
		["{}", true],
		['{"a":1.0}', true],
		["1.0", false],
		["1", false],
		["[]", false],
		["null", false],
		['"{}"', false],
	])("is an object: %s, %s", (text, expected) => {
		expect(isJsonObject(parseExactJson(text))).toBe(expected);
	});
});
