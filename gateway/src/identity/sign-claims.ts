// Makes a JWT of claims, for users' tokens and for the origin's alike. jose's SignJWT copies the claims, and a copy loses the
// text of a number that JavaScript would round.
import { CompactSign, type CryptoKey } from "jose";

/** @param claims as `parseExactJson` gives them */
export function signClaims(
	claims: Readonly<Record<string, unknown>>,
	key: CryptoKey | Uint8Array,
	header: { alg: string; kid?: string },
): Promise<string> {
	return new CompactSign(new TextEncoder().encode(JSON.stringify(claims)))
		.setProtectedHeader({ ...header, typ: "JWT" })
		.sign(key);
}
