// One client's request: its tokens go to each of the route's own requests, and theirs go back to the client.
import { describe, expect, it } from "vitest";
import { openConsistencyScope } from "../../src/consistency/consistency-scope.ts";
import { GATEWAY, type Identity } from "../../src/identity/identity.ts";
import {
	PIPELINE_URL,
	type Pipeline,
	type PipelineRequest,
} from "../../src/pipeline.ts";
import { ANYBODY } from "../support/cache.ts";

interface ScopeOptions {
	method?: string;
	url?: string;
	headers?: Record<string, string>;
	hasCookies?: boolean;
	/** The answers' headers, in the order of the requests. */
	answers?: Record<string, string>[];
}

/** A consistency scope, the requests of its pipeline, and the headers that the client gets. */
function startScope({
	method = "GET",
	url = "https://gateway.example/notes/1",
	headers = {},
	hasCookies = false,
	answers = [],
}: ScopeOptions = {}) {
	const asked: PipelineRequest[] = [];
	const pipeline: Pipeline = async (request) => {
		asked.push(request);
		return new Response("[]", { headers: answers[asked.length - 1] ?? {} });
	};
	const client = new Request(url, { method, headers });
	const scope = openConsistencyScope(client, pipeline, hasCookies);
	return {
		asked,
		ask: (init: RequestInit = {}, identity: Identity = ANYBODY) =>
			scope.pipeline(new Request(`${PIPELINE_URL}/notes`, init), identity),
		moment: () => scope.moment,
		close(given: Record<string, string> = {}): Headers {
			const told = new Headers(given);
			scope.close(told);
			return told;
		},
	};
}

const token = (value: string) => ({ "Postern-Token": value });
const sentBy = (request: PipelineRequest | undefined) =>
	request?.headers.get("Postern-Token");

