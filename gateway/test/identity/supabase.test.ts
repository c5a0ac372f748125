// The credentials of a Supabase project: users' tokens, the legacy keys, and the keys sb_publishable_… and sb_secret_….
import { decodeJwt } from "jose";
import { describe, expect, it } from "vitest";
import { SECRET_KEY, sha256Hex } from "../support/api-keys.ts";
import {
	bytes,
	makeTestKey,
	seal,
	secretKey,
	type TestKey,
} from "../support/forging.ts";
import {
	type GatewayOptions,
	refusal,
	startGateway,
} from "../support/gateway.ts";
import { NOW_SECONDS } from "../support/tokens.ts";

const PROJECT = "https://abcdefghijklmnop.supabase.co";
const USERS = `${PROJECT}/auth/v1`;
const SECRET = "super-secret-jwt-token-with-at-least-32-characters";
const PUBLISHABLE = "sb_publishable_ABC123def456_a1b2c3d4";
const SB_SECRET = "sb_secret_ABC123def456_a1b2c3d4";

const ES256 = await makeTestKey("ES256", "project-1");
const RS256 = await makeTestKey("RS256", "project-2");
const HS256 = secretKey(bytes(SECRET), "legacy");
const STRANGER = secretKey(bytes(`${SECRET}!`), "legacy");

const ENTRY = {
	supabase: PROJECT,
	secret: SECRET,
	publishableKeys: [await sha256Hex(PUBLISHABLE)],
	secretKeys: [await sha256Hex(SB_SECRET)],
};

type Claims = Record<string, unknown>;

/** A token that GoTrue would issue, by this key. */
function userToken(key: TestKey, changes: Claims = {}): Promise<string> {
	const claims = {
		iss: USERS,
		aud: "authenticated",
		sub: "ada",
		role: "authenticated",
		iat: NOW_SECONDS,
		exp: NOW_SECONDS + 3_600,
		...changes,
	};
	return seal({ alg: key.algorithm, typ: "JWT" }, claims, key);
}

/** The project's key `anon` or `service_role`: it has no `aud` and no `sub`. */
function legacyKey(role: string, changes: Claims = {}, key = HS256) {
	const claims = {
		iss: "supabase",
		ref: "abcdefghijklmnop",
		role,
		iat: NOW_SECONDS - 86_400,
		exp: NOW_SECONDS + 315_360_000,
		...changes,
	};
	return seal({ alg: "HS256", typ: "JWT" }, claims, key);
}

/** Asks with these headers: the caller that the origin is told of, or the refusal's code. */
async function callerOf(
	headers: Record<string, string>,
	entry: object = ENTRY,
	options: GatewayOptions = {},
) {
	const { request, origin } = startGateway({
		env: { ISSUERS: JSON.stringify([entry]) },
		fetchKeys: async ({ url }) =>
			url === `${USERS}/.well-known/jwks.json`
				? Response.json({ keys: [ES256.publicJwk, RS256.publicJwk] })
				: new Response(null, { status: 404 }),
		...options,
	});
	const response = await request("/rest/v1/notes", { headers });
	if (!response.ok) return (await refusal(response)).code;
	const sent = origin.received.at(-1)?.headers.get("authorization") ?? "";
	const { role, sub } = decodeJwt(sent.slice("Bearer ".length));
	return sub === undefined ? role : `${role} ${sub}`;
}

const bearer = (token: string) => ({ authorization: `Bearer ${token}` });

describe("a user's token of a Supabase project", () => {
	it.each([ES256, RS256, HS256])(
		"is accepted, signed by $algorithm",
		async (key) => {
			expect(await callerOf(bearer(await userToken(key)))).toBe(
				"authenticated ada",
			);
		},
	);

	it.each<[string, TestKey, Claims]>([
		["another secret signed it", STRANGER, {}],
		["it is for another audience", HS256, { aud: "other" }],
		["it has no audience", ES256, { aud: undefined }],
		[
			"it is of another project",
			HS256,
			{ iss: "https://x.supabase.co/auth/v1" },
		],
		["it never expires", ES256, { exp: undefined }],
	])("is rejected if %s", async (_, key, changes) => {
		expect(await callerOf(bearer(await userToken(key, changes)))).toBe(
			"token_rejected",
		);
	});

	it("is rejected if the public key signed it as a secret", async () => {
		const forger = secretKey(bytes(JSON.stringify(ES256.publicJwk)), "x");
		expect(await callerOf(bearer(await userToken(forger)))).toBe(
			"token_rejected",
		);
	});

	it("is rejected by HS256 if the settings have no secret", async () => {
		const token = await userToken(HS256);
		expect(await callerOf(bearer(token), { supabase: PROJECT })).toBe(
			"token_rejected",
		);
	});

	it("may not name service_role", async () => {
		const token = await userToken(HS256, { role: "service_role" });
		expect(await callerOf(bearer(token))).toBe("role_refused");
	});

	it("may be of another issuer's name, as a self-hosted GoTrue has it", async () => {
		const iss = "http://localhost:8000";
		const token = await userToken(ES256, { iss });
		expect(await callerOf(bearer(token), { ...ENTRY, issuer: iss })).toBe(
			"authenticated ada",
		);
	});

	it("may name a role of the entry's", async () => {
		const token = await userToken(ES256, { role: "member" });
		expect(await callerOf(bearer(token), { ...ENTRY, roles: ["member"] })).toBe(
			"member ada",
		);
	});
});

