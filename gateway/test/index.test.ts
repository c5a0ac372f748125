// The Worker's own export, with the environments it may find.
import { beforeEach, describe, expect, it, vi } from "vitest";
import { ENV, refusal, refusalBody } from "./support/gateway.ts";

/** Asks a Worker that has just been loaded into its isolate. */
async function ask(env: object, path = "/health"): Promise<Response> {
	vi.resetModules();
	const { default: worker } = await import("../../worker/src/index.ts");
	// The runtime hands over whatever is configured, whether or not it is what Env promises.
	return worker.fetch(
		new Request(`https://gateway.example${path}`) as Parameters<
			typeof worker.fetch
		>[0],
		env as Env,
	);
}

describe("the Worker", () => {
	const log = vi.spyOn(console, "error");
	beforeEach(() => {
		log.mockReset().mockImplementation(() => {});
	});

	it("answers where its environment is right", async () => {
		expect((await ask(ENV)).status).toBe(200);
	});

	it("refuses every request where its environment is wrong", async () => {
		expect(await refusal(await ask({}))).toEqual({
			status: 500,
			code: "gateway_misconfigured",
		});
	});

	it("tells the operator what is wrong with its environment", async () => {
		await ask({});
		expect(String(log.mock.calls[0]?.[0])).toContain("TOKEN_JWKS is missing");
	});

	it("tells a client nothing of what is wrong with its environment", async () => {
		const { message } = await refusalBody(await ask({}));
		expect(message).not.toContain("TOKEN_JWKS");
	});

	it("reaches the origin over the ORIGIN binding where there is one", async () => {
		const fetch = vi.fn(async (_: Request) => Response.json([]));
		await ask({ ...ENV, ORIGIN: { fetch } }, "/rest/v1/products");
		expect(fetch.mock.calls[0]?.[0].url).toBe("http://127.0.0.1:3000/products");
	});

	it("reaches the origin by the runtime's fetch where there is no binding", async () => {
		const fetch = vi
			.spyOn(globalThis, "fetch")
			.mockResolvedValue(Response.json([]));
		await ask(ENV, "/rest/v1/products");
		const [request] = fetch.mock.calls[0] ?? [];
		fetch.mockRestore();
		expect(new Request(request ?? "").url).toBe(
			"http://127.0.0.1:3000/products",
		);
	});
});
