// Who is calling. A caller's identity is made in identify.ts and nowhere else.

/** Claims of a verified token, by name (RFC 7519). */
export type Claims = Readonly<Record<string, unknown>>;

export interface Identity {
	/** The database role that the request runs as. */
	readonly role: string;
	/** What the origin learns about the caller besides the role. Empty for an anonymous caller. */
	readonly claims: Claims;
	/** `aud`, `exp`, `iat`, `jti` and `nbf` of the caller's token. Undefined where the caller has sent none. */
	readonly tokenClaims?: Claims;
}

/** False for anonymous callers, for API keys and for the gateway itself. */
export function hasClaims(claims: Claims): boolean {
	return Object.values(claims).some((value) => value !== undefined);
}

/** The gateway itself, when it asks the functions in schema `postern`. No caller may have this role. */
export const GATEWAY: Identity = Object.freeze({ role: "postern", claims: {} });

/** The same for a caller that wants PostgREST's own codes: for `GATEWAY` itself, openDatabase replaces a 403, and with it the code of the reason. */
export const GATEWAY_FOR_CODES: Identity = Object.freeze({ ...GATEWAY });

/** What an API key stands for: a publishable one for no caller, a secret one for its role. */
export type ApiKey =
	| { kind: "publishable" }
	| {
			kind: "secret";
			role: string;
	  };

/** Whether a list of roles names the caller's, or `*` for every role. */
export function isAmong({ role }: Identity, roles: readonly string[]): boolean {
	return roles.includes("*") || roles.includes(role);
}
