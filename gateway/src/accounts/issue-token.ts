// Signs the access tokens of Postern's own users: ES256 with `kid`, so that supabase-js, jose and PostgREST alike verify them.
import { importJWK, type JWK } from "jose";
import { signClaims } from "../identity/sign-claims.ts";
import type { User } from "./accounts.ts";

/** The role of Postern's own users. */
export const USER_ROLE = "authenticated";

interface IssueOptions {
	/** Private ES256 JWK with `kid`. */
	signingKey: JWK & { kid: string };
	issuer: string;
	audience: string;
	lifetimeSeconds: number;
	/** The clock, in milliseconds since the epoch. */
	now: () => number;
}

export interface AccessToken {
	readonly token: string;
	/** Seconds since the epoch. */
	readonly expiresAt: number;
	readonly lifetimeSeconds: number;
}

export type Issue = (user: User, sessionId: string) => Promise<AccessToken>;

/** The claims are those that supabase-js and policies written for Supabase expect. */
export function createIssue(options: IssueOptions): Issue {
	const { signingKey, issuer, audience, lifetimeSeconds, now } = options;
	let key: Awaited<ReturnType<typeof importJWK>> | undefined;
	return async function issue(user, sessionId) {
		key ??= await importJWK(signingKey, "ES256");
		const issuedAt = Math.floor(now() / 1000);
		const expiresAt = issuedAt + lifetimeSeconds;
		const claims = {
			iss: issuer,
			sub: user.id,
			aud: audience,
			role: USER_ROLE,
			session_id: sessionId,
			email: user.email,
			phone: "",
			aal: "aal1",
			amr: [{ method: "password", timestamp: issuedAt }],
			app_metadata: { provider: "email", providers: ["email"] },
			user_metadata: user.user_metadata,
			is_anonymous: false,
			iat: issuedAt,
			exp: expiresAt,
		};
		const token = await signClaims(claims, key, {
			alg: "ES256",
			kid: signingKey.kid,
		});
		return { token, expiresAt, lifetimeSeconds };
	};
}
