// What is passed to the upstream and what is not, and what is changed on the way. Streams, redirects and WebSockets over real
// connections are in test/features/upstream.test.ts.
import { describe, expect, it } from "vitest";
import {
	ADA_TOKEN,
	type GatewayOptions,
	refusal,
	refusalInWords,
	startGateway,
} from "../support/gateway.ts";
import { type Answer, recordingOrigin } from "../support/origin.ts";
import { ORIGIN_KEY } from "../support/tokens.ts";

const UPSTREAM_URL = "https://project.example";

/** A gateway before an upstream that records what it receives. */
function start(
	answer: Answer = () => new Response("of the upstream"),
	options: GatewayOptions = {},
) {
	const upstream = recordingOrigin(answer);
	const gateway = startGateway({
		...options,
		env: { UPSTREAM_URL, ...options.env },
		fetchUpstream: upstream.fetch,
	});
	return { ...gateway, upstream };
}

/** Path and query of the one request that the upstream receives. */
async function targetFor(path: string): Promise<string> {
	const { request, upstream, origin } = start();
	await request(path);
	expect(origin.received).toEqual([]);
	return upstream.only().target;
}

describe("the upstream is asked", () => {
	it.each([
		"/",
		"/auth/v1/token?grant_type=password",
		"/storage/v1/object/public/avatars/a%2Fb%20c.png",
		"/realtime/v1/websocket?apikey=x&vsn=2.0.0",
		"/functions/v1/hello",
		"/graphql/v1",
		"/.well-known/jwks.json",
		"/openapi.json",
		"/docs",
		"/notes",
		"/rest",
		"/rest/",
		"/rest/v2/notes",
		"/rest-admin/v1/ready",
		"/healthy",
		"/health/more",
		"/storage/v1/object/rest/v1/notes",
		"/storage/v1/object/a//b/%25zz/%zz",
		"/auth/v1/?a=%2B+%20b&a=&b",
		"//evil.example/auth/v1",
		"/@evil.example",
		"/:80@evil.example",
	])("for %s", async (path) => {
		const { request, upstream } = start();
		const response = await request(path);
		const { target, url } = upstream.only();
		expect([target, url.host, await response.text()]).toEqual([
			path,
			"project.example",
			"of the upstream",
		]);
	});

	it.each([
		["/rest/v1/../../auth/v1/user", "/auth/v1/user"],
		["/rest/v1/%2e%2e/%2E./auth/v1/user", "/auth/v1/user"],
		["/rest\\v1\\..\\..\\auth/v1/user", "/auth/v1/user"],
	])("by the path without dot segments: %s", async (path, target) => {
		expect(await targetFor(path)).toBe(target);
	});

	it("in the place of an application's routes, which answer without it", async () => {
		const { request, upstream } = startGatewayWithout();
		await request("/notes/1");
		expect(upstream.received).toEqual([]);
	});

	it("in the place of Postern's own users, which answer without it", async () => {
		const { request } = startGatewayWithout();
		expect(await refusal(await request("/auth/v1/user"))).toEqual({
			status: 404,
			code: "issuing_off",
		});
	});
});

/** The same without UPSTREAM_URL. */
function startGatewayWithout() {
	const upstream = recordingOrigin();
	return { ...startGateway({ fetchUpstream: upstream.fetch }), upstream };
}

