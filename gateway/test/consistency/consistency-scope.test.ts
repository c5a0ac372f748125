// One client's request: what it brings goes to each of the route's own requests, and what those bring goes back.
import { describe, expect, it } from "vitest";
import { openConsistencyScope } from "../../src/consistency/consistency-scope.ts";
import type { Pipeline } from "../../src/pipeline.ts";
import { PIPELINE_URL } from "../../src/pipeline.ts";
import { ANYBODY } from "../support/cache.ts";

interface SessionOptions {
	method?: string;
	url?: string;
	headers?: Record<string, string>;
	hasCookies?: boolean;
	/** The answers' headers, in the order of the requests. */
	answers?: Record<string, string>[];
}

/** A scope, the requests of its pipeline, and the headers that the client gets. */
function startSession({
	method = "GET",
	url = "https://gateway.example/products/1",
	headers = {},
	hasCookies = false,
	answers = [],
}: SessionOptions = {}) {
	const asked: Request[] = [];
	const pipeline: Pipeline = async (request) => {
		asked.push(request);
		return new Response("[]", { headers: answers[asked.length - 1] ?? {} });
	};
	const client = new Request(url, { method, headers });
	const session = openConsistencyScope(client, pipeline, hasCookies);
	return {
		asked,
		ask: (init: RequestInit = {}) =>
			session.pipeline(new Request(`${PIPELINE_URL}/notes`, init), ANYBODY),
		close(given: Record<string, string> = {}): Headers {
			const told = new Headers(given);
			session.close(told);
			return told;
		},
	};
}

const token = (value: string) => ({ "Postern-Token": value });
const sentBy = (request: Request | undefined) =>
	request?.headers.get("Postern-Token");

describe("a session", () => {
	it("brings the client's tokens along", async () => {
		const { ask, asked } = startSession({ headers: token("a, b") });
		await ask();
		expect(sentBy(asked[0])).toBe("a, b");
	});

	it("brings none where the client has none", async () => {
		const { ask, asked } = startSession();
		await ask();
		expect(asked[0]?.headers.has("Postern-Token")).toBe(false);
	});

	it("brings what the answer before brought in place of the client's", async () => {
		const { ask, asked } = startSession({
			headers: token("a, b"),
			answers: [token("c")],
		});
		await ask();
		await ask();
		expect(sentBy(asked[1])).toBe("c");
	});

	it("goes on with what it has where an answer brings none", async () => {
		const { ask, asked } = startSession({ headers: token("a"), answers: [{}] });
		await ask();
		await ask();
		expect(sentBy(asked[1])).toBe("a");
	});

	it("keeps what came while an answer was under way", async () => {
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
		const session = openConsistencyScope(client, pipeline, false);
		const request = () => new Request(PIPELINE_URL);
		const waiting = session.pipeline(request(), ANYBODY);
		await session.pipeline(request(), ANYBODY);
		answerSlow(new Response(null, { headers: token("slow") }));
		await waiting;
		const told = new Headers();
		session.close(told);
		expect(told.get("Postern-Token")).toBe("quick, slow");
	});

	it.each(["Cache-Control", "Pragma"])(
		"brings the client's %s along",
		async (name) => {
			const headers = { [name]: "no-cache" };
			const { ask, asked } = startSession({ headers });
			await ask();
			expect(asked[0]?.headers.get(name)).toBe("no-cache");
		},
	);

	it("brings nothing else of the client's along", async () => {
		const headers = {
			Authorization: "Bearer x",
			Cookie: "a=b",
			"If-None-Match": "*",
			"Postern-Explain": "1",
			Prefer: "count=exact",
			Range: "0-9",
		};
		const { ask, asked } = startSession({ headers, hasCookies: true });
		await ask();
		expect([...(asked[0]?.headers ?? [])]).toEqual([]);
	});

	describe("writes into the client's answer", () => {
		it("what the last answers brought", async () => {
			const { ask, close } = startSession({
				headers: token("a"),
				answers: [token("b"), token("c, d")],
			});
			await ask();
			await ask();
			expect(close().get("Postern-Token")).toBe("c, d");
		});

		it("a token once", async () => {
			const { ask, close } = startSession({
				answers: [token("b"), token("b")],
			});
			await Promise.all([ask(), ask()]);
			expect(close().get("Postern-Token")).toBe("b");
		});

		it("of no token where no answer brought one", async () => {
			const { ask, close } = startSession({ headers: token("a") });
			await ask();
			expect([...close()]).toEqual([]);
		});

		it("nothing where nothing was asked", () => {
			const { close } = startSession({ headers: token("a"), hasCookies: true });
			expect([...close()]).toEqual([]);
		});

		it("of no token that is malformed", async () => {
			const { ask, close } = startSession({
				answers: [token('b"; <script>')],
			});
			await ask();
			expect(close().get("Postern-Token")).toBe("0");
		});

		it("how each answer came about, where the route says nothing", async () => {
			const { ask, close } = startSession({
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

		it("what the answer that it passes on says itself", async () => {
			const passed = { "Cache-Status": "CDN; hit, Postern; hit" };
			const { ask, close } = startSession({ answers: [passed] });
			await ask();
			expect(close(passed).get("Cache-Status")).toBe(passed["Cache-Status"]);
		});

		it.each(["GET", "HEAD"])(
			"not to answer its own %s again without asking",
			async (method) => {
				const { ask, close } = startSession({
					method,
					answers: [{ "Cache-Status": "Postern; hit" }],
				});
				await ask();
				expect(close().get("Cache-Control")).toBe("private, no-cache");
			},
		);

		it("nothing about keeping the answer to a write", async () => {
			const { ask, close } = startSession({
				method: "POST",
				answers: [{ "Cache-Status": "Postern; fwd=method" }],
			});
			await ask();
			expect(close().has("Cache-Control")).toBe(false);
		});

		it("nothing about keeping answers where there is no cache", async () => {
			const { ask, close } = startSession();
			await ask();
			expect(close().has("Cache-Control")).toBe(false);
		});
	});

	describe("with cookies", () => {
		const Cookie = "x=1; postern_token_00000001=a; postern_token_00000002=b:c";

		it("brings the tokens of all of them along, with the header's", async () => {
			const { ask, asked } = startSession({
				headers: { ...token("h, a"), Cookie },
				hasCookies: true,
			});
			await ask();
			expect(sentBy(asked[0])).toBe("h, a, b, c");
		});

		it("replaces them by one", async () => {
			const { ask, close } = startSession({
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

		it("leaves them alone where no answer brought a token", async () => {
			const { ask, close } = startSession({
				headers: { Cookie },
				hasCookies: true,
			});
			await ask();
			expect(close().getSetCookie()).toEqual([]);
		});

		it("keeps them from plain http where it comes by https", async () => {
			const { ask, close } = startSession({
				hasCookies: true,
				answers: [token("d")],
			});
			await ask();
			expect(close().getSetCookie()[0]).toMatch(/; Secure$/);
		});

		it("has them on plain http where it comes by plain http", async () => {
			const { ask, close } = startSession({
				url: "http://localhost:8787/products/1",
				hasCookies: true,
				answers: [token("d")],
			});
			await ask();
			expect(close().getSetCookie()[0]).not.toMatch(/Secure/);
		});

		it("does not look at them where they are off", async () => {
			const { ask, asked, close } = startSession({
				headers: { Cookie },
				answers: [token("d")],
			});
			await ask();
			expect([sentBy(asked[0]), close().getSetCookie()]).toEqual([null, []]);
		});
	});
});
