// Which variables of Postern's own tokens and users are there. With an upstream they are optional, or refused: then users sign in
// at the upstream, and the gateway signs no token of theirs.
import type { Faults } from "./parse-variables.ts";

/** Of users who sign in at the gateway. */
const OF_USERS = ["TOKEN_SIGNING_KEY", "TOKEN_LIFETIME_SECONDS", "BCRYPT_COST"];

/** Of tokens that TOKEN_JWKS verifies. */
const OF_TOKENS = ["TOKEN_ISSUER", "TOKEN_AUDIENCE", "TOKEN_ROLES"];

/** Each of them says whose callers are let in. */
const ISSUERS = ["TOKEN_JWKS", "ISSUERS", "ACCESS_TEAM_URL"];

export function faultsOfOwnTokens(env: object): Faults {
	const isGiven = (name: string) => Reflect.get(env, name) !== undefined;
	const hasJwks = isGiven("TOKEN_JWKS");
	if (!isGiven("UPSTREAM_URL"))
		return hasJwks ? {} : { TOKEN_JWKS: "is missing" };
	const faults: Faults = {};
	for (const name of OF_USERS.filter(isGiven))
		faults[name] = "is for Postern's own users, whom UPSTREAM_URL turns off";
	for (const name of hasJwks ? [] : OF_TOKENS.filter(isGiven))
		faults[name] = "is for tokens of TOKEN_JWKS, which is missing";
	if (!ISSUERS.some(isGiven))
		faults.ISSUERS =
			"is missing: with UPSTREAM_URL it says whose tokens are accepted, such as a Supabase project's";
	return faults;
}
