// Expensive forms by role: each is let through for the roles that a setting names, and refused to others, on both paths and for
// resource routes.
import { describe, expect, it } from "vitest";
import { createRouter } from "../../src/routes.ts";
import { rows } from "../support/cache.ts";
import { CINEMA } from "../support/catalog.ts";
import { type GatewayOptions, startGateway } from "../support/gateway.ts";
import { startFeed } from "../support/memory-feed.ts";
import { NOW, tokenFor } from "../support/tokens.ts";

const FILMS = "/rest/v1/films";
const ADA = await tokenFor();

const films = createRouter();
films.get("/", async ({ json, var: { database } }) => {
	const { data } = await database
		.from("films")
		.select("*", { count: "exact" })
		.throwOnError();
	return json(data);
});

function start(env: GatewayOptions["env"] = {}) {
	return startGateway({
		...{ answer: () => rows(), env },
		feed: startFeed({ now: () => NOW, catalog: CINEMA }),
		application: { routes: { "/films": films } },
	});
}

const FORMS: [string, string, string, Record<string, string>][] = [
	["EXACT_COUNT_ROLES", "an exact count", FILMS, { Prefer: "count=exact" }],
	[
		"EXACT_COUNT_ROLES",
		"an exact count among other preferences",
		FILMS,
		{ Prefer: "handling=strict , count=exact" },
	],
	["EXACT_COUNT_ROLES", "an exact count by a resource route", "/films", {}],
	[
		"QUERY_PLAN_ROLES",
		"a query plan",
		FILMS,
		{ Accept: 'application/vnd.pgrst.plan+json; for="application/json"' },
	],
	["OPENAPI_ROLES", "the OpenAPI document", "/rest/v1/", {}],
];

describe.each(FORMS)("%s: %s", (setting, _, path, headers) => {
	it("is answered to every role without the setting", async () => {
		const { request } = start();
		expect((await request(path, { headers })).status).toBe(200);
	});

	it("is answered to the roles that the setting names, and to no other", async () => {
		const { request, origin } = start({ [setting]: "authenticated" });
		expect((await request(path, { token: ADA, headers })).status).toBe(200);
		const { length } = origin.received;
		for (let times = 0; times < 3; times++) {
			const refused = await request(path, { headers });
			expect([refused.status, await refused.json()]).toEqual([
				403,
				expect.objectContaining({
					code: "denied",
					message: expect.stringContaining(setting),
				}),
			]);
		}
		expect(origin.received).toHaveLength(length);
	});
});

it.each([{ Prefer: "count=planned" }, { Accept: "application/json" }])(
	"%o is answered where other forms are for nobody",
	async (headers) => {
		const { request } = start({
			EXACT_COUNT_ROLES: "nobody",
			QUERY_PLAN_ROLES: "nobody",
			OPENAPI_ROLES: "nobody",
		});
		expect((await request(FILMS, { headers })).status).toBe(200);
	},
);

describe("NO_CACHE_ROLES", () => {
	const MARKS = [
		{ "Cache-Control": "no-cache" },
		{ "Cache-Control": "no-store" },
		{ Pragma: "no-cache" },
	];

	async function statusOf(headers: Record<string, string>, token?: string) {
		const { request } = start({ NO_CACHE_ROLES: "authenticated" });
		for (let times = 0; times < 3; times++)
			await request(FILMS, token ? { token } : {});
		const answer = await request(FILMS, { headers, ...(token && { token }) });
		return answer.headers.get("Cache-Status");
	}

	it.each(MARKS.slice(0, 2))(
		"lets %o through to the origin for the roles that it names",
		async (headers) => {
			expect(await statusOf(headers, ADA)).toContain("fwd=request");
		},
	);

	it.each(MARKS)(
		"answers %o of other roles from the cache",
		async (headers) => {
			expect(await statusOf(headers)).toContain("; hit");
		},
	);

	it("leaves only-if-cached to every role", async () => {
		const { request } = start({ NO_CACHE_ROLES: "authenticated" });
		const headers = { "Cache-Control": "no-cache, only-if-cached" };
		expect((await request(FILMS, { headers })).status).toBe(504);
	});
});
