import { describe, expect, it } from "vitest";
import { parseFeedSettings } from "../../src/settings/feed-settings.ts";
import { ConfigError } from "../../src/settings/parse-variables.ts";
import { rateLimits } from "../../src/settings/rate-limits.ts";
import { parseConfig } from "../../src/settings/settings.ts";
import { sizeLimits } from "../../src/settings/size-limits.ts";
import { ENV } from "../support/gateway.ts";
import { ISSUER_KEY, ORIGIN_KEY } from "../support/tokens.ts";

/** What parseConfig makes of ENV with these variables added or replaced. */
function faultsOf(changes: Record<string, unknown>): Record<string, string> {
	try {
		parseConfig({ ...ENV, ...changes });
	} catch (error) {
		if (error instanceof ConfigError) return error.variables;
		throw error;
	}
	return {};
}

function signingKeyWith(changes: Record<string, unknown>): string {
	return JSON.stringify({ ...ORIGIN_KEY.privateJwk, ...changes });
}

function jwksWith(changes: Record<string, unknown>): string {
	return JSON.stringify({ keys: [{ ...ISSUER_KEY.publicJwk, ...changes }] });
}

const TOKEN_SIGNING_KEY = JSON.stringify(ISSUER_KEY.privateJwk);

describe("the smallest environment", () => {
	it("is accepted", () => {
		expect(faultsOf({})).toEqual({});
	});

	it("gets the documented defaults", () => {
		const { origin, tokens, issuers, ...others } = parseConfig(ENV);
		const { url: _, signingKey: __, ...originDefaults } = origin;
		const { jwks: ___, ...tokenDefaults } = tokens;
		expect({
			origin: originDefaults,
			tokens: tokenDefaults,
			issuers: issuers.map(({ issuer }) => issuer),
			...others,
		}).toEqual({
			origin: {
				timeoutMs: 30_000,
				requestsPerRelation: 4,
				apiKey: undefined,
				access: undefined,
				audience: "postgrest",
				claims: "gateway",
			},
			tokens: {
				issuer: "postern",
				audience: "authenticated",
				roles: ["anon", "authenticated"],
				signingKey: undefined,
				lifetimeSeconds: 600,
			},
			bcryptCost: 10,
			issuers: ["postern"],
			configuredKeys: new Map(),
			access: undefined,
			anonRole: "anon",
			upstream: undefined,
			corsOrigins: ["*"],
			profileAliases: new Map(),
			schemas: ["api"],
			maxStalenessMs: 5_000,
			outageStalenessMs: 3_600_000,
			storedFromAsk: 2,
			feedLocation: undefined,
			hasFeedRelays: false,
			cachesUntestedVersions: false,
			rateLimits: rateLimits.parse(""),
			sizeLimits: sizeLimits.parse(""),
			formRoles: {
				...{ exactCount: ["*"], queryPlan: ["*"] },
				...{ openapi: ["*"], noCache: ["*"] },
			},
			causalCookie: false,
			explainRoles: ["service"],
			requestLog: "failures",
			metricsToken: undefined,
			serverTimingRoles: [],
		});
	});

	it("keeps the given keys", () => {
		const { origin, tokens } = parseConfig(ENV);
		expect([origin.signingKey, tokens.jwks]).toEqual([
			ORIGIN_KEY.privateJwk,
			{ keys: [ISSUER_KEY.publicJwk] },
		]);
	});

	it("is parsed into a frozen configuration", () => {
		expect(Object.isFrozen(parseConfig(ENV))).toBe(true);
	});

	it("may have variables that the gateway does not know", () => {
		expect(faultsOf({ SOMETHING_ELSE: 1 })).toEqual({});
	});
});

