// Consistency tokens: which positions cover them, and how a request's header is parsed.
import { describe, expect, it } from "vitest";
import {
	consistencyTokensIn,
	covers,
	FORCING_TOKEN,
	setConsistencyTokens,
	toConsistencyToken,
} from "../../src/consistency/consistency-token.ts";

const POSITION = { feedEpoch: "e1", objectRun: "l1", asOf: 1_775_000_000_000 };

describe("a consistency token", () => {
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

	it("is not covered by a position of another run of the object, however late", () => {
		const other = { ...POSITION, objectRun: "l2", asOf: POSITION.asOf + 1_000 };
		expect(covers(other, toConsistencyToken(POSITION))).toBe(false);
	});

	it("is not covered by a position of another feed epoch, however late", () => {
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
	])("is covered by no position if it is %j", (token) => {
		expect(covers(POSITION, token)).toBe(false);
	});

	it("may be sent in a header and a cookie", () => {
		expect(toConsistencyToken(POSITION)).toMatch(/^[\w.-]+$/);
	});

	it("is not covered before the first poll", () => {
		const never = { ...POSITION, asOf: Number.NEGATIVE_INFINITY };
		expect(covers(never, "e1.l1.0")).toBe(false);
	});
});

const sent = (text: string) =>
	consistencyTokensIn(new Headers({ "Postern-Token": text }));

const LONGEST = "t".repeat(200);
const many = (count: number) =>
	Array.from({ length: count }, (_, index) => `t${index}`);

describe("the consistency tokens of a request", () => {
	it("are none without the header", () => {
		expect(consistencyTokensIn(new Headers())).toEqual([]);
	});

	it.each([
		["e.l.k3", ["e.l.k3"]],
		["e.l.k3, e.l.k4", ["e.l.k3", "e.l.k4"]],
		[" e.l.k3 ,,e-1._l.k4 ,", ["e.l.k3", "e-1._l.k4"]],
		["a, a, b", ["a", "b"]],
		[LONGEST, [LONGEST]],
		["", []],
		[", ,", []],
	])("are parsed: %s", (text, expected) => {
		expect(sent(text)).toEqual(expected);
	});

	it.each([
		"a b",
		"a;b",
		'a"b"',
		"a=b",
		"a:b",
		"a/b",
		"é",
		`${LONGEST}t`,
		"<x>",
	])("are replaced by the forcing token if they are malformed: %s", (text) => {
		expect(sent(`ok, ${text}`)).toEqual(["ok", "0"]);
	});

	it("are collected from several headers", () => {
		const headers = new Headers([
			["Postern-Token", "a"],
			["postern-token", "b"],
		]);
		expect(consistencyTokensIn(headers)).toEqual(["a", "b"]);
	});

	it("are 32 at the most", () => {
		expect(sent(many(32).join())).toEqual(many(32));
	});

	it("are replaced by the forcing token if there are more", () => {
		expect(sent(many(33).join())).toEqual(["0"]);
	});

	it("are counted without repeats", () => {
		expect(sent(Array(100).fill("a").join())).toEqual(["a"]);
	});

	it("are parsed back as they were set", () => {
		const headers = new Headers();
		setConsistencyTokens(headers, ["a.b.c", "d-e_f"]);
		expect(consistencyTokensIn(headers)).toEqual(["a.b.c", "d-e_f"]);
	});
});
