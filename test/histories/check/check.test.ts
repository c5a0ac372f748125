// The checker itself, on written histories: right ones pass, and each kind of violation is told from the others.
import fc from "fast-check";
import { describe, it } from "vitest";
import { check, checkerOfRounds, type Query } from "./check.ts";
import type { Commit, Event, Read, User, Write } from "./history.ts";

const BOUND = 1_000;
const OUTAGE_BOUND = 5_000;
const PROMISES = {
	maxStalenessMs: BOUND,
	outageStalenessMs: OUTAGE_BOUND,
	toleranceMs: 0,
};

const USERS: User[] = [
	{ name: "ada", role: "authenticated", claims: { sub: "ada" } },
	{ name: "bob", role: "authenticated", claims: { sub: "bob" } },
];

const value = (key: string): Query => ({
	name: key,
	reads: ["values"],
	answer: (state) => String(state.rows("values").get(key) ?? "none"),
});

const QUERIES: Query[] = [
	value("x"),
	value("y"),
	{
		name: "both",
		reads: ["values"],
		answer: (state) =>
			["x", "y"].map((key) => state.rows("values").get(key)).join(" "),
	},
	{
		name: "own",
		reads: ["values", "policy"],
		answer: (state, { name }) =>
			state.rows("policy").get("owners") === false
				? "none"
				: String(state.rows("values").get(name) ?? "none"),
	},
];

/** Transactions by the time when they became visible, and their writes. */
function commits(
	...list: [at: number, values: Record<string, unknown>, operation?: string][]
): Commit[] {
	return list.map(([at, values, operation]) => ({
		at,
		operation,
		changes: Object.entries(values).map(([key, contents]) => ({
			relation: key === "owners" ? "policy" : "values",
			key,
			contents,
		})),
	}));
}

function read(
	query: string,
	answer: string | undefined,
	sentAt: number,
	more: Partial<Read> = {},
): Read {
	return {
		kind: "read",
		session: "reader",
		user: "ada",
		from: "here",
		cacheStatus: "",
		isCausal: false,
		query,
		answer,
		sentAt,
		endedAt: sentAt + 10,
		...more,
	};
}

function write(
	operation: string,
	endedAt: number,
	more: Partial<Write> = {},
): Write {
	return {
		kind: "write",
		session: "writer",
		operation,
		description: operation,
		isAcknowledged: true,
		hasEffect: true,
		isCausal: true,
		outcome: "204",
		sentAt: endedAt - 10,
		endedAt,
		...more,
	};
}

function kinds(commits: Commit[], ...events: Event[]): string[] {
	const history = { commits, events, queries: QUERIES, users: USERS };
	return check(history, PROMISES).violations.map(({ kind }) => kind);
}

const X = commits([0, { x: 1, y: 1 }], [5_000, { x: 2 }], [9_000, { y: 2 }]);

