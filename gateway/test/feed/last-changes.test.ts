// The last changes, bounded: what may be merged or dropped, and that no tag ever seems to have changed earlier than it did.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Change } from "../../src/feed/feed.ts";
import { LastChanges } from "../../src/feed/last-changes.ts";

function changesOf(changes: Iterable<Change>, maxTags?: number): LastChanges {
	const last = new LastChanges(0, maxTags);
	last.record(changes);
	return last;
}

/** Whether an answer that was numbered `seq` and depends on these tags is fresh. */
function isFresh(last: LastChanges, seq: number, tags: readonly string[]) {
	return (
		seq >= last.prunedBelow &&
		[...tags, "catalog"].every((tag) => last.lastChange(tag) <= seq)
	);
}

/** The tags of a read of one row. */
const ofRow = (relation: string, key: string | number) => [
	`${relation}(${key})`,
	`${relation}(*)`,
];

describe("the last changes", () => {
	it("give a tag's last change", () => {
		const last = changesOf([
			["api.a", 1],
			["api.a", 3],
			["api.b", 2],
		]);
		expect([last.lastChange("api.a"), last.lastChange("api.b")]).toEqual([
			3, 2,
		]);
	});

	it("give 0 for a tag that has not changed", () => {
		expect(changesOf([["api.a", 1]]).lastChange("api.b")).toBe(0);
	});

	it("ignore a change that is older than the known one", () => {
		const last = changesOf([["api.a", 5]]);
		last.record([["api.a", 4]]);
		expect(last.lastChange("api.a")).toBe(5);
	});

	it("list what changed after a number, not at it", () => {
		const last = changesOf([
			["api.a", 1],
			["api.b", 2],
			["api.c", 3],
		]);
		expect(last.since(1)).toEqual([
			["api.b", 2],
			["api.c", 3],
		]);
	});

	it("give no tag a change below prunedBelow", () => {
		const last = changesOf([["api.a", 1]]);
		last.raisePrunedBelow(4);
		expect([last.lastChange("api.a"), last.lastChange("api.b")]).toEqual([
			4, 4,
		]);
	});

	it("never lower prunedBelow", () => {
		const last = new LastChanges(4);
		last.raisePrunedBelow(3);
		expect(last.prunedBelow).toBe(4);
	});

	it("keep as many tags as the bound allows", () => {
		const last = changesOf(
			["api.a(1)", "api.a(2)", "api.a(3)"].map((tag, i) => [tag, i + 1]),
			3,
		);
		expect(last.since(0)).toHaveLength(3);
	});

	it("merge the rows that changed longest ago", () => {
		const last = changesOf(
			["api.a(1)", "api.a(2)", "api.b(1)", "api.a(3)"].map((tag, i) => [
				tag,
				i + 1,
			]),
			3,
		);
		expect(last.since(0)).toEqual([
			["api.b(1)", 3],
			["api.a(3)", 4],
			["api.a(*)", 2],
		]);
	});

	it("merge the rows with the lowest numbers, in any order of arrival", () => {
		const last = changesOf(
			[
				["api.a(9)", 9],
				["api.a(1)", 1],
				["api.a(8)", 8],
			],
			2,
		);
		expect(last.since(0)).toEqual([
			["api.a(9)", 9],
			["api.a(*)", 8],
		]);
	});

	it("never lower the number of an any-row tag by a merge", () => {
		const last = changesOf(
			[
				["api.a(*)", 7],
				["api.a(1)", 1],
				["api.a(2)", 2],
				["api.a(3)", 8],
			],
			3,
		);
		expect(last.lastChange("api.a(*)")).toBe(7);
	});

	it("keep relations while there are rows to merge", () => {
		const last = changesOf(
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
		expect([last.lastChange("api.a"), last.prunedBelow]).toEqual([1, 0]);
	});

	it("drop the oldest tags where there are no rows to merge, and raise prunedBelow to the last of them", () => {
		const last = changesOf(
			["api.a", "api.b", "api.c", "api.d"].map((tag, i) => [tag, i + 1]),
			3,
		);
		expect([last.prunedBelow, last.since(0)]).toEqual([3, [["api.d", 4]]]);
	});

	it("make every answer below prunedBelow stale", () => {
		const last = changesOf(
			["api.a", "api.b", "api.c", "api.d"].map((tag, i) => [tag, i + 1]),
			3,
		);
		expect([isFresh(last, 2, ["api.x"]), isFresh(last, 3, ["api.x"])]).toEqual([
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
	])("merge the row %s into its relation", (row, anyRow) => {
		const last = changesOf(
			[
				[row, 1],
				[anyRow.replace("*", "7"), 2],
				["api.z(1)", 3],
				["api.z(2)", 4],
			],
			3,
		);
		expect([last.lastChange(row), last.lastChange(anyRow)]).toEqual([0, 2]);
	});

	it.each(["catalog", "api.t", 'api."a(b)"', '"s(""x"")"."t"', "api.t(*)"])(
		"do not merge %s, which is not a row",
		(tag) => {
			const last = changesOf(
				[tag, "api.z(1)", "api.z(2)", "api.z(3)", "api.z(4)"].map(
					(tag, index) => [tag, index + 1],
				),
				4,
			);
			expect(last.since(0)).toEqual([
				[tag, 1],
				["api.z(3)", 4],
				["api.z(4)", 5],
				["api.z(*)", 3],
			]);
		},
	);

	it("never show a tag changed earlier than it did, however many do not fit", () => {
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
					const last = new LastChanges(0, maxTags);
					const exact = new Map<string, number>();
					polls.forEach((found, index) => {
						const seq = index + 1;
						const tags = found.flatMap(({ relation, key, isTable }) =>
							isTable ? [relation] : [relation, `${relation}(${key})`],
						);
						for (const tag of tags) exact.set(tag, seq);
						last.record(tags.map((tag) => [tag, seq]));
						expect(last.since(0).length).toBeLessThanOrEqual(maxTags);
						for (const [tag, seq] of exact) {
							const [, relation, key] = /^(.*)\(([^)]*)\)$/.exec(tag) ?? [];
							const tags =
								relation === undefined || key === undefined
									? [tag]
									: ofRow(relation, key);
							expect(isFresh(last, seq - 1, tags)).toBe(false);
						}
					});
				},
			),
			{ numRuns: 200 },
		);
	});

	it("are complete in a copy that is kept up by what changed after its number", () => {
		const tag = fc.constantFrom("api.a", "api.a(1)", "api.a(2)", "api.a(*)");
		fc.assert(
			fc.property(
				fc.array(fc.array(tag, { maxLength: 3 }), { maxLength: 20 }),
				fc.integer({ min: 1, max: 5 }),
				fc.array(fc.integer({ min: 1, max: 20 })),
				(polls, maxTags, looks) => {
					const last = new LastChanges(0, maxTags);
					const copy = new LastChanges();
					const exact = new Map<string, number>();
					let known = 0;
					polls.forEach((tags, index) => {
						const seq = index + 1;
						last.record(tags.map((tag) => [tag, seq]));
						for (const tag of tags) exact.set(tag, seq);
						if (!looks.includes(seq)) return;
						copy.raisePrunedBelow(last.prunedBelow);
						copy.record(last.since(known));
						known = seq;
						for (const [tag, seq] of exact) {
							const plan = tag === "api.a" ? [tag] : [tag, "api.a(*)"];
							expect(isFresh(copy, seq - 1, plan)).toBe(false);
						}
					});
				},
			),
			{ numRuns: 300 },
		);
	});
});
