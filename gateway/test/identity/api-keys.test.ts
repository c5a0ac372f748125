// API keys: how they are looked up, and how long a result is remembered.
import { decodeJwt } from "jose";
import { describe, expect, it } from "vitest";
import {
	answeringKeys,
	type FoundKey,
	keyOf,
	knownKeys,
	PUBLISHABLE,
	SECRET_KEY,
	sha256Hex,
} from "../support/api-keys.ts";
import { refusal, startGateway } from "../support/gateway.ts";
import { elsewhere, postgrestError } from "../support/origin.ts";
import { NOW, tokenFor } from "../support/tokens.ts";

const REMEMBERED = 5_000;
const MAX_REMEMBERED = 1_000;

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
	it("is remembered for five seconds", async () => {
		const { ask, clock, lookUps } = start();
		await ask(SECRET_KEY);
		clock.time += REMEMBERED - 1;
		expect([await ask(SECRET_KEY), lookUps().length]).toEqual(["service", 1]);
	});

	it("is asked for again after that", async () => {
		const { ask, clock, lookUps } = start();
		await ask(SECRET_KEY);
		clock.time += REMEMBERED;
		expect([await ask(SECRET_KEY), lookUps().length]).toEqual(["service", 2]);
	});

	it("is forgotten five seconds after the key was revoked, at the latest", async () => {
		const { ask, keys, clock } = start();
		await ask(SECRET_KEY);
		keys.delete(SECRET_KEY);
		clock.time += REMEMBERED;
		expect(await ask(SECRET_KEY)).toBe("key_rejected");
	});

	it("is not remembered longer because it was used meanwhile", async () => {
		const { ask, keys, clock } = start();
		await ask(SECRET_KEY);
		keys.delete(SECRET_KEY);
		clock.time += REMEMBERED - 1;
		await ask(SECRET_KEY);
		clock.time += 1;
		expect(await ask(SECRET_KEY)).toBe("key_rejected");
	});

	it("is remembered from the moment before the question", async () => {
		const { time } = { time: NOW };
		const clock = { time };
		const answer = answeringKeys(knownKeys());
		const { request, origin } = startGateway({
			now: () => clock.time,
			async answer(received) {
				const found = await answer(received);
				if (received.target.includes("find_api_key")) clock.time += 3_000;
				return found;
			},
		});
		const headers = { apikey: SECRET_KEY };
		await request("/rest/v1/notes", { headers });
		clock.time += 2_000;
		await request("/rest/v1/notes", { headers });
		expect(
			origin.received.filter(({ target }) => target.includes("find_api_key")),
		).toHaveLength(2);
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

	it("is forgotten five seconds after the key was made", async () => {
		const { ask, keys, clock } = start();
		const made = keyOf("secret", "m");
		await ask(made);
		keys.set(made, { kind: "secret", role: "clerk" });
		clock.time += REMEMBERED;
		expect(await ask(made)).toBe("clerk");
	});

	it("is not remembered if the question failed", async () => {
		const found: FoundKey = { kind: "secret", role: "service" };
		let isDown = true;
		const { request } = startGateway({
			answer: answeringKeys(new Map([[SECRET_KEY, found]])),
			fetch: async () => {
				if (isDown) throw new TypeError("connection refused");
				return Response.json({ outcome: "ok", ...found });
			},
		});
		const headers = { apikey: SECRET_KEY };
		const before = await request("/rest/v1/notes", { headers });
		isDown = false;
		const after = await request("/rest/v1/notes", { headers });
		expect([await refusal(before), after.status]).toEqual([
			{ status: 503, code: "origin_unreachable" },
			200,
		]);
	});

	it("is remembered for the newest thousand keys", async () => {
		const { ask, lookUps } = start();
		const numbered = (number: number) =>
			`postern_secret_${String(number).padStart(43, "0")}`;
		for (let number = 0; number <= MAX_REMEMBERED; number++) {
			await ask(numbered(number));
		}
		const before = lookUps().length;
		await ask(numbered(1));
		const afterKnown = lookUps().length;
		await ask(numbered(0));
		expect([before, afterKnown, lookUps().length]).toEqual([
			1_001, 1_001, 1_002,
		]);
	});

	it("is remembered by each isolate for itself", async () => {
		const first = start();
		await first.ask(SECRET_KEY);
		const second = start();
		second.keys.delete(SECRET_KEY);
		expect(await second.ask(SECRET_KEY)).toBe("key_rejected");
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
