// The Worker's export, with a right environment and wrong ones.
import { afterAll, beforeEach, describe, expect, it, vi } from "vitest";
import { createPostern, type PosternEnv } from "../src/index.ts";
import worker from "../src/worker.ts";
import { ENV, refusal, refusalBody } from "./support/gateway.ts";

/** Asks a Worker that no request has reached before. */
async function ask(env: object, path = "/health"): Promise<Response> {
	return createPostern().fetch(
		new Request(`https://gateway.example${path}`),
		// The runtime passes what is configured, which may differ from the declared type.
		env as PosternEnv,
	);
}

describe("the Worker", () => {
	const log = vi.spyOn(console, "error");
	beforeEach(() => {
		log.mockReset().mockImplementation(() => {});
	});
	afterAll(() => {
		log.mockRestore();
	});

	it("answers if its environment is right", async () => {
		expect((await ask(ENV)).status).toBe(200);
	});

	it("refuses every request if its environment is wrong", async () => {
		expect(await refusal(await ask({}))).toEqual({
			status: 500,
			code: "gateway_misconfigured",
		});
	});

	it("lets a browser's page read the refusal if its environment is wrong", async () => {
		const headers = { Origin: "https://app.example" };
		const worker = createPostern();
		const preflight = await worker.fetch(
			new Request("https://gateway.example/rest/v1/notes", {
				method: "OPTIONS",
				headers: { ...headers, "Access-Control-Request-Method": "PATCH" },
			}),
			{} as PosternEnv,
		);
		const refused = await worker.fetch(
			new Request("https://gateway.example/rest/v1/notes", { headers }),
			{} as PosternEnv,
		);
		for (const response of [preflight, refused])
			expect(response.headers.get("access-control-allow-origin")).toBe("*");
		expect([preflight.status, refused.status]).toEqual([204, 500]);
	});

	it("logs what is wrong with its environment", async () => {
		await ask({});
		expect(String(log.mock.calls[0]?.[0])).toContain("TOKEN_JWKS is missing");
	});

	it("tells a client nothing of what is wrong with its environment", async () => {
		const { message } = await refusalBody(await ask({}));
		expect(message).not.toContain("TOKEN_JWKS");
	});

	it("reaches the origin over the ORIGIN binding if there is one", async () => {
		const fetch = vi.fn(async (_: Request) => Response.json([]));
		await ask({ ...ENV, ORIGIN: { fetch } }, "/rest/v1/notes");
		expect(fetch.mock.calls[0]?.[0].url).toBe("http://127.0.0.1:3000/notes");
	});

	it("reaches the origin by the runtime's fetch if there is no binding", async () => {
		const fetch = vi
			.spyOn(globalThis, "fetch")
			.mockResolvedValue(Response.json([]));
		await ask(ENV, "/rest/v1/notes");
		const [request] = fetch.mock.calls[0] ?? [];
		fetch.mockRestore();
		expect(new Request(request ?? "").url).toBe("http://127.0.0.1:3000/notes");
	});

	it("reaches the upstream by the runtime's fetch, also if there is a binding for the origin", async () => {
		const upstream = vi
			.spyOn(globalThis, "fetch")
			.mockResolvedValue(new Response("of the upstream"));
		const ORIGIN = { fetch: vi.fn() };
		const env = { ...ENV, ORIGIN, UPSTREAM_URL: "https://project.example" };
		// The Worker that needs no code.
		const response = await worker.fetch(
			new Request("https://gateway.example/auth/v1/user"),
			env as unknown as PosternEnv,
		);
		const [request] = upstream.mock.calls[0] ?? [];
		upstream.mockRestore();
		expect([new Request(request ?? "").url, await response.text()]).toEqual([
			"https://project.example/auth/v1/user",
			"of the upstream",
		]);
		expect(ORIGIN.fetch).not.toHaveBeenCalled();
	});
});
