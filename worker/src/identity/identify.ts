// The one maker of an Identity: the request's bearer token, verified, or nobody.
// Never trusts another header, and never hands the token on.
import {
	createLocalJWKSet,
	errors,
	type JWTVerifyOptions,
	jwtVerify,
} from "jose";
import type { Config } from "../config.ts";
import { Refusal } from "../refusals.ts";
import type { Claims, Identity } from "./identity.ts";

/** RFC 6750, section 2.1: the scheme, one space, one b64token. Schemes ignore case (RFC 9110, 11.1). */
const BEARER = /^Bearer +([A-Za-z0-9\-._~+/]+=*)$/i;

/** Longer tokens are refused before any of their bytes are decoded. */
const MAX_TOKEN_CHARACTERS = 8_192;

/** Claims that speak of the token, not of the caller. The origin token has its own. */
const TOKEN_CLAIMS = new Set(["aud", "exp", "iat", "jti", "nbf", "role"]);

export type Identify = (request: Request) => Promise<Identity>;

/**
 * Builds the identifier for a configuration.
 * @param now the clock, in milliseconds since the epoch
 * @returns a function that refuses with `token_malformed`, `token_rejected`, `token_expired` or `role_refused`
 */
export function createIdentify(config: Config, now: () => number): Identify {
	const { jwks, issuer, audience, roles } = config.tokens;
	const keys = createLocalJWKSet(jwks);
	const options: JWTVerifyOptions = {
		algorithms: ["ES256"],
		issuer,
		audience,
		requiredClaims: ["exp"],
		clockTolerance: "5s",
	};
	const nobody: Identity = Object.freeze({ role: config.anonRole, claims: {} });

	return async function identify(request) {
		const header = request.headers.get("authorization");
		if (header === null) return nobody;
		const token = BEARER.exec(header)?.[1];
		if (token === undefined) throw new Refusal("token_malformed");
		if (token.length > MAX_TOKEN_CHARACTERS)
			throw new Refusal("token_rejected");
		const claims = await verify(token, {
			...options,
			currentDate: new Date(now()),
		});
		const { role, sub } = claims;
		if (sub !== undefined && typeof sub !== "string")
			throw new Refusal("token_rejected");
		if (typeof role !== "string" || !roles.includes(role))
			throw new Refusal("role_refused");
		return { role, claims: aboutCaller(claims) };
	};

	async function verify(
		token: string,
		verifyOptions: JWTVerifyOptions,
	): Promise<Claims> {
		try {
			return (await jwtVerify(token, keys, verifyOptions)).payload;
		} catch (cause) {
			const isExpired = cause instanceof errors.JWTExpired;
			throw new Refusal(isExpired ? "token_expired" : "token_rejected", {
				cause,
			});
		}
	}
}

function aboutCaller(claims: Claims): Claims {
	return Object.fromEntries(
		Object.entries(claims).filter(([name]) => !TOKEN_CLAIMS.has(name)),
	);
}
