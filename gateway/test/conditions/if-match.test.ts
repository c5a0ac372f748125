// The grammar of If-Match, and the moments that its ETags stand for.
import { describe, expect, it } from "vitest";
import { conditionOf } from "../../src/conditions/if-match.ts";

const HASH = "a".repeat(27);
const ETAG = `"${HASH}.1f.0123456789abcdef"`;
const MOMENT = { feedEpoch: "0123456789abcdef", seq: 51 };

function condition(sent: string | undefined, method = "PATCH") {
	return conditionOf(
		new Request("http://postgrest/notes", {
			method,
			headers: sent === undefined ? {} : { "If-Match": sent },
		}),
	);
}

describe("If-Match", () => {
	it.each([
		["one ETag", ETAG],
		["one in a list", `"a", ${ETAG}`],
		["one in a list without blanks", `"a",${ETAG},"b"`],
		[
			"one behind commas and quotes that are part of none",
			`"a,W/b",,\t, ${ETAG} ,`,
		],
		["one behind a weak one", `W/"a", ${ETAG}`],
		["one behind characters of ISO 8859-1", `"\u00e4\u00ff", ${ETAG}`],
	])("stands for the moment of %s", (_, sent) => {
		expect(condition(sent)).toEqual([MOMENT]);
	});

	it("stands for each moment of its list", () => {
		const other = ETAG.replace("1f", "20");
		expect(condition(`${ETAG}, ${other}`)).toEqual([
			MOMENT,
			{ ...MOMENT, seq: 72 },
		]);
	});

	it.each([
		["a weak ETag before another", `W/${ETAG}, "a"`],
		["an ETag that is empty", '""'],
		["an ETag of another server", '"33a64df5"'],
		["an ETag without a moment", `"${HASH}"`],
		["an ETag without an epoch", `"${HASH}.1f"`],
		["an ETag whose number is too long to be exact", `"${HASH}.12345678901.e"`],
		["an ETag with more parts", `"${HASH}.1f.e.f"`],
	])("stands for no moment of %s", (_, sent) => {
		expect(condition(sent)).toEqual([]);
	});

	it("matches nothing where each ETag is weak, as behind a proxy that compresses", () => {
		for (const sent of [`W/${ETAG}`, `W/"a", W/${ETAG}`])
			expect(() => condition(sent)).toThrow("send it without W/");
	});

	it.each(["*", " * "])("stands for any version: %s", (sent) => {
		expect(condition(sent)).toBe("*");
	});

	it.each([
		["nothing", ""],
		["no ETag", ","],
		["a word", "abc"],
		["a quote that does not end", '"a'],
		["two without a comma", '"a" "b"'],
		["an asterisk in a list", '*, "a"'],
		["an asterisk behind a list", '"a", *'],
		["a weak sign in lower case", 'w/"a"'],
		["a blank behind the weak sign", 'W/ "a"'],
		["a blank in an ETag", '"a b"'],
		["a weak sign in the quotes' place", "W/a"],
	])("is malformed: %s", (_, sent) => {
		expect(() => condition(sent)).toThrow("If-Match is not valid");
	});

	it("is no condition where there is none, or nothing is written", () => {
		expect(condition(undefined)).toBeUndefined();
		for (const method of ["GET", "HEAD", "OPTIONS"])
			expect(condition("abc", method)).toBeUndefined();
	});
});
