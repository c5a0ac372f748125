// An entry of ISSUERS for a Supabase project, hosted, self-hosted or local: the issuers of its tokens, and its API keys by hash.
import * as z from "zod/mini";
import type { ApiKey } from "../identity/identity.ts";
import type { Issuer } from "../identity/verify-token.ts";
import { callersRole, encryptedUrl, sharedSecret, word } from "./variables.ts";

/** What one entry of ISSUERS stands for. */
export interface IssuerEntry {
	issuers: Issuer[];
	/** API keys by their SHA-256 in lower-case hex. */
	keys: [string, ApiKey][];
}

/** `iss` of the legacy keys `anon` and `service_role`: of hosted projects, and of local and self-hosted ones. */
const ISSUERS_OF_LEGACY_KEYS = ["supabase", "supabase-demo"];
const SERVICE_ROLE = "service_role";
const AUTH_PATH = "/auth/v1";
/** Where a project publishes its keys, below its URL. */
export const KEY_SET_PATH = `${AUTH_PATH}/.well-known/jwks.json`;

const hashes = z.lazy(() =>
	z._default(
		z.array(
			z
				.string("is not text")
				.check(z.regex(/^[0-9a-f]{64}$/, "is not a SHA-256 in lower-case hex")),
			"is not a list",
		),
		[],
	),
);

const supabaseFields = z.lazy(() =>
	z
		.strictObject(
			{
				/** The project's URL. */
				supabase: encryptedUrl.check(
					z.refine(
						({ search, hash }) => search === "" && hash === "",
						"has a query or a fragment",
					),
				),
				issuer: z.optional(word),
				secret: z.optional(sharedSecret),
				roles: z._default(
					z
						.array(callersRole, "is not a list")
						.check(z.minLength(1, "is an empty list")),
					["anon", "authenticated"],
				),
				publishableKeys: hashes,
				secretKeys: hashes,
			},
			"is not an object of known fields",
		)
		.check(
			z.refine(
				({ publishableKeys, secretKeys }) =>
					!publishableKeys.some((hash) => secretKeys.includes(hash)),
				"has one key as publishable and as secret",
			),
		),
);

export const supabaseEntry = z.pipe(
	supabaseFields,
	z.transform((fields: z.infer<typeof supabaseFields>): IssuerEntry => {
		const { supabase, secret, roles, publishableKeys, secretKeys } = fields;
		const project = supabase.href.replace(/\/$/, "");
		const users = {
			issuer: fields.issuer ?? project + AUTH_PATH,
			audience: ["authenticated"],
			role: { claim: ["role"] },
			roles,
		};
		const issuers: Issuer[] = [
			{
				...users,
				algorithms: ["ES256", "RS256"],
				keys: { kind: "url", url: new URL(project + KEY_SET_PATH) },
			},
		];
		if (secret !== undefined) {
			const hs256: Pick<Issuer, "algorithms" | "keys"> = {
				algorithms: ["HS256"],
				keys: { kind: "secret", secret: new TextEncoder().encode(secret) },
			};
			issuers.push(
				{ ...users, ...hs256 },
				...ISSUERS_OF_LEGACY_KEYS.map((issuer) => ({
					...users,
					...hs256,
					issuer,
					audience: undefined,
					roles: [...roles, SERVICE_ROLE],
					ofApp: true,
				})),
			);
		}
		return {
			issuers,
			keys: [
				...publishableKeys.map((hash): [string, ApiKey] => [
					hash,
					{ kind: "publishable" },
				]),
				...secretKeys.map((hash): [string, ApiKey] => [
					hash,
					{ kind: "secret", role: SERVICE_ROLE },
				]),
			],
		};
	}),
);
