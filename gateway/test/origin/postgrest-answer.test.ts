// How the gateway tells PostgREST's answers from other servers' after Cloudflare has put its own name into Server.
import { describe, expect, it } from "vitest";
import { ADA_TOKEN, refusal, startGateway } from "../support/gateway.ts";
import { elsewhere } from "../support/origin.ts";

type Case = [
	name: string,
	method: string,
	status: number,
	headers: Record<string, string>,
	body: string | null,
];

const JSON_TYPE = { "content-type": "application/json; charset=utf-8" };
const NO_KEY =
	"an API gateway before PostgREST does not take ORIGIN_API_KEY, or there is none";
const HTML_TYPE = { "content-type": "text/html; charset=utf-8" };
const LOGIN = "https://team.cloudflareaccess.com/cdn-cgi/access/login/x";
const error = (code: string) =>
	JSON.stringify({ code, details: null, hint: null, message: "no" });

async function ask(
	method: string,
	status: number,
	headers: Record<string, string>,
	body: string | null,
) {
	const gateway = startGateway({
		answer: () =>
			elsewhere(method === "HEAD" ? null : body, { status, headers }),
	});
	const response = await gateway.request("/rest/v1/notes", {
		method,
		token: ADA_TOKEN,
		headers: { Accept: "*/*" },
	});
	return { response, cause: String(gateway.logged[0] ?? "") };
}

describe("an answer of PostgREST", () => {
	it.each<Case>([
		["rows", "GET", 200, { ...JSON_TYPE, "content-range": "0-0/*" }, "[{}]"],
		["no rows", "GET", 200, { ...JSON_TYPE, "content-range": "*/*" }, "[]"],
		["a part", "GET", 206, { ...JSON_TYPE, "content-range": "0-9/20" }, "[]"],
		["a count", "HEAD", 206, { ...JSON_TYPE, "content-range": "0-9/20" }, null],
		[
			"CSV",
			"GET",
			200,
			{ "content-type": "text/csv", "content-range": "*/*" },
			"a\n",
		],
		[
			"a page of a function",
			"GET",
			200,
			{ ...HTML_TYPE, "content-range": "0-0/*" },
			"<html>Sign in</html>",
		],
		[
			"a page with the status 502",
			"GET",
			502,
			{ ...HTML_TYPE, "content-range": "0-0/*" },
			"<html>",
		],
		[
			"a page with the status 530",
			"POST",
			530,
			{ ...HTML_TYPE, "content-range": "0-0/*" },
			"error code: 1033",
		],
		[
			"a redirect of a function",
			"GET",
			302,
			{ location: LOGIN, "content-range": "0-0/*" },
			null,
		],
		[
			"bytes of no media type",
			"GET",
			200,
			{ "content-range": "0-0/*" },
			"\u0001",
		],
		["rows written", "POST", 201, { "content-range": "*/*" }, null],
		["rows changed", "PATCH", 204, { "content-range": "0-0/*" }, null],
		[
			"a function that returns nothing",
			"POST",
			204,
			{ "content-range": "0-0/*" },
			null,
		],
		["a row put", "PUT", 204, {}, null],
		[
			"a row put and returned",
			"PUT",
			201,
			{ ...HTML_TYPE, "preference-applied": "return=representation" },
			"<p>",
		],
		[
			"another schema",
			"GET",
			200,
			{ ...JSON_TYPE, "content-profile": "api" },
			"[]",
		],
		[
			"the OpenAPI document",
			"GET",
			200,
			{ "content-type": "application/openapi+json; charset=utf-8" },
			"{}",
		],
		[
			"its headers",
			"HEAD",
			200,
			{ "content-type": "application/openapi+json; charset=utf-8" },
			null,
		],
		[
			"a plan",
			"GET",
			200,
			{
				"content-type":
					'application/vnd.pgrst.plan+json; for="application/json"',
			},
			"[]",
		],
		[
			"two media types in one",
			"GET",
			406,
			{
				"content-type":
					"application/json; charset=utf-8, application/vnd.pgrst.object+json; charset=utf-8",
			},
			error("PGRST116"),
		],
		["its methods", "OPTIONS", 200, { allow: "OPTIONS,GET,HEAD,POST" }, null],
		["several functions that fit", "GET", 300, JSON_TYPE, error("PGRST203")],
		["an error of 12", "GET", 400, JSON_TYPE, error("PGRST100")],
		["an error of 12 to HEAD", "HEAD", 404, JSON_TYPE, null],
		["the empty error of 12", "POST", 404, JSON_TYPE, "{}"],
		[
			"an error of 13",
			"HEAD",
			530,
			{ "proxy-status": "PostgREST; error=PT530" },
			null,
		],
		[
			"an error that says little",
			"GET",
			400,
			JSON_TYPE,
			'{"code":"22P02","message":"no"}',
		],
		["an error of a function", "POST", 502, JSON_TYPE, error("PT502")],
		["no connection to spare", "GET", 504, JSON_TYPE, error("PGRST003")],
		["the database is down", "GET", 503, JSON_TYPE, error("PGRST000")],
		[
			"headers too large for 12",
			"GET",
			400,
			{ "content-type": "text/plain; charset=utf-8" },
			"Bad Request",
		],
		[
			"headers too large",
			"GET",
			431,
			{ "content-type": "text/plain; charset=utf-8" },
			"Request header fields too large",
		],
	])(
		"is recognised behind Cloudflare: %s (%s %i)",
		async (_, method, status, headers, body) => {
			const { response } = await ask(method, status, headers, body);
			expect([response.status, await response.text()]).toEqual([
				status,
				method === "HEAD" ? "" : (body ?? ""),
			]);
		},
	);
});