describe("a legacy key of a Supabase project", () => {
	it.each([
		["apikey", (key: string) => ({ apikey: key })],
		["Authorization", bearer],
		["both", (key: string) => ({ apikey: key, ...bearer(key) })],
	])("is accepted without aud, in %s", async (_, headersWith) => {
		for (const role of ["anon", "service_role"])
			expect(await callerOf(headersWith(await legacyKey(role)))).toBe(role);
	});

	it("is accepted as local and self-hosted projects have it", async () => {
		const key = await legacyKey("service_role", { iss: "supabase-demo" });
		expect(await callerOf({ apikey: key })).toBe("service_role");
	});

	it.each<[string, Promise<string>, string]>([
		["by another secret", legacyKey("anon", {}, STRANGER), "token_rejected"],
		["by another issuer", legacyKey("anon", { iss: "x" }), "token_rejected"],
		["expired", legacyKey("anon", { exp: 1 }), "token_expired"],
		["without expiry", legacyKey("anon", { exp: undefined }), "token_rejected"],
		["of the superuser", legacyKey("postgres"), "role_refused"],
		["of the gateway", legacyKey("postern"), "role_refused"],
		["of another role", legacyKey("supabase_admin"), "role_refused"],
	])("is refused %s", async (_, key, code) => {
		expect(await callerOf({ apikey: await key })).toBe(code);
	});

	it("makes an anonymous caller of another role's name no user", async () => {
		const key = await legacyKey("anon");
		expect(
			await callerOf({ apikey: key, ...bearer(await userToken(ES256)) }),
		).toBe("authenticated ada");
	});
});

describe("a key sb_publishable_… or sb_secret_…", () => {
	it.each([
		[PUBLISHABLE, "anon"],
		[SB_SECRET, "service_role"],
	])("is accepted by its hash in either header: %s", async (key, role) => {
		expect([
			await callerOf({ apikey: key }),
			await callerOf(bearer(key)),
			await callerOf({ apikey: key, ...bearer(key) }),
		]).toEqual([role, role, role]);
	});

	it.each([`${SB_SECRET}x`, "sb_secret_", "sb_publishable_x"])(
		"is refused if the settings do not have its hash: %s",
		async (key) => {
			expect(await callerOf({ apikey: key })).toBe("key_rejected");
		},
	);

	it("is refused if it is public and stands among the secret ones", async () => {
		const entry = { ...ENTRY, publishableKeys: [] };
		const secretKeys = [await sha256Hex(PUBLISHABLE)];
		expect(
			await callerOf({ apikey: PUBLISHABLE }, { ...entry, secretKeys }),
		).toBe("key_rejected");
	});

	it("is anonymous as the role that ANON_ROLE names", async () => {
		const env = { ISSUERS: JSON.stringify([ENTRY]), ANON_ROLE: "web_anon" };
		expect(await callerOf({ apikey: PUBLISHABLE }, ENTRY, { env })).toBe(
			"web_anon",
		);
	});
});

describe("a project's key and a bearer token", () => {
	const user = userToken(ES256);

	it.each<[string, string | Promise<string>, string | Promise<string>, string]>(
		[
			["anon and a user", legacyKey("anon"), user, "authenticated ada"],
			[
				"service_role and a user",
				legacyKey("service_role"),
				user,
				"authenticated ada",
			],
			["sb_publishable and a user", PUBLISHABLE, user, "authenticated ada"],
			["sb_secret and a user", SB_SECRET, user, "authenticated ada"],
			[
				"anon and service_role",
				legacyKey("anon"),
				legacyKey("service_role"),
				"service_role",
			],
			[
				"service_role and anon",
				legacyKey("service_role"),
				legacyKey("anon"),
				"anon",
			],
			["sb_publishable and sb_secret", PUBLISHABLE, SB_SECRET, "service_role"],
			["sb_secret and sb_publishable", SB_SECRET, PUBLISHABLE, "anon"],
			["a wrong key and a user", `${SB_SECRET}x`, user, "key_rejected"],
			[
				"an expired key and a user",
				legacyKey("anon", { exp: 1 }),
				user,
				"token_expired",
			],
			[
				"a key and an expired user",
				PUBLISHABLE,
				userToken(ES256, { exp: 1 }),
				"token_expired",
			],
			["a user and a key", user, SB_SECRET, "credentials_conflict"],
			[
				"two users",
				user,
				userToken(ES256, { sub: "bob" }),
				"credentials_conflict",
			],
			[
				"a secret key of Postern's and a user",
				SECRET_KEY,
				user,
				"credentials_conflict",
			],
		],
	)(
		"are read as at Supabase, where Authorization says who calls: %s",
		async (_, apikey, token, expected) => {
			const headers = { apikey: await apikey, ...bearer(await token) };
			const answer: GatewayOptions["answer"] = ({ target }) =>
				Response.json(
					target.includes("find_api_key")
						? { outcome: "ok", kind: "secret", role: "service" }
						: [],
				);
			expect(await callerOf(headers, ENTRY, { answer })).toBe(expected);
		},
	);
});

describe("an issuer with anyAudience", () => {
	const entry = {
		issuer: "https://login.example",
		jwks: { keys: [ES256.publicJwk] },
		anyAudience: true,
	};

	it.each([undefined, "x", ["x", "y"]])(
		"has tokens accepted for any audience, or none: %j",
		async (aud) => {
			const token = await userToken(ES256, { iss: entry.issuer, aud });
			expect(await callerOf(bearer(token), entry)).toBe("authenticated ada");
		},
	);
});