describe("a consistency scope", () => {
	it("sends the client's tokens with a request", async () => {
		const { ask, asked } = startScope({ headers: token("a, b") });
		await ask();
		expect(sentBy(asked[0])).toBe("a, b");
	});

	it("sends no token if the client has none", async () => {
		const { ask, asked } = startScope();
		await ask();
		expect(asked[0]?.headers.has("Postern-Token")).toBe(false);
	});

	it("sends the tokens of the previous answer in place of the client's", async () => {
		const { ask, asked } = startScope({
			headers: token("a, b"),
			answers: [token("c")],
		});
		await ask();
		await ask();
		expect(sentBy(asked[1])).toBe("c");
	});

	it("keeps its tokens if an answer brings none", async () => {
		const { ask, asked } = startScope({ headers: token("a"), answers: [{}] });
		await ask();
		await ask();
		expect(sentBy(asked[1])).toBe("a");
	});

	it("keeps the tokens that came while an answer was pending", async () => {
		let answerSlow = (_: Response) => {};
		const slow = new Promise<Response>((resolve) => {
			answerSlow = resolve;
		});
		const answers = [
			slow,
			Promise.resolve(new Response(null, { headers: token("quick") })),
		];
		const client = new Request("https://x.example/", { headers: token("old") });
		const pipeline: Pipeline = () => answers.shift() ?? Promise.reject();
		const scope = openConsistencyScope(client, pipeline, false);
		const request = () => new Request(PIPELINE_URL);
		const waiting = scope.pipeline(request(), ANYBODY);
		await scope.pipeline(request(), ANYBODY);
		answerSlow(new Response(null, { headers: token("slow") }));
		await waiting;
		const told = new Headers();
		scope.close(told);
		expect(told.get("Postern-Token")).toBe("quick, slow");
	});

	it.each(["Cache-Control", "Pragma"])(
		"sends the client's %s with a request",
		async (name) => {
			const headers = { [name]: "no-cache" };
			const { ask, asked } = startScope({ headers });
			await ask();
			expect(asked[0]?.headers.get(name)).toBe("no-cache");
		},
	);

	it("sends the client's If-Match up to the first write of rows, which may come after calls that read", async () => {
		const { ask, asked } = startScope({
			method: "PUT",
			headers: { "If-Match": '"a"' },
		});
		await ask({ method: "PATCH" }, GATEWAY);
		for (const method of ["GET", "POST", "DELETE", "PATCH", "POST"])
			await ask({ method });
		expect(asked.map(({ headers }) => headers.get("if-match"))).toEqual([
			null,
			null,
			'"a"',
			'"a"',
			null,
			null,
		]);
	});

	it("sends no If-Match of a read, whatever its route does", async () => {
		const { ask, asked } = startScope({ headers: { "If-Match": '"a"' } });
		await ask({ method: "PATCH" });
		expect(asked[0]?.headers.has("if-match")).toBe(false);
	});

	it.each<[string, (string | undefined)[], object | undefined]>([
		[
			"the earliest of its reads",
			["h.9.e", "h.7.e", "h.8.e"],
			{ feedEpoch: "e", seq: 7 },
		],
		[
			"none where one of them has none",
			["h.9.e", undefined, "h.9.e"],
			undefined,
		],
		["none where one of them is unknown", ["h.9.e", "another"], undefined],
		["none of two epochs", ["h.9.e", "h.9.f"], undefined],
		["none without a read", [], undefined],
	])("is right at the moment of %s", async (_, etags, moment) => {
		const answers = etags.map(
			(etag): Record<string, string> =>
				etag === undefined ? {} : { ETag: `"${etag}"` },
		);
		const { ask, moment: momentOf } = startScope({ answers });
		for (const _ of etags) await ask();
		await ask({ method: "POST" }, GATEWAY);
		expect(momentOf()).toEqual(moment);
	});

	it("sends no other header of the client", async () => {
		const headers = {
			Authorization: "Bearer x",
			Cookie: "a=b",
			"If-None-Match": "*",
			"Postern-Explain": "1",
			Prefer: "count=exact",
			Range: "0-9",
		};
		const { ask, asked } = startScope({ headers, hasCookies: true });
		await ask();
		expect([...(asked[0]?.headers ?? [])]).toEqual([]);
	});

	describe("writes into the client's answer", () => {
		it("the tokens of the last answers", async () => {
			const { ask, close } = startScope({
				headers: token("a"),
				answers: [token("b"), token("c, d")],
			});
			await ask();
			await ask();
			expect(close().get("Postern-Token")).toBe("c, d");
		});

		it("each token once", async () => {
			const { ask, close } = startScope({
				answers: [token("b"), token("b")],
			});
			await Promise.all([ask(), ask()]);
			expect(close().get("Postern-Token")).toBe("b");
		});

		it("no token if no answer brought one", async () => {
			const { ask, close } = startScope({ headers: token("a") });
			await ask();
			expect([...close()]).toEqual([]);
		});

		it("nothing if no request was sent", () => {
			const { close } = startScope({ headers: token("a"), hasCookies: true });
			expect([...close()]).toEqual([]);
		});

		it("no malformed token", async () => {
			const { ask, close } = startScope({
				answers: [token('b"; <script>')],
			});
			await ask();
			expect(close().get("Postern-Token")).toBe("0");
		});

		it("the Cache-Status of each answer if the route sets none", async () => {
			const { ask, close } = startScope({
				answers: [
					{ "Cache-Status": "Postern; hit" },
					{},
					{ "Cache-Status": "Postern; fwd=bypass" },
				],
			});
			await ask();
			await ask();
			await ask();
			expect(close().get("Cache-Status")).toBe(
				"Postern; hit, Postern; fwd=bypass",
			);
		});

		it("the Age of the oldest answer", async () => {
			const { ask, close } = startScope({
				answers: ["3", "12", undefined].map((age) => ({
					"Cache-Status": "Postern; hit",
					...(age === undefined ? {} : { Age: age }),
				})),
			});
			for (let count = 0; count < 3; count++) await ask();
			expect(close().get("Age")).toBe("12");
		});

		it("the Cache-Status of the answer that the route passes on", async () => {
			const passed = { "Cache-Status": "CDN; hit, Postern; hit" };
			const { ask, close } = startScope({ answers: [passed] });
			await ask();
			expect(close(passed).get("Cache-Status")).toBe(passed["Cache-Status"]);
		});

		it.each(["GET", "HEAD"])(
			"no permission for caches to answer its %s without revalidation",
			async (method) => {
				const { ask, close } = startScope({
					method,
					answers: [{ "Cache-Status": "Postern; hit" }],
				});
				await ask();
				expect(close().get("Cache-Control")).toBe("private, no-cache");
			},
		);

		it("nothing about caching the answer to a write", async () => {
			const { ask, close } = startScope({
				method: "POST",
				answers: [{ "Cache-Status": "Postern; fwd=method" }],
			});
			await ask();
			expect(close().has("Cache-Control")).toBe(false);
		});

		it("nothing about caching if there is no cache", async () => {
			const { ask, close } = startScope();
			await ask();
			expect(close().has("Cache-Control")).toBe(false);
		});
	});

	describe("with cookies", () => {
		const Cookie = "x=1; postern_token_00000001=a; postern_token_00000002=b:c";

		it("sends the tokens of all of them, with the header's", async () => {
			const { ask, asked } = startScope({
				headers: { ...token("h, a"), Cookie },
				hasCookies: true,
			});
			await ask();
			expect(sentBy(asked[0])).toBe("h, a, b, c");
		});

		it("replaces them by one", async () => {
			const { ask, close } = startScope({
				headers: { Cookie },
				hasCookies: true,
				answers: [token("d")],
			});
			await ask();
			expect(close().getSetCookie()).toEqual([
				expect.stringMatching(/^postern_token_00000001=; Max-Age=0; /),
				expect.stringMatching(/^postern_token_00000002=; Max-Age=0; /),
				expect.stringMatching(/^postern_token_[\da-f]{8}=d; /),
			]);
		});

		it("leaves them unchanged if no answer brought a token", async () => {
			const { ask, close } = startScope({
				headers: { Cookie },
				hasCookies: true,
			});
			await ask();
			expect(close().getSetCookie()).toEqual([]);
		});

		it("makes them Secure if the request came by https", async () => {
			const { ask, close } = startScope({
				hasCookies: true,
				answers: [token("d")],
			});
			await ask();
			expect(close().getSetCookie()[0]).toMatch(/; Secure$/);
		});

		it("does not make them Secure if the request came by plain http", async () => {
			const { ask, close } = startScope({
				url: "http://localhost:8787/notes/1",
				hasCookies: true,
				answers: [token("d")],
			});
			await ask();
			expect(close().getSetCookie()[0]).not.toMatch(/Secure/);
		});

		it("ignores them if CAUSAL_COOKIE is off", async () => {
			const { ask, asked, close } = startScope({
				headers: { Cookie },
				answers: [token("d")],
			});
			await ask();
			expect([sentBy(asked[0]), close().getSetCookie()]).toEqual([null, []]);
		});
	});
});
