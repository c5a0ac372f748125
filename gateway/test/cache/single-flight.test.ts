// SingleFlight: one does the work, the others look, and nobody waits for somebody who is gone.
import { describe, expect, it } from "vitest";
import { createSingleFlight } from "../../src/cache/single-flight.ts";
import { settle, stoppedTime } from "../support/change-feed.ts";

const LIMIT_MS = 5_000;

function startTurns(maxFlights = 100) {
	const time = stoppedTime();
	const { now, sleep } = time;
	const flights = createSingleFlight({
		now,
		sleep,
		limitMs: LIMIT_MS,
		maxFlights,
	});
	return { time, flights };
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
		const { flights } = startTurns();
		const taken = await flights.run("a", nothing, async () => 1);
		expect(taken).toEqual({ value: 1, waited: false });
	});

	it("lets nobody else do the work meanwhile", async () => {
		const { time, flights } = startTurns();
		const { work, resolve } = openWork<number>();
		const first = flights.run("a", nothing, work);
		let hasWorked = false;
		const second = flights.run("a", nothing, async () => {
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
		const { time, flights } = startTurns();
		let found: string | undefined;
		flights.run("a", nothing, never);
		const second = flights.run("a", () => found, never);
		await time.pass(50);
		found = "it";
		expect(await time.until(second)).toEqual({ value: "it", waited: true });
	});

	it("gives those who wait what was found in its last moment", async () => {
		const { time, flights } = startTurns();
		let found: string | undefined;
		const { work, resolve } = openWork<undefined>();
		flights.run("a", nothing, work);
		const second = flights.run("a", () => found, never);
		await time.pass(50);
		found = "it";
		resolve(undefined);
		expect(await time.until(second)).toEqual({ value: "it", waited: true });
	});

	it("is over for those who wait when the work fails, who do not see the error", async () => {
		const { time, flights } = startTurns();
		const { work, reject } = openWork<undefined>();
		const first = flights.run("a", nothing, work);
		const second = flights.run("a", nothing, never);
		reject(new Error("failed"));
		await expect(first).rejects.toThrow("failed");
		expect(await time.until(second)).toEqual({
			value: undefined,
			waited: true,
		});
	});

	it("is free again after the work, and after the work has failed", async () => {
		const { flights } = startTurns();
		await flights.run("a", nothing, async () => 1);
		await flights
			.run("a", nothing, () => Promise.reject(new Error("failed")))
			.catch(() => {});
		const taken = await flights.run("a", nothing, async () => 2);
		expect(taken).toEqual({ value: 2, waited: false });
	});

	it("ends after its time where whoever had it has gone without a word", async () => {
		const { time, flights } = startTurns();
		flights.run("a", nothing, never);
		const second = flights.run("a", nothing, never);
		const start = time.ms;
		expect((await time.until(second)).value).toBe(undefined);
		// The end shows by the next look.
		expect(time.ms - start - LIMIT_MS).toBeOneOf([...Array(26).keys()]);
	});

	it("may be taken by somebody else after its time, and not before", async () => {
		const { time, flights } = startTurns();
		flights.run("a", nothing, never);
		await time.pass(LIMIT_MS - 1);
		const before = flights.isUnderWay("a");
		await time.pass(1);
		const taken = await flights.run("a", nothing, async () => 2);
		expect([before, taken]).toEqual([true, { value: 2, waited: false }]);
	});

	it("is not ended by somebody who had it before and took too long", async () => {
		const { time, flights } = startTurns();
		const slow = openWork<number>();
		const first = flights.run("a", nothing, slow.work);
		await time.pass(LIMIT_MS);
		flights.run("a", nothing, never);
		slow.resolve(1);
		await first;
		expect(flights.isUnderWay("a")).toBe(true);
	});

	it("has to do with its own name alone", async () => {
		const { flights } = startTurns();
		flights.run("a", nothing, never);
		const taken = await flights.run("b", nothing, async () => 2);
		expect(taken).toEqual({ value: 2, waited: false });
	});

	it("is looked at often at first, then every 25 ms", async () => {
		const { time, flights } = startTurns();
		const looks: number[] = [];
		const start = time.ms;
		flights.run("a", nothing, never);
		flights.run(
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
		const { flights } = startTurns(2);
		flights.run("a", nothing, never);
		flights.run("b", nothing, never);
		flights.run("c", nothing, never);
		const taken = await flights.run("c", nothing, async () => 3);
		expect([taken.waited, flights.isUnderWay("c")]).toEqual([false, false]);
	});

	it("is had again where the others were of people who have gone", async () => {
		const { time, flights } = startTurns(2);
		flights.run("a", nothing, never);
		flights.run("b", nothing, never);
		await time.pass(LIMIT_MS);
		flights.run("c", nothing, never);
		await settle();
		expect(flights.isUnderWay("c")).toBe(true);
	});
});
