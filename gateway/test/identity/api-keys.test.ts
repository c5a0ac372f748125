// API keys: how they are looked up, and how long a result is remembered.
import { decodeJwt } from "jose";
import { describe, expect, it } from "vitest";
import { createApiKeys } from "../../src/identity/api-keys.ts";
import {
	answeringKeys,
	keyOf,
	knownKeys,
	PUBLISHABLE,
	SECRET_KEY,
	sha256Hex,
} from "../support/api-keys.ts";
import { refusal, startGateway } from "../support/gateway.ts";
import { elsewhere, postgrestError, type Received } from "../support/origin.ts";
import { NOW, tokenFor } from "../support/tokens.ts";

function start() {
	const keys = knownKeys();
	const clock = { time: NOW };
	const gateway = startGateway({
		answer: answeringKeys(keys),
		now: () => clock.time,
	});
	return { ...gateway, keys, clock, ask, lookUps };

	/** The role that a caller with this key has, or the refusal's code. */
	async function ask(apikey: string): Promise<unknown> {
		const response = await gateway.request("/rest/v1/notes", {
			headers: { apikey },
		});
		if (!response.ok) return (await refusal(response)).code;
		const token = gateway.origin.received.at(-1)?.headers.get("authorization");
		return decodeJwt(token?.slice("Bearer ".length) ?? "").role;
	}

	function lookUps() {
		return gateway.origin.received.filter(
			({ url }) => url.pathname === "/rpc/find_api_key",
		);
	}
}

describe("an API key", () => {
	it("gives its caller the anonymous role if it is publishable", async () => {
		expect(await start().ask(PUBLISHABLE)).toBe("anon");
	});

	it("gives its caller its role if it is secret", async () => {
		expect(await start().ask(SECRET_KEY)).toBe("service");
	});

	it("gives its caller the role of ANON_ROLE if it is publishable", async () => {
		const { request, origin } = startGateway({
			answer: answeringKeys(knownKeys()),
			env: { ANON_ROLE: "visitor" },
		});
		await request("/rest/v1/notes", { headers: { apikey: PUBLISHABLE } });
		const token = origin.received.at(-1)?.headers.get("authorization") ?? "";
		expect(decodeJwt(token.slice("Bearer ".length)).role).toBe("visitor");
	});

	it("gives its caller the anonymous role if it is publishable, whatever role the database names", async () => {
		const { ask, keys } = start();
		for (const found of [{}, { role: "service" }]) {
			keys.set(PUBLISHABLE, { kind: "publishable", ...found });
			expect(await ask(PUBLISHABLE)).toBe("anon");
		}
	});

	it("is refused if it is secret and the database names no role", async () => {
		const { ask, keys } = start();
		keys.set(SECRET_KEY, { kind: "secret" });
		expect(await ask(SECRET_KEY)).toBe("internal_error");
	});

	it("gives its caller no claim besides the role", async () => {
		const { ask, origin } = start();
		await ask(SECRET_KEY);
		const token = origin.received.at(-1)?.headers.get("authorization") ?? "";
		expect(Object.keys(decodeJwt(token.slice(7))).sort()).toEqual([
			"aud",
			"exp",
			"iat",
			"role",
		]);
	});

	it("is looked up by its hash, with the gateway's own role", async () => {
		const { ask, lookUps } = start();
		await ask(SECRET_KEY);
		const [first] = lookUps();
		const token = first?.headers.get("authorization")?.slice("Bearer ".length);
		expect([
			first?.method,
			first?.target,
			JSON.parse(first?.body ?? ""),
			first?.headers.get("content-profile"),
			decodeJwt(token ?? "").role,
		]).toEqual([
			"POST",
			"/rpc/find_api_key",
			{ key_hash: await sha256Hex(SECRET_KEY) },
			"postern",
			"postern",
		]);
	});

	it("does not reach the origin", async () => {
		const { ask, origin } = start();
		await ask(SECRET_KEY);
		const shown = origin.received.flatMap(({ headers, body, target }) => [
			...[...headers].flat(),
			body,
			target,
		]);
		expect(shown.filter((text) => text.includes(SECRET_KEY))).toEqual([]);
	});
});

describe("the result of a look-up", () => {
	it("is remembered", async () => {
		const { ask, lookUps } = start();
		await ask(SECRET_KEY);
		expect([await ask(SECRET_KEY), lookUps().length]).toEqual(["service", 1]);
	});

	it("is remembered for a key that does not exist, too", async () => {
		const { ask, lookUps } = start();
		const unknown = keyOf("secret", "u");
		expect([await ask(unknown), await ask(unknown), lookUps().length]).toEqual([
			"key_rejected",
			"key_rejected",
			1,
		]);
	});

	it("is remembered by each isolate for itself", async () => {
		const first = start();
		await first.ask(SECRET_KEY);
		const second = start();
		second.keys.delete(SECRET_KEY);
		expect(await second.ask(SECRET_KEY)).toBe("key_rejected");
	});

	it("is shared by requests that arrive together", async () => {
		const { ask, lookUps } = start();
		const roles = await Promise.all(
			Array.from({ length: 50 }, () => ask(PUBLISHABLE)),
		);
		expect([new Set(roles), lookUps().length]).toEqual([new Set(["anon"]), 1]);
	});
});

