// The headers that pass between a client and the origin, seen through the gateway.
import { describe, expect, it } from "vitest";
import { ADA_TOKEN, refusal, startGateway } from "../support/gateway.ts";

/** The headers that the origin receives when a client sends these. */
async function atOrigin(headers: HeadersInit, env = {}): Promise<Headers> {
	const { request, origin } = startGateway({ env });
	await request("/rest/v1/notes", { headers });
	return origin.only().headers;
}

/** The headers that a client receives when the origin sends these. */
async function atClient(headers: HeadersInit): Promise<Headers> {
	const { request } = startGateway({
		answer: () => new Response("[]", { headers }),
	});
	return (await request("/rest/v1/notes")).headers;
}

describe("a client's header", () => {
	it.each([
		["Prefer", "return=representation, count=exact"],
		["Range", "0-24"],
		["Range-Unit", "items"],
		["Accept", "application/vnd.pgrst.object+json;nulls=stripped"],
		["Accept", "text/csv"],
		["Accept-Profile", "api"],
		["Content-Profile", "api"],
		["Content-Type", "text/csv"],
		["Accept-Language", "de"],
		["If-None-Match", '"abc"'],
		["User-Agent", "curl/8"],
		["X-Client-Info", "postgrest-js/2"],
		["X-Custom", "anything"],
		["X-Request-Id", "1"],
		["Traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"],
		["Cookie", "session=1; theme=dark"],
	])("%s: %s reaches the origin", async (name, value) => {
		expect((await atOrigin({ [name]: value })).get(name)).toBe(value);
	});

	it.each(["Accept-Profile", "Content-Profile"])(
		"%s has its schema replaced as PROFILE_ALIASES says",
		async (name) => {
			const env = { PROFILE_ALIASES: "public=api" };
			const profiles = [];
			for (const schema of ["public", "api", "Public", "Postern"]) {
				const headers = await atOrigin({ [name]: schema }, env);
				profiles.push(headers.get(name));
			}
			expect(profiles).toEqual(["api", "api", "Public", "Postern"]);
		},
	);

	it.each([
		["Accept-Profile", "postern", {}],
		["Content-Profile", "postern", {}],
		["Accept-Profile", " postern ", {}],
		["Content-Profile", "own", { PROFILE_ALIASES: "own=postern" }],
	])(
		"%s: %s is refused, since that schema is the gateway's own",
		async (name, schema, env) => {
			const { request, origin } = startGateway({ env });
			const response = await request("/rest/v1/rpc/changes_since", {
				method: "POST",
				headers: { [name]: schema },
			});
			expect([await refusal(response), origin.received]).toEqual([
				{ status: 406, code: "schema_refused" },
				[],
			]);
		},
	);

	it("reaches the origin with each of its values", async () => {
		const headers = await atOrigin([
			["Prefer", "return=minimal"],
			["Prefer", "count=exact"],
		]);
		expect(headers.get("prefer")).toBe("return=minimal, count=exact");
	});

	it.each([
		["Keep-Alive", "timeout=5"],
		["Proxy-Authenticate", "Basic"],
		["Proxy-Authorization", "Basic YTpi"],
		["Proxy-Connection", "keep-alive"],
		["TE", "trailers"],
		["Trailer", "Expires"],
		["Transfer-Encoding", "chunked"],
		["Upgrade", "h2c"],
		["Host", "evil.example"],
		["apikey", ADA_TOKEN],
		["Forwarded", "for=1.2.3.4"],
		["Via", "1.1 proxy"],
		["X-Real-IP", "1.2.3.4"],
		["X-Forwarded-For", "1.2.3.4"],
		["X-Forwarded-Host", "evil.example"],
		["X-Forwarded-Proto", "http"],
		["X-Forwarded-Anything", "1"],
		["True-Client-IP", "1.2.3.4"],
		["CDN-Loop", "cloudflare"],
		["CF-Connecting-IP", "1.2.3.4"],
		["CF-IPCountry", "XX"],
		["CF-Ray", "1"],
		["CF-Visitor", "{}"],
		["CF-Worker", "evil.example"],
		["Cf-Access-Jwt-Assertion", "abc.def.ghi"],
		["cf-access-client-id", "id"],
		["CF-ACCESS-CLIENT-SECRET", "secret"],
		["Postern-Token", "1.2"],
		["Postern-Anything", "1"],
	])("%s does not reach the origin", async (name, value) => {
		expect((await atOrigin({ [name]: value })).has(name)).toBe(false);
	});

	it("Authorization is replaced by the gateway's own", async () => {
		const headers = await atOrigin({ Authorization: `Bearer ${ADA_TOKEN}` });
		expect(headers.get("authorization")).not.toContain(ADA_TOKEN);
	});

	it("does not reach the origin if Connection names it", async () => {
		const headers = await atOrigin({
			Connection: "close, X-Hop ,x-other",
			"X-Hop": "1",
			"X-Other": "2",
			"X-Stays": "3",
		});
		expect([
			headers.has("connection"),
			headers.has("x-hop"),
			headers.has("x-other"),
			headers.get("x-stays"),
		]).toEqual([false, false, false, "3"]);
	});

	it("cannot remove the gateway's own headers by naming them in Connection", async () => {
		const headers = await atOrigin(
			{ Connection: "authorization, cf-access-client-id" },
			{ ORIGIN_ACCESS_CLIENT_ID: "id", ORIGIN_ACCESS_CLIENT_SECRET: "secret" },
		);
		expect([
			headers.has("authorization"),
			headers.get("cf-access-client-id"),
		]).toEqual([true, "id"]);
	});
});