describe("the parser of settings", () => {
	it.each([
		["ORIGIN_TIMEOUT_MS", "250", 250],
		["ORIGIN_TIMEOUT_MS", 250, 250],
		["ORIGIN_TIMEOUT_MS", "600000", 600_000],
	])("takes %s: %j is %j milliseconds", (name, given, expected) => {
		expect(parseConfig({ ...ENV, [name]: given }).origin.timeoutMs).toBe(
			expected,
		);
	});

	it("takes TOKEN_ISSUER and TOKEN_AUDIENCE", () => {
		const { tokens } = parseConfig({
			...ENV,
			TOKEN_ISSUER: "https://issuer.example",
			TOKEN_AUDIENCE: "notes",
		});
		expect([tokens.issuer, tokens.audience]).toEqual([
			"https://issuer.example",
			"notes",
		]);
	});

	it("takes the words of TOKEN_ROLES without the spaces around them", () => {
		const { tokens } = parseConfig({ ...ENV, TOKEN_ROLES: "clerk , manager" });
		expect(tokens.roles).toEqual(["clerk", "manager"]);
	});

	it("takes ANON_ROLE", () => {
		expect(parseConfig({ ...ENV, ANON_ROLE: "visitor" }).anonRole).toBe(
			"visitor",
		);
	});

	it("takes the pairs of PROFILE_ALIASES", () => {
		const PROFILE_ALIASES = "public=api, private=inner";
		expect([
			...parseConfig({ ...ENV, PROFILE_ALIASES }).profileAliases,
		]).toEqual([
			["public", "api"],
			["private", "inner"],
		]);
	});

	it("keeps the order of the schemas in DB_SCHEMAS", () => {
		expect(parseConfig({ ...ENV, DB_SCHEMAS: "v2, api,v1" }).schemas).toEqual([
			"v2",
			"api",
			"v1",
		]);
	});

	it.each([
		["1", 1_000],
		["5", 5_000],
		["3600", 3_600_000],
		[60, 60_000],
	])(
		"takes MAX_STALENESS_SECONDS: %j is %i milliseconds",
		(given, expected) => {
			const { maxStalenessMs } = parseConfig({
				...ENV,
				MAX_STALENESS_SECONDS: given,
			});
			expect(maxStalenessMs).toBe(expected);
		},
	);

	it.each([
		["0", 0],
		["86400", 86_400_000],
	])(
		"takes OUTAGE_STALENESS_SECONDS: %j is %i milliseconds",
		(given, expected) => {
			const env = { ...ENV, OUTAGE_STALENESS_SECONDS: given };
			expect(parseConfig(env).outageStalenessMs).toBe(expected);
		},
	);

	it("takes KV_FROM_ASK", () => {
		const { storedFromAsk } = parseConfig({ ...ENV, KV_FROM_ASK: "1" });
		expect(storedFromAsk).toBe(1);
	});

	it.each([
		...["wnam", "enam", "sam", "weur", "eeur", "apac"],
		...["apac-ne", "apac-se", "oc", "afr", "me"],
	])("takes FEED_LOCATION: %s", (FEED_LOCATION) => {
		expect(parseConfig({ ...ENV, FEED_LOCATION }).feedLocation).toBe(
			FEED_LOCATION,
		);
	});

	it.each([
		["on", true],
		["off", false],
	])("takes CAUSAL_COOKIE: %s", (CAUSAL_COOKIE, expected) => {
		expect(parseConfig({ ...ENV, CAUSAL_COOKIE }).causalCookie).toBe(expected);
	});

	it("takes the words of EXPLAIN_ROLES", () => {
		const EXPLAIN_ROLES = "service , auditor";
		expect(parseConfig({ ...ENV, EXPLAIN_ROLES }).explainRoles).toEqual([
			"service",
			"auditor",
		]);
	});

	it("takes * for every role in EXPLAIN_ROLES", () => {
		const { explainRoles } = parseConfig({ ...ENV, EXPLAIN_ROLES: "*" });
		expect(explainRoles).toEqual(["*"]);
	});

	it("takes several CORS_ORIGINS", () => {
		const CORS_ORIGINS = "https://a.example,http://localhost:5173";
		expect(parseConfig({ ...ENV, CORS_ORIGINS }).corsOrigins).toEqual([
			"https://a.example",
			"http://localhost:5173",
		]);
	});

	it("takes both halves of the Access service token", () => {
		const { origin } = parseConfig({
			...ENV,
			ORIGIN_ACCESS_CLIENT_ID: "id.access",
			ORIGIN_ACCESS_CLIENT_SECRET: "secret",
		});
		expect(origin.access).toEqual({
			clientId: "id.access",
			clientSecret: "secret",
		});
	});

	it("takes ORIGIN_API_KEY", () => {
		const ORIGIN_API_KEY = "sb_publishable_ACJWlzQHlZjBrEguHvfOxg_test";
		expect(parseConfig({ ...ENV, ORIGIN_API_KEY }).origin.apiKey).toBe(
			ORIGIN_API_KEY,
		);
	});

	it("takes a TOKEN_SIGNING_KEY whose public half is in TOKEN_JWKS", () => {
		const { tokens } = parseConfig({ ...ENV, TOKEN_SIGNING_KEY });
		expect(tokens.signingKey).toEqual(ISSUER_KEY.privateJwk);
	});

	it("takes a TOKEN_SIGNING_KEY that is in TOKEN_JWKS with the next one", () => {
		const TOKEN_JWKS = JSON.stringify({
			keys: [ORIGIN_KEY.publicJwk, ISSUER_KEY.publicJwk],
		});
		expect(faultsOf({ TOKEN_SIGNING_KEY, TOKEN_JWKS })).toEqual({});
	});

	it.each([
		["60", 60],
		["86400", 86_400],
		[120, 120],
	])("takes TOKEN_LIFETIME_SECONDS: %j is %j seconds", (given, expected) => {
		const { tokens } = parseConfig({ ...ENV, TOKEN_LIFETIME_SECONDS: given });
		expect(tokens.lifetimeSeconds).toBe(expected);
	});

	it.each([
		["4", 4],
		[12, 12],
		["15", 15],
	])("takes BCRYPT_COST: %j is %j", (BCRYPT_COST, expected) => {
		expect(parseConfig({ ...ENV, BCRYPT_COST }).bcryptCost).toBe(expected);
	});

	it("keeps the path of ORIGIN_URL", () => {
		const { origin } = parseConfig({
			...ENV,
			ORIGIN_URL: "https://db.example/postgrest",
		});
		expect(origin.url.href).toBe("https://db.example/postgrest");
	});
});

describe("plain http", () => {
	const ORIGIN = { fetch: () => undefined };

	it.each([
		"http://127.0.0.1:3000",
		"http://localhost:3000",
		"http://[::1]:3000",
	])("may reach this machine: %s", (ORIGIN_URL) => {
		expect(faultsOf({ ORIGIN_URL })).toEqual({});
	});

	it.each([
		"http://postgrest:3000",
		"http://localhost.evil.example",
		"http://127.0.0.1.evil.example",
		"http://10.0.0.1",
	])("may not reach another machine: %s", (ORIGIN_URL) => {
		expect(faultsOf({ ORIGIN_URL })).toEqual({
			ORIGIN_URL:
				"is plain http to another machine; use https or the ORIGIN binding",
		});
	});

	it("may name any machine if there is the ORIGIN binding", () => {
		expect(faultsOf({ ORIGIN_URL: "http://postgrest:3000", ORIGIN })).toEqual(
			{},
		);
	});

	it("has to be a URL even if there is the ORIGIN binding", () => {
		expect(faultsOf({ ORIGIN_URL: "postgrest", ORIGIN })).toEqual({
			ORIGIN_URL: "is not an http(s) URL",
		});
	});
});

