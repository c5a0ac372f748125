// What the gateway does for every request: its routes, and what browsers need.
import { describe, expect, it } from "vitest";
import { ISSUING } from "./support/accounts.ts";
import {
	ADA_TOKEN,
	type RequestOptions,
	refusal,
	refusalInWords,
	startGateway,
} from "./support/gateway.ts";
import { type Answer, postgrestError, silence } from "./support/origin.ts";

describe("/health", () => {
	it("answers", async () => {
		const response = await startGateway().request("/health");
		expect([response.status, await response.json()]).toEqual([
			200,
			{ status: "ok" },
		]);
	});

	it("does not ask the origin", async () => {
		const { request, origin } = startGateway();
		await request("/health");
		expect(origin.received).toEqual([]);
	});

	it("answers a request with any token, valid or not", async () => {
		const response = await startGateway().request("/health", {
			token: "abc.def.ghi",
		});
		expect(response.status).toBe(200);
	});
});

describe("/ready", () => {
	const head =
		(status: number): Answer =>
		() =>
			new Response(null, { status });

	it.each([
		[200, "answers"],
		[404, "answers, with its OpenAPI document turned off"],
	])("is ready if the origin answers %i: it %s", async (status) => {
		const { request } = startGateway({ answer: head(status) });
		const response = await request("/ready");
		expect([response.status, await response.json()]).toEqual([
			200,
			{
				...{ status: "ok", origin: "ok", feed: "off", contract: "unknown" },
				nothingIsCached: "there is no binding CHANGE_FEED",
			},
		]);
	});

	it("sends HEAD to PostgREST's root with the anonymous role", async () => {
		const { request, origin } = startGateway();
		await request("/ready", { token: ADA_TOKEN });
		expect([origin.only().method, origin.only().target]).toEqual(["HEAD", "/"]);
	});

	it.each([
		[401, "does not take the gateway's token"],
		[403, "is behind Access, without a service token"],
		[503, "has no database"],
		[500, "fails"],
	])("is not ready if the origin answers %i: it %s", async (status) => {
		const { request } = startGateway({ answer: head(status) });
		expect(await refusal(await request("/ready"))).toEqual({
			status: 503,
			code: "origin_not_ready",
		});
	});

	it("is not ready if the origin cannot be reached", async () => {
		const { request } = startGateway({
			fetch: () => Promise.reject(new TypeError("connection refused")),
		});
		expect(await refusal(await request("/ready"))).toEqual({
			status: 503,
			code: "origin_unreachable",
		});
	});

	it("is not ready if the origin is silent", async () => {
		const { request } = startGateway({
			answer: silence,
			env: { ORIGIN_TIMEOUT_MS: "20" },
		});
		expect(await refusal(await request("/ready"))).toEqual({
			status: 504,
			code: "origin_timeout",
		});
	});
});

describe("a route that does not exist", () => {
	it.each([
		"/",
		"/rest",
		"/rest/v2/notes",
		"/note",
		"/notes/1/stars",
		"/notes/1/add-stars/2",
		"/Notes/1",
		"/notes/1/2",
		"/me/1",
		"/health/1",
	])("is refused: %s", async (path) => {
		const { request, origin } = startGateway();
		expect([await refusal(await request(path)), origin.received]).toEqual([
			{ status: 404, code: "route_unknown" },
			[],
		]);
	});
});

