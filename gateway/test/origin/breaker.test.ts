// The breaker: when an origin counts as away, what it is asked meanwhile, and how it counts as back.
import { describe, expect, it } from "vitest";
import { Refusal } from "../../src/http/refusals.ts";
import { createBreaker } from "../../src/origin/breaker.ts";
import { absenceOf } from "../../src/origin/origin-absence.ts";
import { ANYBODY, rows } from "../support/cache.ts";
import { NOW } from "../support/tokens.ts";

const unreachable = () => new Refusal("origin_unreachable");
const pgrst = (code: string) =>
	Response.json({ code, message: "an error" }, { status: 503 });

/** An origin that answers as the test says, with the number of requests that reached it. */
function start() {
	const clock = { ms: NOW };
	const origin = {
		asked: 0,
		answer: async (): Promise<Response> => {
			throw unreachable();
		},
	};
	const { pipeline: guarded, close } = createBreaker(
		() => {
			origin.asked++;
			return origin.answer();
		},
		() => clock.ms,
	);
	return {
		clock,
		origin,
		close,
		ask: () =>
			guarded(new Request("http://postgrest/notes"), ANYBODY).catch(
				(refusal) => refusal,
			),
	};
}

async function open() {
	const started = start();
	for (let count = 0; count < 3; count++) await started.ask();
	started.origin.asked = 0;
	return started;
}

describe("a probe that tells nothing", () => {
	it("leaves the next request to probe: one that is refused unsent, or whose client goes away", async () => {
		const { ask, origin, clock } = await open();
		clock.ms += 1_000;
		origin.answer = () => Promise.reject(new Refusal("parameter_invalid"));
		await ask();
		origin.answer = async () => rows();
		expect(absenceOf(await ask())).toBeUndefined();
		expect(origin.asked).toBe(2);
		await ask();
		expect(origin.asked).toBe(3);
	});
});

describe("an origin that fails", () => {
	it("is asked until it has failed three times in a row", async () => {
		const { ask, origin } = start();
		for (let count = 0; count < 5; count++) await ask();
		expect(origin.asked).toBe(3);
	});

	it("is asked as before if answers come between its failures", async () => {
		const { ask, origin } = start();
		for (let count = 0; count < 9; count++) {
			origin.answer =
				count % 3 === 2
					? async () => rows()
					: () => Promise.reject(unreachable());
			await ask();
		}
		expect(origin.asked).toBe(9);
	});

	it.each([
		["it is unreachable", async () => Promise.reject(unreachable())],
		[
			"it is too slow",
			async () => Promise.reject(new Refusal("origin_timeout")),
		],
		["it does not reach its database", async () => pgrst("PGRST001")],
		["its pool is exhausted", async () => pgrst("PGRST003")],
	])("counts as away where %s", async (_, answer) => {
		const { ask, origin } = start();
		origin.answer = answer;
		for (let count = 0; count < 4; count++) await ask();
		expect(origin.asked).toBe(3);
	});

	it.each([
		["a function raises an error", async () => pgrst("PT503")],
		[
			"it refuses the token",
			async () => Promise.reject(new Refusal("origin_refused")),
		],
		[
			"the client goes away",
			async () => Promise.reject(new Refusal("client_closed")),
		],
	])("does not count as away where %s", async (_, answer) => {
		const { ask, origin } = start();
		origin.answer = answer;
		for (let count = 0; count < 4; count++) await ask();
		expect(origin.asked).toBe(4);
	});

	it("has its error passed on as it was", async () => {
		const { ask, origin } = start();
		origin.answer = async () => pgrst("PGRST001");
		expect(await (await ask()).json()).toEqual({
			code: "PGRST001",
			message: "an error",
		});
	});
});

describe("while the origin counts as away, a request", () => {
	it("is refused at once, and the refusal says that the origin was not asked", async () => {
		const { ask, origin } = await open();
		const refusal = await ask();
		expect([origin.asked, refusal.code, absenceOf(refusal)]).toEqual([
			0,
			"origin_unreachable",
			{ reason: "origin-unreachable", wasAsked: false },
		]);
	});

	it("is sent as soon as the origin is known to answer", async () => {
		const { ask, origin, close } = await open();
		close();
		origin.answer = async () => rows();
		expect([(await ask()).status, origin.asked]).toEqual([200, 1]);
	});

	it("is told when the origin will be asked again", async () => {
		const { ask } = await open();
		expect((await ask()).headers).toEqual({ "Retry-After": "1" });
	});

	it("is let through once a second, even while the one before it waits", async () => {
		const { ask, origin, clock } = await open();
		origin.answer = () => new Promise(() => {});
		clock.ms += 1_000;
		ask();
		await ask();
		clock.ms += 1_000;
		ask();
		await ask();
		expect(origin.asked).toBe(2);
	});

	it("is answered as soon as one that was let through has been", async () => {
		const { ask, origin, clock } = await open();
		clock.ms += 1_000;
		origin.answer = async () => rows();
		await ask();
		expect([(await ask()).status, origin.asked]).toEqual([200, 2]);
	});
});