describe("an API key and another credential", () => {
	it("are resolved side by side", async () => {
		const waiting = new Set<string>();
		let mostAtOnce = 0;
		const answer = answeringKeys(knownKeys());
		const { request } = startGateway({
			async answer(received) {
				if (received.target !== "/rpc/find_api_key") return answer(received);
				waiting.add(received.body);
				mostAtOnce = Math.max(mostAtOnce, waiting.size);
				await scheduler.wait(20);
				waiting.delete(received.body);
				return answer(received);
			},
		});
		const response = await request("/rest/v1/notes", {
			token: SECRET_KEY,
			headers: { apikey: PUBLISHABLE },
		});
		expect([response.status, mostAtOnce]).toEqual([200, 2]);
	});

	it("are refused by the reason of the bearer token if both are wrong", async () => {
		const { request } = startGateway({ answer: answeringKeys(new Map()) });
		const response = await request("/rest/v1/notes", {
			token: await tokenFor({ exp: 1 }),
			headers: { apikey: PUBLISHABLE },
		});
		expect(await refusal(response)).toEqual({
			status: 401,
			code: "token_expired",
		});
	});
});

describe("a flood of unknown API keys", () => {
	it("is answered 429 with Retry-After, and leaves a known key accepted", async () => {
		const { ask, request, lookUps } = start();
		await ask(SECRET_KEY);
		const outcomes = [];
		for (let number = 0; number < 200; number++) {
			const apikey = `postern_secret_${String(number).padStart(43, "0")}`;
			outcomes.push(await request("/rest/v1/notes", { headers: { apikey } }));
		}
		const last = outcomes.at(-1);
		expect([
			outcomes.filter(({ status }) => status === 401).length,
			last?.status,
			last?.headers.get("retry-after"),
			last && (await refusal(last)).code,
			lookUps().length,
			await ask(SECRET_KEY),
		]).toEqual([50, 429, "1", "over_request_rate_limit", 51, "service"]);
	});

	it("leaves a known key to the fast path", async () => {
		const { findApiKey, recallApiKey } = createApiKeys(
			async ({ url, body }) =>
				answeringKeys(knownKeys())({
					url: new URL(url),
					body: await new Response(body).text(),
				} as Received),
			new Map(),
			{
				onUnknownKey: async () => () => {},
				now: () => NOW,
				sleep: async () => {},
				waitUntil: () => {},
				log: () => {},
			},
		);
		await findApiKey(SECRET_KEY);
		for (let number = 0; number < 2_000; number++)
			await findApiKey(
				`postern_secret_${String(number).padStart(43, "0")}`,
			).catch(() => {});
		expect(recallApiKey(SECRET_KEY)).toEqual({
			kind: "secret",
			role: "service",
		});
	});
});

describe("a database that cannot look a key up", () => {
	it.each([
		["is silent about it", async () => Response.json(null)],
		["answers something else", async () => Response.json({ outcome: "ok" })],
		[
			"answers with another kind",
			async () => Response.json({ outcome: "ok", kind: "admin", role: "a" }),
		],
		[
			"answers without a role",
			async () => Response.json({ outcome: "ok", kind: "secret" }),
		],
		...["postern", "postgres", "authenticator"].map(
			(role) =>
				[
					`answers with its own role ${role}`,
					async () => Response.json({ outcome: "ok", kind: "secret", role }),
				] as const,
		),
	] as const)("lets no caller with a key in: it %s", async (_, fetch) => {
		const { request, logged } = startGateway({ fetch });
		const response = await request("/rest/v1/notes", {
			headers: { apikey: SECRET_KEY },
		});
		expect([await refusal(response), logged.length]).toEqual([
			{ status: 500, code: "internal_error" },
			1,
		]);
	});

	it("lets no caller in where something before it answers", async () => {
		const { request, origin } = startGateway({
			answer: () =>
				elsewhere("<html>", { headers: { "Content-Type": "text/html" } }),
		});
		const response = await request("/rest/v1/notes", {
			headers: { apikey: SECRET_KEY },
		});
		expect([await refusal(response), origin.received.length]).toEqual([
			{ status: 503, code: "origin_unreachable" },
			1,
		]);
	});

	it("has a valid bearer token sent with the key refused as well", async () => {
		const { request, origin } = startGateway({
			answer: postgrestError(404, "PGRST202"),
		});
		const response = await request("/rest/v1/notes", {
			token: await tokenFor(),
			headers: { apikey: PUBLISHABLE },
		});
		expect([response.status, origin.received.length]).toEqual([500, 1]);
	});
});
