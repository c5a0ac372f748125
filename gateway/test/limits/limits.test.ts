// Rate limits of the gateway: what counts for whom, what is refused, and what goes on.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { CallerCounts } from "../../src/limits/caller-counts.ts";
import { type CountedWindow, countIn } from "../../src/limits/window-counts.ts";
import { createRouter } from "../../src/routes.ts";
import { answering, ISSUING, SIGNED_IN } from "../support/accounts.ts";
import {
	answeringKeys,
	keyOf,
	knownKeys,
	SECRET_KEY,
} from "../support/api-keys.ts";
import { rows } from "../support/cache.ts";
import { CINEMA } from "../support/catalog.ts";
import {
	type GatewayOptions,
	type RequestOptions,
	startGateway,
} from "../support/gateway.ts";
import { mapNamespace } from "../support/kv.ts";
import { startFeed } from "../support/memory-feed.ts";
import { parseList } from "../support/structured-fields.ts";
import { NOW, tokenFor } from "../support/tokens.ts";

const HERE = "203.0.113.7";
const THERE = "203.0.113.8";
const [ADA, BOB] = [
	await tokenFor({ sub: "ada" }),
	await tokenFor({ sub: "bob" }),
];
const NOTES = "/rest/v1/notes";
const NEW_NOTE = { method: "POST", json: { title: "milk" } };

/** A route that reads one page after another, and streams what went wrong. */
function exporting(pages: number) {
	const router = createRouter();
	router.get("/", ({ var: { database } }) => {
		const { readable, writable } = new TransformStream();
		const write = async () => {
			await scheduler.wait(20);
			const statuses: number[] = [];
			for (let page = 0; page < pages; page++) {
				const read = database
					.from("notes")
					.select()
					.limit(page + 1);
				statuses.push((await read).status);
			}
			await new Response(statuses.join()).body?.pipeTo(writable);
		};
		void write();
		return new Response(readable);
	});
	return router;
}

/** A gateway with these limits, whose clock the test sets. */
function start(limits: string, options: GatewayOptions = {}) {
	const clock = { ms: NOW };
	const gateway = startGateway({
		now: () => clock.ms,
		...options,
		env: { RATE_LIMITS: limits, ...options.env },
	});
	/** The statuses of requests, one after the other. */
	async function ask(
		count: number,
		path: string,
		options: RequestOptions = {},
	) {
		const statuses: number[] = [];
		for (let asked = 0; asked < count; asked++)
			statuses.push((await from(HERE, path, options)).status);
		return statuses;
	}
	const from = (address: string, path: string, options: RequestOptions = {}) =>
		gateway.request(path, {
			...options,
			headers: { "CF-Connecting-IP": address, ...options.headers },
		});
	return { ...gateway, clock, ask, from };
}

