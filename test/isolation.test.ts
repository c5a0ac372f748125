// Promise 4, isolation: two callers share a cached answer only if the database would have given both the same answer.
// Random policies, roles and claims; two callers, the same URL; bytes compared with the database's own answer for each.
import { setTimeout as wait } from "node:timers/promises";
import fc from "fast-check";
import { beforeAll, describe, expect, it, onTestFinished, vi } from "vitest";
import { freePort } from "../gateway/cli/stack/ports.ts";
import { workerVariables } from "../gateway/cli/stack/wrangler.ts";
import { stack } from "./support/client.ts";
import {
	ada,
	anonymous,
	grace,
	MAKE_ARCHIVE,
	robot,
} from "./support/isolation/archive.ts";
import {
	type Answer,
	askDatabase,
	askGateway,
	headerOf,
	type Sides,
	said,
} from "./support/isolation/ask.ts";
import {
	CALLER_VARIABLES,
	type Caller,
	callersToken,
	pairs,
	signed,
} from "./support/isolation/callers.ts";
import {
	makeDatabase,
	type TestDatabase,
} from "./support/isolation/database.ts";
import {
	type Duel,
	fightAll,
	isHit,
	readsInOrder,
	worthFighting,
} from "./support/isolation/duel.ts";
import { BESIDES, HIDDEN, UNCACHEABLES } from "./support/isolation/hidden.ts";
import { get, type Read, readsOf } from "./support/isolation/reads.ts";
import { SPELLINGS } from "./support/isolation/spellings.ts";
import { seldom } from "./support/isolation/values.ts";
import { type World, worlds } from "./support/isolation/world.ts";
import { sendRaw } from "./support/raw-http.ts";
import { bundleWorker } from "./support/workerd/bundle.ts";
import { startWorkerd } from "./support/workerd/workerd.ts";

/** Everything random follows from the seed: ISOLATION_SEED=… repeats a run. */
const seed = numberFrom("ISOLATION_SEED", Date.now() % 2 ** 31);
/** More worlds make a longer run. */
const made = worlds(seed, numberFrom("ISOLATION_WORLDS", 12));
const DUELS_A_WORLD = numberFrom("ISOLATION_DUELS", 80);

let database: TestDatabase;
let sides: Sides;

beforeAll(async () => {
	const others = [...HIDDEN, ...BESIDES, ...UNCACHEABLES, ...made];
	database = await makeDatabase([
		MAKE_ARCHIVE,
		...others.map(({ make }) => make),
	]);
	const gateway = await startGateway();
	sides = { gatewayUrl: gateway.url, postgrestUrl: database.postgrestUrl };
	return async () => {
		await gateway.stop();
		await database.stop();
	};
}, 300_000);

describe(`under random policies (ISOLATION_SEED=${seed})`, () => {
	it("gives two callers the database's own answers, from the cache as well", async () => {
		await untilCached(sides);
		const duels = made.flatMap((world, index) =>
			duelsIn(world, DUELS_A_WORLD, seed + index),
		);
		const { tally, violations } = await fightAll(
			sides,
			await worthFighting(sides, duels),
		);
		console.log(tally);
		expect(violations.slice(0, 3)).toEqual([]);
		// A cache that never hits, never shares, or never has to tell callers apart would have none, either.
		expect(tally.hits).toBeGreaterThan(tally.answers / 12);
		expect(tally.shared).toBeGreaterThan(tally.duels / 20);
		expect(tally.apart).toBeGreaterThan(tally.duels / 20);
	}, 600_000);
});

const allCallers: readonly Caller[] = [ada, grace, anonymous, robot];

describe("each caller gets their own answer, even after others asked", () => {
	beforeAll(() => untilCached(sides));

	it.each(Object.entries(SPELLINGS))(
		"however they spell %s",
		async (_, reads) => {
			await expectOwnAnswers(reads, allCallers);
		},
	);

	it("however they spell the reads, in reverse order", async () => {
		const reads = Object.values(SPELLINGS).flat().reverse();
		const statuses = await expectOwnAnswers(reads, allCallers.toReversed());
		expect(statuses.filter(isHit).length).toBeGreaterThan(statuses.length / 4);
	});

	it.each(HIDDEN)("if it depends on $subject", async ({ reads }) => {
		await expectOwnAnswers(reads, allCallers);
	});

	it.each(BESIDES)(
		"from the cache as well if it depends on $subject",
		async ({ reads }) => {
			const statuses = await expectOwnAnswers(reads, allCallers);
			expect(statuses.filter(isHit).length).toBeGreaterThan(
				statuses.length / 4,
			);
		},
	);

	it.each(UNCACHEABLES)(
		"and none is stored that depends on $subject",
		async ({ reads }) => {
			// Policies count for every role, so for anonymous callers as well.
			const callers = [ada, grace, anonymous];
			const statuses = await expectOwnAnswers(reads, callers);
			expect(statuses.filter(isHit)).toEqual([]);
			expect(statuses.join()).not.toContain("stored");
		},
	);
});

