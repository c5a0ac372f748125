// The keys that may have signed a token. `kid` is a hint (RFC 7515, section 4.1.4): a set may have keys without one, or one `kid`
// twice, and then each fitting key is tried. Never takes a key from a token.
import {
	type CryptoKey,
	createLocalJWKSet,
	errors,
	type JSONWebKeySet,
	type JWSHeaderParameters,
	type JWTPayload,
	type JWTVerifyGetKey,
	type JWTVerifyOptions,
	jwtVerify,
} from "jose";

/** Yields the keys that fit a token's header, the likeliest first. */
export type FindKeys = (
	header: JWSHeaderParameters,
) => AsyncGenerator<CryptoKey | Uint8Array>;

/** Each try costs a verification, and anyone may send a token. */
const MAX_KEYS_OF_A_SET = 20;

/** @throws {errors.JWKSInvalid} where this is no JWKS */
export function createKeySet(jwks: JSONWebKeySet): FindKeys {
	const all = createLocalJWKSet(jwks);
	const withoutKid = createLocalJWKSet({
		keys: jwks.keys.filter(({ kid }) => kid === undefined),
	});
	return async function* findKeys(header) {
		let tries = 0;
		for await (const key of both(header)) {
			if (++tries > MAX_KEYS_OF_A_SET) return;
			yield key;
		}
	};

	async function* both(header: JWSHeaderParameters) {
		yield* fitting(all, header);
		if (header.kid !== undefined) {
			const { kid: _, ...withoutHint } = header;
			yield* fitting(withoutKid, withoutHint);
		}
	}
}

/** By `kty`, `alg`, `use`, `key_ops`, `crv` and, where the header has one, `kid`. A key that is malformed fits nothing. */
async function* fitting(
	keys: ReturnType<typeof createLocalJWKSet>,
	header: JWSHeaderParameters,
): AsyncGenerator<CryptoKey> {
	let only: CryptoKey;
	try {
		only = await keys(header);
	} catch (error) {
		if (error instanceof errors.JWKSMultipleMatchingKeys) yield* error;
		return;
	}
	yield only;
}

/**
 * Verifies a token with each key in turn.
 * @throws {errors.JOSEError} of jose's `jwtVerify`; JWKSNoMatchingKey where no key is left to try
 */
export async function verifyWithKeys(
	token: string,
	findKeys: FindKeys,
	options: JWTVerifyOptions,
): Promise<JWTPayload> {
	let keys: ReturnType<FindKeys> | undefined;
	const nextKey: JWTVerifyGetKey = async (header) => {
		keys ??= findKeys(header);
		const { value, done } = await keys.next();
		if (done === true) throw new errors.JWKSNoMatchingKey();
		return value;
	};
	for (;;) {
		try {
			return (await jwtVerify(token, nextKey, options)).payload;
		} catch (error) {
			if (!(error instanceof errors.JWSSignatureVerificationFailed))
				throw error;
		}
	}
}
