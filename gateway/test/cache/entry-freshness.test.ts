import { describe, expect, it } from "vitest";
import { isTimely } from "../../src/cache/entry-freshness.ts";
import { entryOf } from "../support/cache.ts";
import { NOW } from "../support/tokens.ts";

const MAX_AGE_MS = 5_000;

describe("an answer that depends on the clock", () => {
	const entry = entryOf({ clockReadAt: NOW, filledAt: NOW + 3_000 });

	it.each([
		[0, true],
		[MAX_AGE_MS, true],
		[MAX_AGE_MS + 1, false],
		// The isolate's clock was set back.
		[-1, false],
	])("is used %d ms after its fill began: %s", (ms, isUsed) => {
		expect(isTimely(entry, true, MAX_AGE_MS, NOW + ms)).toBe(isUsed);
	});

	it("is as old where the plan of today does not read the clock", () => {
		expect(isTimely(entry, false, MAX_AGE_MS, NOW + 5_001)).toBe(false);
	});

	it("is not used where the entry does not say when it was filled", () => {
		expect(isTimely(entryOf(), true, MAX_AGE_MS, NOW)).toBe(false);
		expect(isTimely(entryOf(), false, MAX_AGE_MS, NOW + 9_000)).toBe(true);
	});
});