/** Sends each read as each caller, twice. @returns Cache-Status of each */
async function expectOwnAnswers(
	reads: readonly Read[],
	callers: readonly Caller[],
): Promise<string[]> {
	const statuses: string[] = [];
	for (const read of reads) {
		const own = await Promise.all(
			callers.map((caller) => askDatabase(sides, read, caller)),
		);
		for (const index of [...callers.keys(), ...callers.keys()]) {
			const caller = callers[index] ?? anonymous;
			const { answer, cacheStatus } = await askGateway(sides, read, caller);
			const asked = { read, caller, cacheStatus };
			expect({ ...asked, answer }).toEqual({ ...asked, answer: own[index] });
			statuses.push(cacheStatus);
		}
	}
	return statuses;
}

describe("a caller is told apart from others", () => {
	const letters = get("letters?order=id");
	let tokens: Record<"ada" | "grace", string>;
	let keys: Record<"secret" | "publishable", string>;
	beforeAll(async () => {
		tokens = {
			ada: (await callersToken(ada)) ?? "",
			grace: (await callersToken(grace)) ?? "",
		};
		keys = {
			secret: await apiKey("secret", "service"),
			publishable: await apiKey("publishable"),
		};
		await untilCached(sides);
		// Every caller's answer is stored and could be given to the wrong caller.
		for (const caller of allCallers) await askGateway(sides, letters, caller);
	});

	it.each<[string, () => Read["headers"], Caller]>([
		[
			"a token under a name in capitals",
			() => ({ AUTHORIZATION: `BEARER ${tokens.ada}` }),
			ada,
		],
		["a token as a key", () => ({ apikey: tokens.ada }), ada],
		[
			"a token as both",
			() => ({ apikey: tokens.ada, authorization: `Bearer ${tokens.ada}` }),
			ada,
		],
		[
			"an app's key, and a user's token",
			() => ({
				apikey: keys.publishable,
				authorization: `Bearer ${tokens.ada}`,
			}),
			ada,
		],
		["an app's key", () => ({ ApiKey: keys.publishable }), anonymous],
		["a program's key", () => ({ apikey: keys.secret }), robot],
		[
			"a program's key as a token",
			() => ({ authorization: `Bearer ${keys.secret}` }),
			robot,
		],
		["a cookie", () => ({ cookie: `authorization=${tokens.ada}` }), anonymous],
		["no credential", () => ({ "x-authorization": tokens.ada }), anonymous],
	])("by %s", async (_, headers, caller) => {
		for (const _ of ["once", "again"]) {
			const read = { ...letters, headers: headers() };
			const { answer } = await askGateway(sides, read, anonymous);
			expect(answer).toEqual(await askDatabase(sides, letters, caller));
		}
	});

	it.each<[string, () => Read["headers"]]>([
		[
			"two tokens",
			() => ({
				authorization: `Bearer ${tokens.ada}`,
				apikey: tokens.grace,
			}),
		],
		[
			"a token and a program's key",
			() => ({ authorization: `Bearer ${tokens.ada}`, apikey: keys.secret }),
		],
		[
			"two fields of one name",
			() => ({
				Authorization: [`Bearer ${tokens.ada}`, `Bearer ${tokens.grace}`],
			}),
		],
		[
			"the same field twice",
			() => ({
				Authorization: [`Bearer ${tokens.ada}`, `Bearer ${tokens.ada}`],
			}),
		],
		[
			"a token and more",
			() => ({ authorization: `Bearer ${tokens.ada}, Bearer ${tokens.grace}` }),
		],
		["another scheme", () => ({ authorization: `Basic ${tokens.ada}` })],
		[
			"a token without its signature",
			() => ({ authorization: `Bearer ${tokens.ada.replace(/[^.]+$/, "")}` }),
		],
		[
			"a token with another's signature",
			() => ({
				authorization: `Bearer ${tokens.ada.replace(/[^.]+$/, "")}${tokens.grace.split(".")[2]}`,
			}),
		],
	])("and is refused with %s", async (_, headers) => {
		for (const _ of ["once", "again"]) {
			const read = { ...letters, headers: headers() };
			const { answer } = await askGateway(sides, read, anonymous);
			expect(answer.status).toBeGreaterThanOrEqual(400);
			expect(answer.body).not.toMatch(/analytical|nanoseconds/);
		}
	});

	it("and gets no 304 for another caller's ETag", async () => {
		const mine = await askGateway(sides, letters, ada);
		const etag = headerOf(mine.raw, "etag");
		expect(etag).not.toBe("");
		const read = { ...letters, headers: { "if-none-match": etag } };
		for (const caller of [grace, anonymous, robot]) {
			const theirs = await askGateway(sides, read, caller);
			expect(theirs.answer).toEqual(await askDatabase(sides, letters, caller));
		}
		expect((await askGateway(sides, read, ada)).answer.status).toBe(304);
	});

	it("and gets no stored answer of a caller who differs in a claim that decides", async () => {
		const read: Read = {
			...letters,
			headers: { "cache-control": "only-if-cached" },
		};
		const asAda = (changed: Partial<Caller>) =>
			askGateway(sides, read, { ...ada, ...changed });
		const alike = { claims: { ...ada.claims, session_id: "another" } };
		expect((await asAda(alike)).answer.status).toBe(200);
		for (const changed of [
			{ claims: { sub: "Ada" } },
			{ claims: {} },
			{ role: "anon" },
		]) {
			const { answer } = await asAda(changed);
			expect(answer).toMatchObject({ status: 504 });
			expect(answer.body).not.toContain("analytical");
		}
	});

	it("and gets no explanation without a role of EXPLAIN_ROLES", async () => {
		const read = { ...letters, headers: { "postern-explain": "1" } };
		for (const caller of [ada, anonymous]) {
			const { answer, raw } = await askGateway(sides, read, caller);
			expect(answer.status).toBeGreaterThanOrEqual(400);
			expect(headerOf(raw, "postern-explain")).toBe("");
			expect(answer.body).not.toMatch(/analytical|owner/);
		}
		const told = await askGateway(sides, read, robot);
		expect(headerOf(told.raw, "postern-explain")).toContain(
			"api.isolation_letters",
		);
		const { raw } = await askGateway(sides, letters, robot);
		expect(headerOf(raw, "postern-explain")).toBe("");
	});

	/** JavaScript reads both as the same number; the database does not. */
	it("by a number in a claim that differs only beyond the precision of JavaScript", async () => {
		const accounts = get("accounts");
		const answers: Answer[] = [];
		for (const number of ["9007199254740992", "9007199254740993"]) {
			const asked = await sendRaw(sides.gatewayUrl, {
				method: "GET",
				path: `/rest/v1${accounts.path}`,
				headers: {
					authorization: `Bearer ${await numbered("caller", number)}`,
				},
			});
			const expected = await sendRaw(sides.postgrestUrl, {
				...accounts,
				headers: {
					authorization: `Bearer ${await numbered("origin", number)}`,
				},
			});
			answers.push(said(expected));
			const isOwn = said(asked).body === said(expected).body;
			expect(isOwn || asked.status === 401).toBe(true);
		}
		expect(answers[0]).not.toEqual(answers[1]);
	});

	function numbered(whose: "caller" | "origin", number: string) {
		const { tokenSigningKey, originSigningKey } = stack.credentials;
		const iat = Math.floor(Date.now() / 1000);
		const aud = whose === "caller" ? "authenticated" : "postgrest";
		return signed(
			`{"iss":"postern","aud":"${aud}","role":"authenticated","iat":${iat},"exp":${iat + 600},"account":${number}}`,
			"ES256",
			whose === "caller" ? tokenSigningKey : originSigningKey,
		);
	}
});