describe("the upstream is not asked", () => {
	it.each([
		"/rest/v1",
		"/rest/v1/",
		"/rest/v1/notes",
		"/auth/../rest/v1/notes",
		"/auth/%2e%2e/rest/v1/notes",
		"/%72est/v1/notes",
		"/rest\\v1\\notes",
	])("for %s, which PostgREST answers", async (path) => {
		const { request, upstream, origin } = start();
		await request(path);
		expect([origin.received.length, upstream.received]).toEqual([1, []]);
	});

	it("for /ready, which asks PostgREST", async () => {
		const { request, upstream, origin } = start();
		await request("/ready");
		expect([origin.received.length, upstream.received]).toEqual([1, []]);
	});

	it.each(["/health", "/health/", "/auth/../health"])(
		"for %s, which the gateway answers",
		async (path) => {
			const { request, upstream } = start();
			const response = await request(path);
			expect([await response.json(), upstream.received]).toEqual([
				{ status: "ok" },
				[],
			]);
		},
	);

	it.each([
		"//rest/v1/notes",
		"/rest//v1/notes",
		"/rest/%2Fv1/notes",
		"/REST/v1/notes",
		"/rest/V1",
		"/%52est/v1/notes",
		"/rest%2Fv1/notes",
		"/rest%2fv1%2fnotes",
		"/rest%252Fv1/notes",
		"/%2572est/v1/notes",
		"/%252572est/v1/notes",
		"/rest%5Cv1/notes",
		"/rest/v1%2Fnotes",
		"/rest/v1;a=b/notes",
		"/rest;a=b/v1/notes",
		"/rest/v1%3Bnotes",
		"/rest/v1%00/notes",
		"/rest%00/v1/notes",
		"/rest/v1%20/notes",
		"/rest/v1x/notes",
		"/auth/..%2frest/v1/notes",
		"/auth%2f..%2frest/v1/notes",
		"/auth/..;/rest/v1/notes",
		"/x/%252e%252e/rest/v1/notes",
		"/.%2frest/v1/notes",
	])("for %s, which a server may read as /rest/v1", async (path) => {
		const { request, upstream, origin } = start();
		expect(await refusalInWords(await request(path))).toEqual({
			status: 400,
			code: "parameter_invalid",
			message: "The URL is not valid: its path is another spelling of /rest/v1",
		});
		expect([upstream.received, origin.received]).toEqual([[], []]);
	});

	it("for a request of its own that comes back", async () => {
		const first = start();
		await first.request("/auth/v1/user");
		const again = start();
		const response = await again.request("/auth/v1/user", {
			headers: first.upstream.only().headers,
		});
		expect(await refusal(response)).toEqual({
			status: 503,
			code: "upstream_unreachable",
		});
		expect(again.upstream.received).toEqual([]);
		expect(String(again.logged[0])).toContain("UPSTREAM_URL leads back");
	});
});

it("passes on what another gateway has passed on", async () => {
	const first = start(undefined, {
		env: { UPSTREAM_URL: "https://gateway.example" },
	});
	await first.request("/auth/v1/user");
	const second = start();
	await second.request("/auth/v1/user", {
		headers: first.upstream.only().headers,
	});
	expect(second.upstream.only().headers.get("cdn-loop")).toBe(
		'postern; upstream="gateway.example", postern; upstream="project.example"',
	);
});

describe("a request to the upstream", () => {
	/** The headers that the upstream receives. */
	async function received(
		headers: Record<string, string>,
		env: Record<string, string> = {},
	): Promise<Record<string, string>> {
		const { request, upstream } = start(undefined, { env });
		await request("/auth/v1/user", { headers });
		return Object.fromEntries(upstream.only().headers);
	}

	it("carries the caller's credentials and everything else that the caller sends", async () => {
		const sent = {
			authorization: `Bearer ${ADA_TOKEN}`,
			apikey: "sb_publishable_x",
			"x-client-info": "supabase-js",
			"x-supabase-api-version": "2024-01-01",
			"accept-profile": "postern",
			"if-none-match": '"1"',
			"sb-forwarded-for": "203.0.113.9",
			origin: "https://app.example",
			cookie: "session=1; theme=dark",
		};
		expect(await received(sent)).toMatchObject(sent);
	});

	it("says who asked and where, and not what the client says of it", async () => {
		expect(
			await received({
				"cf-connecting-ip": "203.0.113.7",
				"x-forwarded-for": "198.51.100.1",
				"x-forwarded-host": "evil.example",
				"x-forwarded-proto": "http",
				"x-forwarded-port": "81",
				forwarded: "for=198.51.100.1",
				"x-real-ip": "198.51.100.1",
				"true-client-ip": "198.51.100.1",
				via: "1.1 evil",
			}),
		).toEqual({
			"x-forwarded-for": "203.0.113.7",
			"x-forwarded-host": "gateway.example",
			"x-forwarded-proto": "https",
			"cdn-loop": 'postern; upstream="project.example"',
		});
	});

	it("claims no address where none is known", async () => {
		expect(
			await received({ "x-forwarded-for": "198.51.100.1" }),
		).not.toHaveProperty("x-forwarded-for");
	});

	it("carries nothing that is the gateway's own", async () => {
		const headers = await received(
			{
				authorization: `Bearer ${ADA_TOKEN}`,
				"cf-access-jwt-assertion": "a.b.c",
				"cf-access-client-id": "id",
				"cf-access-client-secret": "secret",
				"postern-token": "1.2",
				"postern-explain": "1",
				cookie: "postern_token=1; CF_Authorization=a.b.c; mine=1",
			},
			{
				ORIGIN_ACCESS_CLIENT_ID: "gateway.access",
				ORIGIN_ACCESS_CLIENT_SECRET: "gateway-secret",
				ORIGIN_API_KEY: "gateway-key",
			},
		);
		expect(headers.cookie).toBe("mine=1");
		expect(headers.authorization).toBe(`Bearer ${ADA_TOKEN}`);
		const text = JSON.stringify(headers);
		for (const secret of [
			...["cf-access", "postern-", "a.b.c", "gateway.access"],
			...["gateway-secret", "gateway-key", String(ORIGIN_KEY.privateJwk.d)],
		])
			expect(text).not.toContain(secret);
	});

	it("is not identified: the upstream judges a token that no issuer signed", async () => {
		const { request, upstream } = start(
			() => new Response(null, { status: 401 }),
		);
		const response = await request("/auth/v1/user", { token: "abc.def.ghi" });
		expect(response.status).toBe(401);
		expect(upstream.only().headers.get("authorization")).toBe(
			"Bearer abc.def.ghi",
		);
	});

	it.each(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])(
		"keeps its method: %s",
		async (method) => {
			const { request, upstream } = start(() => new Response(null));
			await request("/auth/v1/user", { method });
			expect(upstream.only()).toMatchObject({ method, redirect: "manual" });
		},
	);
});