describe("a wrong variable", () => {
	const NO_CALLER =
		"names a role that no caller may have (authenticator, postern, postgres)";
	const NO_ALIAS = "has an entry that is not like public=api";
	const NOT_PUBLISHED = "has its public half not in TOKEN_JWKS";
	const NO_LOCATION =
		"is none of wnam, enam, sam, weur, eeur, apac, apac-ne, apac-se, oc, afr, me";
	const NO_ORIGIN =
		"has an entry that is not an origin like https://app.example.com";

	it.each([
		["ORIGIN_URL", "", "is not an http(s) URL"],
		["ORIGIN_URL", "db.example", "is not an http(s) URL"],
		["ORIGIN_URL", "ftp://db.example", "is not an http(s) URL"],
		["ORIGIN_URL", "https://", "is not an http(s) URL"],
		["ORIGIN_URL", 5, "is not an http(s) URL"],
		["ORIGIN_URL", "https://db.example/?a=1", "has a query or a fragment"],
		["ORIGIN_URL", "https://db.example/#a", "has a query or a fragment"],
		["ORIGIN_URL", "https://u:p@db.example", "has credentials in it"],
		["ORIGIN_URL", "https://u@db.example", "has credentials in it"],
		["ORIGIN_SIGNING_KEY", 5, "is not text"],
		["ORIGIN_SIGNING_KEY", "", "is not JSON"],
		["ORIGIN_SIGNING_KEY", "{", "is not JSON"],
		["ORIGIN_SIGNING_KEY", "null", "is not a key"],
		["ORIGIN_SIGNING_KEY", '"text"', "is not a key"],
		["ORIGIN_SIGNING_KEY", signingKeyWith({ kty: "OKP" }), "is not an EC key"],
		["ORIGIN_SIGNING_KEY", signingKeyWith({ kty: "RSA" }), "has no valid n"],
		["ORIGIN_JWT_SECRET", "x".repeat(32), "is there beside ORIGIN_SIGNING_KEY"],
		["ORIGIN_CLAIMS", "both", "is neither gateway nor caller"],
		["ORIGIN_SIGNING_KEY", signingKeyWith({ crv: "P-384" }), "is not on P-256"],
		["ORIGIN_SIGNING_KEY", signingKeyWith({ kid: undefined }), "has no kid"],
		["ORIGIN_SIGNING_KEY", signingKeyWith({ kid: 1 }), "has no kid"],
		["ORIGIN_SIGNING_KEY", signingKeyWith({ x: "short" }), "has no valid x"],
		["ORIGIN_SIGNING_KEY", signingKeyWith({ y: undefined }), "has no valid y"],
		[
			"ORIGIN_SIGNING_KEY",
			JSON.stringify(ORIGIN_KEY.publicJwk),
			"is not a private key",
		],
		["TOKEN_JWKS", 5, "is not text"],
		["TOKEN_JWKS", "{", "is not JSON"],
		["TOKEN_JWKS", "[]", "is not a key set"],
		["TOKEN_JWKS", "{}", "has no keys"],
		["TOKEN_JWKS", '{"keys":[]}', "has no key"],
		["TOKEN_JWKS", '{"keys":[1]}', "has a key that is not an object"],
		["TOKEN_JWKS", jwksWith({ kty: "oct" }), "has a key that is not an EC key"],
		[
			"TOKEN_JWKS",
			jwksWith({ crv: "P-521" }),
			"has a key that is not on P-256",
		],
		["TOKEN_JWKS", jwksWith({ kid: undefined }), "has a key without kid"],
		["TOKEN_JWKS", jwksWith({ x: undefined }), "has a key without a valid x"],
		["TOKEN_JWKS", jwksWith({ y: "" }), "has a key without a valid y"],
		[
			"TOKEN_JWKS",
			JSON.stringify({ keys: [ISSUER_KEY.privateJwk] }),
			"holds a private key; give the public one",
		],
		["ORIGIN_TIMEOUT_MS", "soon", "is not a number"],
		["ORIGIN_TIMEOUT_MS", "1.5", "is not a whole number"],
		["ORIGIN_TIMEOUT_MS", "", "is below 1"],
		["ORIGIN_TIMEOUT_MS", "0", "is below 1"],
		["ORIGIN_TIMEOUT_MS", "-1", "is below 1"],
		["ORIGIN_TIMEOUT_MS", "600001", "is above 600000"],
		["TOKEN_ISSUER", "", "is empty"],
		["TOKEN_ISSUER", 5, "is not text"],
		["TOKEN_AUDIENCE", "", "is empty"],
		["TOKEN_AUDIENCE", 5, "is not text"],
		["TOKEN_ROLES", "", "has an empty entry"],
		["TOKEN_ROLES", "anon,,authenticated", "has an empty entry"],
		["TOKEN_ROLES", 5, "is not text"],
		["TOKEN_ROLES", "anon,authenticator", NO_CALLER],
		["TOKEN_ROLES", "postern", NO_CALLER],
		["TOKEN_ROLES", "anon, postgres", NO_CALLER],
		["ANON_ROLE", "", "is empty"],
		["ANON_ROLE", "authenticator", NO_CALLER],
		["ANON_ROLE", "postern", NO_CALLER],
		["ANON_ROLE", "postgres", NO_CALLER],
		["TOKEN_SIGNING_KEY", 5, "is not text"],
		["TOKEN_SIGNING_KEY", "", "is not JSON"],
		["TOKEN_SIGNING_KEY", "[]", "is not a key"],
		["TOKEN_SIGNING_KEY", signingKeyWith({ kty: "oct" }), "is not an EC key"],
		["TOKEN_SIGNING_KEY", signingKeyWith({ crv: "P-384" }), "is not on P-256"],
		["TOKEN_SIGNING_KEY", signingKeyWith({ kid: undefined }), "has no kid"],
		["TOKEN_SIGNING_KEY", signingKeyWith({ x: "" }), "has no valid x"],
		["TOKEN_SIGNING_KEY", signingKeyWith({ y: 1 }), "has no valid y"],
		[
			"TOKEN_SIGNING_KEY",
			JSON.stringify(ISSUER_KEY.publicJwk),
			"is not a private key",
		],
		["TOKEN_SIGNING_KEY", signingKeyWith({}), NOT_PUBLISHED],
		[
			"TOKEN_SIGNING_KEY",
			signingKeyWith({ kid: ISSUER_KEY.kid }),
			NOT_PUBLISHED,
		],
		[
			"TOKEN_SIGNING_KEY",
			JSON.stringify({ ...ISSUER_KEY.privateJwk, kid: "other" }),
			NOT_PUBLISHED,
		],
		["TOKEN_LIFETIME_SECONDS", "59", "is below 60"],
		["TOKEN_LIFETIME_SECONDS", "", "is below 60"],
		["TOKEN_LIFETIME_SECONDS", "86401", "is above 86400"],
		["TOKEN_LIFETIME_SECONDS", "90.5", "is not a whole number"],
		["TOKEN_LIFETIME_SECONDS", "10m", "is not a number"],
		["BCRYPT_COST", "3", "is below 4"],
		["BCRYPT_COST", "16", "is above 15"],
		["BCRYPT_COST", "10.5", "is not a whole number"],
		["BCRYPT_COST", "ten", "is not a number"],
		["PROFILE_ALIASES", "", "has an empty entry"],
		["PROFILE_ALIASES", "public", NO_ALIAS],
		["PROFILE_ALIASES", "public=", NO_ALIAS],
		["PROFILE_ALIASES", "=api", NO_ALIAS],
		["PROFILE_ALIASES", "public=api=api", NO_ALIAS],
		["PROFILE_ALIASES", "public=api,,", "has an empty entry"],
		["DB_SCHEMAS", "", "has an empty entry"],
		["DB_SCHEMAS", "api,,v2", "has an empty entry"],
		["DB_SCHEMAS", 5, "is not text"],
		["DB_SCHEMAS", "api,postern", "names postern, which is not for callers"],
		["DB_SCHEMAS", "api,v2,api", "names a schema twice"],
		["MAX_STALENESS_SECONDS", "", "is below 1"],
		["MAX_STALENESS_SECONDS", "0", "is below 1"],
		["MAX_STALENESS_SECONDS", "-5", "is below 1"],
		["MAX_STALENESS_SECONDS", "3601", "is above 3600"],
		["OUTAGE_STALENESS_SECONDS", "-1", "is below 0"],
		["OUTAGE_STALENESS_SECONDS", "86401", "is above 86400"],
		["KV_FROM_ASK", "0", "is below 1"],
		["KV_FROM_ASK", "3", "is above 2"],
		["MAX_STALENESS_SECONDS", "2.5", "is not a whole number"],
		["MAX_STALENESS_SECONDS", "5s", "is not a number"],
		["FEED_LOCATION", "", NO_LOCATION],
		["FEED_LOCATION", "WEUR", NO_LOCATION],
		["FEED_LOCATION", "frankfurt", NO_LOCATION],
		["FEED_LOCATION", 5, NO_LOCATION],
		["CAUSAL_COOKIE", "", "is neither on nor off"],
		["CAUSAL_COOKIE", "true", "is neither on nor off"],
		["CAUSAL_COOKIE", true, "is neither on nor off"],
		["CACHE_UNTESTED_VERSIONS", "19", "is neither on nor off"],
		["EXPLAIN_ROLES", "", "has an empty entry"],
		["EXPLAIN_ROLES", "service,", "has an empty entry"],
		["EXPLAIN_ROLES", "postern", NO_CALLER],
		["EXPLAIN_ROLES", "service,postgres", NO_CALLER],
		["CORS_ORIGINS", "", "has an empty entry"],
		["CORS_ORIGINS", "https://a.example,", "has an empty entry"],
		["CORS_ORIGINS", "https://a.example/", NO_ORIGIN],
		["CORS_ORIGINS", "a.example", NO_ORIGIN],
		["CORS_ORIGINS", "null", NO_ORIGIN],
	])("%s, row %#", (name, given, fault) => {
		expect(faultsOf({ [name]: given })).toEqual({ [name]: fault });
	});

	it.each(["ORIGIN_URL", "ORIGIN_SIGNING_KEY", "TOKEN_JWKS"] as const)(
		"%s is missing",
		(name) => {
			const { [name]: _, ...others } = ENV;
			expect(() => parseConfig(others)).toThrow(`${name} is missing`);
		},
	);

	it.each([
		["ORIGIN_ACCESS_CLIENT_ID", "ORIGIN_ACCESS_CLIENT_SECRET"],
		["ORIGIN_ACCESS_CLIENT_SECRET", "ORIGIN_ACCESS_CLIENT_ID"],
	])("%s needs %s", (given, missing) => {
		expect(faultsOf({ [given]: "half" })).toEqual({
			[missing]: `is missing, while ${given} is there`,
		});
	});

	it.each(["ORIGIN_ACCESS_CLIENT_ID", "ORIGIN_ACCESS_CLIENT_SECRET"])(
		"%s is empty",
		(name) => {
			const both = {
				ORIGIN_ACCESS_CLIENT_ID: "id",
				ORIGIN_ACCESS_CLIENT_SECRET: "secret",
			};
			expect(faultsOf({ ...both, [name]: "" })).toEqual({ [name]: "is empty" });
		},
	);

	it.each([
		["", "is empty"],
		[5, "is not text"],
		["a key", "has a character that is no visible ASCII"],
		["key\n", "has a character that is no visible ASCII"],
		["schlüssel", "has a character that is no visible ASCII"],
	])("ORIGIN_API_KEY: %j is wrong", (ORIGIN_API_KEY, fault) => {
		expect(faultsOf({ ORIGIN_API_KEY })).toEqual({ ORIGIN_API_KEY: fault });
	});
});

