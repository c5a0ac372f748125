// Several issuers at once: what each entry of ISSUERS decides, and which claims of a token reach the database.
import { base64url, decodeJwt } from "jose";
import { describe, expect, it } from "vitest";
import {
	headerOf,
	makeTestKey,
	seal,
	type TestKey,
} from "../support/forging.ts";
import { refusal, startGateway } from "../support/gateway.ts";
import { claimsOf, type TestIssuer, tokenOf } from "../support/issuers.ts";
import { NOW_SECONDS, tokenFor } from "../support/tokens.ts";

const TOLERANCE = 5;

const ES256 = await makeTestKey("ES256", "es-1");
const RS256 = await makeTestKey("RS256", "rs-1");
const EDDSA = await makeTestKey("EdDSA", "ed-1");

const LOGIN: TestIssuer = {
	name: "login",
	iss: "https://login.example",
	aud: "notes",
	key: ES256,
	header: "authorization",
	roleAt: ["role"],
};

/** The entry LOGIN with these fields added or replaced. */
function entry(fields: Record<string, unknown> = {}) {
	return {
		issuer: LOGIN.iss,
		audience: LOGIN.aud,
		jwks: { keys: [ES256.publicJwk] },
		...fields,
	};
}

/** The claims in the origin token of a caller with this token, or the refusal's code. */
async function toldOf(token: string, ...entries: object[]) {
	const { request, origin } = startGateway({
		env: { ISSUERS: JSON.stringify(entries) },
	});
	const response = await request("/rest/v1/notes", { token });
	if (!response.ok) return (await refusal(response)).code;
	const sent = origin.only().headers.get("authorization") ?? "";
	return decodeJwt(sent.slice("Bearer ".length));
}

async function roleOf(token: string, ...entries: object[]) {
	const told = await toldOf(token, ...entries);
	return typeof told === "string" ? told : told.role;
}

const token = (changes: Record<string, unknown> = {}, key: TestKey = ES256) =>
	tokenOf({ ...LOGIN, key }, changes);

describe("a configured issuer", () => {
	it("has its tokens accepted", async () => {
		expect(await roleOf(await token(), entry())).toBe("authenticated");
	});

	it("leaves Postern's own tokens accepted", async () => {
		expect(await roleOf(await tokenFor(), entry())).toBe("authenticated");
	});

	it("may be one of several", async () => {
		const entries = Array.from({ length: 20 }, (_, index) =>
			entry({ issuer: `https://${index}.example` }),
		);
		const roles = [];
		for (const { issuer } of entries) {
			roles.push(await roleOf(await token({ iss: issuer }), ...entries));
		}
		expect(new Set(roles)).toEqual(new Set(["authenticated"]));
	});

	it("is told apart from another issuer with the same keys", async () => {
		const other = entry({ issuer: "https://other.example", audience: "films" });
		expect([
			await roleOf(await token({ iss: other.issuer }), entry(), other),
			await roleOf(
				await token({ iss: other.issuer, aud: "films" }),
				entry(),
				other,
			),
		]).toEqual(["token_rejected", "authenticated"]);
	});
});

describe("the audiences of an issuer", () => {
	it.each([
		["notes", "authenticated"],
		["films", "authenticated"],
		[["other", "films"], "authenticated"],
		["other", "token_rejected"],
		[["other", "others"], "token_rejected"],
	])("are the list in its entry: %j is %s", async (aud, expected) => {
		const audiences = entry({ audience: ["notes", "films"] });
		expect(await roleOf(await token({ aud }), audiences)).toBe(expected);
	});

	it("do not include Postern's", async () => {
		expect(await roleOf(await token({ aud: "authenticated" }), entry())).toBe(
			"token_rejected",
		);
	});
});

