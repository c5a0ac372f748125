// Consistency tokens: which positions cover them, and how a request's header is parsed.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
	consistencyTokensIn,
	covers,
	FORCING_TOKEN,
	setConsistencyTokens,
	takeTransactionToken,
	toConsistencyToken,
} from "../../src/consistency/consistency-token.ts";

const INCARNATION = "0123456789abcdef";
const POSITION = {
	feedEpoch: "e1",
	objectRun: "l1",
	asOf: 1_775_000_000_000,
	cursor: `${INCARNATION}@700:800:700,750@d1`,
};

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

/** Where the database has named the transaction of a write. */
describe("a consistency token of a transaction", () => {
	const isCovered = (id: number | string, cursor = POSITION.cursor) =>
		covers({ ...POSITION, cursor }, `${INCARNATION}.${id}`);

	it.each([3, 699, 701, 749, 799])(
		"is covered by a snapshot that shows it: %d",
		(id) => {
			expect(isCovered(id)).toBe(true);
		},
	);

	it.each([700, 750])("is not covered while the transaction runs: %d", (id) => {
		expect(isCovered(id)).toBe(false);
	});

	it.each([800, 801, 1_000])(
		"is not covered by a snapshot before it: %d",
		(id) => {
			expect(isCovered(id)).toBe(false);
		},
	);

	it("is not covered by another incarnation of the database", () => {
		expect(isCovered(699, POSITION.cursor.replace("0", "1"))).toBe(false);
	});

	it.each([
		"",
		"cursor",
		"@",
		`${INCARNATION}@`,
		`${INCARNATION}@::`,
		`@3:800:`,
	])("is not covered by a cursor that tells nothing: %j", (cursor) => {
		expect(isCovered(699, cursor)).toBe(false);
	});

	it.each([
		"0",
		"00699",
		"0750",
		"-1",
		"7e1",
		"699 ",
		"699\n",
		"",
		"9".repeat(16),
	])("is covered by nothing if the id is %j", (id) => {
		expect(isCovered(id)).toBe(false);
	});

	it("is covered as PostgreSQL tells", () => {
		const snapshot = fc
			.uniqueArray(fc.integer({ min: 3, max: 40 }), {
				minLength: 1,
				maxLength: 9,
			})
			.map((ids) => ids.sort((one, other) => one - other));
		fc.assert(
			fc.property(snapshot, fc.integer({ min: 3, max: 45 }), (ids, id) => {
				const end = ids.pop() ?? 3;
				const isShown = id < end && !ids.includes(id);
				const cursor = `${INCARNATION}@${ids[0] ?? end}:${end}:${ids}@d1`;
				expect(isCovered(id, cursor)).toBe(isShown);
			}),
		);
	});

	it("is taken out of the answer", () => {
		const name = `${INCARNATION}.699`;
		const headers = new Headers({ "Postern-Transaction": name });
		expect(takeTransactionToken(headers)).toBe(name);
		expect([...headers]).toEqual([]);
		expect(takeTransactionToken(headers)).toBeUndefined();
	});

	it.each([
		"",
		"yes",
		`${INCARNATION}.`,
		`${INCARNATION}.1, ${INCARNATION}.2`,
		"e1.l1.1",
	])("is none where the answer has %j in its place", (name) => {
		const headers = new Headers({ "Postern-Transaction": name });
		expect(takeTransactionToken(headers)).toBeUndefined();
		expect([...headers]).toEqual([]);
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
