import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { sleep } from "../../src/consistency/sleep.ts";

beforeEach(() => {
	vi.useFakeTimers();
});
afterEach(() => {
	vi.useRealTimers();
});

it("waits as long as it is told, also where the work takes longer", async () => {
	const over = vi.fn();
	void sleep(20).then(over);
	void sleep(20, new Promise(() => {})).then(over);
	await vi.advanceTimersByTimeAsync(19);
	expect(over).not.toHaveBeenCalled();
	await vi.advanceTimersByTimeAsync(1);
	expect(over).toHaveBeenCalledTimes(2);
});

it.each([
	["done", () => Promise.resolve()],
	["given up", () => Promise.reject(new Error("broken"))],
])("ends its timer when the work is %s", async (_, begin) => {
	const work = begin();
	await Promise.race([sleep(60_000, work), work]).catch(() => {});
	expect(vi.getTimerCount()).toBe(0);
});