describe("a client's cookies", () => {
	it.each([
		["CF_Authorization=abc.def.ghi"],
		["cf_authorization=abc.def.ghi"],
		["CF_AppSession=1"],
		["cf_clearance=1"],
		["__cf_bm=1"],
		["postern=1.2"],
		["postern-token=1.2"],
		["Postern_Session=1"],
	])(
		"do not reach the origin if they are the gateway's or Cloudflare's: %s",
		async (cookie) => {
			expect((await atOrigin({ Cookie: cookie })).has("cookie")).toBe(false);
		},
	);

	it("reach the origin without the gateway's own among them", async () => {
		const headers = await atOrigin({
			Cookie: "a=1; CF_Authorization=abc.def.ghi;b=2;postern=3; c=postern",
		});
		expect(headers.get("cookie")).toBe("a=1; b=2; c=postern");
	});
});

describe("a header of the origin", () => {
	it.each([
		["Content-Type", "application/vnd.pgrst.object+json; charset=utf-8"],
		["Content-Range", "0-24/3573458"],
		["Content-Profile", "api"],
		["Preference-Applied", "return=representation"],
		["Range-Unit", "items"],
		["Proxy-Status", "PostgREST; error=PGRST116"],
		["Server-Timing", "jwt;dur=1.0"],
		["WWW-Authenticate", 'Bearer error="invalid_token"'],
		["Vary", "Accept, Prefer, Range"],
		["Cache-Control", "no-store"],
		["ETag", '"abc"'],
		["Warning", '299 - "deprecated"'],
		["Retry-After", "3"],
		["Set-Cookie", "session=1; HttpOnly"],
		["X-From-A-Function", "anything"],
	])("%s: %s reaches the client", async (name, value) => {
		expect((await atClient({ [name]: value })).get(name)).toBe(value);
	});

	it.each([
		["Connection", "close"],
		["Keep-Alive", "timeout=5"],
		["Proxy-Authenticate", "Basic"],
		["Proxy-Connection", "close"],
		["TE", "trailers"],
		["Trailer", "Expires"],
		["Upgrade", "h2c"],
		["Access-Control-Allow-Credentials", "true"],
		["Access-Control-Max-Age", "1"],
		["Server", "postgrest/14.17"],
		["Access-Control-Allow-Methods", "GET"],
		["Access-Control-Allow-Headers", "Authorization"],
	])("%s does not reach the client", async (name, value) => {
		expect((await atClient({ [name]: value })).has(name)).toBe(false);
	});

	it("Access-Control-Allow-Origin is replaced by the gateway's", async () => {
		const headers = await atClient({
			"Access-Control-Allow-Origin": "https://evil.example",
		});
		expect(headers.get("access-control-allow-origin")).toBe("*");
	});

	it("does not reach the client if Connection names it", async () => {
		const headers = await atClient({
			Connection: "X-Hop",
			"X-Hop": "1",
			"X-Stays": "2",
		});
		expect([headers.has("x-hop"), headers.get("x-stays")]).toEqual([
			false,
			"2",
		]);
	});
});

describe("the cookies of the origin", () => {
	it("reach the client one by one", async () => {
		const cookies = [
			"a=1; Expires=Wed, 21 Oct 2027 07:28:00 GMT",
			"b=2; Path=/; HttpOnly",
		];
		const headers = await atClient(
			cookies.map((cookie): [string, string] => ["Set-Cookie", cookie]),
		);
		expect(headers.getSetCookie()).toEqual(cookies);
	});

	it("do not reach the client if they are the gateway's credentials", async () => {
		const headers = await atClient([
			["Set-Cookie", "CF_Authorization=abc.def.ghi; Secure; HttpOnly"],
			["Set-Cookie", "a=1"],
			["Set-Cookie", "postern=1.2"],
		]);
		expect(headers.getSetCookie()).toEqual(["a=1"]);
	});
});

describe("the address of a resource", () => {
	it.each(["Location", "Content-Location"])(
		"begins with the gateway's mount in %s",
		async (name) => {
			const headers = await atClient({ [name]: "/notes?id=eq.1" });
			expect(headers.get(name)).toBe("/rest/v1/notes?id=eq.1");
		},
	);

	it.each([
		"https://elsewhere.example/notes",
		"//elsewhere.example/notes",
		"notes?id=eq.1",
		"?id=eq.1",
	])("stays unchanged in Location if it is %s", async (location) => {
		expect((await atClient({ Location: location })).get("location")).toBe(
			location,
		);
	});
});
