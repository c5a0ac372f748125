// The ISSUERS variable: the issuers of callers' tokens besides Postern itself. Never repeats a secret in an error.
import { z } from "zod";
import type { Issuer } from "../identity/verify-token.ts";
import { callersRole, encryptedUrl, word } from "./variables.ts";

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

/** RFC 7518, section 3.2: a key of the hash's size, at least. */
const MIN_SECRET_CHARACTERS = 32;

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

const entry = z
	.strictObject(
		{
			issuer: word,
			audience: z.union(
				[word.transform((one) => [one]), list(word)],
				"is neither a text nor a list of texts",
			),
			jwksUrl: encryptedUrl.optional(),
			jwks: publicKeys.optional(),
			secret: z
				.string("is not text")
				.min(MIN_SECRET_CHARACTERS, "is shorter than 32 characters")
				.optional(),
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
	.transform((fields, context): Issuer => {
		const { issuer, audience, jwksUrl, jwks, secret } = fields;
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
		return {
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
	});

/** A list of issuers, each named once. */
export const issuerList = list(entry).refine(
	(issuers) =>
		new Set(issuers.map(({ issuer }) => issuer)).size === issuers.length,
	"names an issuer twice",
);