describe("an answer", () => {
	it("may be from the newest state", ({ expect }) => {
		expect(kinds(X, read("x", "2", 6_500))).toEqual([]);
	});

	it("may be out of date up to the maximum staleness", ({ expect }) => {
		expect(kinds(X, read("x", "1", 9_999))).toEqual([]);
		expect(kinds(X, read("x", "1", 10_001))).toEqual(["stale"]);
	});

	it("is out of date from the moment when the next transaction became visible, or was acknowledged", ({
		expect,
	}) => {
		const x = commits([0, { x: 1 }], [5_000, { x: 2 }, "w"]);
		expect(kinds(x, read("x", "1", 60_000))).toEqual([]);
		expect(kinds(x, write("w", 7_000), read("x", "1", 7_999))).toEqual([]);
		expect(kinds(x, write("w", 7_000), read("x", "1", 8_001))).toEqual([
			"stale",
		]);
	});

	it("is measured at the moment when it was asked for", ({ expect }) => {
		expect(kinds(X, read("x", "1", 9_900, { endedAt: 30_000 }))).toEqual([]);
	});

	it("may be limited to a smaller age than promised", ({ expect }) => {
		expect(kinds(X, read("x", "1", 9_500, { maxStalenessMs: 0 }))).toEqual([
			"stale",
		]);
	});

	it("may be as old as its Age says where it is marked as given while the origin is away, unless the reader bounds that", ({
		expect,
	}) => {
		const cacheStatus = 'Postern; hit; ttl=-3; detail="origin-unreachable"';
		const old = (at: number, more = {}) =>
			kinds(X, read("x", "1", at, { cacheStatus, ageMs: 9_000, ...more }));
		expect(old(13_999)).toEqual([]);
		expect(old(14_001)).toEqual(["stale"]);
		expect(old(13_999, { ageMs: 4_000 })).toEqual(["stale"]);
		expect(old(13_999, { maxStalenessMs: BOUND })).toEqual(["stale"]);
	});

	it("may not be from the future", ({ expect }) => {
		expect(kinds(X, read("x", "2", 4_900))).toEqual(["impossible"]);
	});

	it("may not be put together from several states", ({ expect }) => {
		expect(kinds(X, read("both", "1 2", 9_500))).toEqual(["impossible"]);
		expect(kinds(X, read("both", "2 1", 9_500))).toEqual([]);
	});

	it("may not be another caller's", ({ expect }) => {
		const own = commits([0, { ada: "a", bob: "b" }]);
		expect(kinds(own, read("own", "b", 10))).toEqual(["foreign"]);
		expect(kinds(own, read("own", "b", 10, { user: "bob" }))).toEqual([]);
	});

	it("has to follow a change of rights within the maximum staleness", ({
		expect,
	}) => {
		const own = commits([0, { ada: "a" }], [5_000, { owners: false }, "w"]);
		const changed = write("w", 5_000);
		expect(kinds(own, changed, read("own", "a", 5_999))).toEqual([]);
		expect(kinds(own, changed, read("own", "a", 6_001))).toEqual(["stale"]);
	});

	it("that failed is not judged", ({ expect }) => {
		expect(kinds(X, read("x", undefined, 9_900))).toEqual([]);
	});

	it("follows inserts and deletes", ({ expect }) => {
		const x = commits(
			[0, { x: 1 }],
			[100, { x: null }],
			[200, { x: 3 }],
			[201, {}],
		);
		expect(kinds(x, read("x", "none", 1_200))).toEqual([]);
		expect(kinds(x, read("x", "none", 1_202))).toEqual(["stale"]);
		expect(kinds(x, read("x", "1", 1_199))).toEqual([]);
		expect(kinds(x, read("x", "1", 1_201))).toEqual(["stale"]);
	});
});

describe("a session", () => {
	const x = commits([0, { x: 1, y: 1 }], [500, { x: 2 }, "w"]);
	const causal = { isCausal: true, session: "writer" };

	it("has to see what it wrote", ({ expect }) => {
		expect(kinds(x, write("w", 510), read("x", "2", 520, causal))).toEqual([]);
		expect(kinds(x, write("w", 510), read("x", "1", 520, causal))).toEqual([
			"session",
		]);
	});

	it("need not see a write that was not acknowledged", ({ expect }) => {
		const unknown = write("w", 510, { isAcknowledged: false });
		expect(kinds(x, unknown, read("x", "1", 520, causal))).toEqual([]);
	});

	it("without tokens has no more than the maximum staleness promised", ({
		expect,
	}) => {
		expect(
			kinds(x, write("w", 510), read("x", "1", 520, { session: "writer" })),
		).toEqual([]);
	});

	it("may not go back in time", ({ expect }) => {
		const first = read("x", "2", 510, causal);
		expect(kinds(x, first, read("x", "1", 530, causal))).toEqual(["session"]);
		expect(kinds(x, first, read("both", "1 1", 530, causal))).toEqual([
			"session",
		]);
	});

	it("may not go back in time from one row to another", ({ expect }) => {
		const twice = commits(
			[0, { x: 1, y: 1 }],
			[500, { x: 2 }],
			[501, { y: 2 }],
		);
		const later = read("y", "2", 510, causal);
		expect(kinds(twice, later, read("x", "2", 530, causal))).toEqual([]);
		expect(kinds(twice, later, read("x", "1", 530, causal))).toEqual([
			"session",
		]);
	});

	it("counts as having seen the oldest state that fits an answer", ({
		expect,
	}) => {
		const before = read("y", "1", 510, causal);
		expect(kinds(x, before, read("x", "1", 530, causal))).toEqual([]);
	});

	it("has to see what another session saw after it received that one's tokens", ({
		expect,
	}) => {
		const told: Event = {
			kind: "handover",
			session: "reader",
			of: "writer",
			sentAt: 515,
			endedAt: 515,
		};
		const late = read("x", "1", 520, { isCausal: true });
		expect(kinds(x, write("w", 510), late)).toEqual([]);
		expect(kinds(x, write("w", 510), told, late)).toEqual(["session"]);
	});
});

