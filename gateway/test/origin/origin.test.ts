// Requests to the origin and its answers, seen through the gateway.
import { describe, expect, it } from "vitest";
import {
	ADA_TOKEN,
	type GatewayOptions,
	refusal,
	refusalInWords,
	startGateway,
} from "../support/gateway.ts";
import {
	type Answer,
	elsewhere,
	postgrestError,
	silence,
} from "../support/origin.ts";

/** Path and query of the request that the origin receives. */
async function targetFor(path: string, env = {}): Promise<string> {
	const { request, origin } = startGateway({ env });
	await request(path);
	return origin.only().target;
}

describe("the path and the query", () => {
	it.each([
		["/rest/v1", "/"],
		["/rest/v1/", "/"],
		["/rest/v1/notes", "/notes"],
		["/rest/v1/notes/", "/notes/"],
		["/rest/v1//notes", "//notes"],
		["/rest/v1/rpc/add_stars", "/rpc/add_stars"],
		["/rest/v1/rest/v1/notes", "/rest/v1/notes"],
		["/rest/v1/a%20b", "/a%20b"],
		["/rest/v1/a%2Fb", "/a%2Fb"],
		["/rest/v1/%C3%BC", "/%C3%BC"],
		["/rest/v1/%E0%A4", "/%E0%A4"],
		["/rest/v1/a%25zz", "/a%25zz"],
		// cloudflared encodes a path with these again, and loses %2F in doing so.
		["/rest/v1/a|b%2Fc", "/a%7Cb%2Fc"],
		["/rest/v1/a^b%2Fc", "/a%5Eb%2Fc"],
		["/rest/v1/a+b", "/a+b"],
		["/rest/v1/notes?select=*", "/notes?select=*"],
		["/rest/v1/notes?a=%2B+%20b", "/notes?a=%2B+%20b"],
		["/rest/v1/notes?a=&b&=c", "/notes?a=&b&=c"],
		["/rest/v1/notes?a=1&b=2&a=3", "/notes?a=1&b=2&a=3"],
		[
			"/rest/v1/notes?id=in.(1,2)&or=(a.eq.1,b.is.null)",
			"/notes?id=in.(1,2)&or=(a.eq.1,b.is.null)",
		],
		["/rest/v1/notes?a->>b=eq.%22x%22", "/notes?a-%3E%3Eb=eq.%22x%22"],
		["/rest/v1/notes?a=%", "/notes?a=%"],
		[
			"/rest/v1/notes?url=https://x.example/?a=b",
			"/notes?url=https://x.example/?a=b",
		],
		["/rest/v1/notes#part", "/notes"],
	])("reach the origin: %s as %s", async (path, target) => {
		expect(await targetFor(path)).toBe(target);
	});

	// cloudflared refuses these.
	it.each(["%zz", "a%", "a%2", "a%2/b", "%u0041", "a%%41"])(
		"are refused if a %% begins no percent-encoding: %s",
		async (path) => {
			const { request, origin } = startGateway();
			const response = await request(`/rest/v1/${path}`);
			expect([await refusalInWords(response), origin.received]).toEqual([
				{
					status: 400,
					code: "parameter_invalid",
					message:
						"The URL is not valid: a % in its path begins no percent-encoding",
				},
				[],
			]);
		},
	);

	it("of 8,000 characters reach the origin", async () => {
		const query = `?id=in.(${"1234567,".repeat(1_000)}1)`;
		expect(await targetFor(`/rest/v1/notes${query}`)).toBe(`/notes${query}`);
	});

	it("follow the path of ORIGIN_URL", async () => {
		expect(
			await targetFor("/rest/v1/notes?a=1", {
				ORIGIN_URL: "https://db.example/deep/postgrest",
			}),
		).toBe("/deep/postgrest/notes?a=1");
	});

	it("follow the path of an ORIGIN_URL that ends in a slash", async () => {
		expect(
			await targetFor("/rest/v1/notes", {
				ORIGIN_URL: "https://db.example/postgrest/",
			}),
		).toBe("/postgrest/notes");
	});

	it.each(["/%72est/v1/notes", "/%72%65%73%74/%76%31/notes"])(
		"follow the mount even if it is spelled %s",
		async (path) => {
			expect(await targetFor(path)).toBe("/notes");
		},
	);
});

