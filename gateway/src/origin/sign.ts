// Signs the origin token, with a key that PostgREST trusts. Unless the settings say otherwise it is short-lived and for one
// audience, and PostgREST accepts no other.
import { importJWK } from "jose";
import { BoundedMap } from "../cache/bounded-map.ts";
import { type Claims, hasClaims, type Identity } from "../identity/identity.ts";
import { signClaims } from "../identity/sign-claims.ts";
import type { OriginToken } from "../settings/origin-token.ts";

/**
 * A token lives this long and is reused for the first part of it, so that PostgREST's cache of verified tokens helps. Short, because
 * a function in the database can read the token and give it away.
 */
const LIFETIME_SECONDS = 90;
const REUSE_SECONDS = 60;

/** PostgREST lets clocks differ by 30 s. A token issued this long ago lets the Worker's clock be ahead by as much more. */
const ISSUED_AGO_SECONDS = 30;

/** How many identities one isolate remembers tokens for. */
const MAX_REMEMBERED = 1_000;

/** JWS algorithms (RFC 7518) by the kind of key (`kty`). */
const ALGORITHMS: Readonly<Record<string, string>> = {
	EC: "ES256",
	RSA: "RS256",
	oct: "HS256",
};

export type Sign = (identity: Identity) => Promise<string>;

/**
 * Builds the function that tells which of `aud`, `iat`, `jti` and `nbf` an origin token has, besides `exp`. An anonymous caller's
 * has none, since PostgREST's own anonymous role has `role` alone.
 * @param anonRole the role of anonymous callers, where there are any
 */
export function createTokenClaims(
	{ audience, claims: whose }: Pick<OriginToken, "audience" | "claims">,
	anonRole?: string,
) {
	const aud = audience === "" ? {} : { aud: audience };
	return function tokenClaimsOf(identity: Identity): Claims {
		const { role, claims, tokenClaims } = identity;
		if (whose === "caller" && tokenClaims !== undefined) return tokenClaims;
		return role === anonRole && !hasClaims(claims) ? {} : aud;
	};
}

/**
 * Builds the signer of origin tokens. Their claims are the identity's with `role`, `aud`, `iat` and `exp` set (RFC 7519); the
 * caller's token is never in them. An anonymous caller's has `role` and `exp` alone: a token without `exp` would be good for ever.
 * @param now the clock, in milliseconds since the epoch
 * @param anonRole the role of anonymous callers, where there are any
 */
export function createSign(
	settings: OriginToken,
	now: () => number,
	anonRole?: string,
): Sign {
	const { signingKey } = settings;
	const alg = ALGORITHMS[signingKey.kty ?? ""] ?? "";
	const kid = signingKey.kid === undefined ? {} : { kid: signingKey.kid };
	const tokenClaimsOf = createTokenClaims(settings, anonRole);
	const remembered = new BoundedMap<{ token: string; reuseUntil: number }>(
		MAX_REMEMBERED,
	);
	let key: Awaited<ReturnType<typeof importJWK>> | undefined;

	return async function sign(identity) {
		const { role, claims } = identity;
		const tokenClaims = tokenClaimsOf(identity);
		const name = JSON.stringify([role, claims, tokenClaims]);
		const seconds = Math.floor(now() / 1000);
		const known = remembered.get(name);
		if (known !== undefined && seconds < known.reuseUntil) return known.token;
		key ??= await importJWK(signingKey, alg);
		const isAnonymous = role === anonRole && !hasClaims(claims);
		const token = await signClaims(
			{
				...claims,
				exp: seconds + LIFETIME_SECONDS,
				...(isAnonymous ? {} : { iat: seconds - ISSUED_AGO_SECONDS }),
				...tokenClaims,
				...(isInFuture(tokenClaims.iat, seconds) ? { iat: seconds } : {}),
				role,
			},
			key,
			{ alg, ...kid },
		);
		const { exp } = tokenClaims;
		const endsAt = typeof exp === "number" ? exp : Number.POSITIVE_INFINITY;
		const reuseUntil = Math.min(seconds + REUSE_SECONDS, endsAt);
		remembered.set(name, { token, reuseUntil });
		return token;
	};
}

/** The gateway takes a caller's token with such an `iat`. PostgREST does not. */
function isInFuture(iat: unknown, seconds: number): boolean {
	return typeof iat === "number" && iat > seconds;
}
