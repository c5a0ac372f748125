// The variables that say what an origin token is: the key that signs it, its audience, and whose `aud`, `iat` and `exp` it has.
import { base64url, type JWK } from "jose";
import * as z from "zod/mini";
import { originKey } from "./keys.ts";
import type { Faults } from "./parse-variables.ts";
import { json, sharedSecret } from "./variables.ts";

export const originTokenVariables = z.object({
	ORIGIN_SIGNING_KEY: z.optional(json(originKey)),
	PREVIOUS_ORIGIN_SIGNING_KEY: z.optional(json(originKey)),
	ORIGIN_JWT_SECRET: z.optional(sharedSecret),
	ORIGIN_AUDIENCE: z._default(z.string("is not text"), "postgrest"),
	ORIGIN_CLAIMS: z._default(
		z.enum(["gateway", "caller"], "is neither gateway nor caller"),
		"gateway",
	),
});

export interface OriginToken {
	/** Private key (RFC 7517) that origin tokens are signed with; its kind tells the algorithm. */
	signingKey: JWK;
	/** The one before it, if values in KV that were stored with it are still read. */
	previousSigningKey: JWK | undefined;
	/** `aud` of origin tokens; empty for none. */
	audience: string;
	/** Whose `aud`, `iat`, `exp`, `nbf` and `jti` the token has where the caller has sent a token. */
	claims: "gateway" | "caller";
}

/** What is wrong unless one of both keys is there. */
export function faultsOfOriginKey(env: object): Faults {
	const isGiven = (name: string) => Reflect.get(env, name) !== undefined;
	const hasKey = isGiven("ORIGIN_SIGNING_KEY");
	if (hasKey === isGiven("ORIGIN_JWT_SECRET"))
		return hasKey
			? { ORIGIN_JWT_SECRET: "is there beside ORIGIN_SIGNING_KEY" }
			: { ORIGIN_SIGNING_KEY: "is missing" };
	return {};
}

export function toOriginToken(
	variables: z.infer<typeof originTokenVariables>,
): OriginToken {
	const { ORIGIN_SIGNING_KEY: key, ORIGIN_JWT_SECRET: secret = "" } = variables;
	return {
		// Its bytes are the text's, as PostgREST takes a `jwt-secret` that is no JWK.
		signingKey: key ?? { kty: "oct", k: base64url.encode(secret) },
		previousSigningKey: variables.PREVIOUS_ORIGIN_SIGNING_KEY,
		audience: variables.ORIGIN_AUDIENCE,
		claims: variables.ORIGIN_CLAIMS,
	};
}