describe("the origin", () => {
	it.each([
		"/rest/v1//evil.example/notes",
		"/rest/v1///evil.example",
		"/rest/v1/\\evil.example",
		"/rest/v1/@evil.example",
		"/rest/v1/:80@evil.example",
		"/rest/v1/https://evil.example/",
		"/rest/v1/.evil.example",
		"/%72%65st/v1/@evil.example",
		"/rest/v1/?//evil.example",
	])("is asked at its own host for %s", async (path) => {
		const { request, origin } = startGateway();
		await request(path);
		expect(origin.only().url.host).toBe("127.0.0.1:3000");
	});

	it.each([
		"/rest/v1/../x",
		"/rest/v1/%2e%2e/x",
		"/rest/v1/..",
		"/rest/v1/a/../../x",
	])("is not asked for %s, which is no path under the mount", async (path) => {
		const { request, origin } = startGateway();
		await request(path);
		expect(origin.received).toEqual([]);
	});

	it.each([
		"/rest/v1x/notes",
		"/rest/v1%2Fnotes",
		"/REST/V1/notes",
		"/rest//v1/notes",
	])("is not asked for %s, which is another mount", async (path) => {
		const { request, origin } = startGateway();
		await request(path);
		expect(origin.received).toEqual([]);
	});
});

describe("a request", () => {
	it.each([
		"GET",
		"HEAD",
		"POST",
		"PUT",
		"PATCH",
		"DELETE",
		"OPTIONS",
		"QUERY",
	])("keeps its method %s", async (method) => {
		const { request, origin } = startGateway();
		await request("/rest/v1/notes", { method });
		expect(origin.only().method).toBe(method);
	});

	it("keeps its body, byte for byte", async () => {
		let received = new Uint8Array();
		const { request } = startGateway({
			async fetch(request) {
				received = new Uint8Array(await request.arrayBuffer());
				return new Response();
			},
		});
		const body = Uint8Array.from({ length: 1_024 }, (_, n) => n % 256);
		await request("/rest/v1/rpc/upload", { method: "POST", body });
		expect(received).toEqual(body);
	});

	it("reaches the origin before its body has ended", async () => {
		const { readable, writable } = new TransformStream();
		const writer = writable.getWriter();
		const { request } = startGateway({
			async fetch({ body }) {
				const { value } = (await body?.getReader().read()) ?? {};
				return new Response(value);
			},
		});
		const response = request("/rest/v1/notes", {
			method: "POST",
			body: readable,
		});
		await writer.write(new TextEncoder().encode("the first part"));
		expect(await (await response).text()).toBe("the first part");
	});

	it("is cancelled at the origin if the client cancels it", async () => {
		const client = new AbortController();
		let stopped: AbortSignal | undefined;
		const { request } = startGateway({
			answer(received) {
				stopped = received.signal;
				queueMicrotask(() => client.abort());
				return silence(received);
			},
		});
		await request("/rest/v1/notes", { signal: client.signal });
		expect(stopped?.aborted).toBe(true);
	});

	it("is cancelled at the origin if the client cancels it during the answer", async () => {
		const client = new AbortController();
		const { request, origin } = startGateway({
			answer: () => new Response(new ReadableStream()),
		});
		await request("/rest/v1/notes", { signal: client.signal });
		client.abort();
		expect(origin.only().signal.aborted).toBe(true);
	});

	it("does not follow redirects", async () => {
		const { request, origin } = startGateway();
		await request("/rest/v1/notes");
		expect(origin.only().redirect).toBe("manual");
	});

	it("is sent once, even if it fails", async () => {
		const { request, origin } = startGateway({
			answer: () => new Response("{}", { status: 503 }),
		});
		await request("/rest/v1/notes");
		expect(origin.received).toHaveLength(1);
	});
});

