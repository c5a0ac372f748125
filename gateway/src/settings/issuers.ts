// The ISSUERS variable: the issuers of callers' tokens besides Postern itself. Never repeats a secret in an error.
import * as z from "zod/mini";
import type { Issuer } from "../identity/verify-token.ts";
import { type IssuerEntry, supabaseEntry } from "./supabase.ts";
import {
	callersRole,
	encryptedUrl,
	fault,
	sharedSecret,
	word,
} from "./variables.ts";

/** JWS algorithms (RFC 7518, RFC 8037, RFC 9864) by the kind of their key. None that is not here is ever accepted. */
const PUBLIC_KEY_ALGORITHMS = [
	"ES256",
	"ES384",
	"RS256",
	"PS256",
	"EdDSA",
	"Ed25519",
] as const;
const SECRET_ALGORITHMS = ["HS256"] as const;

const list = <Item extends z.ZodMiniType>(item: Item) =>
	z.array(item, "is not a list").check(z.minLength(1, "is an empty list"));

const publicKeys = z.lazy(() =>
	z.object(
		{
			keys: list(
				z
					.looseObject({ kty: word }, "is not a key")
					.check(
						z.refine(
							(key) => !("d" in key) && !("k" in key),
							"holds a private key; give the public one",
						),
					),
			),
		},
		"is not a key set",
	),
);

/** One text, or a list of texts. */
const textOrTexts = z.lazy(() =>
	z.union(
		[
			z.pipe(
				word,
				z.transform((one: string) => [one]),
			),
			list(word),
		],
		"is neither a text nor a list of texts",
	),
);

const issuerFields = z.lazy(() =>
	z.strictObject(
		{
			issuer: word,
			audience: z.optional(textOrTexts),
			anyAudience: z.optional(z.literal(true, "is not true")),
			jwksUrl: z.optional(encryptedUrl),
			jwks: z.optional(publicKeys),
			secret: z.optional(sharedSecret),
			algorithms: z.optional(
				list(
					z.enum(
						[...PUBLIC_KEY_ALGORITHMS, ...SECRET_ALGORITHMS],
						"is not an algorithm that Postern accepts",
					),
				),
			),
			roleClaim: z.optional(textOrTexts),
			role: z.optional(callersRole),
			roles: z.optional(list(callersRole)),
		},
		"is not an object of known fields",
	),
);

const issuerEntry = z.lazy(() =>
	z.pipe(
		issuerFields,
		z.transform(
			(fields: z.infer<typeof issuerFields>, { issues }): IssuerEntry => {
				const { issuer, audience, anyAudience, jwksUrl, jwks, secret } = fields;
				if ((audience === undefined) === (anyAudience === undefined)) {
					issues.push(fault("needs one of audience and anyAudience", fields));
					return z.NEVER;
				}
				const given = [jwksUrl, jwks, secret].filter((it) => it !== undefined);
				if (given.length !== 1) {
					issues.push(fault("needs one of jwksUrl, jwks and secret", fields));
					return z.NEVER;
				}
				const possible: readonly string[] =
					secret === undefined ? PUBLIC_KEY_ALGORITHMS : SECRET_ALGORITHMS;
				const algorithms: string[] =
					fields.algorithms ??
					(secret === undefined ? ["ES256", "RS256"] : ["HS256"]);
				if (!algorithms.every((algorithm) => possible.includes(algorithm))) {
					// With one list for both kinds of key, a public key could be taken for a secret.
					issues.push(
						fault("has an algorithm that is not for its kind of key", fields),
					);
					return z.NEVER;
				}
				if (fields.role !== undefined && (fields.roleClaim ?? fields.roles)) {
					issues.push(fault("has role besides roleClaim or roles", fields));
					return z.NEVER;
				}
				const one: Issuer = {
					issuer,
					audience,
					algorithms,
					keys:
						secret !== undefined
							? { kind: "secret", secret: new TextEncoder().encode(secret) }
							: jwksUrl !== undefined
								? { kind: "url", url: jwksUrl }
								: { kind: "jwks", jwks: jwks ?? { keys: [] } },
					role:
						fields.role === undefined
							? { claim: fields.roleClaim ?? ["role"] }
							: { fixed: fields.role },
					roles: fields.roles ?? ["anon", "authenticated"],
				};
				return { issuers: [one], keys: [] };
			},
		),
	),
);

/** Which kind of entry it is, its fields tell. */
const entry = z.pipe(
	z.looseObject({}, "is not an object of known fields"),
	z.transform((fields: Record<string, unknown>, { issues }): IssuerEntry => {
		const schema = "supabase" in fields ? supabaseEntry : issuerEntry;
		const { data, error } = schema.safeParse(fields, { jitless: true });
		if (data !== undefined) return data;
		for (const { message, path } of error.issues)
			issues.push(fault(message, fields, path));
		return z.NEVER;
	}),
);

/** A list of entries, of which no two have an issuer in common. */
export const issuerList = list(entry).check(
	z.refine((entries) => {
		const names = entries.flatMap(({ issuers }) => [
			...new Set(issuers.map(({ issuer }) => issuer)),
		]);
		return new Set(names).size === names.length;
	}, "names an issuer twice"),
);

/** Cloudflare Access signs with RS256 and publishes its keys below the team's own host. */
export function accessIssuer(variables: {
	ACCESS_TEAM_URL?: URL | undefined;
	ACCESS_AUDIENCE?: string | undefined;
	ACCESS_ROLE: string;
}): Issuer | undefined {
	const { ACCESS_TEAM_URL: team, ACCESS_AUDIENCE: audience } = variables;
	if (team === undefined || audience === undefined) return undefined;
	return {
		issuer: team.origin,
		audience: [audience],
		algorithms: ["RS256"],
		keys: { kind: "url", url: new URL("/cdn-cgi/access/certs", team) },
		role: { fixed: variables.ACCESS_ROLE },
		roles: [variables.ACCESS_ROLE],
	};
}