describe("a method that a route does not have", () => {
	it.each([
		["POST", "/health", "GET, HEAD, OPTIONS"],
		["DELETE", "/ready", "GET, HEAD, OPTIONS"],
		["POST", "/openapi.json", "GET, HEAD, OPTIONS"],
		["DELETE", "/notes", "POST, GET, HEAD, OPTIONS"],
		["PUT", "/notes/1", "GET, HEAD, OPTIONS"],
		["QUERY", "/notes/1", "GET, HEAD, OPTIONS"],
		["GET", "/notes/1/add-stars", "PATCH, OPTIONS"],
		["HEAD", "/notes/1/add-stars", "PATCH, OPTIONS"],
		["POST", "/notes/1/add-stars", "PATCH, OPTIONS"],
		["POST", "/me", "GET, HEAD, OPTIONS"],
		["POST", "/.well-known/jwks.json", "GET, HEAD, OPTIONS"],
	])(
		"is refused, and Allow names the others: %s %s",
		async (method, path, allow) => {
			const { request, origin } = startGateway();
			const response = await request(path, { method });
			expect([
				response.status,
				response.headers.get("allow"),
				origin.received,
			]).toEqual([405, allow, []]);
		},
	);

	it.each([
		["/health", "GET, HEAD, OPTIONS"],
		["/notes", "POST, GET, HEAD, OPTIONS"],
		["/notes/1/add-stars", "PATCH, OPTIONS"],
	])("is told by OPTIONS: %s", async (path, allow) => {
		const { request, lines } = startGateway({ env: { REQUEST_LOG: "all" } });
		const response = await request(path, { method: "OPTIONS" });
		expect([
			response.status,
			response.headers.get("allow"),
			lines.map(({ refusal }) => refusal),
		]).toEqual([204, allow, [undefined]]);
	});

	it("is named by Allow where PostgREST refuses it without", async () => {
		const { request } = startGateway({
			answer: () =>
				Response.json({ code: "PGRST117", message: "no" }, { status: 405 }),
		});
		const allowed = async (method: string, path: string) =>
			(await request(`/rest/v1${path}`, { method })).headers.get("allow");
		expect([
			await allowed("PROPFIND", "/notes"),
			await allowed("PUT", "/rpc/echo"),
			await allowed("GET", "/rpc/write"),
			await allowed("POST", "/"),
		]).toEqual([
			"OPTIONS, GET, HEAD, POST, PUT, PATCH, DELETE",
			"OPTIONS, GET, HEAD, POST",
			"OPTIONS, POST",
			"OPTIONS, GET, HEAD",
		]);
	});

	it("has the code method_not_allowed", async () => {
		const response = await startGateway().request("/notes/1/add-stars");
		expect(await refusal(response)).toEqual({
			status: 405,
			code: "method_not_allowed",
		});
	});

	it("is refused with a trailing slash, too", async () => {
		const response = await startGateway().request("/notes/1/add-stars/");
		expect([response.status, response.headers.get("allow")]).toEqual([
			405,
			"PATCH, OPTIONS",
		]);
	});

	it("is told apart from a missing row", async () => {
		const { request } = startGateway({
			answer: postgrestError(406, "PGRST116"),
		});
		const response = await request("/notes/1");
		expect([response.status, response.headers.get("allow")]).toEqual([
			404,
			null,
		]);
	});

	it("is left to PostgREST below /rest/v1", async () => {
		const { request } = startGateway({
			answer: postgrestError(404, "PGRST205"),
		});
		const response = await request("/rest/v1/notes", { method: "PATCH" });
		expect([response.status, response.headers.get("allow")]).toEqual([
			404,
			null,
		]);
	});
});

describe("a trailing slash", () => {
	it.each(["/health/", "/ready/", "/notes/", "/notes/1/"])(
		"is accepted: %s",
		async (path) => {
			const response = await startGateway().request(path);
			expect(response.status).toBe(200);
		},
	);

	it("is accepted by a route that creates something", async () => {
		const { request } = startGateway({
			answer: () => Response.json({ id: 1 }, { status: 201 }),
		});
		const response = await request("/notes/", {
			method: "POST",
			json: { title: "Milk", stars: 1 },
		});
		expect(response.status).toBe(201);
	});
});

describe("HEAD", () => {
	it.each(["/notes", "/notes/1", "/health"])(
		"answers as GET does, without a body: %s",
		async (path) => {
			const { request } = startGateway();
			const response = await request(path, { method: "HEAD" });
			expect([
				response.status,
				response.headers.get("content-type"),
				response.body,
			]).toEqual([200, "application/json", null]);
		},
	);

	it("is refused without a body", async () => {
		const response = await startGateway().request("/nowhere", {
			method: "HEAD",
		});
		expect([response.status, response.body]).toEqual([404, null]);
	});
});