describe("an answer", () => {
	async function answerOf(answer: Answer, method = "GET") {
		return startGateway({ answer }).request("/rest/v1/notes", { method });
	}

	it.each([200, 201, 206, 300, 400, 404, 406, 409, 416, 500, 503])(
		"keeps its status %i",
		async (status) => {
			const response = await answerOf(() => new Response("[]", { status }));
			expect(response.status).toBe(status);
		},
	);

	it("keeps its reason phrase", async () => {
		const response = await answerOf(
			() => new Response("[]", { status: 206, statusText: "Some of it" }),
		);
		expect(response.statusText).toBe("Some of it");
	});

	it("keeps its body, byte for byte", async () => {
		const body = Uint8Array.from({ length: 1_024 }, (_, n) => n % 256);
		const response = await answerOf(() => new Response(body));
		expect(new Uint8Array(await response.arrayBuffer())).toEqual(body);
	});

	it("reaches the client before its body has ended", async () => {
		const { readable, writable } = new TransformStream();
		const response = await answerOf(() => new Response(readable));
		const first = response.body?.getReader().read();
		await writable.getWriter().write(new TextEncoder().encode("one"));
		expect(new TextDecoder().decode((await first)?.value)).toBe("one");
	});

	it.each([204, 304])("without a body gets none: %i", async (status) => {
		const response = await answerOf(() => new Response(null, { status }));
		expect([response.status, response.body]).toEqual([status, null]);
	});

	it.each([201, 204])("without a type gets none: %i", async (status) => {
		const response = await answerOf(() => new Response(null, { status }));
		expect(response.headers.get("content-type")).toBeNull();
	});

	it("to HEAD has the headers and no body", async () => {
		const response = await answerOf(
			() => new Response(null, { headers: { "Content-Range": "0-2/3" } }),
			"HEAD",
		);
		expect([response.headers.get("content-range"), response.body]).toEqual([
			"0-2/3",
			null,
		]);
	});

	it("that is a redirect is passed on", async () => {
		const response = await answerOf(
			() =>
				new Response(null, {
					status: 302,
					headers: { Location: "https://elsewhere.example/" },
				}),
		);
		expect([response.status, response.headers.get("location")]).toEqual([
			302,
			"https://elsewhere.example/",
		]);
	});

	it("of another server than PostgREST is passed on", async () => {
		const response = await answerOf(
			() => new Response("<html>", { status: 530 }),
		);
		expect([response.status, await response.text()]).toEqual([530, "<html>"]);
	});
});

describe("an origin that does not answer", () => {
	it("is given up at the deadline", async () => {
		const { request } = startGateway({
			answer: silence,
			env: { ORIGIN_TIMEOUT_MS: "20" },
		});
		expect(await refusal(await request("/rest/v1/notes"))).toEqual({
			status: 504,
			code: "origin_timeout",
		});
	});

	it("has its request cancelled at the deadline", async () => {
		const { request, origin } = startGateway({
			answer: silence,
			env: { ORIGIN_TIMEOUT_MS: "20" },
		});
		await request("/rest/v1/notes");
		expect(origin.only().signal.aborted).toBe(true);
	});

	it("is given up at once if it cannot be reached", async () => {
		const { request } = startGateway({
			fetch: () => Promise.reject(new TypeError("connection refused")),
		});
		expect(await refusal(await request("/rest/v1/notes"))).toEqual({
			status: 503,
			code: "origin_unreachable",
		});
	});

	it("is given up if its fetch throws something that is no Error", async () => {
		const { request } = startGateway({ fetch: () => Promise.reject("no") });
		expect(await refusal(await request("/rest/v1/notes"))).toEqual({
			status: 503,
			code: "origin_unreachable",
		});
	});

	it("has to send only the head of its answer before the deadline", async () => {
		const { request } = startGateway({
			answer: ({ signal }) => {
				const { readable, writable } = new TransformStream();
				const writer = writable.getWriter();
				signal.addEventListener("abort", () => writer.abort(signal.reason));
				setTimeout(async () => {
					await writer.write(new TextEncoder().encode("late"));
					await writer.close();
				}, 60);
				return new Response(readable);
			},
			env: { ORIGIN_TIMEOUT_MS: "20" },
		});
		const response = await request("/rest/v1/notes");
		expect(await response.text()).toBe("late");
	});
});

