// What an isolate remembers of API keys: for how long, how often the database is asked, and what a flood or an outage does.
import { describe, expect, it } from "vitest";
import type { ApiKey } from "../../src/identity/identity.ts";
import { createKeyMemory } from "../../src/identity/key-memory.ts";
import { NOW } from "../support/tokens.ts";

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const DAY = 24 * 60 * MINUTE;

const PUBLISHABLE: ApiKey = { kind: "publishable" };
const SECRET: ApiKey = { kind: "secret", role: "service" };

/** A memory over a database that knows the keys `publishable` and `secret`, and can be down, or answer late. */
function start() {
	const keys = new Map([
		["publishable", PUBLISHABLE],
		["secret", SECRET],
	]);
	const asked: string[] = [];
	const background: Promise<unknown>[] = [];
	const logged: unknown[] = [];
	const database = {
		time: NOW,
		keys,
		asked,
		logged,
		/** What the database does before it answers. */
		before: async () => {},
		async settle() {
			await Promise.all(background.splice(0));
		},
		/** The role of a secret key, `anon` for a publishable one; `undefined` if it is unknown, `"failed"` or `"throttled"` if it cannot be told. */
		async ask(name: string): Promise<string | undefined> {
			try {
				const key = await find(name);
				return key?.kind === "publishable" ? "anon" : key?.role;
			} catch (error) {
				return error instanceof Error && "code" in error
					? "throttled"
					: "failed";
			}
		},
	};
	const { find } = createKeyMemory({
		onUnknownKey: async () => () => {},
		async lookUp(name) {
			asked.push(name);
			await database.before();
			return keys.get(name);
		},
		now: () => database.time,
		sleep: (ms) => scheduler.wait(ms),
		waitUntil: (promise) => background.push(promise),
		log: (error) => logged.push(error),
	});
	return database;
}

const DOWN = () => Promise.reject(new Error("the database is down"));
const SILENT = () => new Promise<void>(() => {});

describe.each([
	["publishable", "anon", MINUTE, DAY],
	["secret", "service", 5 * SECOND, MINUTE],
])("a %s key", (name, role, refresh, usable) => {
	it("is answered from memory until it is due", async () => {
		const database = start();
		await database.ask(name);
		database.time += refresh - 1;
		expect([await database.ask(name), database.asked.length]).toEqual([
			role,
			1,
		]);
	});

	it("is answered from memory while it is looked up again, once", async () => {
		const database = start();
		await database.ask(name);
		database.before = SILENT;
		database.time += refresh;
		const roles = [];
		for (let request = 0; request < 10; request++)
			roles.push(await database.ask(name));
		expect([new Set(roles), database.asked.length]).toEqual([
			new Set([role]),
			2,
		]);
	});

	it("is refused as soon as a look-up has found it revoked", async () => {
		const database = start();
		await database.ask(name);
		database.keys.delete(name);
		database.time += refresh;
		const atOnce = await database.ask(name);
		await database.settle();
		expect([atOnce, await database.ask(name)]).toEqual([role, undefined]);
	});

	it("is believed during an outage, up to its bound", async () => {
		const database = start();
		await database.ask(name);
		database.before = DOWN;
		database.time = NOW + usable - 1;
		const within = await database.ask(name);
		await database.settle();
		database.time = NOW + usable + 2 * SECOND;
		expect([within, await database.ask(name)]).toEqual([role, "failed"]);
	});

	it("is never believed beyond its bound, however often it was used", async () => {
		const database = start();
		await database.ask(name);
		database.before = DOWN;
		for (let step = 1; step < 20; step++) {
			database.time = NOW + (step * usable) / 20;
			await database.ask(name);
		}
		await database.settle();
		database.keys.delete(name);
		database.before = async () => {};
		database.time = NOW + usable;
		expect(await database.ask(name)).toBeUndefined();
	});

	it("is believed from the moment before the look-up, not after it", async () => {
		const database = start();
		database.before = async () => {
			database.time += usable;
		};
		await database.ask(name);
		database.before = DOWN;
		expect(await database.ask(name)).toBe("failed");
	});

	it("is found again after an outage", async () => {
		const database = start();
		await database.ask(name);
		database.before = DOWN;
		database.time += usable;
		const during = await database.ask(name);
		database.before = async () => {};
		database.time += SECOND;
		expect([during, await database.ask(name)]).toEqual(["failed", role]);
	});

	it("has a failed look-up in the background logged, and repeated after a second", async () => {
		const database = start();
		await database.ask(name);
		database.before = DOWN;
		database.time += refresh;
		const counts = [];
		for (const pause of [0, SECOND - 1, 1]) {
			database.time += pause;
			await database.ask(name);
			await database.settle();
			counts.push(database.asked.length);
		}
		expect([counts, database.logged.length]).toEqual([[2, 2, 3], 2]);
	});
});