describe("an answer of the upstream", () => {
	it.each([
		[
			"https://project.example/auth/v1/verify?a=b#c",
			"https://gateway.example/auth/v1/verify?a=b#c",
		],
		[
			"https://PROJECT.example:443/storage/v1/upload/resumable/x",
			"https://gateway.example/storage/v1/upload/resumable/x",
		],
		["/auth/v1/verify", "/auth/v1/verify"],
		["verify", "verify"],
		["https://app.example/callback#a=b", "https://app.example/callback#a=b"],
		["https://project.example.evil.example/", undefined],
		["https://project.example:444/", undefined],
		["http://project.example/", undefined],
		["myapp://callback?code=1", undefined],
	])("that redirects to %s", async (location, expected = location) => {
		const { request } = start(
			() => new Response(null, { status: 303, headers: { location } }),
		);
		const { status, headers } = await request("/auth/v1/verify");
		expect([status, headers.get("location")]).toEqual([303, expected]);
	});

	it("keeps its CORS headers, and gets none of the gateway's", async () => {
		const own = {
			"access-control-allow-origin": "https://app.example",
			"access-control-allow-credentials": "true",
			vary: "Origin",
		};
		const { request } = start(() => new Response("", { headers: own }));
		const { headers } = await request("/auth/v1/user", {
			headers: { origin: "https://app.example" },
		});
		expect(
			Object.fromEntries(
				[...headers].filter(([name]) => /^(access-control|vary)/.test(name)),
			),
		).toEqual(own);
	});

	it("to a preflight is the upstream's", async () => {
		const { request } = start(
			() =>
				new Response(null, {
					status: 204,
					headers: { "access-control-allow-methods": "BREW" },
				}),
		);
		const { headers } = await request("/auth/v1/user", {
			method: "OPTIONS",
			headers: {
				origin: "https://app.example",
				"access-control-request-method": "PUT",
			},
		});
		expect([
			headers.get("access-control-allow-methods"),
			headers.get("access-control-allow-origin"),
		]).toEqual(["BREW", null]);
	});

	it("keeps each of its cookies", async () => {
		const headers = new Headers([
			["set-cookie", "a=1; Path=/; HttpOnly"],
			["set-cookie", "b=2, 3; Secure"],
		]);
		const { request } = start(() => new Response("", { headers }));
		const response = await request("/auth/v1/user");
		expect(response.headers.getSetCookie()).toEqual([
			"a=1; Path=/; HttpOnly",
			"b=2, 3; Secure",
		]);
	});

	it("gets nothing of the cache", async () => {
		const { request } = start();
		const { headers } = await request("/storage/v1/object/public/a");
		for (const name of ["cache-status", "postern-token", "etag"])
			expect(headers.has(name)).toBe(false);
	});
});

describe("an upstream that cannot be reached", () => {
	const unreachable: Answer = () => Promise.reject(new TypeError("no route"));

	it("lets a page ask nevertheless, so that it can read the refusal", async () => {
		const { request } = start(unreachable, {
			env: { CORS_ORIGINS: "https://app.example" },
		});
		const headers = { origin: "https://app.example" };
		const preflight = await request("/auth/v1/user", {
			method: "OPTIONS",
			headers: { ...headers, "access-control-request-method": "PUT" },
		});
		const refused = await request("/auth/v1/user", { method: "PUT", headers });
		expect([preflight.status, refused.status]).toEqual([204, 503]);
		for (const response of [preflight, refused])
			expect(response.headers.get("access-control-allow-origin")).toBe(
				"https://app.example",
			);
	});

	it("does not keep PostgREST from answering", async () => {
		const { request } = start(unreachable);
		const { status } = await request("/rest/v1/notes", { token: ADA_TOKEN });
		expect(status).toBe(200);
	});
});