describe("a write", () => {
	const x = commits([0, { x: 1 }]);

	it("that is acknowledged has to be done", ({ expect }) => {
		expect(kinds(x, write("w", 10))).toEqual(["lost write"]);
		expect(kinds(x, write("w", 10, { hasEffect: false }))).toEqual([]);
		expect(kinds(x, write("w", 10, { isAcknowledged: false }))).toEqual([]);
	});
});

it("reports the greatest age of the answers", ({ expect }) => {
	const events = [read("x", "2", 9_500), read("x", "1", 9_700)];
	const history = { commits: X, events, queries: QUERIES, users: USERS };
	expect(check(history, PROMISES)).toMatchObject({
		violations: [],
		outdated: 1,
		worstStalenessMs: 700,
	});
});

describe("rounds, each with a log of its own", () => {
	const outage = {
		cacheStatus: 'Postern; hit; ttl=-3; detail="origin-timeout"',
		ageMs: 4_000,
	};
	const first = commits([0, { x: 1 }], [500, { x: 2 }], [600, {}]);
	// A log begins with what is there.
	const second = commits([2_000, { x: 2 }], [2_200, { x: 3 }]);
	const ofSecond = (...events: Event[]) => {
		const checkRound = checkerOfRounds(PROMISES);
		const asked = { queries: QUERIES, users: USERS };
		checkRound({ ...asked, commits: first, events: [read("x", "2", 900)] });
		const { violations } = checkRound({ ...asked, commits: second, events });
		return violations.map(({ kind }) => kind);
	};

	it("judge an answer that is older than its round by the rounds before", ({
		expect,
	}) => {
		expect(ofSecond(read("x", "1", 4_000, outage))).toEqual([]);
		expect(ofSecond(read("x", "1", 4_600, outage))).toEqual(["stale"]);
		expect(ofSecond(read("x", "1", 2_400))).toEqual(["stale"]);
		expect(ofSecond(read("x", "4", 4_000, outage))).toEqual(["impossible"]);
	});
});

/** Transactions with pauses between them, and reads of random states. */
const random = fc.record({
	gaps: fc.array(fc.nat({ max: 400 }), { minLength: 3, maxLength: 60 }),
	reads: fc.array(
		fc.record({
			sentAt: fc.nat({ max: 20_000 }),
			takes: fc.nat({ max: 300 }),
			age: fc.nat({ max: 1_000 }),
			query: fc.constantFrom("x", "y", "both"),
		}),
		{ minLength: 1, maxLength: 40 },
	),
});

/** Transactions that each write x or y. */
function transactions(gaps: number[]): Commit[] {
	let at = 0;
	const later = gaps.map((gap, index): [number, Record<string, number>] => {
		at += gap + 1;
		return [at, index % 3 === 0 ? { y: index } : { x: index }];
	});
	return commits([0, { x: -1, y: -1 }], ...later);
}

/** The answers of a cache that is this far behind. */
function asOf(list: Commit[], time: number, query: string): string {
	const values = new Map<string, unknown>();
	for (const { at, changes } of list) {
		if (at > time) break;
		for (const { key, contents } of changes) values.set(key, contents);
	}
	return query === "both"
		? `${values.get("x")} ${values.get("y")}`
		: String(values.get(query));
}

describe("a cache that is behind", () => {
	it("breaks no promise up to the maximum staleness", ({ expect }) => {
		fc.assert(
			fc.property(random, ({ gaps, reads }) => {
				const list = transactions(gaps);
				const events = reads.map(({ sentAt, takes, age, query }) => {
					const answer = asOf(list, Math.max(0, sentAt - age), query);
					return read(query, answer, sentAt, { endedAt: sentAt + takes });
				});
				expect(kinds(list, ...events)).toEqual([]);
			}),
		);
	});

	it("is reported when it is further behind and an answer shows it", ({
		expect,
	}) => {
		fc.assert(
			fc.property(random, ({ gaps, reads }) => {
				const list = transactions(gaps);
				const end = list.at(-1)?.at ?? 0;
				for (const { sentAt, query } of reads) {
					const time = Math.min(sentAt + BOUND, end);
					const old = asOf(list, Math.max(0, time - 2 * BOUND), query);
					const visible = list.findLastIndex(
						(_, index) => (list[index + 1]?.at ?? Infinity) <= time - BOUND,
					);
					const known = asOf(list.slice(0, visible + 1), time, query);
					const isWrong = visible >= 0 && old !== known;
					const found = kinds(list, read(query, old, time));
					expect(found).toEqual(isWrong ? ["stale"] : []);
				}
			}),
		);
	});
});