describe("a browser's page", () => {
	const PAGE = "https://app.example.com";
	const OTHER = "https://evil.example";

	async function corsFor(
		from: string | undefined,
		{ origins, ...init }: RequestOptions & { origins?: string } = {},
		path = "/rest/v1/notes",
	) {
		const { request } = startGateway({
			env: origins === undefined ? {} : { CORS_ORIGINS: origins },
			answer: () =>
				new Response("[]", {
					headers: {
						"Access-Control-Allow-Origin": OTHER,
						"Access-Control-Allow-Credentials": "true",
						Vary: "Accept, Prefer, Range",
					},
				}),
		});
		const headers = new Headers(init.headers);
		if (from !== undefined) headers.set("Origin", from);
		const response = await request(path, { ...init, headers });
		return {
			status: response.status,
			allowOrigin: response.headers.get("access-control-allow-origin"),
			vary: response.headers.get("vary"),
			headers: response.headers,
		};
	}

	it("may read answers from anywhere by default", async () => {
		const { allowOrigin } = await corsFor(PAGE);
		expect(allowOrigin).toBe("*");
	});

	it("may not send cookies", async () => {
		const { headers } = await corsFor(PAGE);
		expect(headers.has("access-control-allow-credentials")).toBe(false);
	});

	it("may read PostgREST's headers, GoTrue's and the cache's", async () => {
		const { headers } = await corsFor(PAGE);
		expect(headers.get("access-control-expose-headers")).toBe(
			"Age,Cache-Status,Content-Encoding,Content-Location,Content-Profile,Content-Range,Date,ETag,Idempotent-Replayed,Location,Postern-Explain,Postern-Token,Preference-Applied,Proxy-Status,Range-Unit,RateLimit,RateLimit-Policy,Retry-After,Server-Timing,WWW-Authenticate,X-Supabase-Api-Version",
		);
	});

	it("gets PostgREST's Vary unchanged if every page may read", async () => {
		const { vary } = await corsFor(PAGE);
		expect(vary).toBe("Accept, Prefer, Range");
	});

	describe("listed in CORS_ORIGINS", () => {
		const origins = `https://first.example,${PAGE}`;

		it("may read answers", async () => {
			const { allowOrigin } = await corsFor(PAGE, { origins });
			expect(allowOrigin).toBe(PAGE);
		});

		it.each([
			OTHER,
			"https://app.example.com.evil.example",
			"http://app.example.com",
			"https://app.example.com:8443",
			"null",
			"*",
			origins,
		])("has to be one of them exactly: %s may not read", async (from) => {
			const { allowOrigin } = await corsFor(from, { origins });
			expect(allowOrigin).toBeNull();
		});

		it.each([
			["in CORS_ORIGINS", PAGE],
			["not in CORS_ORIGINS", OTHER],
			["that sends no Origin", undefined],
		])("makes the answer to a page %s vary by Origin", async (_, from) => {
			const { vary } = await corsFor(from, { origins });
			expect(vary).toBe("Accept, Prefer, Range, Origin");
		});
	});

	it.each([
		["a token that is refused", 401, "/rest/v1/notes", { token: "a.b.c" }],
		["a route that does not exist", 404, "/nowhere", {}],
		["a method that a route does not have", 405, "/notes/1/add-stars", {}],
		["an id that is none", 400, "/notes/x", {}],
		["a body of another type", 415, "/notes", { method: "POST", body: "{}" }],
		[
			"a body that is too large",
			413,
			"/notes",
			{ method: "POST", json: "x".repeat(65_536) },
		],
	])("may read the refusal of %s", async (_, expected, path, init) => {
		const { status, allowOrigin } = await corsFor(
			PAGE,
			{ origins: PAGE, ...init },
			path,
		);
		expect([status, allowOrigin]).toEqual([expected, PAGE]);
	});

	it("may read the refusal of an origin that cannot be reached", async () => {
		const { request } = startGateway({
			fetch: () => Promise.reject(new TypeError("connection refused")),
		});
		const response = await request("/rest/v1/notes");
		expect(response.headers.get("access-control-allow-origin")).toBe("*");
	});

	describe("that sends a preflight", () => {
		const preflight = {
			method: "OPTIONS",
			headers: {
				"Access-Control-Request-Method": "PATCH",
				"Access-Control-Request-Headers": "authorization, prefer,x-client-info",
			},
		};

		it("is answered without asking the origin", async () => {
			const { request, origin } = startGateway();
			const response = await request("/rest/v1/notes", preflight);
			expect([response.status, origin.received]).toEqual([204, []]);
		});

		it.each(["/rest/v1/notes", "/notes", "/notes/1/add-stars", "/nowhere"])(
			"is answered on every route: %s",
			async (path) => {
				const { status } = await corsFor(PAGE, preflight, path);
				expect(status).toBe(204);
			},
		);

		it.each(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"])(
			"may use the method %s",
			async (method) => {
				const { headers } = await corsFor(PAGE, preflight);
				expect(
					headers.get("access-control-allow-methods")?.split(","),
				).toContain(method);
			},
		);

		it("may send the headers that it asks for", async () => {
			const { headers } = await corsFor(PAGE, preflight);
			expect(headers.get("access-control-allow-headers")).toBe(
				"authorization,prefer,x-client-info",
			);
		});

		it("need not send another for a day", async () => {
			const { headers } = await corsFor(PAGE, preflight);
			expect(headers.get("access-control-max-age")).toBe("86400");
		});

		it("gets no permission if its origin is not listed", async () => {
			const { allowOrigin } = await corsFor(OTHER, {
				origins: PAGE,
				...preflight,
			});
			expect(allowOrigin).toBeNull();
		});
	});

	it.each([
		["OPTIONS", "/rest/v1/notes"],
		["OPTIONS", "/health"],
		["OPTIONS", "/nowhere"],
		["GET", "/metrics"],
		["POST", "/metrics"],
		["POST", "/health"],
	])("may read every answer: %s %s", async (method, path) => {
		const { request } = startGateway({
			env: { METRICS_TOKEN: "m".repeat(32), CORS_ORIGINS: PAGE },
		});
		const { headers } = await request(path, {
			method,
			headers: { Origin: PAGE },
		});
		expect([
			headers.get("access-control-allow-origin"),
			headers.get("access-control-expose-headers"),
			headers.get("vary"),
		]).toEqual([
			PAGE,
			expect.stringContaining("Postern-Token"),
			expect.stringContaining("Origin"),
		]);
	});

	it("has an OPTIONS that is no preflight answered by PostgREST", async () => {
		const { request, origin } = startGateway({
			answer: () =>
				new Response(null, { headers: { Allow: "OPTIONS,GET,HEAD,POST" } }),
		});
		const response = await request("/rest/v1/notes", {
			method: "OPTIONS",
			headers: { Origin: PAGE },
		});
		expect([origin.only().method, response.headers.get("allow")]).toEqual([
			"OPTIONS",
			"OPTIONS,GET,HEAD,POST",
		]);
	});
});

