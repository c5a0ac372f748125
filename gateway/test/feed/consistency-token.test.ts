// Tokens of positions, and what covers them.
import { describe, expect, it } from "vitest";
import {
	covers,
	FORCING_TOKEN,
	toConsistencyToken,
} from "../../src/feed/consistency-token.ts";

const POSITION = { feedEpoch: "e1", objectRun: "l1", asOf: 1_775_000_000_000 };

describe("a token", () => {
	it("is covered by its own position", () => {
		expect(covers(POSITION, toConsistencyToken(POSITION))).toBe(true);
	});

	it("is covered by a later position", () => {
		const later = { ...POSITION, asOf: POSITION.asOf + 1 };
		expect(covers(later, toConsistencyToken(POSITION))).toBe(true);
	});

	it("is not covered by an earlier position", () => {
		const earlier = { ...POSITION, asOf: POSITION.asOf - 1 };
		expect(covers(earlier, toConsistencyToken(POSITION))).toBe(false);
	});

	it("is not covered by another life's position, however late", () => {
		const other = { ...POSITION, objectRun: "l2", asOf: POSITION.asOf + 1_000 };
		expect(covers(other, toConsistencyToken(POSITION))).toBe(false);
	});

	it("is not covered by another feedEpoch's position, however late", () => {
		const other = { ...POSITION, feedEpoch: "e2", asOf: POSITION.asOf + 1_000 };
		expect(covers(other, toConsistencyToken(POSITION))).toBe(false);
	});

	it.each([
		FORCING_TOKEN,
		"",
		".",
		"..",
		"e1.l1",
		"e1.l1.",
		"e1.l1.!",
		"e1.l1.-1",
		"e1.l1.1.1",
		"e1.l1.1 ",
		"e1.l1.1\n",
		"e1.l1.zzzzzzzzzzzzzzzzzzzz",
		"E1.L1.1",
		"undefined.undefined.1",
		"ё1.l1.1",
	])("is not covered by anything where it is %j", (token) => {
		expect(covers(POSITION, token)).toBe(false);
	});

	it("may be sent in a header and a cookie", () => {
		expect(toConsistencyToken(POSITION)).toMatch(/^[\w.-]+$/);
	});

	it("is not covered before there was a poll", () => {
		const never = { ...POSITION, asOf: Number.NEGATIVE_INFINITY };
		expect(covers(never, "e1.l1.0")).toBe(false);
	});
});
