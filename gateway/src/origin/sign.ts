// Signs the token that PostgREST accepts: short-lived, ES256, for one audience. Nothing else may sign for it.
import { importJWK, SignJWT } from "jose";
import { BoundedMap } from "../cache/bounded-map.ts";
import type { Identity } from "../identity/identity.ts";
import type { Config } from "../settings/settings.ts";

/** A token is good for this long, and handed out again for the first part of it, so that PostgREST's own cache of verified tokens helps. */
const LIFETIME_SECONDS = 300;
const REUSE_SECONDS = 240;

/** Bound on the identities remembered by one isolate. */
const MAX_REMEMBERED = 1_000;

const AUDIENCE = "postgrest";

export type Sign = (identity: Identity) => Promise<string>;

/**
 * Builds the signer of origin tokens.
 * The token's claims are the identity's own with `role`, `aud`, `iat` and `exp` set (RFC 7519); the caller's token is never in it.
 * @param now the clock, in milliseconds since the epoch
 */
export function createSign(config: Config, now: () => number): Sign {
	const { signingKey } = config.origin;
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
		const token = await new SignJWT({ ...claims, role })
			.setProtectedHeader({ alg: "ES256", kid: signingKey.kid, typ: "JWT" })
			.setAudience(AUDIENCE)
			.setIssuedAt(seconds)
			.setExpirationTime(seconds + LIFETIME_SECONDS)
			.sign(key);
		remembered.set(name, { token, reuseUntil: seconds + REUSE_SECONDS });
		return token;
	};
}
