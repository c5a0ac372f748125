// The clock of every test, the keys of a run, and callers' tokens signed with them.
import { exportJWK, generateKeyPair, type JWTPayload, SignJWT } from "jose";

/** The tests' clock, in milliseconds since the epoch. */
export const NOW = Date.UTC(2026, 2, 14, 15, 9, 26);
export const NOW_SECONDS = NOW / 1000;

export type SigningKey = Awaited<ReturnType<typeof makeKey>>;

/** Makes an ES256 key pair, as keys and as JWKs that carry `kid`. */
export async function makeKey(kid: string) {
	const { privateKey, publicKey } = await generateKeyPair("ES256", {
		extractable: true,
	});
	const privateJwk = { ...(await exportJWK(privateKey)), kid, alg: "ES256" };
	const publicJwk = { ...(await exportJWK(publicKey)), kid, alg: "ES256" };
	return { kid, privateKey, publicKey, privateJwk, publicJwk };
}

/** Signs callers' tokens; the gateway knows its public half. */
export const ISSUER_KEY = await makeKey("issuer-1");

/** Signs the gateway's tokens for the origin. */
export const ORIGIN_KEY = await makeKey("origin-1");

/** The claims of a token that the gateway accepts. */
export const ADA: JWTPayload = {
	iss: "postern",
	aud: "authenticated",
	sub: "ada",
	role: "authenticated",
	iat: NOW_SECONDS,
	exp: NOW_SECONDS + 3_600,
};

/** ADA's token with some claims changed; `undefined` leaves a claim out. */
export function tokenFor(
	changes: Record<string, unknown> = {},
	{
		key = ISSUER_KEY,
		header = {},
	}: { key?: SigningKey; header?: Record<string, unknown> } = {},
): Promise<string> {
	const claims = Object.fromEntries(
		Object.entries({ ...ADA, ...changes }).filter(
			([, value]) => value !== undefined,
		),
	);
	return new SignJWT(claims)
		.setProtectedHeader({ alg: "ES256", kid: key.kid, ...header })
		.sign(key.privateKey);
}