describe("a caller over a limit", () => {
	it("is refused until Retry-After, and is told the limit", async () => {
		const { ask, from, clock } = start("misses=2/30s");
		expect(await ask(2, NOTES, { token: ADA })).toEqual([200, 200]);
		clock.ms += 4_500;
		const refused = await from(HERE, NOTES, { token: ADA });
		expect([
			refused.status,
			(await refused.json<{ code: string }>()).code,
		]).toEqual([429, "rate_limited"]);
		expect(refused.headers.get("Retry-After")).toBe("26");
		expect(refused.headers.get("Cache-Control")).toBe("no-store");
		expect(parseList(refused.headers.get("RateLimit-Policy") ?? "")).toEqual([
			{ name: "misses", parameters: { q: 2, w: 30 } },
		]);
		expect(parseList(refused.headers.get("RateLimit") ?? "")).toEqual([
			{ name: "misses", parameters: { r: 0, t: 26 } },
		]);
		clock.ms += 25_000;
		expect(await ask(1, NOTES, { token: ADA })).toEqual([429]);
		clock.ms += 1_000;
		expect(await ask(1, NOTES, { token: ADA })).toEqual([200]);
	});

	it("cannot go on in the background, after its answer", async () => {
		const routes = { "/export": exporting(6) };
		const { from, origin } = start("misses=3/30s", { application: { routes } });
		const answer = await from(HERE, "/export", { token: ADA });
		// postgrest-js has the status 0 for what its fetch throws.
		expect(await answer.text()).toBe("200,200,200,0,0,0");
		expect(origin.received).toHaveLength(3);
	});

	it("is told which limit refuses, also where others were counted before", async () => {
		const { ask, from } = start("requests=90/30s, misses=1/30s, writes=1/30s");
		await ask(1, NOTES, { token: ADA });
		await ask(1, NOTES, { ...NEW_NOTE, token: ADA });
		for (const [name, options] of [
			["misses", {}],
			["writes", NEW_NOTE],
		] as const) {
			const refused = await from(HERE, NOTES, { ...options, token: ADA });
			expect(refused.headers.get("RateLimit")).toBe(`"${name}";r=0;t=30`);
		}
	});

	it("uses up nothing of its address by what is refused", async () => {
		const { ask } = start("requests=2/30s, requests@address=4/30s");
		expect(await ask(9, NOTES, { token: ADA })).toEqual([
			...[200, 200, 429, 429, 429, 429, 429, 429, 429],
		]);
		expect(await ask(3, NOTES, { token: BOB })).toEqual([200, 200, 429]);
	});

	it("holds up no other, and reaches the origin no more", async () => {
		const { ask, from, origin } = start("misses=2/30s");
		await ask(5, NOTES, { token: ADA });
		expect(origin.received).toHaveLength(2);
		expect((await from(HERE, NOTES, { token: BOB })).status).toBe(200);
	});

	it("cannot pose as another by a header that can be forged", async () => {
		const { ask } = start("misses=1/30s");
		await ask(1, NOTES);
		const headers = { "X-Forwarded-For": THERE, "X-Real-IP": THERE };
		expect(await ask(1, NOTES, { headers })).toEqual([429]);
	});

	it("writes nothing", async () => {
		const { ask, origin } = start("writes=1/30s");
		expect(await ask(3, NOTES, { ...NEW_NOTE, token: ADA })).toEqual([
			200, 429, 429,
		]);
		expect(origin.received).toHaveLength(1);
	});

	it("may still do what another limit counts", async () => {
		const { ask } = start("writes=1/30s, misses=1/30s");
		await ask(2, NOTES, { ...NEW_NOTE, token: ADA });
		expect(await ask(1, NOTES, { token: ADA })).toEqual([200]);
	});
});

describe("an answer that was counted", () => {
	it("says what is left", async () => {
		const { from } = start("misses=5/30s, misses@address=9/1m");
		await from(HERE, NOTES, { token: ADA });
		const { headers } = await from(HERE, NOTES, { token: ADA });
		expect(headers.get("RateLimit")).toBe(
			'"misses";r=3;t=30, "misses@address";r=7;t=60',
		);
		expect(headers.get("Access-Control-Expose-Headers")).toMatch(
			/\bRateLimit,RateLimit-Policy\b/,
		);
	});

	it("says nothing where nothing limits", async () => {
		const { headers } = await start("").from(HERE, NOTES, { token: ADA });
		expect(headers.has("RateLimit")).toBe(false);
	});
});

describe("an address", () => {
	it("is limited over all its callers", async () => {
		const { from } = start("misses@address=2/30s");
		await from(HERE, NOTES, { token: ADA });
		await from(HERE, NOTES, { token: BOB });
		expect((await from(HERE, NOTES)).status).toBe(429);
		expect((await from(THERE, NOTES, { token: ADA })).status).toBe(200);
	});

	it("is not limited where nothing tells it", async () => {
		const { request } = start("misses@address=1/30s");
		await request(NOTES);
		expect((await request(NOTES)).status).toBe(200);
	});

	it("is limited before its credentials are looked at", async () => {
		const { ask, origin } = start("requests@address=2/30s", {
			answer: answeringKeys(knownKeys()),
		});
		const asked = await ask(3, NOTES, { headers: { apikey: keyOf("secret") } });
		expect(asked).toEqual([401, 401, 429]);
		expect(origin.received).toHaveLength(1);
	});
});

