// Turns: one does the work, the others look, and nobody waits for somebody who is gone.
import { describe, expect, it } from "vitest";
import { createTurns } from "../../src/cache/single-flight.ts";
import { settle, stoppedTime } from "../support/change-feed.ts";

const LIMIT_MS = 5_000;

function startTurns(maxTurns = 100) {
	const time = stoppedTime();
	const { now, sleep } = time;
	const turns = createTurns({ now, sleep, limitMs: LIMIT_MS, maxTurns });
	return { time, turns };
}

/** Work that ends when the test says so. */
function openWork<Value>() {
	const { promise, resolve, reject } = Promise.withResolvers<Value>();
	return { work: () => promise, resolve, reject };
}

const nothing = () => undefined;
const never = () => new Promise<never>(() => {});

describe("a turn", () => {
	it("is taken by who comes first", async () => {
		const { turns } = startTurns();
		const taken = await turns.take("a", nothing, async () => 1);
		expect(taken).toEqual({ value: 1, waited: false });
	});

	it("lets nobody else do the work meanwhile", async () => {
		const { time, turns } = startTurns();
		const { work, resolve } = openWork<number>();
		const first = turns.take("a", nothing, work);
		let hasWorked = false;
		const second = turns.take("a", nothing, async () => {
			hasWorked = true;
			return 2;
		});
		await time.pass(100);
		resolve(1);
		await first;
		expect([await time.until(second), hasWorked]).toEqual([
			{ value: undefined, waited: true },
			false,
		]);
	});

	it("gives those who wait what they find by looking, while the work still goes on", async () => {
		const { time, turns } = startTurns();
		let found: string | undefined;
		turns.take("a", nothing, never);
		const second = turns.take("a", () => found, never);
		await time.pass(50);
		found = "it";
		expect(await time.until(second)).toEqual({ value: "it", waited: true });
	});

	it("gives those who wait what was found in its last moment", async () => {
		const { time, turns } = startTurns();
		let found: string | undefined;
		const { work, resolve } = openWork<undefined>();
		turns.take("a", nothing, work);
		const second = turns.take("a", () => found, never);
		await time.pass(50);
		found = "it";
		resolve(undefined);
		expect(await time.until(second)).toEqual({ value: "it", waited: true });
	});

	it("is over for those who wait when the work fails, who do not see the error", async () => {
		const { time, turns } = startTurns();
		const { work, reject } = openWork<undefined>();
		const first = turns.take("a", nothing, work);
		const second = turns.take("a", nothing, never);
		reject(new Error("failed"));
		await expect(first).rejects.toThrow("failed");
		expect(await time.until(second)).toEqual({
			value: undefined,
			waited: true,
		});
	});

	it("is free again after the work, and after the work has failed", async () => {
		const { turns } = startTurns();
		await turns.take("a", nothing, async () => 1);
		await turns
			.take("a", nothing, () => Promise.reject(new Error("failed")))
			.catch(() => {});
		const taken = await turns.take("a", nothing, async () => 2);
		expect(taken).toEqual({ value: 2, waited: false });
	});

	it("ends after its time where whoever had it has gone without a word", async () => {
		const { time, turns } = startTurns();
		turns.take("a", nothing, never);
		const second = turns.take("a", nothing, never);
		const start = time.ms;
		expect((await time.until(second)).value).toBe(undefined);
		// The end shows by the next look.
		expect(time.ms - start - LIMIT_MS).toBeOneOf([...Array(26).keys()]);
	});

	it("may be taken by somebody else after its time, and not before", async () => {
		const { time, turns } = startTurns();
		turns.take("a", nothing, never);
		await time.pass(LIMIT_MS - 1);
		const before = turns.isTaken("a");
		await time.pass(1);
		const taken = await turns.take("a", nothing, async () => 2);
		expect([before, taken]).toEqual([true, { value: 2, waited: false }]);
	});

	it("is not ended by somebody who had it before and took too long", async () => {
		const { time, turns } = startTurns();
		const slow = openWork<number>();
		const first = turns.take("a", nothing, slow.work);
		await time.pass(LIMIT_MS);
		turns.take("a", nothing, never);
		slow.resolve(1);
		await first;
		expect(turns.isTaken("a")).toBe(true);
	});

	it("has to do with its own name alone", async () => {
		const { turns } = startTurns();
		turns.take("a", nothing, never);
		const taken = await turns.take("b", nothing, async () => 2);
		expect(taken).toEqual({ value: 2, waited: false });
	});

	it("is looked at often at first, then every 25 ms", async () => {
		const { time, turns } = startTurns();
		const looks: number[] = [];
		const start = time.ms;
		turns.take("a", nothing, never);
		turns.take(
			"a",
			() => {
				looks.push(time.ms - start);
				return undefined;
			},
			never,
		);
		await time.pass(100);
		expect(looks).toEqual([2, 6, 14, 30, 55, 80]);
	});

	it("is not waited for where there are too many others", async () => {
		const { turns } = startTurns(2);
		turns.take("a", nothing, never);
		turns.take("b", nothing, never);
		turns.take("c", nothing, never);
		const taken = await turns.take("c", nothing, async () => 3);
		expect([taken.waited, turns.isTaken("c")]).toEqual([false, false]);
	});

	it("is had again where the others were of people who have gone", async () => {
		const { time, turns } = startTurns(2);
		turns.take("a", nothing, never);
		turns.take("b", nothing, never);
		await time.pass(LIMIT_MS);
		turns.take("c", nothing, never);
		await settle();
		expect(turns.isTaken("c")).toBe(true);
	});
});