const NO_FIELD = "0 is not an object of known fields";

/** The smallest entry of ISSUERS. */
const LOGIN = {
	issuer: "https://login.example",
	audience: "notes",
	jwksUrl: "https://login.example/keys",
};
const LOGIN_JWKS = { keys: [ISSUER_KEY.publicJwk] };
const LOGIN_SECRET = "a secret of thirty-two characters";

/** ISSUERS with one entry: LOGIN with these fields added or replaced. */
function issuersWith(changes: Record<string, unknown>): string {
	return JSON.stringify([{ ...LOGIN, ...changes }]);
}

describe("ISSUERS", () => {
	/** The second issuer: the first is Postern itself. */
	function read(changes: Record<string, unknown>) {
		const [, issuer] = parseConfig({
			...ENV,
			ISSUERS: issuersWith(changes),
		}).issuers;
		return issuer;
	}

	it("has the documented defaults", () => {
		expect(read({})).toEqual({
			issuer: "https://login.example",
			audience: ["notes"],
			algorithms: ["ES256", "RS256"],
			keys: { kind: "url", url: new URL("https://login.example/keys") },
			role: { claim: ["role"] },
			roles: ["anon", "authenticated"],
		});
	});

	it("takes keys", () => {
		const { keys } = read({ jwksUrl: undefined, jwks: LOGIN_JWKS }) ?? {};
		expect(keys).toEqual({ kind: "jwks", jwks: LOGIN_JWKS });
	});

	it("takes a secret, for HS256 only", () => {
		const issuer = read({ jwksUrl: undefined, secret: LOGIN_SECRET });
		expect([issuer?.keys, issuer?.algorithms]).toEqual([
			{ kind: "secret", secret: new TextEncoder().encode(LOGIN_SECRET) },
			["HS256"],
		]);
	});

	it("takes a secret of 32 characters", () => {
		const ISSUERS = issuersWith({
			jwksUrl: undefined,
			secret: "x".repeat(32),
		});
		expect(faultsOf({ ISSUERS })).toEqual({});
	});

	it.each(["ES256", "ES384", "RS256", "PS256", "EdDSA", "Ed25519"])(
		"takes the algorithm %s",
		(algorithm) => {
			expect(read({ algorithms: [algorithm] })?.algorithms).toEqual([
				algorithm,
			]);
		},
	);

	it("takes several audiences", () => {
		expect(read({ audience: ["a", "b"] })?.audience).toEqual(["a", "b"]);
	});

	it("takes a claim by its name", () => {
		expect(read({ roleClaim: "https://app.example/role" })?.role).toEqual({
			claim: ["https://app.example/role"],
		});
	});

	it("takes a claim by its path", () => {
		expect(read({ roleClaim: ["app_metadata", "role"] })?.role).toEqual({
			claim: ["app_metadata", "role"],
		});
	});

	it("takes one role for all of an issuer's callers", () => {
		expect(read({ role: "clerk" })?.role).toEqual({ fixed: "clerk" });
	});

	it("takes the list of roles that a token may name", () => {
		expect(read({ roles: ["clerk", "service"] })?.roles).toEqual([
			"clerk",
			"service",
		]);
	});

	it("may name a JWKS at plain http on this machine", () => {
		const ISSUERS = issuersWith({ jwksUrl: "http://127.0.0.1:9000/keys" });
		expect(faultsOf({ ISSUERS })).toEqual({});
	});

	it("may have several entries, which follow Postern itself", () => {
		const ISSUERS = JSON.stringify([LOGIN, { ...LOGIN, issuer: "second" }]);
		const { issuers } = parseConfig({ ...ENV, ISSUERS });
		expect(issuers.map(({ issuer }) => issuer)).toEqual([
			"postern",
			"https://login.example",
			"second",
		]);
	});

	const HASH = "0123456789abcdef".repeat(4);

	/** What ISSUERS is refused for, with this entry of a Supabase project alone. */
	const faultOf = (changes: object) =>
		faultsOf({
			ISSUERS: JSON.stringify([
				{ supabase: "https://x.supabase.co", ...changes },
			]),
		}).ISSUERS;

	it("takes a Supabase project", () => {
		expect(
			faultOf({
				secret: LOGIN_SECRET,
				publishableKeys: [HASH],
				secretKeys: [HASH.replace("0", "1")],
			}),
		).toBeUndefined();
		expect(faultOf({})).toBeUndefined();
	});

	it.each<[object, string]>([
		[{ supabase: "x" }, "0.supabase is not an http(s) URL"],
		[
			{ supabase: "http://x.example" },
			"0.supabase is plain http to another machine",
		],
		[
			{ supabase: "https://x.example?a=b" },
			"0.supabase has a query or a fragment",
		],
		[{ secret: "short" }, "0.secret is shorter than 32 characters"],
		[{ audience: "x" }, "0 is not an object of known fields"],
		[{ roles: [] }, "0.roles is an empty list"],
		[
			{ roles: ["postern"] },
			"0.roles.0 names a role that no caller may have (authenticator, postern, postgres)",
		],
		[
			{ secretKeys: ["sb_secret_x"] },
			"0.secretKeys.0 is not a SHA-256 in lower-case hex",
		],
		[
			{ publishableKeys: [HASH], secretKeys: [HASH] },
			"0 has one key as publishable and as secret",
		],
	])("refuses a Supabase project with %j", (changes, fault) => {
		expect(faultOf(changes)).toBe(fault);
	});

	it("refuses two projects whose legacy keys have one issuer", () => {
		const project = (name: string) => ({
			supabase: `https://${name}.supabase.co`,
			secret: LOGIN_SECRET,
		});
		expect(
			faultsOf({ ISSUERS: JSON.stringify([project("a"), project("b")]) }),
		).toEqual({ ISSUERS: "names an issuer twice" });
	});

	it("takes an issuer without audience by name only", () => {
		const without = { audience: undefined };
		const fault = "0 needs one of audience and anyAudience";
		const faults = [
			without,
			{ ...without, anyAudience: true },
			{ ...without, anyAudience: false },
			{ anyAudience: true },
		].map((changes) => faultsOf({ ISSUERS: issuersWith(changes) }).ISSUERS);
		expect(faults).toEqual([
			fault,
			undefined,
			"0.anyAudience is not true",
			fault,
		]);
	});

	const NO_LIST = "is neither a text nor a list of texts";
	const NO_CALLER =
		"names a role that no caller may have (authenticator, postern, postgres)";
	const NO_ALGORITHM = "is not an algorithm that Postern accepts";
	const NOT_FOR_KIND = "has an algorithm that is not for its kind of key";
	const ONE_OF = "needs one of jwksUrl, jwks and secret";
	const NO_URL = "is not an http(s) URL";
	const ROLE_TWICE = "has role besides roleClaim or roles";
	const secret = { jwksUrl: undefined, secret: LOGIN_SECRET };
	const jwks = (keys: unknown) => ({ jwksUrl: undefined, jwks: { keys } });

	it.each<[string, Record<string, unknown>, string]>([
		["issuer", { issuer: undefined }, "0.issuer is not text"],
		["issuer", { issuer: "" }, "0.issuer is empty"],
		["issuer", { issuer: ["a"] }, "0.issuer is not text"],
		[
			"audience",
			{ audience: undefined },
			"0 needs one of audience and anyAudience",
		],
		["audience", { audience: "" }, `0.audience ${NO_LIST}`],
		["audience", { audience: [] }, "0.audience is an empty list"],
		["audience", { audience: ["a", 1] }, `0.audience ${NO_LIST}`],
		["jwksUrl", { jwksUrl: "keys" }, `0.jwksUrl ${NO_URL}`],
		["jwksUrl", { jwksUrl: 1 }, `0.jwksUrl ${NO_URL}`],
		["jwksUrl", { jwksUrl: "file:///keys" }, `0.jwksUrl ${NO_URL}`],
		[
			"jwksUrl",
			{ jwksUrl: "http://login.example/keys" },
			"0.jwksUrl is plain http to another machine",
		],
		["jwks", { jwksUrl: undefined, jwks: [] }, "0.jwks is not a key set"],
		["jwks", jwks({}), "0.jwks.keys is not a list"],
		["jwks", jwks([]), "0.jwks.keys is an empty list"],
		["jwks", jwks([1]), "0.jwks.keys.0 is not a key"],
		["jwks", jwks([{}]), "0.jwks.keys.0.kty is not text"],
		[
			"jwks",
			jwks([ISSUER_KEY.privateJwk]),
			"0.jwks.keys.0 holds a private key; give the public one",
		],
		[
			"jwks",
			jwks([{ kty: "oct", k: "c2VjcmV0" }]),
			"0.jwks.keys.0 holds a private key; give the public one",
		],
		[
			"secret",
			{ ...secret, secret: "x".repeat(31) },
			"0.secret is shorter than 32 characters",
		],
		["secret", { ...secret, secret: 1 }, "0.secret is not text"],
		["no key", { jwksUrl: undefined }, `0 ${ONE_OF}`],
		["two kinds of key", { jwks: LOGIN_JWKS }, `0 ${ONE_OF}`],
		["two kinds of key", { secret: LOGIN_SECRET }, `0 ${ONE_OF}`],
		[
			"three kinds of key",
			{ jwks: LOGIN_JWKS, secret: LOGIN_SECRET },
			`0 ${ONE_OF}`,
		],
		["algorithms", { algorithms: "ES256" }, "0.algorithms is not a list"],
		["algorithms", { algorithms: [] }, "0.algorithms is an empty list"],
		...["none", "HS384", "HS512", "ES512", "es256", "RS1", 1].map(
			(algorithm): [string, Record<string, unknown>, string] => [
				`algorithm ${algorithm}`,
				{ algorithms: ["ES256", algorithm] },
				`0.algorithms.1 ${NO_ALGORITHM}`,
			],
		),
		["HS256 for a URL", { algorithms: ["HS256"] }, `0 ${NOT_FOR_KIND}`],
		[
			"HS256 besides another",
			{ algorithms: ["RS256", "HS256"] },
			`0 ${NOT_FOR_KIND}`,
		],
		[
			"HS256 for keys",
			{ ...jwks(LOGIN_JWKS.keys), algorithms: ["HS256"] },
			`0 ${NOT_FOR_KIND}`,
		],
		[
			"ES256 for a secret",
			{ ...secret, algorithms: ["ES256"] },
			`0 ${NOT_FOR_KIND}`,
		],
		[
			"HS256 and ES256 for a secret",
			{ ...secret, algorithms: ["HS256", "ES256"] },
			`0 ${NOT_FOR_KIND}`,
		],
		["roleClaim", { roleClaim: "" }, `0.roleClaim ${NO_LIST}`],
		["roleClaim", { roleClaim: [] }, "0.roleClaim is an empty list"],
		["roleClaim", { roleClaim: [1] }, `0.roleClaim ${NO_LIST}`],
		["role", { role: "" }, "0.role is empty"],
		["role", { role: "postgres" }, `0.role ${NO_CALLER}`],
		["role and roles", { role: "a", roles: ["a"] }, `0 ${ROLE_TWICE}`],
		["role and roleClaim", { role: "a", roleClaim: "r" }, `0 ${ROLE_TWICE}`],
		["roles", { roles: "clerk" }, "0.roles is not a list"],
		["roles", { roles: [] }, "0.roles is an empty list"],
		["roles", { roles: ["a", "postern"] }, `0.roles.1 ${NO_CALLER}`],
		["roles", { roles: ["authenticator"] }, `0.roles.0 ${NO_CALLER}`],
		["an unknown field", { keys: [] }, NO_FIELD],
		["a field in other letters", { jwksurl: LOGIN.jwksUrl }, NO_FIELD],
		[
			"itself",
			{ issuer: "postern" },
			"names TOKEN_ISSUER, which is Postern itself",
		],
	])("is wrong in %s, row %#", (_, changes, fault) => {
		expect(faultsOf({ ISSUERS: issuersWith(changes) })).toEqual({
			ISSUERS: fault,
		});
	});

	it.each([
		[5, "is not text"],
		["", "is not JSON"],
		["{}", "is not a list"],
		["[]", "is an empty list"],
		["[1]", NO_FIELD],
		[JSON.stringify([LOGIN, { ...LOGIN }]), "names an issuer twice"],
	])("is wrong as %j", (ISSUERS, fault) => {
		expect(faultsOf({ ISSUERS })).toEqual({ ISSUERS: fault });
	});

	it("is refused with the name of the wrong entry", () => {
		const ISSUERS = JSON.stringify([LOGIN, { ...LOGIN, issuer: "" }]);
		expect(faultsOf({ ISSUERS })).toEqual({ ISSUERS: "1.issuer is empty" });
	});
});

