// Promise 1, transparent: a request that PostgREST answers gets the same status, body and PostgREST headers through Postern.
// The other half: what a client may not claim about itself does not reach PostgREST.
import fc from "fast-check";
import { beforeAll, describe, expect, it, onTestFinished, vi } from "vitest";
import { callerToken, stack } from "./support/client.ts";
import { startGateway, startOrigin } from "./support/origin.ts";
import {
	askGateway,
	askGatewayHow,
	askPostgrest,
	type ComparableAnswer,
} from "./support/transparency/comparison.ts";
import { type Fixture, makeFixture } from "./support/transparency/fixture.ts";
import { randomRead } from "./support/transparency/random-requests.ts";
import {
	type Question,
	READS,
	type Row,
	WRITES,
} from "./support/transparency/requests.ts";

let fixture: Fixture;
let isPostgrest12: boolean;
beforeAll(async () => {
	const { headers } = await fetch(stack.openPostgrestUrl);
	isPostgrest12 = /^postgrest\/12\./.test(headers.get("server") ?? "");
	fixture = await makeFixture();
	await untilCached();
	return fixture.drop;
}, 120_000);

describe("answers a read as PostgREST does, from the origin and from the cache", () => {
	const statuses: { method: string; cacheStatus: string }[] = [];

	/** The same request twice: the second is answered from the cache if it is cacheable. */
	async function expectTwice(question: Question, answer: ComparableAnswer) {
		for (const _ of ["from the origin", "from the cache"]) {
			const { answer: fromGateway, cacheStatus } =
				await askGatewayHow(question);
			expect(fromGateway).toEqual(answer);
			statuses.push({ method: question.method, cacheStatus });
		}
	}

	for (const [subject, rows] of Object.entries(READS)) {
		describe(subject, () => {
			for (const { status, ...question } of rows) {
				it(inWords(question), async () => {
					const answer = await askPostgrest(question);
					expectOfPostgrest12(answer, status);
					await expectTwice(question, answer);
				});
			}
		});
	}

	// A number may be cut off, and most of the functions that are called by POST here answer with one.
	it.each([
		["GET", 8],
		["POST", 20],
	])("from the cache for many of them: %s", (method, part) => {
		const all = statuses.filter((one) => one.method === method);
		const hits = all.filter((one) => one.cacheStatus.includes("; hit"));
		expect(hits.length).toBeGreaterThan(all.length / part);
	});

	it.each(["ada", "anonymous"] as const)(
		"describes the schema to %s in the same OpenAPI document",
		async (as) => {
			const question: Question = { method: "GET", path: "/", as };
			// Both describe the schema as they loaded it last, and other tests may just have changed it.
			await vi.waitFor(
				async () =>
					expect(await askGateway(question)).toEqual(
						await askPostgrest(question),
					),
				{ timeout: 10_000 },
			);
		},
	);

	it("for random requests", async () => {
		await fc.assert(
			fc.asyncProperty(randomRead, async (question) => {
				await expectTwice(question, await askPostgrest(question));
			}),
			{ numRuns: 200 },
		);
	});
});

describe("answers a write as PostgREST does, and the same is in the database after", () => {
	for (const [subject, rows] of Object.entries(WRITES)) {
		describe(subject, () => {
			for (const { status, ...question } of rows) {
				it(inWords(question), async () => {
					const outcome = await outcomeOf(question, askPostgrest);
					expectOfPostgrest12(outcome.answer, status);
					expect(await outcomeOf(question, askGateway)).toEqual(outcome);
				});
			}
		});
	}

	async function outcomeOf(
		question: Question,
		ask: (question: Question) => Promise<ComparableAnswer>,
	) {
		await fixture.reset();
		const answer = await ask(question);
		return { answer, contents: await fixture.contents() };
	}
});

