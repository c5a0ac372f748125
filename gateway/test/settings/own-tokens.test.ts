// UPSTREAM_URL, and what it turns off: Postern's own users, and the need for keys of its own tokens.
import { describe, expect, it } from "vitest";
import { ConfigError } from "../../src/settings/parse-variables.ts";
import { parseConfig } from "../../src/settings/settings.ts";
import { ENV } from "../support/gateway.ts";
import { ISSUER_KEY } from "../support/tokens.ts";

const { TOKEN_JWKS, ...ORIGIN } = ENV;
const UPSTREAM_URL = "https://project.supabase.co";
const ISSUERS = JSON.stringify([{ supabase: UPSTREAM_URL }]);

/** What is wrong with these variables, besides those of the origin. */
function faultsOf(variables: Record<string, unknown>): Record<string, string> {
	try {
		parseConfig({ ...ORIGIN, ...variables });
	} catch (error) {
		if (error instanceof ConfigError) return error.variables;
		throw error;
	}
	return {};
}

describe("UPSTREAM_URL", () => {
	it.each([
		["https://project.supabase.co", "https://project.supabase.co/"],
		["https://project.supabase.co/", "https://project.supabase.co/"],
		["https://db.example:8443", "https://db.example:8443/"],
		["http://127.0.0.1:54321", "http://127.0.0.1:54321/"],
	])("may be %s", (given, expected) => {
		const config = parseConfig({ ...ORIGIN, ISSUERS, UPSTREAM_URL: given });
		expect(config.upstream?.href).toBe(expected);
	});

	it.each([
		["", "is not an http(s) URL"],
		["project.supabase.co", "is not an http(s) URL"],
		["wss://project.supabase.co", "is not an http(s) URL"],
		[5, "is not an http(s) URL"],
		["http://kong:8000", "is plain http to another machine"],
		["https://project.supabase.co/rest/v1", "has more than a host"],
		["https://project.supabase.co/?a=b", "has more than a host"],
		["https://project.supabase.co/#a", "has more than a host"],
		["https://u:p@project.supabase.co", "has more than a host"],
	])("may not be %s", (given, fault) => {
		expect(faultsOf({ ISSUERS, UPSTREAM_URL: given })).toEqual({
			UPSTREAM_URL: fault,
		});
	});
});

describe("with UPSTREAM_URL", () => {
	it("the issuers are those of ISSUERS alone", () => {
		const { issuers } = parseConfig({ ...ORIGIN, ISSUERS, UPSTREAM_URL });
		expect(issuers.map(({ issuer }) => issuer)).toEqual([
			`${UPSTREAM_URL}/auth/v1`,
		]);
	});

	it("TOKEN_JWKS adds an issuer", () => {
		const { issuers } = parseConfig({
			...ORIGIN,
			ISSUERS,
			UPSTREAM_URL,
			TOKEN_JWKS,
			TOKEN_ISSUER: "https://login.example",
		});
		expect(issuers.map(({ issuer }) => issuer)).toEqual([
			"https://login.example",
			`${UPSTREAM_URL}/auth/v1`,
		]);
	});

	it.each([
		["TOKEN_JWKS", { TOKEN_JWKS }],
		[
			"Cloudflare Access",
			{
				ACCESS_TEAM_URL: "https://team.cloudflareaccess.com",
				ACCESS_AUDIENCE: "x",
			},
		],
	])("%s is issuer enough", (_, variables) => {
		expect(faultsOf({ UPSTREAM_URL, ...variables })).toEqual({});
	});

	it("an issuer is needed", () => {
		expect(faultsOf({ UPSTREAM_URL })).toEqual({
			ISSUERS:
				"is missing: with UPSTREAM_URL it says whose tokens are accepted, such as a Supabase project's",
		});
	});

	it.each([
		["TOKEN_SIGNING_KEY", JSON.stringify(ISSUER_KEY.privateJwk)],
		["TOKEN_LIFETIME_SECONDS", "600"],
		["BCRYPT_COST", "10"],
	])("%s is refused, and taken without it", (name, value) => {
		const variables = { TOKEN_JWKS, ISSUERS, [name]: value };
		expect([
			faultsOf({ ...variables, UPSTREAM_URL }),
			faultsOf(variables),
		]).toEqual([
			{ [name]: "is for Postern's own users, whom UPSTREAM_URL turns off" },
			{},
		]);
	});

	it.each([
		["TOKEN_ISSUER", "x"],
		["TOKEN_AUDIENCE", "x"],
		["TOKEN_ROLES", "anon"],
	])("%s needs TOKEN_JWKS", (name, value) => {
		const variables = { ISSUERS, UPSTREAM_URL, [name]: value };
		expect([
			faultsOf(variables),
			faultsOf({ ...variables, TOKEN_JWKS }),
		]).toEqual([
			{ [name]: "is for tokens of TOKEN_JWKS, which is missing" },
			{},
		]);
	});

	it("each wrong variable is named at once", () => {
		expect(
			Object.keys(
				faultsOf({ UPSTREAM_URL: "x", BCRYPT_COST: "10", ORIGIN_URL: "x" }),
			).sort(),
		).toEqual(["BCRYPT_COST", "ISSUERS", "ORIGIN_URL", "UPSTREAM_URL"]);
	});
});
