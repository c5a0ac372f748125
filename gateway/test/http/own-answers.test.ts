// What every answer of the gateway's own says to browsers, and that none names the programs that made it, on both paths.
import { describe, expect, it } from "vitest";
import { rows } from "../support/cache.ts";
import { CINEMA } from "../support/catalog.ts";
import { startGateway } from "../support/gateway.ts";
import { startFeed } from "../support/memory-feed.ts";
import { NOW } from "../support/tokens.ts";

const HTTPS = "https://gateway.example";
const HTTP = "http://gateway.example";

const PROGRAMS = {
	Server: "postgrest/14.17",
	Via: "kong/2.8.1",
	"X-Powered-By": "PHP",
	"X-Kong-Upstream-Latency": "3",
	"X-Envoy-Upstream-Service-Time": "3",
};

const OVER_HTTPS = { sniffing: "nosniff", https: "max-age=15552000" };

function saidTo({ headers }: Response) {
	return {
		sniffing: headers.get("x-content-type-options"),
		https: headers.get("strict-transport-security"),
	};
}

function programsIn({ headers }: Response): string[] {
	return Object.keys(PROGRAMS).filter((name) => headers.has(name));
}

describe("every answer of the gateway's own", () => {
	const { request } = startGateway({
		answer: () => rows("[]", { headers: PROGRAMS }),
		assets: async () => new Response("page", { headers: PROGRAMS }),
	});

	it.each([
		["PostgREST's", "/rest/v1/notes", {}],
		["to an OPTIONS", "/rest/v1/notes", { method: "OPTIONS" }],
		["to a write", "/rest/v1/notes", { method: "POST", body: "{}" }],
		["of a route", "/products/1", {}],
		["a refusal", "/rest/v1/notes", { token: "none" }],
		["of a method that is not known", "/health", { method: "POST" }],
		["of no route", "/nothing", {}],
		["the page", "/docs", {}],
		["the document", "/openapi.json", {}],
		[
			"to a preflight",
			"/rest/v1/notes",
			{
				method: "OPTIONS",
				headers: {
					Origin: "https://app.example",
					"Access-Control-Request-Method": "GET",
				},
			},
		],
	])(
		"forbids sniffing and plain http, and names no program: %s",
		async (_, path, init) => {
			const answer = await request(path, init);
			expect([saidTo(answer), programsIn(answer)]).toEqual([OVER_HTTPS, []]);
		},
	);

	it("says so itself, with an origin that says something else", async () => {
		const { request } = startGateway({
			answer: () =>
				rows("[]", {
					headers: {
						"X-Content-Type-Options": "other",
						"Strict-Transport-Security": "max-age=1; includeSubDomains",
					},
				}),
		});
		expect(saidTo(await request("/rest/v1/notes"))).toEqual(OVER_HTTPS);
	});
});

describe("an answer over plain http", () => {
	it("says nothing of https", async () => {
		const { fullPath } = startGateway();
		const answer = await fullPath(new Request(`${HTTP}/rest/v1/notes`));
		expect(saidTo(answer)).toEqual({ sniffing: "nosniff", https: null });
	});
});

describe("an answer from memory", () => {
	it("has what the full path says, and a 304 too, by the scheme of each request", async () => {
		let ms = NOW;
		const background: Promise<unknown>[] = [];
		const { fastPath, fullPath } = startGateway({
			now: () => ms,
			feed: startFeed({ now: () => ms, catalog: CINEMA }),
			answer: () => rows("[]", { headers: PROGRAMS }),
			waitUntil: (promise) => background.push(promise),
		});
		let etag = "";
		for (const origin of [HTTPS, HTTP])
			for (let times = 0; times < 3; times += 1) {
				const url = `${origin}/rest/v1/films`;
				fastPath(new Request(url));
				const answer = await fullPath(new Request(url));
				etag = answer.headers.get("etag") ?? "";
				await Promise.all(background.splice(0));
				ms += 1_000;
			}
		for (const origin of [HTTP, HTTPS, HTTP])
			for (const headers of [{}, { "If-None-Match": etag }]) {
				const answer = fastPath(
					new Request(`${origin}/rest/v1/films`, { headers }),
				);
				const https = origin === HTTPS ? OVER_HTTPS.https : null;
				expect([
					answer?.status,
					answer && saidTo(answer),
					answer && programsIn(answer),
				]).toEqual([
					"If-None-Match" in headers ? 304 : 200,
					{ ...OVER_HTTPS, https },
					[],
				]);
			}
	});
});

describe("an answer of the upstream", () => {
	const env = { UPSTREAM_URL: "https://upstream.example" };

	it("stays as it is", async () => {
		const { request } = startGateway({
			env,
			fetchUpstream: async () => new Response("", { headers: PROGRAMS }),
		});
		const answer = await request("/auth/v1/user");
		expect([saidTo(answer), programsIn(answer)]).toEqual([
			{ sniffing: null, https: null },
			Object.keys(PROGRAMS),
		]);
	});

	it("is the gateway's own where it is a refusal", async () => {
		const { request } = startGateway({
			env,
			fetchUpstream: () => Promise.reject(new Error("gone")),
		});
		expect(saidTo(await request("/auth/v1/user"))).toEqual(OVER_HTTPS);
	});
});
