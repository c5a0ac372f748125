// The bounded log of changes: what it may forget, and that it never says less than there was.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Change } from "../../src/feed/feed.ts";
import { LastChanges } from "../../src/feed/last-changes.ts";

function logOf(changes: Iterable<Change>, maxTags?: number): LastChanges {
	const log = new LastChanges(0, maxTags);
	log.record(changes);
	return log;
}

/** Whether an answer is fresh that was numbered `seq` and depends on these tags. */
function isFresh(log: LastChanges, seq: number, tags: readonly string[]) {
	return (
		seq >= log.prunedBelow &&
		[...tags, "catalog"].every((tag) => log.lastChange(tag) <= seq)
	);
}

/** What a read of a row depends on. */
const ofRow = (relation: string, key: string | number) => [
	`${relation}(${key})`,
	`${relation}(*)`,
];

describe("a log of changes", () => {
	it("knows of a tag's last change", () => {
		const log = logOf([
			["api.a", 1],
			["api.a", 3],
			["api.b", 2],
		]);
		expect([log.lastChange("api.a"), log.lastChange("api.b")]).toEqual([3, 2]);
	});

	it("takes 0 for the last change of a tag that has not changed", () => {
		expect(logOf([["api.a", 1]]).lastChange("api.b")).toBe(0);
	});

	it("does not go back by a change that it knew", () => {
		const log = logOf([["api.a", 5]]);
		log.record([["api.a", 4]]);
		expect(log.lastChange("api.a")).toBe(5);
	});

	it("tells what changed after a number, and not at it", () => {
		const log = logOf([
			["api.a", 1],
			["api.b", 2],
			["api.c", 3],
		]);
		expect(log.since(1)).toEqual([
			["api.b", 2],
			["api.c", 3],
		]);
	});

	it("takes no tag for changed before its prunedBelow", () => {
		const log = logOf([["api.a", 1]]);
		log.raisePrunedBelow(4);
		expect([log.lastChange("api.a"), log.lastChange("api.b")]).toEqual([4, 4]);
	});

	it("does not lower its prunedBelow", () => {
		const log = new LastChanges(4);
		log.raisePrunedBelow(3);
		expect(log.prunedBelow).toBe(4);
	});

	it("keeps as many tags as it may", () => {
		const log = logOf(
			["api.a(1)", "api.a(2)", "api.a(3)"].map((tag, i) => [tag, i + 1]),
			3,
		);
		expect(log.since(0)).toHaveLength(3);
	});

	it("takes the rows that changed longest ago together", () => {
		const log = logOf(
			["api.a(1)", "api.a(2)", "api.b(1)", "api.a(3)"].map((tag, i) => [
				tag,
				i + 1,
			]),
			3,
		);
		expect(log.since(0)).toEqual([
			["api.b(1)", 3],
			["api.a(3)", 4],
			["api.a(*)", 2],
		]);
	});

	it("takes rows for the oldest by their numbers, not by when it heard of them", () => {
		const log = logOf(
			[
				["api.a(9)", 9],
				["api.a(1)", 1],
				["api.a(8)", 8],
			],
			2,
		);
		expect(log.since(0)).toEqual([
			["api.a(9)", 9],
			["api.a(*)", 8],
		]);
	});

	it("does not lower what it knows of any row", () => {
		const log = logOf(
			[
				["api.a(*)", 7],
				["api.a(1)", 1],
				["api.a(2)", 2],
				["api.a(3)", 8],
			],
			3,
		);
		expect(log.lastChange("api.a(*)")).toBe(7);
	});

	it("leaves tables as they are while there are rows to take together", () => {
		const log = logOf(
			[
				["api.a", 1],
				["api.b", 2],
				["api.b(1)", 2],
				["api.b(2)", 2],
				["api.b(3)", 2],
				["api.b(4)", 2],
			],
			5,
		);
		expect([log.lastChange("api.a"), log.prunedBelow]).toEqual([1, 0]);
	});

	it("forgets what changed longest ago where there are no rows, and raises its prunedBelow to that", () => {
		const log = logOf(
			["api.a", "api.b", "api.c", "api.d"].map((tag, i) => [tag, i + 1]),
			3,
		);
		expect([log.prunedBelow, log.since(0)]).toEqual([3, [["api.d", 4]]]);
	});

	it("takes an answer of before the floor for stale, whatever it depends on", () => {
		const log = logOf(
			["api.a", "api.b", "api.c", "api.d"].map((tag, i) => [tag, i + 1]),
			3,
		);
		expect([isFresh(log, 2, ["api.x"]), isFresh(log, 3, ["api.x"])]).toEqual([
			false,
			true,
		]);
	});

	it.each([
		['api."a(b)"(1)', 'api."a(b)"(*)'],
		['"s(""x"")"."t"(1)', '"s(""x"")"."t"(*)'],
		['api.t("(*)")', "api.t(*)"],
		['api.t("*")', "api.t(*)"],
		['api.t("")', "api.t(*)"],
		['api.t("a\nb",2)', "api.t(*)"],
	])("takes the row %s for one of its relation", (row, anyRow) => {
		const log = logOf(
			[
				[row, 1],
				[anyRow.replace("*", "7"), 2],
				["api.z(1)", 3],
				["api.z(2)", 4],
			],
			3,
		);
		expect([log.lastChange(row), log.lastChange(anyRow)]).toEqual([0, 2]);
	});

	it.each(["catalog", "api.t", 'api."a(b)"', '"s(""x"")"."t"', "api.t(*)"])(
		"does not take %s for a row",
		(tag) => {
			const log = logOf(
				[tag, "api.z(1)", "api.z(2)", "api.z(3)", "api.z(4)"].map(
					(tag, index) => [tag, index + 1],
				),
				4,
			);
			expect(log.since(0)).toEqual([
				[tag, 1],
				["api.z(3)", 4],
				["api.z(4)", 5],
				["api.z(*)", 3],
			]);
		},
	);

	it("says of nothing that it changed less than it did, whatever it has no room for", () => {
		const change = fc.record({
			relation: fc.constantFrom("api.a", "api.b", 'api."c(d)"', "api.e"),
			key: fc.option(fc.integer({ min: 0, max: 6 }), { nil: "*" }),
			isTable: fc.boolean(),
		});
		fc.assert(
			fc.property(
				fc.array(fc.array(change, { maxLength: 4 }), { maxLength: 40 }),
				fc.integer({ min: 1, max: 12 }),
				(polls, maxTags) => {
					const log = new LastChanges(0, maxTags);
					const exact = new Map<string, number>();
					polls.forEach((found, index) => {
						const seq = index + 1;
						const tags = found.flatMap(({ relation, key, isTable }) =>
							isTable ? [relation] : [relation, `${relation}(${key})`],
						);
						for (const tag of tags) exact.set(tag, seq);
						log.record(tags.map((tag) => [tag, seq]));
						expect(log.since(0).length).toBeLessThanOrEqual(maxTags);
						for (const [tag, last] of exact) {
							const [, relation, key] = /^(.*)\(([^)]*)\)$/.exec(tag) ?? [];
							const tags =
								relation === undefined || key === undefined
									? [tag]
									: ofRow(relation, key);
							expect(isFresh(log, last - 1, tags)).toBe(false);
						}
					});
				},
			),
			{ numRuns: 200 },
		);
	});

	it("is told in full by what changed after the number that one was at", () => {
		const tag = fc.constantFrom("api.a", "api.a(1)", "api.a(2)", "api.a(*)");
		fc.assert(
			fc.property(
				fc.array(fc.array(tag, { maxLength: 3 }), { maxLength: 20 }),
				fc.integer({ min: 1, max: 5 }),
				fc.array(fc.integer({ min: 1, max: 20 })),
				(polls, maxTags, looks) => {
					const log = new LastChanges(0, maxTags);
					const copy = new LastChanges();
					const exact = new Map<string, number>();
					let known = 0;
					polls.forEach((tags, index) => {
						const seq = index + 1;
						log.record(tags.map((tag) => [tag, seq]));
						for (const tag of tags) exact.set(tag, seq);
						if (!looks.includes(seq)) return;
						copy.raisePrunedBelow(log.prunedBelow);
						copy.record(log.since(known));
						known = seq;
						for (const [tag, last] of exact) {
							const plan = tag === "api.a" ? [tag] : [tag, "api.a(*)"];
							expect(isFresh(copy, last - 1, plan)).toBe(false);
						}
					});
				},
			),
			{ numRuns: 300 },
		);
	});
});
