import { describe, expect, it } from "vitest";
import { parentIn, spentBetween } from "../cost/cpu.ts";

describe("spentBetween", () => {
	it("adds up what each thread has taken, all of a new one's, nothing of one that has ended", () => {
		const before = new Map([
			["old", 10],
			["ended", 70],
		]);
		const after = new Map([
			["old", 15],
			["new", 3],
		]);
		expect(spentBetween(before, after)).toBe(8);
	});
});

describe("parentIn", () => {
	it("finds the parent behind a name with brackets and spaces", () => {
		expect(parentIn("42 (a (b) c) S 7 42 42 0")).toBe(7);
	});
});
