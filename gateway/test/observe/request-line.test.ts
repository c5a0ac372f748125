// The line of a request: what it says, which requests have one, and that it says nothing a client or the database has put in.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { SECRET_KEY } from "../support/api-keys.ts";
import { rows } from "../support/cache.ts";
import {
	ADA_TOKEN,
	type GatewayOptions,
	type RequestOptions,
	startGateway,
} from "../support/gateway.ts";
import { startFeed } from "../support/memory-feed.ts";
import { elsewhere, postgrestError } from "../support/origin.ts";
import { NOW, NOW_SECONDS, tokenFor } from "../support/tokens.ts";

const EXPIRED = await tokenFor({ exp: NOW_SECONDS - 3_600 });

const ALL = { REQUEST_LOG: "all" };

function start(options: GatewayOptions = {}) {
	return startGateway({
		now: () => NOW,
		feed: startFeed({ now: () => NOW }),
		answer: () => rows("[]"),
		...options,
		env: { ...ALL, ...options.env },
	});
}

/** The line of one request. */
async function lineOf(
	path: string,
	init: RequestOptions = {},
	options: GatewayOptions = {},
) {
	const { request, lines } = start(options);
	await request(path, init);
	expect(lines).toHaveLength(1);
	return lines[0];
}

describe("the line", () => {
	it("says what was asked, who asked, how the answer came about and how long it took", async () => {
		const traceId = "0af7651916cd43dd8448eb211c80319c";
		const line = await lineOf("/rest/v1/notes?id=eq.1", {
			token: ADA_TOKEN,
			headers: {
				traceparent: `00-${traceId}-b7ad6b7169203331-01`,
				"cf-ray": "8f2b1c3d4e5f6a7b-FRA",
			},
		});
		const ms = expect.any(Number);
		expect(line).toEqual({
			method: "GET",
			route: "/rest/v1/*",
			status: 200,
			ms,
			identity: "token",
			cache: "uri-miss",
			phases: { identity: ms, view: ms, plan: ms, origin: ms },
			traceId,
			ray: "8f2b1c3d4e5f6a7b-FRA",
		});
	});

	it.each<[string, string, RequestOptions]>([
		["anonymous", "/rest/v1/notes", {}],
		["token", "/rest/v1/notes", { token: ADA_TOKEN }],
		["token", "/rest/v1/notes", { headers: { apikey: ADA_TOKEN } }],
		["token", "/rest/v1/notes", { token: "a.refused.token" }],
		["api-key", "/rest/v1/notes", { headers: { apikey: SECRET_KEY } }],
		["api-key", "/rest/v1/notes", { token: SECRET_KEY }],
		["malformed", "/rest/v1/notes", { headers: { Authorization: "Basic a" } }],
	])("names the kind of credential: %s", async (identity, path, init) => {
		expect(await lineOf(path, init)).toMatchObject({ identity });
	});

	it.each([
		["/rest/v1/*", "/rest/v1/notes"],
		["/notes/:id", "/notes/17"],
		["/health", "/health"],
		["none", "/nothing/17"],
	])("names the route: %s", async (route, path) => {
		expect(await lineOf(path)).toMatchObject({ route });
	});

	it.each<[string, string | undefined, string, RequestOptions, GatewayOptions]>(
		[
			["none", undefined, "/health", {}, {}],
			[
				"method",
				undefined,
				"/rest/v1/notes",
				{ method: "POST", body: "{}" },
				{},
			],
			[
				"request",
				undefined,
				"/rest/v1/notes",
				{ headers: { "Cache-Control": "no-cache" } },
				{},
			],
			["bypass", "planner", "/rest/v1/notes?no_column=eq.1", {}, {}],
			[
				"bypass",
				"untracked",
				"/rest/v1/notes",
				{},
				{ feed: startFeed({ now: () => NOW, isAbsent: true }) },
			],
			[
				"uri-miss",
				"the status is 404",
				"/rest/v1/notes",
				{},
				{ answer: postgrestError(404, "PGRST205") },
			],
		],
	)(
		"says how the answer came about: %s, %s",
		async (cache, reason, path, init, options) => {
			expect(await lineOf(path, init, options)).toMatchObject({
				cache,
				...(reason && { reason }),
			});
		},
	);

	it("of an answer from memory says so, on both paths", async () => {
		let ms = NOW;
		const background: Promise<unknown>[] = [];
		const { request, lines } = start({
			now: () => ms,
			feed: startFeed({ now: () => ms }),
			waitUntil: (promise) => background.push(promise),
		});
		for (let times = 0; times < 6; times += 1) {
			await request("/rest/v1/notes", { token: ADA_TOKEN });
			ms += 1_000;
			await Promise.all(background.splice(0));
		}
		const told = lines.map(({ cache, route, identity, status, phases }) => [
			...[cache, route, identity, status],
			Object.keys(phases).includes("plan") ? "full" : "fast",
		]);
		expect([told[0], told[1], told.at(-1)]).toEqual([
			["uri-miss", "/rest/v1/*", "token", 200, "full"],
			["memory", "/rest/v1/*", "token", 200, "full"],
			["memory", "/rest/v1/*", "token", 200, "fast"],
		]);
	});

	it.each<[string, string | undefined, RequestOptions, GatewayOptions]>([
		["token_expired", "JWTExpired ERR_JWT_EXPIRED", { token: EXPIRED }, {}],
		[
			"origin_unreachable",
			"Error: The origin answers 530 (text/html): no cloudflared is connected to the tunnel",
			{ method: "POST", body: "{}" },
			{
				answer: () =>
					elsewhere("<p>", {
						status: 530,
						headers: { "Content-Type": "text/html" },
					}),
			},
		],
	])(
		"names the refusal and its cause: %s",
		async (refusal, cause, init, options) => {
			expect(await lineOf("/rest/v1/notes", init, options)).toMatchObject({
				refusal,
				cause,
			});
		},
	);

	it("of a defect leaves its message to the log of defects", async () => {
		const { request, lines, logged } = start({
			answer: postgrestError(400, "P0001", { message: "no stock" }),
		});
		await request("/notes/1");
		expect([lines[0]?.refusal, lines[0]?.cause, logged.length]).toEqual([
			"internal_error",
			undefined,
			1,
		]);
	});
});

