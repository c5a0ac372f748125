import { describe, expect, it } from "vitest";
import { ConfigError, readConfig } from "../src/config.ts";
import { ENV } from "./support/gateway.ts";
import { ISSUER_KEY, ORIGIN_KEY } from "./support/tokens.ts";

/** What readConfig says of ENV with these variables beside or instead of its own. */
function faultsOf(changes: Record<string, unknown>): Record<string, string> {
	try {
		readConfig({ ...ENV, ...changes });
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

describe("the least environment", () => {
	it("is enough", () => {
		expect(faultsOf({})).toEqual({});
	});

	it("gets the documented defaults", () => {
		const { origin, tokens, ...others } = readConfig(ENV);
		expect({
			timeoutMs: origin.timeoutMs,
			access: origin.access,
			issuer: tokens.issuer,
			audience: tokens.audience,
			roles: tokens.roles,
			...others,
		}).toEqual({
			timeoutMs: 30_000,
			access: undefined,
			issuer: "postern",
			audience: "authenticated",
			roles: ["anon", "authenticated"],
			anonRole: "anon",
			corsOrigins: ["*"],
		});
	});

	it("keeps the keys as they are given", () => {
		const { origin, tokens } = readConfig(ENV);
		expect([origin.signingKey, tokens.jwks]).toEqual([
			ORIGIN_KEY.privateJwk,
			{ keys: [ISSUER_KEY.publicJwk] },
		]);
	});

	it("becomes a frozen configuration", () => {
		expect(Object.isFrozen(readConfig(ENV))).toBe(true);
	});

	it("ignores variables that are not the gateway's", () => {
		expect(faultsOf({ SOMETHING_ELSE: 1 })).toEqual({});
	});
});

describe("a variable that is set", () => {
	it.each([
		["ORIGIN_TIMEOUT_MS", "250", 250],
		["ORIGIN_TIMEOUT_MS", 250, 250],
		["ORIGIN_TIMEOUT_MS", "600000", 600_000],
	])("%s: %j is %j milliseconds", (name, given, expected) => {
		expect(readConfig({ ...ENV, [name]: given }).origin.timeoutMs).toBe(
			expected,
		);
	});

	it("takes TOKEN_ISSUER and TOKEN_AUDIENCE", () => {
		const { tokens } = readConfig({
			...ENV,
			TOKEN_ISSUER: "https://issuer.example",
			TOKEN_AUDIENCE: "inventory",
		});
		expect([tokens.issuer, tokens.audience]).toEqual([
			"https://issuer.example",
			"inventory",
		]);
	});

	it("takes the words of TOKEN_ROLES without the space around them", () => {
		const { tokens } = readConfig({ ...ENV, TOKEN_ROLES: "clerk , manager" });
		expect(tokens.roles).toEqual(["clerk", "manager"]);
	});

	it("takes ANON_ROLE", () => {
		expect(readConfig({ ...ENV, ANON_ROLE: "visitor" }).anonRole).toBe(
			"visitor",
		);
	});

	it("takes several CORS_ORIGINS", () => {
		const CORS_ORIGINS = "https://a.example,http://localhost:5173";
		expect(readConfig({ ...ENV, CORS_ORIGINS }).corsOrigins).toEqual([
			"https://a.example",
			"http://localhost:5173",
		]);
	});

	it("takes both halves of the Access service token", () => {
		const { origin } = readConfig({
			...ENV,
			ORIGIN_ACCESS_CLIENT_ID: "id.access",
			ORIGIN_ACCESS_CLIENT_SECRET: "secret",
		});
		expect(origin.access).toEqual({
			clientId: "id.access",
			clientSecret: "secret",
		});
	});

	it("keeps the path of ORIGIN_URL", () => {
		const { origin } = readConfig({
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
	])("reaches this machine: %s", (ORIGIN_URL) => {
		expect(faultsOf({ ORIGIN_URL })).toEqual({});
	});

	it.each([
		"http://postgrest:3000",
		"http://localhost.evil.example",
		"http://127.0.0.1.evil.example",
		"http://10.0.0.1",
	])("reaches no other: %s", (ORIGIN_URL) => {
		expect(faultsOf({ ORIGIN_URL })).toEqual({
			ORIGIN_URL:
				"is plain http to another machine; use https or the ORIGIN binding",
		});
	});

	it("names any machine where the ORIGIN binding reaches it", () => {
		expect(faultsOf({ ORIGIN_URL: "http://postgrest:3000", ORIGIN })).toEqual(
			{},
		);
	});

	it("still has to be a URL where there is the ORIGIN binding", () => {
		expect(faultsOf({ ORIGIN_URL: "postgrest", ORIGIN })).toEqual({
			ORIGIN_URL: "is not an http(s) URL",
		});
	});
});

describe("a variable that is wrong", () => {
	const NO_CALLER =
		"names a role that no caller may have (authenticator, postern, postgres)";
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
		["ORIGIN_SIGNING_KEY", signingKeyWith({ kty: "RSA" }), "is not an EC key"],
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
			expect(() => readConfig(others)).toThrow(`${name} is missing`);
		},
	);

	it.each([
		["ORIGIN_ACCESS_CLIENT_ID", "ORIGIN_ACCESS_CLIENT_SECRET"],
		["ORIGIN_ACCESS_CLIENT_SECRET", "ORIGIN_ACCESS_CLIENT_ID"],
	])("%s needs %s", (given, missing) => {
		expect(faultsOf({ [given]: "half" })).toEqual({
			[missing]:
				"is missing, the other half of the Access service token is there",
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
});

describe("the error", () => {
	const secret = "s3cr3t-s3cr3t-s3cr3t";
	const everythingWrong = {
		ORIGIN_URL: `http://${secret}@postgrest:3000`,
		ORIGIN_SIGNING_KEY: `{"d":"${secret}"`,
		ORIGIN_ACCESS_CLIENT_SECRET: secret,
		ORIGIN_TIMEOUT_MS: "soon",
		TOKEN_JWKS: jwksWith({ d: secret }),
		TOKEN_ISSUER: "",
		TOKEN_AUDIENCE: "",
		TOKEN_ROLES: "postgres",
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

	it("says what is wrong, a line for each variable", () => {
		expect(() => readConfig({})).toThrow(
			"The gateway's configuration is wrong:\n  ORIGIN_URL is missing\n  ORIGIN_SIGNING_KEY is missing\n  TOKEN_JWKS is missing",
		);
	});

	it("never repeats a value", () => {
		expect(JSON.stringify(faultsOf(everythingWrong))).not.toContain(secret);
	});
});