describe("the Access service token", () => {
	const ACCESS = {
		ORIGIN_ACCESS_CLIENT_ID: "gateway.access",
		ORIGIN_ACCESS_CLIENT_SECRET: "gateway-secret",
	};

	async function accessAtOrigin(
		options: GatewayOptions,
		headers: Record<string, string> = {},
	) {
		const { request, origin } = startGateway(options);
		await request("/rest/v1/notes", { headers });
		const received = origin.only().headers;
		return [
			received.get("cf-access-client-id"),
			received.get("cf-access-client-secret"),
		];
	}

	it("is sent if it is configured", async () => {
		expect(await accessAtOrigin({ env: ACCESS })).toEqual([
			"gateway.access",
			"gateway-secret",
		]);
	});

	it("is not sent if it is not configured", async () => {
		expect(await accessAtOrigin({})).toEqual([null, null]);
	});

	const POSED = {
		"CF-Access-Client-Id": "client.access",
		"CF-Access-Client-Secret": "client-secret",
	};

	it("is never the client's if one is configured", async () => {
		expect(await accessAtOrigin({ env: ACCESS }, POSED)).toEqual([
			"gateway.access",
			"gateway-secret",
		]);
	});

	it("is never the client's if none is configured", async () => {
		expect(await accessAtOrigin({}, POSED)).toEqual([null, null]);
	});
});

describe("the key of an API gateway before the origin", () => {
	const KEY = "sb_publishable_of_the_gateway";
	const OWN = { env: { ORIGIN_API_KEY: KEY } };

	async function keyAtOrigin(
		options: GatewayOptions,
		headers: Record<string, string> = {},
	) {
		const { request, origin } = startGateway(options);
		await request("/rest/v1/notes", { headers });
		return origin.only().headers.get("apikey");
	}

	it("is sent if it is configured, and not if it is not", async () => {
		expect([await keyAtOrigin(OWN), await keyAtOrigin({})]).toEqual([
			KEY,
			null,
		]);
	});

	it("is never the client's", async () => {
		const posed = { apikey: ADA_TOKEN };
		expect([
			await keyAtOrigin(OWN, posed),
			await keyAtOrigin({}, posed),
		]).toEqual([KEY, null]);
	});

	it("cannot be removed by a client that names it in Connection", async () => {
		expect(await keyAtOrigin(OWN, { connection: "apikey" })).toBe(KEY);
	});

	it("is in no log entry and no answer where the origin refuses it", async () => {
		const { request, logged } = startGateway({
			...OWN,
			answer: () =>
				elsewhere('{"message":"Invalid API key"}', {
					status: 401,
					headers: { "content-type": "application/json" },
				}),
		});
		const response = await request("/rest/v1/notes");
		const told = [await response.text(), ...response.headers].join();
		expect(response.status).toBe(503);
		expect(logged.map(inWords).join()).toContain("ORIGIN_API_KEY");
		expect(told + logged.map(inWords).join()).not.toContain(KEY);
	});
});

/** An error with its stack and its causes. */
function inWords(error: unknown): string {
	return error instanceof Error
		? `${error.stack} ${inWords(error.cause)}`
		: JSON.stringify(error);
}