describe("requests that arrive together", () => {
	const together = (database: ReturnType<typeof start>, name: string) =>
		Promise.all(Array.from({ length: 50 }, () => database.ask(name)));

	it.each([
		["publishable", "anon"],
		["secret", "service"],
		["unknown", undefined],
	])("share one look-up of a key: %s", async (name, role) => {
		const database = start();
		database.before = () => scheduler.wait(20);
		expect([
			new Set(await together(database, name)),
			database.asked.length,
		]).toEqual([new Set([role]), 1]);
	});

	it("share the failure of a look-up", async () => {
		const database = start();
		database.before = async () => {
			await scheduler.wait(20);
			await DOWN();
		};
		expect([
			new Set(await together(database, "secret")),
			database.asked.length,
		]).toEqual([new Set(["failed"]), 1]);
	});

	it("do not wait for ever for one that was cancelled", async () => {
		const database = start();
		database.before = SILENT;
		const cancelled = database.ask("secret");
		// It asks the database before the other one does.
		await scheduler.wait(0);
		database.before = async () => {};
		const waiting = database.ask("secret");
		database.time += 5 * SECOND;
		expect([
			await waiting,
			await Promise.race([cancelled, Promise.resolve("waits")]),
		]).toEqual(["service", "waits"]);
	});

	it("each have a look-up of their own for keys that differ", async () => {
		const database = start();
		const roles = await Promise.all([
			database.ask("publishable"),
			database.ask("secret"),
			database.ask("unknown"),
		]);
		expect([roles, database.asked.length]).toEqual([
			["anon", "service", undefined],
			3,
		]);
	});
});

describe("an unknown key", () => {
	it("is refused from memory for five seconds", async () => {
		const database = start();
		await database.ask("new");
		database.keys.set("new", SECRET);
		database.time += 5 * SECOND - 1;
		const before = await database.ask("new");
		database.time += 1;
		expect([before, await database.ask("new"), database.asked.length]).toEqual([
			undefined,
			"service",
			2,
		]);
	});
});

describe("a flood of unknown keys", () => {
	/** Asks for this many keys that do not exist. */
	async function flood(database: ReturnType<typeof start>, size = 10_000) {
		const outcomes = [];
		for (let number = 0; number < size; number++)
			outcomes.push(await database.ask(`unknown-${number}`));
		return outcomes.filter((outcome) => outcome === undefined).length;
	}

	it("reaches the database with fifty of them, and is throttled", async () => {
		const database = start();
		expect([await flood(database), database.asked.length]).toEqual([50, 50]);
	});

	it("reaches it as rarely if they arrive together", async () => {
		const database = start();
		database.before = () => scheduler.wait(5);
		const names = Array.from({ length: 1_000 }, (_, number) => `u${number}`);
		await Promise.all(names.map((name) => database.ask(name)));
		expect(database.asked.length).toBe(50);
	});

	it("reaches it with five a second afterwards", async () => {
		const database = start();
		await flood(database, 100);
		const before = database.asked.length;
		for (let step = 0; step < 100; step++) {
			database.time += 100;
			await database.ask(`later-${step}`);
		}
		expect(database.asked.length - before).toBe(50);
	});

	it("pushes no good key out of memory", async () => {
		const database = start();
		await database.ask("publishable");
		await database.ask("secret");
		await flood(database);
		database.before = DOWN;
		expect([
			await database.ask("publishable"),
			await database.ask("secret"),
		]).toEqual(["anon", "service"]);
	});

	it("pushes no good key out of memory by lasting, so that more are looked up than are remembered", async () => {
		const database = start();
		await database.ask("publishable");
		for (let number = 0; number < 1_000; number++) {
			database.time += 200;
			await database.ask(`unknown-${number}`);
		}
		expect(database.asked.length).toBe(1_001);
		database.before = DOWN;
		expect(await database.ask("publishable")).toBe("anon");
	});

	it("throttles no key that was ever found", async () => {
		const database = start();
		await database.ask("secret");
		database.time += 2 * MINUTE;
		await flood(database, 100);
		expect(await database.ask("secret")).toBe("service");
	});

	it("throttles a key that this isolate does not know yet, and does not call it unknown", async () => {
		const database = start();
		await flood(database, 100);
		const during = await database.ask("secret");
		database.time += SECOND;
		expect([during, await database.ask("secret")]).toEqual([
			"throttled",
			"service",
		]);
	});
});

describe("many good keys", () => {
	it("are not throttled", async () => {
		const database = start();
		for (let number = 0; number < 500; number++) {
			database.keys.set(`key-${number}`, SECRET);
			expect(await database.ask(`key-${number}`)).toBe("service");
		}
	});

	it("are remembered up to a thousand, the latest found", async () => {
		const database = start();
		for (let number = 0; number <= 1_000; number++) {
			database.keys.set(`key-${number}`, SECRET);
			await database.ask(`key-${number}`);
		}
		const before = database.asked.length;
		await database.ask("key-1");
		const after = database.asked.length;
		await database.ask("key-0");
		expect([before, after, database.asked.length]).toEqual([
			1_001, 1_001, 1_002,
		]);
	});
});