describe("hits", () => {
	/** A gateway that answers from memory; without work in the background. */
	async function warm(limits: string, options: GatewayOptions = {}) {
		const feed = startFeed({ now: () => NOW, catalog: CINEMA });
		const started = start(limits, { feed, answer: () => rows(), ...options });
		const path = "/rest/v1/films";
		for (let times = 0; times < 3; times++) await started.request(path);
		return {
			...started,
			hit: () => started.ask(1, path, { token: ADA }),
			path,
		};
	}

	it("are no misses", async () => {
		const { ask, path } = await warm("misses=1/30s");
		expect(await ask(4, path)).toEqual([200, 200, 200, 200]);
	});

	it("are asked of KV only by a caller who has misses left: each look-up costs", async () => {
		const asked: string[] = [];
		const namespace = mapNamespace();
		const { ask, path } = await warm("misses=2/30s", {
			kv: {
				...namespace,
				get(name, options) {
					asked.push(name);
					return namespace.get(name, options);
				},
			},
		});
		expect(await ask(4, `${path}?limit=1`, { token: BOB })).toEqual([
			...[200, 200, 200, 200],
		]);
		expect(await ask(1, `${path}?limit=2`, { token: BOB })).toEqual([200]);
		asked.length = 0;
		expect(await ask(3, `${path}?limit=3`, { token: BOB })).toEqual([
			429, 429, 429,
		]);
		expect(asked).toEqual([]);
		expect(await ask(1, `${path}?limit=2`, { token: BOB })).toEqual([200]);
		await ask(1, `${path}?limit=3`, { token: ADA });
		expect(asked).toHaveLength(1);
	});

	it("are requests: one over the limit is refused on either path", async () => {
		const { ask, path, fastPath } = await warm("requests=3/30s");
		expect(await ask(5, path)).toEqual([200, 200, 200, 429, 429]);
		const headers = { "CF-Connecting-IP": HERE };
		const request = new Request(`https://gateway.example${path}`, { headers });
		expect(fastPath(request)).toBeUndefined();
	});

	it("are refused once the location has said so, which is asked after the answer", async () => {
		const background: Promise<unknown>[] = [];
		const keys: string[] = [];
		const { ask, path } = await warm("requests=100/1m", {
			waitUntil: (promise) => background.push(promise),
			locationLimit: {
				async limit({ key }) {
					keys.push(key);
					return { success: keys.length < 3 };
				},
			},
		});
		keys.length = 0;
		const statuses: number[] = [];
		for (let count = 0; count < 4; count++) {
			statuses.push(...(await ask(1, path)));
			await Promise.all(background.splice(0));
		}
		expect(statuses).toEqual([200, 200, 200, 429]);
		expect(keys.join()).not.toContain(HERE);
	});
});

describe("the gateway's own calls", () => {
	it("count for nobody", async () => {
		const { ask } = start("writes=1/1h, misses=1/1h, signIns=off", {
			answer: answering({ sign_in: SIGNED_IN }),
			env: ISSUING,
		});
		expect(await ask(3, "/auth/v1/token?grant_type=password", SIGN_IN)).toEqual(
			[200, 200, 200],
		);
	});
});

const SIGN_IN = {
	method: "POST",
	json: { email: "ada@example.com", password: "correct horse" },
};

