// Issuers of every kind and algorithm, all known to one gateway, and the tokens that it accepts of each.
import { ISSUING } from "./accounts.ts";
import {
	type Algorithm,
	headerOf,
	makeTestKey,
	seal,
	type TestKey,
} from "./forging.ts";
import type { GatewayOptions } from "./gateway.ts";
import { ISSUER_KEY, NOW_SECONDS } from "./tokens.ts";

export interface TestIssuer {
	name: string;
	iss: string;
	aud: string;
	key: TestKey;
	/** The header that its tokens come in. */
	header: "authorization" | "cf-access-jwt-assertion";
	/** Where its tokens have the role, and the value there. Tokens of Access have none. */
	roleAt: string[] | undefined;
}

async function makeIssuer(
	name: string,
	algorithm: Algorithm,
	changes: Partial<TestIssuer> = {},
): Promise<TestIssuer> {
	return {
		name,
		iss: `https://${name}.example`,
		aud: `${name}-notes`,
		key: await makeTestKey(algorithm, `${name}-1`),
		header: "authorization",
		roleAt: ["role"],
		...changes,
	};
}

/** Postern itself, with the key that ENV names. */
export const POSTERN: TestIssuer = {
	name: "postern",
	iss: "postern",
	aud: "authenticated",
	key: {
		algorithm: "ES256",
		kid: ISSUER_KEY.kid,
		async sign(input) {
			const signature = await crypto.subtle.sign(
				{ name: "ECDSA", hash: "SHA-256" },
				// jose hands out WebCrypto's keys in this runtime.
				ISSUER_KEY.privateKey as CryptoKey,
				new TextEncoder().encode(input),
			);
			return new Uint8Array(signature);
		},
		publicJwk: { ...ISSUER_KEY.publicJwk },
		spki: new Uint8Array(
			// A public key's SPKI form is bytes, not a JWK.
			(await crypto.subtle.exportKey(
				"spki",
				ISSUER_KEY.publicKey as CryptoKey,
			)) as ArrayBuffer,
		),
	},
	header: "authorization",
	roleAt: ["role"],
};

const SECRET = "correct horse battery staple, at length";

export const ES384 = await makeIssuer("es384", "ES384");
export const RS256 = await makeIssuer("rs256", "RS256");
export const PS256 = await makeIssuer("ps256", "PS256");
export const EDDSA = await makeIssuer("eddsa", "EdDSA", {
	roleAt: ["realm_access", "role"],
});
export const HS256 = await makeIssuer("hs256", "HS256", {
	key: await makeTestKey("HS256", "hs256-1", new TextEncoder().encode(SECRET)),
});
/** Publishes its keys. */
export const REMOTE = await makeIssuer("remote", "RS256");
export const ACCESS = await makeIssuer("access", "RS256", {
	header: "cf-access-jwt-assertion",
	roleAt: undefined,
});

export const ISSUERS: readonly TestIssuer[] = [
	POSTERN,
	ES384,
	RS256,
	PS256,
	EDDSA,
	HS256,
	REMOTE,
	ACCESS,
];

const inList = ({ iss, aud, key }: TestIssuer, keys: object) => ({
	issuer: iss,
	audience: aud,
	...("secret" in keys ? {} : { algorithms: [key.algorithm] }),
	...keys,
});
const jwks = ({ key }: TestIssuer) => ({ jwks: { keys: [key.publicJwk] } });

const KEYS_URL = "https://remote.example/keys";

/** The gateway that knows all of them. */
export const KNOWING_ALL: GatewayOptions = {
	env: {
		...ISSUING,
		ISSUERS: JSON.stringify([
			inList(ES384, jwks(ES384)),
			inList(RS256, jwks(RS256)),
			inList(PS256, jwks(PS256)),
			inList(EDDSA, { ...jwks(EDDSA), roleClaim: EDDSA.roleAt }),
			inList(HS256, { secret: SECRET }),
			inList(REMOTE, {
				jwksUrl: KEYS_URL,
				roles: ["anon", "authenticated", "service"],
			}),
		]),
		ACCESS_TEAM_URL: ACCESS.iss,
		ACCESS_AUDIENCE: ACCESS.aud,
	},
	async fetchKeys({ url }) {
		const keys = new Map([
			[KEYS_URL, REMOTE],
			[`${ACCESS.iss}/cdn-cgi/access/certs`, ACCESS],
		]).get(url);
		return keys === undefined
			? new Response(null, { status: 404 })
			: Response.json({ keys: [keys.key.publicJwk] });
	},
};

/** The claims of a token that the gateway accepts of this issuer, with some changed; `undefined` leaves one out. */
export function claimsOf(
	{ iss, aud, roleAt }: TestIssuer,
	changes: Record<string, unknown> = {},
): Record<string, unknown> {
	return {
		iss,
		aud,
		sub: "ada",
		iat: NOW_SECONDS,
		exp: NOW_SECONDS + 3_600,
		...(roleAt === undefined ? {} : nested(roleAt, "authenticated")),
		...changes,
	};
}

/** `{a: {b: value}}` for the path a, b. */
export function nested(path: readonly string[], value: unknown): object {
	const [name = "", ...rest] = path;
	return { [name]: rest.length === 0 ? value : nested(rest, value) };
}

/** A token of this issuer's with some claims and some of its header changed, signed by its key or another. */
export function tokenOf(
	issuer: TestIssuer,
	changes: Record<string, unknown> = {},
	header: Record<string, unknown> = {},
	key: TestKey = issuer.key,
): Promise<string> {
	return seal(
		{ ...headerOf(issuer.key), ...header },
		claimsOf(issuer, changes),
		key,
	);
}

/** The headers with which this issuer's callers send a token. */
export function sending(
	{ header }: TestIssuer,
	token: string,
): Record<string, string> {
	return { [header]: header === "authorization" ? `Bearer ${token}` : token };
}