describe("Cloudflare Access", () => {
	const TEAM = {
		ACCESS_TEAM_URL: "https://team.cloudflareaccess.example",
		ACCESS_AUDIENCE: "4714c1358e65fe4b",
	};

	it("is an issuer of RS256 tokens with the keys of the team", () => {
		expect(parseConfig({ ...ENV, ...TEAM }).access).toEqual({
			issuer: "https://team.cloudflareaccess.example",
			audience: ["4714c1358e65fe4b"],
			algorithms: ["RS256"],
			keys: {
				kind: "url",
				url: new URL(
					"https://team.cloudflareaccess.example/cdn-cgi/access/certs",
				),
			},
			role: { fixed: "authenticated" },
			roles: ["authenticated"],
		});
	});

	it("does not issue bearer tokens", () => {
		expect(parseConfig({ ...ENV, ...TEAM }).issuers).toHaveLength(1);
	});

	it("gives its callers ACCESS_ROLE", () => {
		const { access } = parseConfig({ ...ENV, ...TEAM, ACCESS_ROLE: "clerk" });
		expect(access?.role).toEqual({ fixed: "clerk" });
	});

	it("is not configured by ACCESS_ROLE alone", () => {
		expect(
			parseConfig({ ...ENV, ACCESS_ROLE: "clerk" }).access,
		).toBeUndefined();
	});

	it.each([
		["ACCESS_TEAM_URL", "ACCESS_AUDIENCE"],
		["ACCESS_AUDIENCE", "ACCESS_TEAM_URL"],
	] as const)("%s needs %s", (given, missing) => {
		expect(faultsOf({ [given]: TEAM[given] })).toEqual({
			[missing]: `is missing, while ${given} is there`,
		});
	});

	it.each([
		["ACCESS_TEAM_URL", "", "is not an http(s) URL"],
		[
			"ACCESS_TEAM_URL",
			"team.cloudflareaccess.example",
			"is not an http(s) URL",
		],
		["ACCESS_TEAM_URL", 5, "is not an http(s) URL"],
		[
			"ACCESS_TEAM_URL",
			"http://team.cloudflareaccess.example",
			"is plain http to another machine",
		],
		[
			"ACCESS_TEAM_URL",
			"https://team.cloudflareaccess.example/cdn-cgi/access/certs",
			"has more than a host",
		],
		[
			"ACCESS_TEAM_URL",
			"https://team.cloudflareaccess.example/?a=1",
			"has more than a host",
		],
		["ACCESS_AUDIENCE", "", "is empty"],
		["ACCESS_AUDIENCE", 5, "is not text"],
		["ACCESS_ROLE", "", "is empty"],
		[
			"ACCESS_ROLE",
			"postgres",
			"names a role that no caller may have (authenticator, postern, postgres)",
		],
	])("%s: %j is wrong", (name, given, fault) => {
		expect(faultsOf({ ...TEAM, [name]: given })).toEqual({ [name]: fault });
	});
});

