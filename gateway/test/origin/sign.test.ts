import {
	createLocalJWKSet,
	decodeJwt,
	decodeProtectedHeader,
	exportJWK,
	generateKeyPair,
	jwtVerify,
} from "jose";
import { describe, expect, it } from "vitest";
import { type GatewayOptions, startGateway } from "../support/gateway.ts";
import {
	ADA,
	NOW,
	NOW_SECONDS,
	ORIGIN_KEY,
	tokenFor,
} from "../support/tokens.ts";

/** A gateway with a clock that the test moves; `originToken` is the one that it sends for a caller. */
function startSigner(options: GatewayOptions = {}) {
	const clock = { seconds: NOW_SECONDS };
	const gateway = startGateway({
		...options,
		now: () => clock.seconds * 1_000,
	});
	return {
		...gateway,
		clock,
		async originToken(token?: string): Promise<string> {
			gateway.origin.received.length = 0;
			await gateway.request(
				"/rest/v1/notes",
				token === undefined ? {} : { token },
			);
			const header = gateway.origin.only().headers.get("authorization") ?? "";
			return header.replace("Bearer ", "");
		},
	};
}

describe("an origin token", () => {
	it("is signed with the origin's key", async () => {
		const token = await startSigner().originToken(await tokenFor());
		const keys = createLocalJWKSet({ keys: [ORIGIN_KEY.publicJwk] });
		const { payload } = await jwtVerify(token, keys, {
			audience: "postgrest",
			currentDate: new Date(NOW),
		});
		expect(payload.role).toBe("authenticated");
	});

	it("names its algorithm, key and type", async () => {
		const token = await startSigner().originToken();
		expect(decodeProtectedHeader(token)).toEqual({
			alg: "ES256",
			kid: "origin-1",
			typ: "JWT",
		});
	});

	it("contains the role and its end alone for a caller without credentials", async () => {
		const token = await startSigner().originToken();
		expect(decodeJwt(token)).toEqual({
			role: "anon",
			exp: NOW_SECONDS + 90,
		});
	});

	it("has an audience for a caller with claims who has the anonymous role", async () => {
		const token = await startSigner().originToken(
			await tokenFor({ role: "anon" }),
		);
		expect(decodeJwt(token)).toMatchObject({ role: "anon", aud: "postgrest" });
	});

	it("contains the caller's claims, except those about the caller's own token", async () => {
		const token = await startSigner().originToken(
			await tokenFor({
				aud: ["authenticated", "other"],
				jti: "token-1",
				nbf: NOW_SECONDS - 60,
				iat: NOW_SECONDS - 60,
				tenant: { id: 7, tags: ["a", "b"] },
				email: "ada@example.com",
			}),
		);
		expect(decodeJwt(token)).toEqual({
			iss: ADA.iss,
			sub: ADA.sub,
			tenant: { id: 7, tags: ["a", "b"] },
			email: "ada@example.com",
			role: "authenticated",
			aud: "postgrest",
			iat: NOW_SECONDS - 30,
			exp: NOW_SECONDS + 90,
		});
	});

	it("contains times in whole seconds", async () => {
		const { originToken, clock } = startSigner();
		clock.seconds += 0.999;
		const { iat, exp } = decodeJwt(await originToken(await tokenFor()));
		expect([iat, exp]).toEqual([NOW_SECONDS - 30, NOW_SECONDS + 90]);
	});

	it("contains no part of the caller's token", async () => {
		const token = await tokenFor();
		const { originToken, origin } = startSigner();
		await originToken(token);
		const received = JSON.stringify([
			origin.only().target,
			[...origin.only().headers],
		]);
		const parts = token.split(".").filter((part) => received.includes(part));
		expect(parts).toEqual([]);
	});
});

describe("the origin token of one caller", () => {
	it("is the same for the next request", async () => {
		const { originToken } = startSigner();
		const token = await tokenFor();
		expect(await originToken(token)).toBe(await originToken(token));
	});

	it("is the same for another access token with the same claims", async () => {
		const { originToken } = startSigner();
		const first = await originToken(await tokenFor({ jti: "1" }));
		expect(await originToken(await tokenFor({ jti: "2" }))).toBe(first);
	});

	it("is the same a second before 60 seconds have passed", async () => {
		const { originToken, clock } = startSigner();
		const first = await originToken();
		clock.seconds += 59;
		expect(await originToken()).toBe(first);
	});

	it("is a new one after 60 seconds", async () => {
		const { originToken, clock } = startSigner();
		await originToken();
		clock.seconds += 60;
		expect(decodeJwt(await originToken()).exp).toBe(NOW_SECONDS + 150);
	});

	it("is reused for another 60 seconds after it was renewed", async () => {
		const { originToken, clock } = startSigner();
		await originToken();
		clock.seconds += 60;
		const renewed = await originToken();
		clock.seconds += 59;
		expect(await originToken()).toBe(renewed);
	});
});

