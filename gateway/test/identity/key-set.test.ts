// Which keys of an issuer are tried for a token: `kid` is a hint, and every key that fits is tried (RFC 7515, section 4.1.4).
import { describe, expect, it } from "vitest";
import {
	headerOf,
	makeTestKey,
	seal,
	type TestKey,
} from "../support/forging.ts";
import { refusal, startGateway } from "../support/gateway.ts";
import { claimsOf, type TestIssuer } from "../support/issuers.ts";

const LOGIN: TestIssuer = {
	name: "login",
	iss: "https://login.example",
	aud: "notes",
	key: await makeTestKey("ES256", "first"),
	header: "authorization",
	roleAt: ["role"],
};

const FIRST = LOGIN.key;
const SECOND = await makeTestKey("ES256", "second");
const RSA = await makeTestKey("RS256", "rsa");
const OTHER_RSA = await makeTestKey("RS256", "other-rsa");
const ED = await makeTestKey("EdDSA", "ed");

type Jwk = Record<string, unknown>;

/** The key's JWK with some members changed; `undefined` leaves one out. */
function jwkOf({ publicJwk }: TestKey, changes: Jwk = {}): Jwk {
	const changed = Object.entries({ ...publicJwk, ...changes });
	return Object.fromEntries(changed.filter(([, value]) => value !== undefined));
}

const bare = (key: TestKey) => jwkOf(key, { kid: undefined, alg: undefined });
const named = (key: TestKey, kid: string) => jwkOf(key, { kid });

/** A gateway whose issuer has these keys. `outcome` is 200, or the code with which a token of this key is refused. */
function issuerWith(...keys: Jwk[]) {
	const { request } = startGateway({
		env: {
			ISSUERS: JSON.stringify([
				{
					issuer: LOGIN.iss,
					audience: LOGIN.aud,
					jwks: { keys },
					algorithms: ["ES256", "RS256", "PS256", "EdDSA"],
				},
			]),
		},
	});
	return async function outcome(key: TestKey, header: Jwk = {}) {
		const token = await seal(
			{ ...headerOf(key), ...header },
			claimsOf(LOGIN),
			key,
		);
		const response = await request("/rest/v1/notes", { token });
		return response.ok ? 200 : (await refusal(response)).code;
	};
}

const WITHOUT_KID = { kid: undefined };

describe("a key set in which several keys fit", () => {
	it.each<[string, Jwk[], TestKey[], Jwk]>([
		[
			"no key and no token has a kid",
			[bare(FIRST), bare(SECOND)],
			[FIRST, SECOND],
			WITHOUT_KID,
		],
		[
			"no key has a kid, and the token has one",
			[bare(FIRST), bare(SECOND)],
			[FIRST, SECOND],
			{},
		],
		[
			"the keys have a kid, and the token has none",
			[jwkOf(FIRST), jwkOf(SECOND)],
			[FIRST, SECOND],
			WITHOUT_KID,
		],
		[
			"two keys have one kid",
			[named(FIRST, "twin"), named(SECOND, "twin")],
			[FIRST, SECOND],
			{ kid: "twin" },
		],
		[
			"the kid is another key's",
			[named(FIRST, "twin"), bare(SECOND)],
			[FIRST, SECOND],
			{ kid: "twin" },
		],
		[
			"they are RSA keys",
			[bare(RSA), bare(OTHER_RSA)],
			[RSA, OTHER_RSA],
			WITHOUT_KID,
		],
		[
			"they are of several kinds",
			[bare(RSA), bare(ED), bare(FIRST), bare(OTHER_RSA), bare(SECOND)],
			[FIRST, SECOND, RSA, OTHER_RSA, ED],
			WITHOUT_KID,
		],
	])("verifies a token of each: %s", async (_, keys, signers, header) => {
		const outcome = issuerWith(...keys);
		const outcomes = await Promise.all(
			signers.map((key) => outcome(key, header)),
		);
		expect(outcomes).toEqual(signers.map(() => 200));
	});

	it.each<[string, Jwk[], Jwk]>([
		["by no kid", [bare(FIRST), bare(SECOND)], WITHOUT_KID],
		[
			"by one kid",
			[named(FIRST, "twin"), named(SECOND, "twin")],
			{ kid: "twin" },
		],
		["of several kinds", [bare(FIRST), bare(RSA), bare(ED)], WITHOUT_KID],
	])("rejects a stranger's token: %s", async (_, keys, header) => {
		for (const algorithm of ["ES256", "RS256", "EdDSA"] as const) {
			const stranger = await makeTestKey(algorithm, "stranger");
			expect(await issuerWith(...keys)(stranger, header)).toBe(
				"token_rejected",
			);
		}
	});

	it.each<[string, Jwk]>([
		["is for encryption", { use: "enc" }],
		["does not verify", { key_ops: ["encrypt"] }],
		["is for another algorithm", { alg: "ES384" }],
		["is on another curve", { crv: "P-384" }],
		["is of another kind", { kty: "RSA" }],
		["is no point of its curve", { x: "A".repeat(43) }],
		["lacks a half", { y: undefined }],
		["has a use that is no text", { use: 1 }],
	])("goes on to the next key if one %s", async (_, changes) => {
		const unusable = named(SECOND, "twin");
		const outcome = issuerWith(
			{ ...unusable, ...changes },
			named(FIRST, "twin"),
		);
		expect([
			await outcome(FIRST, { kid: "twin" }),
			await outcome(SECOND, { kid: "twin" }),
		]).toEqual([200, "token_rejected"]);
	});

	it("does not take a key that has another kid than the token", async () => {
		const outcome = issuerWith(jwkOf(FIRST), jwkOf(SECOND));
		expect(await outcome(FIRST, { kid: "second" })).toBe("token_rejected");
	});

	it("is tried for twenty keys, and no more", async () => {
		const keys: TestKey[] = [];
		while (keys.length < 21) keys.push(await makeTestKey("ES256", "many"));
		const outcome = issuerWith(...keys.map(bare));
		const [last, twentieth] = keys.reverse();
		expect([
			twentieth && (await outcome(twentieth, WITHOUT_KID)),
			last && (await outcome(last, WITHOUT_KID)),
		]).toEqual([200, "token_rejected"]);
	});

	it("refuses an expired token as expired, whichever key signed it", async () => {
		const { request } = startGateway({
			env: {
				ISSUERS: JSON.stringify([
					{
						issuer: LOGIN.iss,
						audience: LOGIN.aud,
						jwks: { keys: [bare(FIRST), bare(SECOND)] },
					},
				]),
			},
		});
		const token = await seal(
			{ alg: "ES256" },
			claimsOf(LOGIN, { exp: 1 }),
			SECOND,
		);
		expect(await refusal(await request("/rest/v1/notes", { token }))).toEqual({
			status: 401,
			code: "token_expired",
		});
	});
});