describe("sign-ins, without a setting", () => {
	const signIns = () =>
		start("", { answer: answering({ sign_in: SIGNED_IN }), env: ISSUING });
	const PATH = "/auth/v1/token?grant_type=password";

	it("are ten a minute at one account, from one address", async () => {
		const { ask, from, origin } = signIns();
		const statuses = await ask(200, PATH, SIGN_IN);
		expect(statuses.filter((status) => status === 200)).toHaveLength(10);
		expect(origin.received).toHaveLength(10);
		expect((await from(THERE, PATH, SIGN_IN)).status).toBe(200);
	});

	it("are refused in GoTrue's words", async () => {
		const { ask, from } = signIns();
		await ask(10, PATH, SIGN_IN);
		const refused = await from(HERE, PATH, SIGN_IN);
		expect([refused.headers.get("Retry-After"), await refused.json()]).toEqual([
			"60",
			expect.objectContaining({ code: "over_request_rate_limit" }),
		]);
	});

	it("are a hundred a minute at all accounts, from one address", async () => {
		const { from } = signIns();
		const statuses: number[] = [];
		for (let count = 0; count < 101; count++) {
			const email = `${count}@example.com`;
			const json = { ...SIGN_IN.json, email };
			statuses.push((await from(HERE, PATH, { ...SIGN_IN, json })).status);
		}
		expect(statuses.lastIndexOf(200)).toBe(99);
		expect(statuses[100]).toBe(429);
	});
});

describe("unknown keys, without a setting", () => {
	const ofCharacter = (index: number) => ({
		headers: {
			apikey: `postern_secret_${String(index).padStart(43, "0")}`,
		},
	});

	it("are thirty look-ups a minute from one address", async () => {
		const { from, origin } = start("", { answer: answeringKeys(knownKeys()) });
		const statuses: number[] = [];
		for (let index = 0; index < 100; index++)
			statuses.push((await from(HERE, NOTES, ofCharacter(index))).status);
		expect(statuses.filter((status) => status === 401)).toHaveLength(30);
		expect(statuses.filter((status) => status === 429)).toHaveLength(70);
		expect(origin.received).toHaveLength(30);
		const known = { headers: { apikey: SECRET_KEY } };
		expect((await from(THERE, NOTES, known)).status).toBe(200);
	});

	it("are none of the keys that are found", async () => {
		const keys = knownKeys();
		for (let index = 0; index < 40; index++)
			keys.set(ofCharacter(index).headers.apikey, {
				kind: "secret",
				role: "service",
			});
		const { from } = start("", { answer: answeringKeys(keys) });
		for (let index = 0; index < 40; index++)
			expect((await from(HERE, NOTES, ofCharacter(index))).status).toBe(200);
	});
});