describe("when policies, grants, views and functions change", () => {
	const MAX_STALENESS_SECONDS = 1;
	let busy: Sides;
	let idle: Sides;
	let duels: readonly Duel[];
	let asks: readonly (readonly [Caller, Read])[];
	let answersBefore: readonly Answer[];
	let changedAt: number;

	beforeAll(async () => {
		const STALENESS = { MAX_STALENESS_SECONDS: `${MAX_STALENESS_SECONDS}` };
		const gateways = [
			await startGateway(STALENESS),
			await startGateway(STALENESS),
		];
		[busy = sides, idle = sides] = gateways.map(({ url }) => ({
			...sides,
			gatewayUrl: url,
		}));
		const changed = made.slice(0, 8);
		duels = changed.flatMap((world, index) => duelsIn(world, 8, seed - index));
		asks = duels.flatMap((duel) => readsInOrder(duel).slice(0, 2));
		for (const one of [busy, idle]) {
			await untilCached(one);
			const { violations } = await fightAll(one, duels);
			expect(violations.slice(0, 3)).toEqual([]);
		}
		answersBefore = await expectedAnswers();
		await database.client.query(changed.map(({ change }) => change).join("\n"));
		changedAt = Date.now();
		return async () => {
			for (const { stop } of gateways) await stop();
		};
	});

	it("callers get either answer within the maximum staleness, and the new one after it", async () => {
		const meanwhile: Answer[] = [];
		for (const [caller, read] of asks)
			meanwhile.push((await askGateway(busy, read, caller)).answer);
		const boundAt = changedAt + MAX_STALENESS_SECONDS * 1_000;
		await wait(Math.max(0, boundAt - Date.now()));
		const { violations } = await fightAll(busy, duels);
		expect(violations.slice(0, 3)).toEqual([]);
		const answersAfter = await expectedAnswers();
		expect(answersAfter).not.toEqual(answersBefore);
		for (const [index, answer] of meanwhile.entries())
			expect([answersBefore[index], answersAfter[index]]).toContainEqual(
				answer,
			);
	});

	it("callers who accept old answers get none from before the change", async () => {
		const headers = { "cache-control": "max-stale=3600" };
		const answers: Answer[] = [];
		for (const [caller, read] of asks) {
			const old = { ...read, headers: { ...read.headers, ...headers } };
			answers.push((await askGateway(idle, old, caller)).answer);
		}
		expect(answers).toEqual(await expectedAnswers());
	});

	it("the new answers are stored, and none from before the change", async () => {
		await untilCached(busy);
		const { tally, violations } = await fightAll(busy, duels);
		expect(violations.slice(0, 3)).toEqual([]);
		expect(tally.hits).toBeGreaterThan(tally.answers / 12);
	}, 60_000);

	async function expectedAnswers(): Promise<Answer[]> {
		const answers: Answer[] = [];
		for (const [caller, read] of asks)
			answers.push(await askDatabase(sides, read, caller));
		return answers;
	}
});

