import { describe, expect, it } from "vitest";
import type { Taken } from "../../src/limits/caller-counts.ts";
import { createShares } from "../../src/limits/shares.ts";

const TAKEN = { isAllowed: true, share: 3, remaining: 27, resetMs: 1_000 };

function start() {
	const clock = { ms: 0 };
	return { clock, shares: createShares(10, 500, () => clock.ms) };
}

describe("a share of a quota", () => {
	it("is spent one by one, the first by who asked for it", () => {
		const { shares } = start();
		expect(shares.spend("ada")).toBeUndefined();
		expect(shares.mayAsk("ada")).toBe(true);
		expect(shares.add("ada", TAKEN, 0).remaining).toBe(29);
		const left = [1, 2, 3].map(() => shares.spend("ada")?.remaining);
		expect(left).toEqual([28, 27, undefined]);
		expect(shares.mayAsk("ada")).toBe(true);
	});

	it("is asked for by one, until the object ought to have answered", () => {
		const { shares, clock } = start();
		expect(shares.mayAsk("ada")).toBe(true);
		expect([shares.mayAsk("ada"), shares.mayAsk("bob")]).toEqual([false, true]);
		expect(shares.spend("ada")).toBeUndefined();
		clock.ms = 500;
		expect(shares.mayAsk("ada")).toBe(true);
	});

	it("ends no later than the object's window, however late its answer comes", () => {
		const { shares, clock } = start();
		shares.mayAsk("ada");
		clock.ms = 400;
		shares.add("ada", TAKEN, 0);
		clock.ms = 999;
		expect(shares.spend("ada")?.resetMs).toBe(1);
		clock.ms = 1_000;
		expect(shares.spend("ada")).toBeUndefined();
	});

	it("that is one leaves nothing to spend", () => {
		const { shares } = start();
		shares.mayAsk("ada");
		shares.add("ada", { ...TAKEN, share: 1 }, 0);
		expect(shares.spend("ada")).toBeUndefined();
		expect(shares.mayAsk("ada")).toBe(true);
	});

	it("that comes late is added to the one that was taken meanwhile, and ends with the earlier window", () => {
		const { shares, clock } = start();
		shares.mayAsk("ada");
		clock.ms = 500;
		shares.mayAsk("ada");
		shares.add("ada", { ...TAKEN, resetMs: 5_000 }, 500);
		shares.add("ada", TAKEN, 0);
		const left = [1, 2, 3, 4].map(() => shares.spend("ada")?.remaining);
		expect(left).toEqual([30, 29, 28, 27]);
		shares.mayAsk("ada");
		shares.add("ada", TAKEN, 500);
		shares.add("ada", { ...TAKEN, share: 0, isAllowed: false }, 500);
		expect(shares.spend("ada")).toBeDefined();
		clock.ms = 1_500;
		expect(shares.spend("ada")).toBeUndefined();
	});

	it("is one where the object is of a version before, which tells none", () => {
		const { shares } = start();
		shares.mayAsk("ada");
		const { share: _, ...told } = TAKEN;
		expect(shares.add("ada", told as Taken, 0).remaining).toBe(27);
	});
});