describe("the origin tokens of two callers", () => {
	it.each([
		["subjects", { sub: "ada" }, { sub: "eve" }],
		["roles", { role: "authenticated" }, { role: "anon" }],
		["claims", { tenant: 1 }, { tenant: 2 }],
		["types of a claim", { tenant: 1 }, { tenant: "1" }],
	])("differ for different %s", async (_, one, other) => {
		const { originToken } = startSigner();
		const first = await originToken(await tokenFor(one));
		expect(await originToken(await tokenFor(other))).not.toBe(first);
	});

	it("differ for a caller without credentials and one with the anonymous role", async () => {
		const { originToken } = startSigner();
		const anonymous = await originToken();
		expect(await originToken(await tokenFor({ role: "anon" }))).not.toBe(
			anonymous,
		);
	});
});

describe("a thousand callers", () => {
	it("have their origin tokens remembered, and the next caller replaces the oldest", async () => {
		const { originToken, request } = startSigner();
		const tokens = await Promise.all(
			Array.from({ length: 1_001 }, (_, n) => tokenFor({ sub: `caller-${n}` })),
		);
		const [oldest = "", second = ""] = tokens;
		const before = [await originToken(oldest), await originToken(second)];
		for (const token of tokens.slice(2))
			await request("/rest/v1/notes", { token });
		// Check the second first: a request for the oldest would remove the second.
		const after = [await originToken(second), await originToken(oldest)];
		expect(after.map((token) => before.includes(token))).toEqual([true, false]);
	});
});

describe("an origin token by a key that the origin already trusts", () => {
	const SECRET = "a secret of the origin's, 32 characters";

	it("is signed with HS256 and the text of ORIGIN_JWT_SECRET", async () => {
		const { originToken } = startSigner({
			env: { ORIGIN_SIGNING_KEY: undefined, ORIGIN_JWT_SECRET: SECRET },
		});
		const { payload, protectedHeader } = await jwtVerify(
			await originToken(await tokenFor()),
			new TextEncoder().encode(SECRET),
			{ currentDate: new Date(NOW) },
		);
		expect([payload.role, payload.sub, protectedHeader]).toEqual([
			"authenticated",
			"ada",
			{ alg: "HS256", typ: "JWT" },
		]);
	});

	it("is signed with RS256 by an RSA key", async () => {
		const pair = await generateKeyPair("RS256", { extractable: true });
		const jwk = { ...(await exportJWK(pair.privateKey)), kid: "rsa-1" };
		const { originToken } = startSigner({
			env: { ORIGIN_SIGNING_KEY: JSON.stringify(jwk) },
		});
		const { protectedHeader } = await jwtVerify(
			await originToken(await tokenFor()),
			pair.publicKey,
			{ currentDate: new Date(NOW) },
		);
		expect(protectedHeader).toEqual({ alg: "RS256", kid: "rsa-1", typ: "JWT" });
	});
});

describe("the audience of an origin token", () => {
	it.each([
		["web", "web"],
		["", undefined],
	])("is ORIGIN_AUDIENCE, %j", async (ORIGIN_AUDIENCE, aud) => {
		const { originToken } = startSigner({ env: { ORIGIN_AUDIENCE } });
		expect(decodeJwt(await originToken(await tokenFor())).aud).toBe(aud);
	});
});

describe("an origin token with the claims of the caller's token", () => {
	const env = { ORIGIN_CLAIMS: "caller" };

	it("has its aud, exp, iat, jti and nbf", async () => {
		const own = {
			aud: ["authenticated", "other"],
			exp: NOW_SECONDS + 1_000,
			iat: NOW_SECONDS - 500,
			jti: "token-1",
			nbf: NOW_SECONDS - 500,
		};
		const token = await startSigner({ env }).originToken(await tokenFor(own));
		expect(decodeJwt(token)).toEqual({ ...ADA, ...own });
	});

	it("has no iat that the origin would refuse as future", async () => {
		const token = await startSigner({ env }).originToken(
			await tokenFor({ iat: NOW_SECONDS + 3_600 }),
		);
		expect(decodeJwt(token).iat).toBe(NOW_SECONDS);
	});

	it("is signed again for another token of the same caller", async () => {
		const { originToken } = startSigner({ env });
		const exps = [];
		for (const exp of [NOW_SECONDS + 100, NOW_SECONDS + 200])
			exps.push(decodeJwt(await originToken(await tokenFor({ exp }))).exp);
		expect(exps).toEqual([NOW_SECONDS + 100, NOW_SECONDS + 200]);
	});

	it("has the role and its end alone for a caller without a token", async () => {
		const token = await startSigner({ env }).originToken();
		expect(decodeJwt(token)).toEqual({ role: "anon", exp: NOW_SECONDS + 90 });
	});

	it("never has a role but the one that was allowed", async () => {
		const token = await startSigner({ env }).originToken(
			await tokenFor({ role: "anon" }),
		);
		expect(decodeJwt(token).role).toBe("anon");
	});
});