describe("these tests catch a gateway", () => {
	const asAda = (changed: Partial<Caller>): Caller => ({ ...ada, ...changed });
	/** With the names of the sources. */
	let bundle: string;

	beforeAll(async () => {
		bundle = await bundleWorker("--minify=false");
	});

	it.each<[string, RegExp, string, Caller, Read]>([
		[
			"whose key forgets the claims",
			/(?<=caller = \[role, )Object\.entries\(claims\)/g,
			"[]",
			grace,
			get("letters"),
		],
		[
			"whose key forgets the role",
			/(?<=caller = \[)role,/g,
			"null,",
			asAda({ role: "anon" }),
			get("notices"),
		],
		[
			"that forgets the policies of what is embedded",
			/\bof one\.claims\b/g,
			"of isRoot ? one.claims : []",
			grace,
			get("boxes?select=*,isolation_letters(*)"),
		],
	])("%s", async (_, source, mutant, caller, read) => {
		expect(bundle.match(source)).toHaveLength(1);
		const gateway = await startGateway({}, bundle.replace(source, mutant));
		onTestFinished(gateway.stop);
		const other = { ...sides, gatewayUrl: gateway.url };
		await untilCached(other);
		const duel: Duel = {
			callers: [ada, caller],
			reads: [read, read],
			isAtOnce: false,
		};
		const { violations } = await fightAll(other, [duel]);
		expect(violations).not.toEqual([]);
		const right = await fightAll(sides, [duel]);
		expect(right.violations).toEqual([]);
	});
});

async function apiKey(kind: string, role?: string): Promise<string> {
	const { rows } = await database.client.query(
		"select postern.create_api_key('isolation', $1, $2) as key",
		[kind, role],
	);
	return rows[0].key;
}

function duelsIn(world: World, count: number, from: number): Duel[] {
	const duel = fc.record({
		callers: pairs,
		reads: readsOf(world),
		isAtOnce: seldom(fc.constant(true), fc.constant(false), 4),
	});
	return fc.sample(duel, { seed: from, numRuns: count });
}

/** The stack's Worker for the callers of these tests, with its own cache. */
async function startGateway(
	variables: Record<string, string> = {},
	bundle = stack.bundle,
) {
	return startWorkerd({
		bundle,
		port: await freePort(),
		variables: {
			...workerVariables(database.postgrestUrl, stack.credentials),
			...CALLER_VARIABLES,
			...variables,
		},
		log: () => {},
	});
}

/** Waits until this is answered from the cache: nothing is stored for a while after a schema change. */
async function untilCached(
	{ gatewayUrl }: Pick<Sides, "gatewayUrl">,
	read: Read = get("boxes"),
): Promise<void> {
	await vi.waitFor(
		async () => {
			const { cacheStatus } = await askGateway({ gatewayUrl }, read, anonymous);
			expect(cacheStatus).toContain("; hit");
		},
		{ timeout: 30_000, interval: 200 },
	);
}

function numberFrom(variable: string, otherwise: number): number {
	return Number(process.env[variable] ?? otherwise);
}