describe("the algorithms of an issuer", () => {
	const keys = [ES256, RS256, EDDSA];
	const jwks = { keys: keys.map(({ publicJwk }) => publicJwk) };

	it.each([
		[["ES256"], ["authenticated", "token_rejected", "token_rejected"]],
		[["RS256"], ["token_rejected", "authenticated", "token_rejected"]],
		[
			["EdDSA", "ES256"],
			["authenticated", "token_rejected", "authenticated"],
		],
		[undefined, ["authenticated", "authenticated", "token_rejected"]],
	])("are the list in its entry: %j", async (algorithms, expected) => {
		const roles = [];
		for (const key of keys) {
			roles.push(
				await roleOf(await token({}, key), entry({ jwks, algorithms })),
			);
		}
		expect(roles).toEqual(expected);
	});

	it("are not widened by a key without alg", async () => {
		const { alg: _, ...publicJwk } = RS256.publicJwk ?? {};
		const entries = entry({
			jwks: { keys: [publicJwk] },
			algorithms: ["PS256"],
		});
		expect(await roleOf(await token({}, RS256), entries)).toBe(
			"token_rejected",
		);
	});

	it.each([
		["another use", { use: "enc" }],
		["another operation", { key_ops: ["encrypt"] }],
		["another algorithm", { alg: "ES384" }],
		["another curve", { crv: "P-384" }],
		["another type", { kty: "RSA" }],
		["no point of its curve", { x: "A".repeat(43) }],
	])("reject a token with a key of %s", async (_, changes) => {
		const broken = { ...ES256.publicJwk, ...changes };
		expect(
			await roleOf(await token(), entry({ jwks: { keys: [broken] } })),
		).toBe("token_rejected");
	});

	it("require an RSA key of 2048 bits", async () => {
		const { privateKey, publicKey } = (await crypto.subtle.generateKey(
			{
				name: "RSASSA-PKCS1-v1_5",
				modulusLength: 1024,
				publicExponent: new Uint8Array([1, 0, 1]),
				hash: "SHA-256",
			},
			true,
			["sign", "verify"],
		)) as CryptoKeyPair;
		const jwk = (await crypto.subtle.exportKey("jwk", publicKey)) as JsonWebKey;
		const small: TestKey = {
			...RS256,
			async sign(input) {
				const content = new TextEncoder().encode(input);
				return new Uint8Array(
					await crypto.subtle.sign("RSASSA-PKCS1-v1_5", privateKey, content),
				);
			},
		};
		const keys = [{ kty: "RSA", n: jwk.n, e: jwk.e, kid: RS256.kid }];
		expect(
			await roleOf(await token({}, small), entry({ jwks: { keys } })),
		).toBe("token_rejected");
	});
});

describe("the role of an issuer's token", () => {
	it("may be in a claim of another name", async () => {
		const name = "https://notes.example/role";
		expect(
			await roleOf(
				await token({ role: "postgres", [name]: "authenticated" }),
				entry({ roleClaim: name }),
			),
		).toBe("authenticated");
	});

	it("may be inside other claims", async () => {
		const roleClaim = ["realm_access", "notes", "role"];
		const realm_access = { notes: { role: "authenticated" } };
		expect(
			await roleOf(
				await token({ role: undefined, realm_access }),
				entry({ roleClaim }),
			),
		).toBe("authenticated");
	});

	it.each([
		["is not there", {}],
		["is no object on the way", { realm_access: "authenticated" }],
		["is a list on the way", { realm_access: [{ role: "authenticated" }] }],
		["is null on the way", { realm_access: null }],
		["is inherited", { realm_access: {} }],
	])("is refused if it %s", async (_, changes) => {
		expect(
			await roleOf(
				await token({ role: "authenticated", ...changes }),
				entry({ roleClaim: ["realm_access", "role"] }),
			),
		).toBe("role_refused");
	});

	it.each([
		[["__proto__", "role"], "authenticated"],
		[["constructor", "name"], "Object"],
		[["toString", "name"], "toString"],
		[["role", "constructor", "name"], "String"],
		[["aud", "0"], "n"],
	])(
		"is never a property that every object inherits: %j",
		async (roleClaim, role) => {
			expect(
				await roleOf(await token(), entry({ roleClaim, roles: [role] })),
			).toBe("role_refused");
		},
	);

	it("may be any in its issuer's list, and none of another issuer's", async () => {
		const clerks = entry({ roles: ["clerk"] });
		const managers = entry({ issuer: "https://m.example", roles: ["manager"] });
		const ask = async (iss: string, role: string) =>
			roleOf(await token({ iss, role }), clerks, managers);
		expect([
			await ask(LOGIN.iss, "clerk"),
			await ask(LOGIN.iss, "manager"),
			await ask("https://m.example", "manager"),
			await ask("https://m.example", "clerk"),
			await ask("https://m.example", "authenticated"),
		]).toEqual([
			"clerk",
			"role_refused",
			"manager",
			"role_refused",
			"role_refused",
		]);
	});

	it("is the role fixed for the issuer, even if the token names another", async () => {
		const fixed = entry({ role: "clerk" });
		const roles = [];
		for (const role of [undefined, "authenticated", "postgres", ["x"]]) {
			roles.push(await roleOf(await token({ role }), fixed));
		}
		expect(roles).toEqual(["clerk", "clerk", "clerk", "clerk"]);
	});
});