describe("keeps from PostgREST", () => {
	it.each([
		"cdn-loop",
		"cf-access-client-secret",
		"cf-access-jwt-assertion",
		"cf-connecting-ip",
		"cf-ipcountry",
		"cf-ray",
		"forwarded",
		"postern-token",
		"proxy-authorization",
		"true-client-ip",
		"via",
		"x-forwarded-for",
		"x-forwarded-host",
		"x-forwarded-proto",
		"x-client-ip",
		"x-http-method",
		"x-http-method-override",
		"x-method-override",
		"x-original-host",
		"x-original-url",
		"x-real-ip",
		"x-rewrite-url",
	])("the header %s", async (name) => {
		const headers = await headersSeen({ [name]: "forged", "x-other": "kept" });
		expect(JSON.stringify(headers)).not.toContain("forged");
		expect(headers).toMatchObject({ "x-other": "kept" });
	});

	it("the host of the request", async () => {
		const { host } = await headersSeen({ host: "forged" });
		expect(host).toBe(new URL(stack.postgrestUrl).host);
	});

	it("the cookies of Cloudflare and its own", async () => {
		const answer = await askGateway({
			method: "GET",
			path: "/rpc/request_cookies",
			headers: {
				cookie: "CF_Authorization=forged; a=1; __cf_bm=forged; postern=forged",
			},
			as: "anonymous",
		});
		expect(JSON.parse(answer.body)).toEqual({ a: "1" });
	});

	it("the caller's token", async () => {
		const origin = await startOrigin();
		onTestFinished(origin.stop);
		const gateway = await startGateway(origin.url);
		onTestFinished(gateway.stop);
		const token = await callerToken();
		await fetch(`${gateway.url}/rest/v1/films`, {
			headers: {
				authorization: `Bearer ${token}`,
				apikey: token,
				cookie: `CF_Authorization=${token}`,
			},
		});
		expect(origin.received).toHaveLength(1);
		expect(origin.received[0]?.rawHeaders.join()).toContain("Bearer ");
		expect(origin.received[0]?.rawHeaders.join()).not.toContain(token);
	});

	async function headersSeen(
		headers: Record<string, string>,
	): Promise<Record<string, string>> {
		const answer = await askGateway({
			method: "GET",
			path: "/rpc/request_headers",
			headers,
			as: "anonymous",
		});
		return JSON.parse(answer.body);
	}
});

describe("shows the database an anonymous caller", () => {
	// PostgREST refuses a caller without a token here, so an anonymous caller has one as well, and every token ends.
	it("with the role alone, as PostgREST does, and the end of the origin token", async () => {
		const question: Question = {
			method: "GET",
			path: "/rpc/claims_seen",
			as: "anonymous",
		};
		const before = JSON.parse((await askPostgrest(question)).body);
		const behind = JSON.parse((await askGateway(question)).body);
		expect(before).toEqual({ role: "anon" });
		expect(behind).toEqual({ role: "anon", exp: expect.any(Number) });
	});
});

describe("is the only way to PostgREST, which refuses", () => {
	it("a caller's token", async () => {
		const authorization = `Bearer ${await callerToken()}`;
		const response = await fetch(`${stack.postgrestUrl}/films`, {
			headers: { authorization },
		});
		expect(response.status).toBe(401);
	});

	it("a caller without a token", async () => {
		const response = await fetch(`${stack.postgrestUrl}/films`);
		expect(response.status).toBe(401);
	});
});

/** Waits until answers are cached: nothing is stored for a while after a schema change. */
async function untilCached() {
	const question: Question = {
		method: "GET",
		path: "/films?limit=1",
		as: "anonymous",
	};
	await vi.waitFor(
		async () => {
			const { cacheStatus } = await askGatewayHow(question);
			expect(cacheStatus).toContain("; hit");
		},
		{ timeout: 60_000, interval: 500 },
	);
}

/** Checks the row's status on the version that it was written for: a row that no longer tests its case shows there. */
function expectOfPostgrest12(answer: ComparableAnswer, status: Row["status"]) {
	if (isPostgrest12) expect(answer.status).toBe(status);
}

/** `POST /books?columns=isbn (ada; prefer: return=minimal) {"isbn":"1"}`, cut to one line. */
function inWords({ method, path, headers = {}, body = "", as }: Question) {
	const fields = Object.entries(headers).map((field) => field.join(": "));
	return `${method} ${path} (${[as, ...fields].join("; ")}) ${body}`
		.trim()
		.replaceAll("\n", "\\n")
		.slice(0, 160);
}