const NOT_POSTGREST: Case[] = [
	["a login page", "GET", 200, HTML_TYPE, "<html>Sign in</html>"],
	["a login page to HEAD", "HEAD", 200, HTML_TYPE, null],
	["a login page to a write", "POST", 200, HTML_TYPE, "<html>Sign in</html>"],
	["a login page of no media type", "PATCH", 200, {}, "<html>Sign in</html>"],
	["an empty success", "GET", 200, {}, null],
	["an empty success of a write", "POST", 201, {}, null],
	["an empty success of a write, said in silence", "DELETE", 204, {}, null],
	["an empty success of PUT", "PUT", 200, {}, null],
	["an empty 404", "GET", 404, {}, null],
	["an empty 404 to HEAD", "HEAD", 404, {}, null],
	[
		"a static server's methods",
		"OPTIONS",
		200,
		{ allow: "GET, HEAD, OPTIONS" },
		null,
	],
	["another API's JSON", "GET", 200, JSON_TYPE, "[]"],
	[
		"another API's error",
		"GET",
		404,
		JSON_TYPE,
		'{"message":"no Route matched"}',
	],
	[
		"an error whose code is a number",
		"GET",
		502,
		JSON_TYPE,
		'{"code":1033,"message":"no"}',
	],
	["an empty object", "GET", 502, JSON_TYPE, "{}"],
	["null", "GET", 500, JSON_TYPE, "null"],
	["half an error", "GET", 500, JSON_TYPE, '{"code":"PGRST'],
	[
		"an error of Cloudflare's in JSON",
		"GET",
		530,
		{ "content-type": "application/problem+json" },
		'{"error_code":1033,"title":"Error 1033","cloudflare_error":true}',
	],
	[
		"a plain refusal of another server",
		"GET",
		400,
		{ "content-type": "text/plain" },
		"Bad Request: proxy",
	],
	[
		"a page with the words of PostgREST's server",
		"GET",
		400,
		HTML_TYPE,
		"Bad Request",
	],
	["a redirect", "GET", 301, { location: "https://elsewhere.example/" }, null],
	[
		"a redirect of a write",
		"POST",
		307,
		{ location: "https://elsewhere.example/" },
		null,
	],
	[
		"another proxy's status",
		"GET",
		502,
		{ "proxy-status": "ExampleCDN; error=connection_refused" },
		null,
	],
	[
		"a server that is called like it",
		"GET",
		200,
		{ ...HTML_TYPE, "x-powered-by": "postgrest" },
		"<html>",
	],
	...[500, 502, 503, 504, 520, 521, 522, 523, 524, 525, 526, 530].map(
		(status): Case => ["a page", "GET", status, HTML_TYPE, "<html>"],
	),
];