describe("the claims of an issuer's token", () => {
	it("reach the origin, except those about the token itself", async () => {
		const told = await toldOf(
			await token({
				jti: "1",
				nbf: NOW_SECONDS,
				email: "ada@example.com",
				app_metadata: { team: ["a", { b: null }] },
				"https://notes.example/plan": 1.5,
			}),
			entry(),
		);
		expect(told).toEqual({
			iss: LOGIN.iss,
			sub: "ada",
			email: "ada@example.com",
			app_metadata: { team: ["a", { b: null }] },
			"https://notes.example/plan": 1.5,
			role: "authenticated",
			aud: "postgrest",
			iat: NOW_SECONDS - 30,
			exp: NOW_SECONDS + 90,
		});
	});

	it("cannot set the origin token's role by a claim of that name", async () => {
		const told = await toldOf(
			await token({ role: "postgres", https: "authenticated" }),
			entry({ roleClaim: "https" }),
		);
		expect(told).toMatchObject({ role: "authenticated" });
	});

	it("are handed on with their numbers as they are written", async () => {
		const written =
			'"account":9007199254740993,"app":{"accounts":[-1152921504606846977,1.0,1e400,-0,0.1]}';
		const times = `"iat":${NOW_SECONDS},"exp":${NOW_SECONDS + 60}`;
		const text = `{"iss":"${LOGIN.iss}","aud":"${LOGIN.aud}","role":"authenticated",${times},${written}}`;
		const token = await seal(headerOf(ES256), text, ES256);
		const { request, origin } = startGateway({
			env: { ISSUERS: JSON.stringify([entry()]) },
		});
		await request("/rest/v1/notes", { token });
		const [, payload = ""] =
			origin.only().headers.get("authorization")?.split(".") ?? [];
		const told = new TextDecoder().decode(base64url.decode(payload));
		expect(told).toContain(written);
	});

	it("need not include a subject", async () => {
		expect(await roleOf(await token({ sub: undefined }), entry())).toBe(
			"authenticated",
		);
	});
});

describe("the clock of an issuer", () => {
	it.each([
		["exp", -TOLERANCE, "token_expired"],
		["exp", -TOLERANCE + 1, "authenticated"],
		["nbf", TOLERANCE + 1, "token_rejected"],
		["nbf", TOLERANCE, "authenticated"],
		["iat", 3_600, "authenticated"],
	])("may differ by five seconds: %s %i is %s", async (claim, by, expected) => {
		const changed = await token({ [claim]: NOW_SECONDS + by });
		expect(await roleOf(changed, entry())).toBe(expected);
	});
});

describe("a secret", () => {
	it("may include any characters, encoded as UTF-8", async () => {
		const secret = "Schlüssel für 🔑, der lang genug ist";
		const key = await makeTestKey(
			"HS256",
			"hs-1",
			new TextEncoder().encode(secret),
		);
		expect(
			await roleOf(await token({}, key), entry({ jwks: undefined, secret })),
		).toBe("authenticated");
	});

	it("verifies a token without a kid, or with any", async () => {
		const secret = "x".repeat(32);
		const key = await makeTestKey(
			"HS256",
			"anything",
			new TextEncoder().encode(secret),
		);
		const issuer = { ...LOGIN, key };
		const roles = [];
		for (const kid of [undefined, "other"]) {
			const signed = await tokenOf(issuer, claimsOf(issuer), { kid });
			roles.push(await roleOf(signed, entry({ jwks: undefined, secret })));
		}
		expect(roles).toEqual(["authenticated", "authenticated"]);
	});
});