describe("the error of wrong settings", () => {
	const secret = "s3cr3t-s3cr3t-s3cr3t";
	const everythingWrong = {
		ORIGIN_URL: `http://${secret}@postgrest:3000`,
		ORIGIN_SIGNING_KEY: `{"d":"${secret}"`,
		ORIGIN_API_KEY: `${secret}\n`,
		ORIGIN_ACCESS_CLIENT_SECRET: secret,
		ORIGIN_TIMEOUT_MS: "soon",
		TOKEN_JWKS: jwksWith({ d: secret }),
		TOKEN_ISSUER: "",
		TOKEN_AUDIENCE: "",
		TOKEN_ROLES: "postgres",
		TOKEN_SIGNING_KEY: `{"d":"${secret}"`,
		TOKEN_LIFETIME_SECONDS: "soon",
		BCRYPT_COST: "much",
		ISSUERS: issuersWith({ secret }),
		ACCESS_TEAM_URL: "https://team.example/a?b",
		ACCESS_AUDIENCE: "",
		ACCESS_ROLE: "postgres",
		ANON_ROLE: "postgres",
		CORS_ORIGINS: "",
	};

	it("names every bad variable at once", () => {
		expect(Object.keys(faultsOf(everythingWrong)).sort()).toEqual(
			[
				...Object.keys(everythingWrong).filter(
					(name) => name !== "ORIGIN_ACCESS_CLIENT_SECRET",
				),
				"ORIGIN_ACCESS_CLIENT_ID",
			].sort(),
		);
	});

	it("names a secret of the origin's that is too short", () => {
		const { ORIGIN_SIGNING_KEY: _, ...others } = ENV;
		expect(() => parseConfig({ ...others, ORIGIN_JWT_SECRET: "x" })).toThrow(
			"ORIGIN_JWT_SECRET is shorter than 32 characters",
		);
	});

	it("says what is wrong, a line for each variable", () => {
		expect(() => parseConfig({})).toThrow(
			"The gateway's configuration is wrong:\n  ORIGIN_URL is missing\n  ORIGIN_SIGNING_KEY is missing\n  TOKEN_JWKS is missing",
		);
	});

	it("never repeats a value", () => {
		expect(JSON.stringify(faultsOf(everythingWrong))).not.toContain(secret);
	});

	it.each([
		["a short secret", issuersWith({ jwksUrl: undefined, secret })],
		["a secret too many", issuersWith({ secret: secret + secret })],
		["a secret as a field", issuersWith({ [secret]: 1 })],
		[
			"a secret as a name",
			issuersWith({
				issuer: "postern",
				jwksUrl: undefined,
				secret: secret + secret,
			}),
		],
		["a secret as an algorithm", issuersWith({ algorithms: [secret] })],
		[
			"a private key",
			issuersWith({
				jwksUrl: undefined,
				jwks: { keys: [{ kty: "EC", d: secret }] },
			}),
		],
		["broken JSON", `[{"secret":"${secret}"`],
	])("never repeats a secret of ISSUERS: %s", (_, ISSUERS) => {
		expect(() => parseConfig({ ...ENV, ISSUERS })).toThrow("ISSUERS");
		expect(JSON.stringify(faultsOf({ ISSUERS }))).not.toContain(secret);
	});
});

