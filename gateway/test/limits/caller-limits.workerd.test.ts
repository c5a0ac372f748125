// The object that counts for one caller, in a real Durable Object's storage.
import {
	evictDurableObject,
	runDurableObjectAlarm,
	runInDurableObject,
} from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, it, vi } from "vitest";
import type { CallerLimits } from "../../src/limits/caller-limits.ts";

const QUOTA = { quota: 20, windowMs: 60_000 };

let objects = 0;
const newObject = () => env.CALLER_LIMITS.getByName(`caller ${objects++}`);

describe("the object of a caller", () => {
	it("counts exactly what arrives at once", async () => {
		const object = newObject();
		const standings = await Promise.all(
			Array.from({ length: 100 }, () => object.take("misses", QUOTA)),
		);
		expect(standings.filter(({ isAllowed }) => isAllowed)).toHaveLength(20);
	});

	it("counts a share at once: a tenth of what is left, or one, and never more than there is", async () => {
		const object = newObject();
		const shares: number[] = [];
		for (let count = 0; count < 21; count++)
			shares.push((await object.take("misses", QUOTA, true)).share);
		expect(shares.slice(0, 2)).toEqual([2, 1]);
		expect(shares.slice(-3)).toEqual([1, 0, 0]);
		expect(shares.reduce((sum, share) => sum + share)).toBe(QUOTA.quota);
	});

	it("counts each limit for itself, and takes back", async () => {
		const object = newObject();
		await object.take("misses", QUOTA);
		await object.take("writes", QUOTA);
		await object.giveBack("misses", QUOTA, 0);
		await object.giveBack("misses", QUOTA, 120_000);
		expect((await object.take("misses", QUOTA)).remaining).toBe(19);
		expect((await object.take("writes", QUOTA)).remaining).toBe(18);
	});

	it("goes on counting after it was evicted, without what was not stored yet", async () => {
		const object = newObject();
		await object.take("misses", QUOTA);
		await object.take("misses", QUOTA);
		await vi.waitFor(async () => expect(await stored(object)).toBe(1), 3_000);
		await object.take("misses", QUOTA);
		await evictDurableObject(object);
		expect((await object.take("misses", QUOTA)).remaining).toBe(17);
	});

	it("stores what was counted in a second once", async () => {
		const object = newObject();
		await object.take("misses", QUOTA);
		expect(await stored(object)).toBe(0);
		await Promise.all(
			Array.from({ length: 100 }, () => object.take("misses", QUOTA)),
		);
		await vi.waitFor(async () => expect(await stored(object)).toBe(1), 3_000);
		await evictDurableObject(object);
		expect((await object.take("misses", QUOTA)).isAllowed).toBe(false);
	});

	it("keeps a window until it has ended, and nothing afterwards", async () => {
		const object = newObject();
		await object.take("misses", QUOTA);
		await object.take("writes", { quota: 1, windowMs: 1 });
		await vi.waitFor(async () => expect(await stored(object)).toBe(2), 3_000);
		expect(await runDurableObjectAlarm(object)).toBe(true);
		expect(await stored(object)).toBe(2);
		await runInDurableObject(
			object,
			(_: CallerLimits, { storage }: DurableObjectState) => {
				storage.kv.put("misses", { used: 1, until: Date.now() - 1 });
			},
		);
		expect(await runDurableObjectAlarm(object)).toBe(true);
		expect(await stored(object)).toBe(0);
	});
});

/** @returns how many windows the object has stored */
const stored = (object: DurableObjectStub<CallerLimits>) =>
	runInDurableObject(
		object,
		(_: CallerLimits, { storage }: DurableObjectState) =>
			[...storage.kv.list()].length,
	);