interface OpenApi {
	openapi: string;
	info: { title: string; version: string };
	paths: Record<
		string,
		Record<
			string,
			{ summary?: string; responses: Record<string, { description?: string }> }
		>
	>;
	components: { schemas: Record<string, { properties?: object }> };
}

describe("/openapi.json", () => {
	async function openApi(env = {}): Promise<OpenApi> {
		return (await startGateway({ env }).request("/openapi.json")).json();
	}

	function routesOf({ paths }: OpenApi): string[] {
		return Object.entries(paths).flatMap(([path, item]) =>
			Object.keys(item).map((method) => `${method.toUpperCase()} ${path}`),
		);
	}

	it("is a document of OpenAPI 3.1", async () => {
		const { openapi, info } = await openApi();
		expect([openapi, info.title, typeof info.version]).toEqual([
			"3.1.0",
			"Postern",
			"string",
		]);
	});

	it("lists every resource route", async () => {
		expect(routesOf(await openApi()).sort()).toEqual([
			"GET /me",
			"GET /notes",
			"GET /notes/{id}",
			"PATCH /notes/{id}/add-stars",
			"POST /notes",
		]);
	});

	it("describes every route and each of its answers", async () => {
		const { paths } = await openApi(ISSUING);
		const operations = Object.values(paths).flatMap((item) =>
			Object.values(item),
		);
		const nameless = operations.filter(
			({ summary, responses }) =>
				!summary ||
				Object.values(responses).some(({ description }) => !description),
		);
		expect(nameless).toEqual([]);
	});

	it("refers to its own schemas only", async () => {
		const document = await openApi(ISSUING);
		const references = JSON.stringify(document).matchAll(
			/"\$ref":"#\/components\/schemas\/([^"]+)"/g,
		);
		const names = new Set([...references].map(([, name]) => name));
		const missing = [...names].filter(
			(name = "") => !(name in document.components.schemas),
		);
		expect([names.size > 0, missing]).toEqual([true, []]);
	});

	it("has the bounds of each field", async () => {
		const { components } = await openApi();
		expect(components.schemas.NewNote?.properties).toMatchObject({
			title: { type: "string", minLength: 1, maxLength: 100 },
			stars: { type: "number", minimum: 0 },
		});
	});

	it("is the same for every caller, and does not ask the origin", async () => {
		const { request, origin } = startGateway();
		await request("/openapi.json", { token: "abc.def.ghi" });
		expect(origin.received).toEqual([]);
	});
});

describe("/rest/v1", () => {
	it("passes PostgREST's own refusals on unchanged", async () => {
		const { request } = startGateway({
			answer: postgrestError(409, "23505", { message: "duplicate key" }),
		});
		const response = await request("/rest/v1/notes", {
			method: "POST",
			json: {},
			token: ADA_TOKEN,
		});
		expect(await refusalInWords(response)).toEqual({
			status: 409,
			code: "23505",
			message: "duplicate key",
		});
	});
});
