// Signs bearer tokens (RFC 7519, ES256) with a private JWK: callers' tokens, and for tests the origin's.
import { importJWK, type JWTPayload, SignJWT } from "jose";

/** Defaults of the Worker's TOKEN_ISSUER and TOKEN_AUDIENCE. */
const ISSUER = "postern";
const AUDIENCE = "authenticated";

/**
 * A caller's token.
 * @param signingKey private ES256 JWK, as JSON
 * @param claims any; `role` and `sub` are those that matter
 */
export function issueCallerToken(
	signingKey: string,
	claims: JWTPayload,
	lifetimeSeconds = 3_600,
): Promise<string> {
	return issueToken(
		signingKey,
		{ iss: ISSUER, aud: AUDIENCE, ...claims },
		lifetimeSeconds,
	);
}

/** A token with these claims and `iat` and `exp`. */
export async function issueToken(
	signingKey: string,
	claims: JWTPayload,
	lifetimeSeconds: number,
): Promise<string> {
	const jwk = JSON.parse(signingKey);
	const now = Math.floor(Date.now() / 1000);
	return new SignJWT({ iat: now, exp: now + lifetimeSeconds, ...claims })
		.setProtectedHeader({ alg: "ES256", kid: jwk.kid, typ: "JWT" })
		.sign(await importJWK(jwk, "ES256"));
}