describe("the exact counts", () => {
	/** One count for two isolates. */
	function shared() {
		const names: string[] = [];
		const windows = new Map<string, CountedWindow>();
		const countsOf = (name: string): CallerCounts => ({
			async take(limit, quota, wantsShare = false) {
				names.push(name);
				const before = windows.get(name + limit);
				const counted = countIn(before, quota, NOW, wantsShare);
				windows.set(name + limit, counted.window);
				return { ...counted.standing, share: counted.share };
			},
			async giveBack() {},
		});
		return { names, countsOf };
	}

	it("are of all isolates", async () => {
		const { countsOf } = shared();
		const [one, other] = [0, 1].map(() => start("misses=3/30s", { countsOf }));
		expect(await one?.ask(2, NOTES, { token: ADA })).toEqual([200, 200]);
		expect(await other?.ask(3, NOTES, { token: ADA })).toEqual([200, 429, 429]);
		expect(other?.origin.received).toHaveLength(1);
	});

	it("are not asked again by an isolate that knows the answer", async () => {
		const { countsOf, names } = shared();
		const { ask } = start("misses=1/30s", { countsOf });
		await ask(5, NOTES, { token: ADA });
		expect(names).toHaveLength(1);
	});

	it("are taken in shares, a tenth of what is left at a time", async () => {
		const { countsOf, names } = shared();
		const { ask, from } = start("misses=100/30s", { countsOf });
		await ask(10, NOTES, { token: ADA });
		expect(names).toHaveLength(1);
		const { headers } = await from(HERE, NOTES, { token: ADA });
		expect(headers.get("RateLimit")).toBe('"misses";r=89;t=30');
		expect(names).toHaveLength(2);
	});

	it("allow the quota to isolates that ask at once, less at most a tenth that others have and do not spend", async () => {
		const isolates = fc.array(fc.nat(2), { minLength: 300, maxLength: 400 });
		await fc.assert(
			fc.asyncProperty(
				isolates,
				fc.integer({ min: 1, max: 60 }),
				async (turns, quota) => {
					const { countsOf } = shared();
					const started = [0, 1, 2].map(() =>
						start(`misses=${quota}/30s`, { countsOf }),
					);
					const statuses: number[] = [];
					for (let at = 0; at < turns.length; at += 5) {
						const together = turns.slice(at, at + 5).map(async (isolate) => {
							const asked = started[isolate]?.ask(1, NOTES, { token: ADA });
							statuses.push(...((await asked) ?? []));
						});
						await Promise.all(together);
					}
					const allowed = statuses.filter((status) => status === 200).length;
					expect(allowed).toBeLessThanOrEqual(quota);
					expect(allowed).toBeGreaterThanOrEqual(
						quota - 2 * Math.floor(quota / 10),
					);
				},
			),
			{ numRuns: 20 },
		);
	});

	it.each([10, 30, 100])(
		"allow all of %d that an isolate asks at once",
		async (quota) => {
			const { countsOf } = shared();
			const { ask } = start(`misses=${quota}/30s`, { countsOf });
			const asked = Array.from({ length: quota + 5 }, () =>
				ask(1, NOTES, { token: ADA }),
			);
			const statuses = (await Promise.all(asked)).flat();
			expect(statuses.filter((status) => status === 200)).toHaveLength(quota);
		},
	);

	it("lose no share to an object that answers late", async () => {
		const { countsOf, names } = shared();
		const background: Promise<unknown>[] = [];
		const { ask } = start("misses=100/30s", {
			waitUntil: (promise) => background.push(promise),
			countsOf: (name) => ({
				...countsOf(name),
				async take(...asked) {
					const taken = countsOf(name).take(...asked);
					await scheduler.wait(200);
					return taken;
				},
			}),
		});
		await ask(1, NOTES, { token: ADA });
		await Promise.all(background);
		await ask(9, NOTES, { token: ADA });
		expect(names).toHaveLength(1);
	});

	it("know a caller by a hash alone", async () => {
		const { countsOf, names } = shared();
		await start("misses@address=1/30s", { countsOf }).ask(1, NOTES);
		expect(names.join()).toMatch(/^[\w-]{43}$/);
	});

	it.each<[string, CallerCounts]>([
		[
			"fails",
			{
				take: () => Promise.reject(new Error("overloaded")),
				giveBack: async () => {},
			},
		],
		[
			"is silent",
			{ take: () => new Promise(() => {}), giveBack: async () => {} },
		],
	])("go on in the isolate where the object %s", async (_, counts) => {
		const { ask } = start("misses=2/30s, writes=1/30s", {
			countsOf: () => counts,
		});
		expect(await ask(3, NOTES, { token: ADA })).toEqual([200, 200, 429]);
		expect(await ask(2, NOTES, { ...NEW_NOTE, token: ADA })).toEqual([
			200, 429,
		]);
	});
});

it("a read that the breaker has refused counts for nobody", async () => {
	let isAway = true;
	const { ask, clock } = start("misses=9/1m", {
		fetch: async () => {
			if (isAway) throw new TypeError("connection refused");
			return rows();
		},
	});
	expect(new Set(await ask(30, NOTES, { token: ADA }))).toEqual(new Set([503]));
	isAway = false;
	clock.ms += 2_000;
	expect(await ask(1, NOTES, { token: ADA })).toEqual([200]);
});