describe("a 403 of the database", () => {
	const denied = postgrestError(403, "42501", {
		message: "permission denied for table notes",
		hint: "Grant the required privileges",
	});

	async function answerTo(
		answer: Answer,
		{ token, method = "GET" }: { token?: string; method?: string } = {},
	) {
		return startGateway({ answer }).request("/rest/v1/notes", {
			method,
			...(token === undefined ? {} : { token }),
		});
	}

	it("is a 401 for a caller without credentials, as PostgREST has it for its anonymous role", async () => {
		const response = await answerTo(denied);
		expect([
			response.status,
			response.statusText,
			response.headers.get("www-authenticate"),
		]).toEqual([401, "Unauthorized", "Bearer"]);
	});

	it("keeps PostgREST's body as a 401", async () => {
		expect(await (await answerTo(denied)).json()).toEqual({
			code: "42501",
			message: "permission denied for table notes",
			details: null,
			hint: "Grant the required privileges",
		});
	});

	it("stays a 403 for a caller with a role", async () => {
		const response = await answerTo(denied, { token: ADA_TOKEN });
		expect([response.status, response.headers.get("www-authenticate")]).toEqual(
			[403, null],
		);
	});

	it.each([
		["another code", postgrestError(403, "PT403")],
		["no code", () => Response.json({ message: "no" }, { status: 403 })],
		["a list", () => Response.json([{ code: "42501" }], { status: 403 })],
		["null", () => Response.json(null, { status: 403 })],
		["no JSON", () => new Response("<html>", { status: 403 })],
		["no body", () => new Response(null, { status: 403 })],
	])(
		"stays a 403 for a caller without credentials if it has %s",
		async (_, answer) => {
			expect((await answerTo(answer)).status).toBe(403);
		},
	);

	it("keeps its body, byte for byte, if it stays a 403", async () => {
		const body = Uint8Array.from([0xef, 0xbb, 0xbf, 0xff, 0x00, 0xfe]);
		const response = await answerTo(() => new Response(body, { status: 403 }));
		expect(new Uint8Array(await response.arrayBuffer())).toEqual(body);
	});

	describe("to HEAD without Proxy-Status, as PostgREST 12 answers", () => {
		const byCode =
			(code: string): Answer =>
			(received) =>
				received.method === "HEAD"
					? new Response(null, { status: 403 })
					: postgrestError(403, code)(received);

		it.each([
			[401, "42501"],
			[403, "PT403"],
		])("is a %i where GET says %s", async (status, code) => {
			const { request, origin } = startGateway({ answer: byCode(code) });
			const response = await request("/rest/v1/notes", { method: "HEAD" });
			expect([
				response.status,
				origin.received.map((one) => one.method),
			]).toEqual([status, ["HEAD", "GET"]]);
		});

		it("is a 403 where GET is answered", async () => {
			const answer: Answer = ({ method }) =>
				method === "HEAD"
					? new Response(null, { status: 403 })
					: Response.json([]);
			const { request } = startGateway({ answer });
			const { status } = await request("/rest/v1/notes", { method: "HEAD" });
			expect(status).toBe(403);
		});
	});

	const inHead =
		(headers: Record<string, string>): Answer =>
		() =>
			new Response(null, { status: 403, headers });

	it.each([
		[
			401,
			"names 42501 in Proxy-Status",
			{ "Proxy-Status": "PostgREST; error=42501" },
		],
		[
			403,
			"names another code in Proxy-Status",
			{ "Proxy-Status": "PostgREST; error=PT403" },
		],
	])(
		"to HEAD is a %i for a caller without credentials if it %s",
		async (status, _, headers) => {
			const response = await answerTo(inHead(headers), { method: "HEAD" });
			expect(response.status).toBe(status);
		},
	);

	it("to HEAD stays a 403 for a caller with a role", async () => {
		const response = await answerTo(inHead({}), {
			method: "HEAD",
			token: ADA_TOKEN,
		});
		expect(response.status).toBe(403);
	});

	it("is the only answer that becomes a 401", async () => {
		const response = await answerTo(postgrestError(400, "42501"));
		expect(response.status).toBe(400);
	});
});