describe("the feed's settings", () => {
	const FEED_ENV = {
		ORIGIN_URL: ENV.ORIGIN_URL,
		ORIGIN_SIGNING_KEY: ENV.ORIGIN_SIGNING_KEY,
	};

	it("are the Worker's settings for the same variables", () => {
		const feedSettings = parseFeedSettings(FEED_ENV);
		expect(parseConfig(ENV)).toMatchObject(feedSettings);
	});

	it("are refused for their own bad variables, and for no others", () => {
		const env = {
			ORIGIN_URL: "http://10.0.0.1",
			ORIGIN_ACCESS_CLIENT_ID: "a",
			DB_SCHEMAS: "api,api",
			ISSUERS: "?",
		};
		expect(() => parseFeedSettings(env)).toThrow(
			new ConfigError({
				ORIGIN_URL:
					"is plain http to another machine; use https or the ORIGIN binding",
				DB_SCHEMAS: "names a schema twice",
				ORIGIN_ACCESS_CLIENT_SECRET:
					"is missing, while ORIGIN_ACCESS_CLIENT_ID is there",
				ORIGIN_SIGNING_KEY: "is missing",
			}),
		);
	});

	it("let ORIGIN_URL name any machine if there is the ORIGIN binding", () => {
		const env = { ...FEED_ENV, ORIGIN_URL: "http://10.0.0.1", ORIGIN: {} };
		expect(parseFeedSettings(env).origin.url.host).toBe("10.0.0.1");
	});
});

describe("settings that contradict each other", () => {
	it("are a TOKEN_SIGNING_KEY and TOKEN_ROLES that refuse the users' role", () => {
		const variables = {
			TOKEN_SIGNING_KEY: JSON.stringify(ISSUER_KEY.privateJwk),
			TOKEN_ROLES: "anon,clerk",
		};
		expect(faultsOf(variables)).toEqual({
			TOKEN_ROLES: "lacks authenticated, which Postern's own users are",
		});
	});

	it("do not include TOKEN_ROLES without the users' role if there is no TOKEN_SIGNING_KEY", () => {
		expect(faultsOf({ TOKEN_ROLES: "anon,clerk" })).toEqual({});
	});

	it("are Access and Postern with the same issuer name", () => {
		const variables = {
			TOKEN_ISSUER: "https://team.cloudflareaccess.com",
			ACCESS_TEAM_URL: "https://team.cloudflareaccess.com",
			ACCESS_AUDIENCE: "app",
		};
		expect(faultsOf(variables)).toEqual({
			ACCESS_TEAM_URL: "is TOKEN_ISSUER, which is Postern itself",
		});
	});
});
