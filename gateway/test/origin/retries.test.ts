// Reads that are sent again: which ones, how often, and when not.
import { describe, expect, it } from "vitest";
import { Refusal, type RefusalCode } from "../../src/http/refusals.ts";
import { withRetries } from "../../src/origin/retries.ts";
import { ANYBODY, rows } from "../support/cache.ts";

/** An origin that gives no answer to so many requests. */
function start(failures: number, code: RefusalCode = "origin_unreachable") {
	let asked = 0;
	const pauses: number[] = [];
	const pipeline = withRetries(
		async () => {
			if (++asked <= failures) throw new Refusal(code);
			return rows();
		},
		async (ms) => {
			pauses.push(ms);
		},
	);
	return {
		pauses,
		asked: () => asked,
		ask: (init?: RequestInit) =>
			pipeline(new Request("http://postgrest/notes", init), ANYBODY).then(
				({ status }) => status,
				({ code }: Refusal) => code,
			),
	};
}

describe("a read without an answer", () => {
	it.each(["GET", "HEAD"])("is sent once more by %s", async (method) => {
		const { ask, asked } = start(1);
		expect([await ask({ method }), asked()]).toEqual([200, 2]);
	});

	it("is refused if the second has none, either", async () => {
		const { ask, asked } = start(2);
		expect([await ask(), asked()]).toEqual(["origin_unreachable", 2]);
	});

	it("is sent again after a pause that differs", async () => {
		const { ask, pauses } = start(100);
		for (let count = 0; count < 10; count++) await ask();
		expect(pauses.every((ms) => ms >= 50 && ms < 100)).toBe(true);
		expect(new Set(pauses).size).toBe(10);
	});

	it("is not sent again if its client has gone away", async () => {
		const { ask, asked } = start(1);
		await ask({ signal: AbortSignal.abort() });
		expect(asked()).toBe(1);
	});
});

it.each(["POST", "PATCH", "PUT", "DELETE", "OPTIONS"])(
	"%s is not sent again",
	async (method) => {
		const { ask, asked } = start(1);
		expect([await ask({ method }), asked()]).toEqual(["origin_unreachable", 1]);
	},
);

it.each(["origin_timeout", "origin_refused", "body_malformed"] as const)(
	"nothing is sent again after %s",
	async (code) => {
		const { ask, asked } = start(1, code);
		expect([await ask(), asked()]).toEqual([code, 1]);
	},
);

it("an origin that is away gets ten more requests, and then one for each ten", async () => {
	const { ask, asked } = start(1_000);
	for (let count = 0; count < 200; count++) await ask();
	// The first ten earn one more between them.
	expect(asked()).toBeGreaterThanOrEqual(200 + 10 + 18);
	expect(asked()).toBeLessThanOrEqual(200 + 10 + 20);
});
