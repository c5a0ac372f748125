// Signs the origin token: short-lived, ES256, for one audience. PostgREST accepts no other.
import { importJWK } from "jose";
import { BoundedMap } from "../cache/bounded-map.ts";
import {
	hasClaims,
	type Identity,
	ORIGIN_AUDIENCE,
} from "../identity/identity.ts";
import { signClaims } from "../identity/sign-claims.ts";
import type { OriginSettings } from "../settings/feed-settings.ts";

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

export type Sign = (identity: Identity) => Promise<string>;

/**
 * Builds the signer of origin tokens. Their claims are the identity's with `role`, `aud`, `iat` and `exp` set (RFC 7519); the
 * caller's token is never in them. An anonymous caller's has `role` and `exp` alone, since PostgREST's own anonymous role has
 * `role` alone, and a token without `exp` would be good for ever.
 * @param now the clock, in milliseconds since the epoch
 * @param anonRole the role of anonymous callers, where there are any
 */
export function createSign(
	{ signingKey }: OriginSettings,
	now: () => number,
	anonRole?: string,
): Sign {
	const remembered = new BoundedMap<{ token: string; reuseUntil: number }>(
		MAX_REMEMBERED,
	);
	let key: Awaited<ReturnType<typeof importJWK>> | undefined;

	return async function sign({ role, claims }) {
		const name = JSON.stringify([role, claims]);
		const seconds = Math.floor(now() / 1000);
		const known = remembered.get(name);
		if (known !== undefined && seconds < known.reuseUntil) return known.token;
		key ??= await importJWK(signingKey, "ES256");
		const isAnonymous = role === anonRole && !hasClaims(claims);
		const token = await signClaims(
			{
				...claims,
				role,
				exp: seconds + LIFETIME_SECONDS,
				...(isAnonymous
					? {}
					: { aud: ORIGIN_AUDIENCE, iat: seconds - ISSUED_AGO_SECONDS }),
			},
			key,
			signingKey.kid,
		);
		remembered.set(name, { token, reuseUntil: seconds + REUSE_SECONDS });
		return token;
	};
}
