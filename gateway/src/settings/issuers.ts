// The ISSUERS variable: the issuers of callers' tokens besides Postern itself. Never repeats a secret in an error.
import { z } from "zod";
import type { Issuer } from "../identity/verify-token.ts";
import { type IssuerEntry, supabaseEntry } from "./supabase.ts";
import { callersRole, encryptedUrl, sharedSecret, word } from "./variables.ts";

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

const list = <Item extends z.ZodType>(item: Item) =>
	z.array(item, "is not a list").min(1, "is an empty list");

const publicKeys = z.object(
	{
		keys: list(
			z
				.looseObject({ kty: word }, "is not a key")
				.refine(
					(key) => !("d" in key) && !("k" in key),
					"holds a private key; give the public one",
				),
		),
	},
	"is not a key set",
);

const issuerEntry = z
	.strictObject(
		{
			issuer: word,
			audience: z
				.union(
					[word.transform((one) => [one]), list(word)],
					"is neither a text nor a list of texts",
				)
				.optional(),
			anyAudience: z.literal(true, "is not true").optional(),
			jwksUrl: encryptedUrl.optional(),
			jwks: publicKeys.optional(),
			secret: sharedSecret.optional(),
			algorithms: list(
				z.enum(
					[...PUBLIC_KEY_ALGORITHMS, ...SECRET_ALGORITHMS],
					"is not an algorithm that Postern accepts",
				),
			).optional(),
			roleClaim: z
				.union(
					[word.transform((one) => [one]), list(word)],
					"is neither a text nor a list of texts",
				)
				.optional(),
			role: callersRole.optional(),
			roles: list(callersRole).optional(),
		},
		"is not an object of known fields",
	)
	.transform((fields, context): IssuerEntry => {
		const { issuer, audience, anyAudience, jwksUrl, jwks, secret } = fields;
		if ((audience === undefined) === (anyAudience === undefined)) {
			context.addIssue("needs one of audience and anyAudience");
			return z.NEVER;
		}
		const given = [jwksUrl, jwks, secret].filter((it) => it !== undefined);
		if (given.length !== 1) {
			context.addIssue("needs one of jwksUrl, jwks and secret");
			return z.NEVER;
		}
		const possible: readonly string[] =
			secret === undefined ? PUBLIC_KEY_ALGORITHMS : SECRET_ALGORITHMS;
		const algorithms: string[] =
			fields.algorithms ??
			(secret === undefined ? ["ES256", "RS256"] : ["HS256"]);
		if (!algorithms.every((algorithm) => possible.includes(algorithm))) {
			// With one list for both kinds of key, a public key could be taken for a secret.
			context.addIssue("has an algorithm that is not for its kind of key");
			return z.NEVER;
		}
		if (fields.role !== undefined && (fields.roleClaim ?? fields.roles)) {
			context.addIssue("has role besides roleClaim or roles");
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
	});

/** Which kind of entry it is, its fields tell. */
const entry = z
	.looseObject({}, "is not an object of known fields")
	.transform((fields, context): IssuerEntry => {
		const schema = "supabase" in fields ? supabaseEntry : issuerEntry;
		const { data, error } = schema.safeParse(fields, { jitless: true });
		if (data !== undefined) return data;
		for (const { message, path } of error.issues)
			context.addIssue({ code: "custom", message, path: [...path] });
		return z.NEVER;
	});

/** A list of entries, of which no two have an issuer in common. */
export const issuerList = list(entry).refine((entries) => {
	const names = entries.flatMap(({ issuers }) => [
		...new Set(issuers.map(({ issuer }) => issuer)),
	]);
	return new Set(names).size === names.length;
}, "names an issuer twice");
