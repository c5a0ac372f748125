// The limits against those who would take everything: floods of unknown keys, guesses at one account, misses of one caller. What
// reaches PostgREST and Postgres is counted there.
import { setTimeout as delay } from "node:timers/promises";
import { beforeAll, describe, expect, it } from "vitest";
import { type FaultyStack, startFaultyStack } from "../faults/origin.ts";
import { stack as shared } from "../support/client.ts";

const FLOOD = 10_000;
/** How many requests of a flood are under way at once. */
const AT_ONCE = 50;

const ATTACKER = "198.51.100.1";
const [HOME, OFFICE] = ["203.0.113.1", "203.0.113.2"];

let stack: FaultyStack;
beforeAll(async () => {
	stack = await startFaultyStack({
		bundle: shared.bundle,
		variables: { RATE_LIMITS: "misses=50/20s, writes=3/20s" },
	});
	return stack.stop;
});

interface Asked {
	from: string;
	token?: string;
	headers?: Record<string, string>;
	json?: object;
}

function ask(path: string, { from, token, headers, json }: Asked) {
	return fetch(stack.gatewayUrl + path, {
		method: json ? "POST" : "GET",
		headers: {
			"CF-Connecting-IP": from,
			...(token && { Authorization: `Bearer ${token}` }),
			...(json && { "Content-Type": "application/json" }),
			...headers,
		},
		...(json && { body: JSON.stringify(json) }),
	});
}

/** The answers' statuses, counted; the last answer that was refused. */
async function flood(count: number, ask: (index: number) => Promise<Response>) {
	const statuses: Record<number, number> = {};
	let refused: { response: Response; at: number } | undefined;
	let next = 0;
	const work = async () => {
		while (next < count) {
			const response = await ask(next++);
			await response.arrayBuffer();
			statuses[response.status] = (statuses[response.status] ?? 0) + 1;
			if (response.status === 429) refused = { response, at: Date.now() };
		}
	};
	await Promise.all(Array.from({ length: AT_ONCE }, work));
	return { statuses, refused };
}

const countIn = async (sql: string) =>
	Number((await stack.query(sql)).rows[0].count);

it("of 10,000 unknown keys from one address the database is asked for thirty a minute, and another address is served", async () => {
	const begunAt = Date.now();
	const { statuses } = await flood(FLOOD, (index) =>
		ask("/rest/v1/products?limit=1", {
			from: ATTACKER,
			headers: { apikey: `postern_secret_${String(index).padStart(43, "0")}` },
		}),
	);
	const minutes = Math.ceil((Date.now() - begunAt) / 60_000);
	expect(statuses[401]).toBeLessThanOrEqual(30 * minutes);
	expect((statuses[401] ?? 0) + (statuses[429] ?? 0)).toBe(FLOOD);
	const { rows } = await stack.query(
		"select postern.create_api_key('A program', 'secret', 'service') as key",
	);
	const known = { apikey: rows[0].key };
	const served = await ask("/rest/v1/products?limit=1", {
		...{ from: HOME, headers: known },
	});
	expect(served.status).toBe(200);
});

describe("200 guesses at one account from one address", () => {
	const owner = { email: "owner@example.com", password: "correct horse" };
	const signIn = (from: string, password: string) =>
		ask("/auth/v1/token?grant_type=password", {
			...{ from, json: { email: owner.email, password } },
		});

	it("reach the password ten times, and its owner signs in from elsewhere at once", async () => {
		const signedUp = await ask("/auth/v1/signup", { from: HOME, json: owner });
		expect(signedUp.status).toBe(200);
		const { statuses } = await flood(200, (index) =>
			signIn(ATTACKER, `guess ${index}`),
		);
		expect(statuses).toEqual({ 400: 10, 429: 190 });
		expect(
			await countIn(
				"select attempts as count from auth.throttles where action = 'sign_in' and scope = 'account'",
			),
		).toBe(10);
		expect((await signIn(OFFICE, owner.password)).status).toBe(200);
	});
});

it("10,000 misses of one caller are refused with a Retry-After that is enough, and another caller's reads are all answered", async () => {
	const [greedy, honest] = await Promise.all([
		stack.token("00000000-0000-4000-8000-000000000001"),
		stack.token("00000000-0000-4000-8000-000000000002"),
	]);
	const read = (token: string, offset: number) =>
		ask(`/rest/v1/products?select=id&offset=${offset}`, { from: HOME, token });
	const begunAt = Date.now();
	const attack = flood(FLOOD, (index) => read(greedy, index));
	const answers: number[] = [];
	for (let offset = FLOOD; offset < FLOOD + 40; offset++)
		answers.push((await read(honest, offset)).status);
	const { statuses, refused } = await attack;
	expect(new Set(answers)).toEqual(new Set([200]));
	const windows = Math.ceil((Date.now() - begunAt) / 20_000) + 1;
	expect(statuses[200]).toBeLessThanOrEqual(50 * windows);
	expect(Object.keys(statuses)).toEqual(["200", "429"]);
	const seconds = Number(refused?.response.headers.get("Retry-After"));
	expect(refused?.response.headers.get("RateLimit")).toMatch(
		/^"misses";r=0;t=\d+$/,
	);
	await delay((refused?.at ?? 0) + seconds * 1_000 - Date.now());
	expect((await read(greedy, 2 * FLOOD)).status).toBe(200);
});

it("a write over the limit writes nothing, in any isolate", async () => {
	const { rows } = await stack.query(
		"select postern.create_api_key('A writer', 'secret', 'service') as key",
	);
	const before = await countIn("select count(*) from api.products");
	const write = (index: number) =>
		ask("/rest/v1/products", {
			...{ from: HOME, headers: { apikey: rows[0].key } },
			json: { title: "Milk", serial_number: `limited-${index}`, weight_lbs: 1 },
		});
	const statuses: number[] = [];
	for (let index = 0; index < 6; index++) {
		// A new isolate has counted nothing. The caller's object has, and stores what it has counted within a second.
		if (index === 2) {
			await delay(1_500);
			await stack.isolate.kill();
			await stack.isolate.start();
		}
		statuses.push((await write(index)).status);
	}
	expect(statuses).toEqual([201, 201, 201, 429, 429, 429]);
	const after = await countIn("select count(*) from api.products");
	expect(after - before).toBe(3);
});