describe("by default", () => {
	it.each<[string, number, string, RequestOptions]>([
		["a failure", 1, "/rest/v1/notes", {}],
		["what a client asked for", 0, "/nothing", {}],
		[
			"a miss that a client does not want to wait for",
			0,
			"/rest/v1/notes",
			{ headers: { "Cache-Control": "only-if-cached" } },
		],
	])("%s has so many lines: %i", async (_, count, path, init) => {
		const { request, lines } = start({
			env: { REQUEST_LOG: undefined },
			answer: postgrestError(500, "57014"),
		});
		await request(path, init);
		expect(lines).toHaveLength(count);
	});
});

describe("no line says anything that was sent", () => {
	/** Too long and too odd to be there by chance. */
	const secret = fc
		.stringMatching(/^[a-z\d]{12}$/)
		.map((text) => `Zq${text}qZ`);

	const PLACES = [
		(s: string) => `/rest/v1/notes?title=eq.${s}`,
		(s: string) => `/rest/v1/notes?${s}=eq.1`,
		(s: string) => `/rest/v1/notes?select=${s}`,
		(s: string) => `/rest/v1/${s}`,
		(s: string) => `/rest/v1/rpc/${s}?password=${s}`,
		(s: string) => `/${s}?access_token=${s}`,
		(s: string) => `/notes/${s}`,
		(s: string) => `/auth/v1/token?grant_type=${s}`,
		(s: string) => `/auth/v1/token?grant_type=password&s=${s}`,
		(s: string) => `/auth/v1/${s}`,
		(s: string) => `/docs/${s}`,
	];

	const NAMES = [
		"accept",
		"accept-profile",
		"apikey",
		"authorization",
		"cache-control",
		"cf-connecting-ip",
		"cf-ray",
		"content-profile",
		"content-type",
		"cookie",
		"idempotency-key",
		"if-none-match",
		"origin",
		"postern-explain",
		"postern-token",
		"prefer",
		"range",
		"referer",
		"traceparent",
		"tracestate",
		"user-agent",
		"x-request-id",
	];

	const VALUES = [
		(s: string) => s,
		(s: string) => `Bearer ${s}`,
		(s: string) => `Bearer ${s}.${s}.${s}`,
		(s: string) => `postern_secret_${s}`,
		(s: string) => `application/${s}`,
		(s: string) => `max-age=${s}`,
		(s: string) => `00-${s}-${s}-01`,
	];

	const BODIES = [
		() => undefined,
		(s: string) => s,
		(s: string) => JSON.stringify({ email: `${s}@example.com`, password: s }),
		(s: string) => `{"password":"${s}"`,
		(s: string) => JSON.stringify({ [s]: s }),
	];

	/** What PostgREST and the database may make of it. */
	const ANSWERS = [
		() => rows("[]"),
		(s: string) => rows(`["${s}"]`, { headers: { [`X-${s}`]: s } }),
		(s: string) =>
			rows("[]", {
				headers: { "Cache-Status": `Postern; fwd=bypass; detail="${s}"` },
			}),
		(s: string) =>
			rows("[]", { headers: { Vary: s, "Server-Timing": `${s};dur=1` } }),
		...(
			[
				[400, "22P02"],
				[400, "P0001"],
				[409, "23505"],
				[500, "57014"],
				[500, "XX000"],
				[503, "PGRST001"],
			] as const
		).map(
			([status, code]) =>
				(s: string) =>
					Response.json(
						{ code, message: `about "${s}"`, details: s, hint: s },
						{ status },
					),
		),
		(s: string) => Response.json({ code: s, message: s }, { status: 500 }),
		(s: string) =>
			elsewhere(`<p>${s}`, {
				status: 502,
				headers: { "Content-Type": "text/html" },
			}),
	];

	const one = <Of>(all: readonly Of[]) => fc.constantFrom(...all);

	it("for random requests and answers", async () => {
		let answering = () => rows("[]");
		const { request, lines } = start({ fetch: async () => answering() });
		await fc.assert(
			fc.asyncProperty(
				secret,
				one(PLACES),
				fc.dictionary(one(NAMES), one(VALUES), { maxKeys: 3 }),
				one(["GET", "HEAD", "POST", "PATCH", "DELETE", "OPTIONS"]),
				one(BODIES),
				one(ANSWERS),
				async (secret, path, headers, method, body, answer) => {
					answering = () => answer(secret);
					const isRead = method === "GET" || method === "HEAD";
					lines.length = 0;
					await request(path(secret), {
						method,
						headers: Object.entries(headers).map(([name, value]) => [
							name,
							value(secret),
						]),
						...(!isRead && { body: body(secret) ?? null }),
					});
					expect(lines).toHaveLength(1);
					expect(JSON.stringify(lines).toLowerCase()).not.toContain(
						secret.toLowerCase(),
					);
				},
			),
			{ numRuns: 1_000 },
		);
	});
});
