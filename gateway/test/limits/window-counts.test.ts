// Counts in windows: never more than the quota in one, and never more than twice as many in any time of its length.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createWindowCounts } from "../../src/limits/window-counts.ts";

const QUOTA = { quota: 3, windowMs: 1_000 };

function start(maxCounts = 10) {
	const clock = { ms: 0 };
	return { clock, counts: createWindowCounts(maxCounts, () => clock.ms) };
}

describe("a count", () => {
	it("allows the quota, refuses one more, and allows it again when it said", () => {
		const { clock, counts } = start();
		const take = () => counts.take("ada", QUOTA);
		expect([take(), take(), take()].map(({ remaining }) => remaining)).toEqual([
			2, 1, 0,
		]);
		clock.ms = 400;
		const refused = take();
		expect(refused).toEqual({ isAllowed: false, remaining: 0, resetMs: 600 });
		clock.ms += refused.resetMs - 1;
		expect(take().isAllowed).toBe(false);
		clock.ms += 1;
		expect(take()).toEqual({ isAllowed: true, remaining: 2, resetMs: 1_000 });
	});

	it("is each name's own", () => {
		const { counts } = start();
		for (let count = 0; count < 4; count++) counts.take("ada", QUOTA);
		expect(counts.take("bob", QUOTA).isAllowed).toBe(true);
	});

	it("takes back what was taken for nothing", () => {
		const { counts } = start();
		for (let count = 0; count < 3; count++) counts.take("ada", QUOTA);
		counts.giveBack("ada", QUOTA, 0);
		expect(counts.take("ada", QUOTA).isAllowed).toBe(true);
		expect(counts.take("ada", QUOTA).isAllowed).toBe(false);
	});

	it("takes nothing back of a window that has ended", () => {
		const { clock, counts } = start();
		for (let count = 0; count < 3; count++) counts.take("ada", QUOTA);
		clock.ms = 1_000;
		for (let count = 0; count < 3; count++) counts.take("ada", QUOTA);
		counts.giveBack("ada", QUOTA, 999);
		expect(counts.take("ada", QUOTA).isAllowed).toBe(false);
		counts.giveBack("ada", QUOTA, 1_000);
		expect(counts.take("ada", QUOTA).isAllowed).toBe(true);
	});

	it("is not changed by a look", () => {
		const { counts } = start();
		for (let count = 0; count < 9; count++) counts.look("ada", QUOTA);
		expect(counts.take("ada", QUOTA).remaining).toBe(2);
	});

	it("is closed for as long as a count elsewhere says", () => {
		const { clock, counts } = start();
		counts.close("ada", QUOTA, 5_000);
		clock.ms = 4_999;
		expect(counts.take("ada", QUOTA).isAllowed).toBe(false);
		clock.ms = 5_000;
		expect(counts.take("ada", QUOTA).isAllowed).toBe(true);
	});

	it("is forgotten when there are more than fit, the oldest first", () => {
		const { counts } = start(2);
		for (const name of ["ada", "bob", "ada", "cyd"]) counts.take(name, QUOTA);
		expect(counts.look("bob", QUOTA).remaining).toBe(2);
		expect(counts.look("ada", QUOTA).remaining).toBe(0);
	});

	it("allows at most twice the quota in any time of a window's length, and what it refuses is allowed when it says", () => {
		const steps = fc.array(fc.nat(600), { minLength: 1, maxLength: 200 });
		fc.assert(
			fc.property(steps, fc.integer({ min: 1, max: 5 }), (pauses, quota) => {
				const { clock, counts } = start();
				const limit = { quota, windowMs: 1_000 };
				const allowedAt: number[] = [];
				for (const pause of pauses) {
					clock.ms += pause;
					const { isAllowed, resetMs } = counts.take("ada", limit);
					if (isAllowed) allowedAt.push(clock.ms);
					else {
						const later = createWindowCounts(1, () => clock.ms + resetMs);
						expect(resetMs).toBeGreaterThan(0);
						expect(later.look("ada", limit).isAllowed).toBe(true);
					}
				}
				for (const from of allowedAt) {
					const within = allowedAt.filter(
						(at) => at >= from && at < from + 1_000,
					);
					expect(within.length).toBeLessThanOrEqual(2 * quota);
				}
			}),
		);
	});
});
