// The path and the query are those of the parsed URL, whether or not one is parsed.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { partsOf } from "../../src/http/url-parts.ts";

/** What a client may put between a host and the end of a request line, and what a parser treats in a way of its own. */
const PIECES = [
	..." !\"#$%&'()*+,-./0:;<=>?@A[\\]^_`a{|}~\u007f\té😀",
	"..",
	"%2e",
	"%2E%2e",
	"/../",
	"//",
	"rest/v1",
	"select=*",
];

const urls = fc
	.array(fc.constantFrom(...PIECES), { maxLength: 12 })
	.map((pieces) => `https://gateway.example/${pieces.join("")}`);

describe("the parts of a URL", () => {
	test("are those of the parsed one", () => {
		fc.assert(
			fc.property(urls, (url) => {
				const { pathname, search } = new URL(url);
				expect(partsOf(url)).toMatchObject({ pathname, search });
			}),
			{ numRuns: 5_000 },
		);
	});

	test("of a usual request are read without a parser", () => {
		const url =
			"https://gateway.example/rest/v1/notes?select=id,tags(name)&id=gt.5&order=id.desc";
		expect(partsOf(url)).not.toBeInstanceOf(URL);
	});
});
