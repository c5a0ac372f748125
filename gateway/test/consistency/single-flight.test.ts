// Single flight: one request does the work, the others look for its outcome, and none waits for a request that is gone.
import { describe, expect, it } from "vitest";
import { createSingleFlight } from "../../src/consistency/single-flight.ts";
import { settle, stoppedTime } from "../support/change-feed.ts";

const LIMIT_MS = 5_000;

function startFlights(maxFlights = 100) {
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

describe("a flight", () => {
	it("belongs to the first request", async () => {
		const { flights } = startFlights();
		const taken = await flights.run("a", nothing, async () => 1);
		expect(taken).toBe(1);
	});

	it("keeps other requests from the work", async () => {
		const { time, flights } = startFlights();
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
		expect([await time.until(second), hasWorked]).toEqual([undefined, false]);
	});

	it("ends for a waiting request that finds the outcome while the work goes on", async () => {
		const { time, flights } = startFlights();
		let found: string | undefined;
		flights.run("a", nothing, never);
		const second = flights.run("a", () => found, never);
		await time.pass(50);
		found = "it";
		expect(await time.until(second)).toBe("it");
	});

	it("ends for waiting requests with the outcome that they find at its end", async () => {
		const { time, flights } = startFlights();
		let found: string | undefined;
		const { work, resolve } = openWork<undefined>();
		flights.run("a", nothing, work);
		const second = flights.run("a", () => found, never);
		await time.pass(50);
		found = "it";
		resolve(undefined);
		expect(await time.until(second)).toBe("it");
	});

	it("ends for waiting requests when the work fails, without the error", async () => {
		const { time, flights } = startFlights();
		const { work, reject } = openWork<undefined>();
		const first = flights.run("a", nothing, work);
		const second = flights.run("a", nothing, never);
		reject(new Error("failed"));
		await expect(first).rejects.toThrow("failed");
		expect(await time.until(second)).toBeUndefined();
	});

	it("can be started again after the work has ended or failed", async () => {
		const { flights } = startFlights();
		await flights.run("a", nothing, async () => 1);
		await flights
			.run("a", nothing, () => Promise.reject(new Error("failed")))
			.catch(() => {});
		const taken = await flights.run("a", nothing, async () => 2);
		expect(taken).toBe(2);
	});

	it("ends after the limit if its request was cancelled", async () => {
		const { time, flights } = startFlights();
		flights.run("a", nothing, never);
		const second = flights.run("a", nothing, never);
		const start = time.ms;
		expect(await time.until(second)).toBeUndefined();
		// A waiting request sees the end when it looks next.
		expect(time.ms - start - LIMIT_MS).toBeOneOf([...Array(26).keys()]);
	});

	it("can be started by another request after the limit, not before", async () => {
		const { time, flights } = startFlights();
		flights.run("a", nothing, never);
		await time.pass(LIMIT_MS - 1);
		const before = flights.isUnderWay("a");
		await time.pass(1);
		const taken = await flights.run("a", nothing, async () => 2);
		expect([before, taken]).toEqual([true, 2]);
	});

	it("is not ended by an earlier request that took too long", async () => {
		const { time, flights } = startFlights();
		const slow = openWork<number>();
		const first = flights.run("a", nothing, slow.work);
		await time.pass(LIMIT_MS);
		flights.run("a", nothing, never);
		slow.resolve(1);
		await first;
		expect(flights.isUnderWay("a")).toBe(true);
	});

	it("affects its own name only", async () => {
		const { flights } = startFlights();
		flights.run("a", nothing, never);
		const taken = await flights.run("b", nothing, async () => 2);
		expect(taken).toBe(2);
	});

	it("is looked at often at first, then every 25 ms", async () => {
		const { time, flights } = startFlights();
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

	it("is not waited for if too many requests wait", async () => {
		const { flights } = startFlights(2);
		flights.run("a", nothing, never);
		flights.run("b", nothing, never);
		flights.run("c", nothing, never);
		const taken = await flights.run("c", nothing, async () => 3);
		expect([taken, flights.isUnderWay("c")]).toEqual([3, false]);
	});

	it("is waited for again after the waiting requests were cancelled", async () => {
		const { time, flights } = startFlights(2);
		flights.run("a", nothing, never);
		flights.run("b", nothing, never);
		await time.pass(LIMIT_MS);
		flights.run("c", nothing, never);
		await settle();
		expect(flights.isUnderWay("c")).toBe(true);
	});
});