describe("an answer of another server", () => {
	it.each(NOT_POSTGREST)(
		"means that the origin is unreachable: %s (%s %i)",
		async (_, method, status, headers, body) => {
			const { response, cause } = await ask(method, status, headers, body);
			expect([
				response.status,
				response.headers.get("location"),
				cause,
			]).toEqual([503, null, expect.stringContaining(`answers ${status}`)]);
			if (method !== "HEAD")
				expect((await refusal(response)).code).toBe("origin_unreachable");
		},
	);

	it("means that the origin is unreachable even if its page is cut off", async () => {
		const { request } = startGateway({
			answer: () => {
				const body = new ReadableStream({
					start(controller) {
						controller.enqueue(new TextEncoder().encode("<html>"));
						controller.error(new Error("cut off"));
					},
				});
				return new Response(body, { status: 502, headers: { server: "x" } });
			},
		});
		expect(await refusal(await request("/rest/v1/notes"))).toEqual({
			status: 503,
			code: "origin_unreachable",
		});
	});

	it("is read no further than the start of its page", async () => {
		let sent = 0;
		const { request } = startGateway({
			answer: () => {
				const body = new ReadableStream({
					pull(controller) {
						sent += 1;
						controller.enqueue(new Uint8Array(4_096).fill(65));
					},
				});
				return new Response(body, { status: 200, headers: { server: "x" } });
			},
		});
		const response = await request("/rest/v1/notes");
		expect(response.status).toBe(503);
		expect(sent).toBeLessThan(8);
	});
});

describe("the log of an answer of another server", () => {
	it.each<[string, number, Record<string, string>, string]>([
		[
			"cloudflared is connected, and does not reach PostgREST",
			502,
			HTML_TYPE,
			"<html>Bad gateway</html>",
		],
		[
			"error code 1033): no cloudflared is connected to the tunnel",
			530,
			{ "content-type": "text/plain" },
			"error code: 1033",
		],
		["error code 1016", 530, HTML_TYPE, "<title>Error 1016 Ray ID</title>"],
		["error code 1033", 530, JSON_TYPE, '{"error_code":1033}'],
		["no ingress rule of the tunnel leads to PostgREST", 404, {}, ""],
		[
			"Cloudflare Access asks the gateway to sign in",
			302,
			{ location: LOGIN },
			"",
		],
		["Cloudflare Access refuses the gateway", 401, HTML_TYPE, "<html>"],
		[NO_KEY, 401, JSON_TYPE, '{"message":"No API key found in request"}'],
		[NO_KEY, 401, JSON_TYPE, '{"message":"Invalid API key"}'],
		[
			NO_KEY,
			401,
			JSON_TYPE,
			'{"message":"Invalid authentication credentials"}',
		],
		[
			"Cloudflare Access, or a security rule, refuses the gateway",
			403,
			HTML_TYPE,
			"<html>",
		],
		["this is not PostgREST", 200, HTML_TYPE, "<html>"],
	])("says: %s", async (words, status, headers, body) => {
		const { cause } = await ask("GET", status, headers, body);
		expect(cause).toContain(words);
	});

	it("omits the page and the address, which name team and hostname", async () => {
		const headers = { ...HTML_TYPE, location: LOGIN };
		const { cause } = await ask("GET", 302, headers, "<p>db.example.com");
		expect(cause).not.toMatch(/team|example/);
	});
});
