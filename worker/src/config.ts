// The environment of the Worker as one frozen Config, or one error that names every bad variable.
// Never reads a variable anywhere else; never repeats the value of a secret in an error.
import type { JWK } from "jose";
import { z } from "zod";

/** Roles that no caller's token may name: they are the database's own. */
const RESERVED_ROLES = ["authenticator", "postern", "postgres"];

const LOOPBACK = new Set(["localhost", "127.0.0.1", "[::1]"]);

/** As browsers send it in `Origin`: no path, not even a slash. */
const ORIGIN = /^(\*|[a-z][a-z\d+.-]*:\/\/[^\s/]+)$/;

// Over a Workers VPC binding the URL's host and scheme only name the service: cloudflared is at the other end.
const boundOriginUrl = z
	.url({ protocol: /^https?$/, error: "is not an http(s) URL" })
	.transform((text) => new URL(text))
	.refine(
		(url) => url.search === "" && url.hash === "",
		"has a query or a fragment",
	)
	.refine(
		(url) => url.username === "" && url.password === "",
		"has credentials in it",
	);
const originUrl = boundOriginUrl.refine(
	({ protocol, hostname }) => protocol === "https:" || LOOPBACK.has(hostname),
	"is plain http to another machine; use https or the ORIGIN binding",
);

/** 32 bytes in base64url (RFC 7518, section 6.2). */
const number256 = (error: string) =>
	z.string(error).regex(/^[\w-]{43}$/, error);

const publicKey = z
	.looseObject(
		{
			kty: z.literal("EC", "has a key that is not an EC key"),
			crv: z.literal("P-256", "has a key that is not on P-256"),
			kid: z.string("has a key without kid"),
			x: number256("has a key without a valid x"),
			y: number256("has a key without a valid y"),
		},
		"has a key that is not an object",
	)
	.refine((key) => !("d" in key), "holds a private key; give the public one");
const privateKey = z.looseObject(
	{
		kty: z.literal("EC", "is not an EC key"),
		crv: z.literal("P-256", "is not on P-256"),
		kid: z.string("has no kid"),
		x: number256("has no valid x"),
		y: number256("has no valid y"),
		d: number256("is not a private key"),
	},
	"is not a key",
);

const keySet = z.object(
	{ keys: z.array(publicKey, "has no keys").min(1, "has no key") },
	"is not a key set",
);

const word = z.string("is not text").min(1, "is empty");

const callersRole = word.refine(
	(role) => !RESERVED_ROLES.includes(role),
	`names a role that no caller may have (${RESERVED_ROLES.join(", ")})`,
);

const words = z
	.string("is not text")
	.transform((text) => text.split(",").map((word) => word.trim()))
	.refine((list) => list.every((word) => word !== ""), "has an empty entry");

const environment = z.object({
	ORIGIN_URL: originUrl,
	ORIGIN_SIGNING_KEY: json(privateKey),
	ORIGIN_ACCESS_CLIENT_ID: word.optional(),
	ORIGIN_ACCESS_CLIENT_SECRET: word.optional(),
	ORIGIN_TIMEOUT_MS: z.coerce
		.number("is not a number")
		.int("is not a whole number")
		.min(1, "is below 1")
		.max(600_000, "is above 600000")
		.default(30_000),
	TOKEN_JWKS: json(keySet),
	TOKEN_ISSUER: word.default("postern"),
	TOKEN_AUDIENCE: word.default("authenticated"),
	TOKEN_ROLES: words
		.pipe(z.array(callersRole))
		.default(["anon", "authenticated"]),
	ANON_ROLE: callersRole.default("anon"),
	CORS_ORIGINS: words
		.refine(
			(list) => list.every((origin) => ORIGIN.test(origin)),
			"has an entry that is not an origin like https://app.example.com",
		)
		.default(["*"]),
});
const boundEnvironment = environment.extend({ ORIGIN_URL: boundOriginUrl });

export interface Config {
	origin: {
		/** Base URL of PostgREST; its path, if any, comes before PostgREST's own. */
		url: URL;
		/** Private ES256 key (RFC 7517) that origin tokens are signed with. */
		signingKey: JWK & { kid: string };
		/** Cloudflare Access service token of the tunnel's hostname. */
		access: { clientId: string; clientSecret: string } | undefined;
		/** Longest wait for the head of an answer, in milliseconds. */
		timeoutMs: number;
	};
	tokens: {
		/** Public ES256 keys of the issuer of callers' tokens (RFC 7517). */
		jwks: { keys: JWK[] };
		issuer: string;
		audience: string;
		/** Roles that a caller's token may name. */
		roles: readonly string[];
	};
	/** Role of a caller without a token. */
	anonRole: string;
	/** Origins that browsers may call from; `*` is any. */
	corsOrigins: readonly string[];
}

/** Every bad variable, each with what is wrong with it; never a value. */
export class ConfigError extends Error {
	override readonly name = "ConfigError";
	readonly variables: Record<string, string>;

	constructor(variables: Record<string, string>) {
		const lines = Object.entries(variables).map(
			([name, fault]) => `  ${name} ${fault}`,
		);
		super(`The gateway's configuration is wrong:\n${lines.join("\n")}`);
		this.variables = variables;
	}
}

/**
 * Reads the Worker's environment.
 * @param env variables and bindings, as the runtime hands them over
 * @throws {ConfigError} naming every bad variable
 */
export function readConfig(env: object): Readonly<Config> {
	const variables = "ORIGIN" in env ? boundEnvironment : environment;
	const { data, error } = variables.safeParse(env, { jitless: true });
	const faults: Record<string, string> = {};
	for (const issue of error?.issues ?? []) {
		const name = String(issue.path[0]);
		const isMissing = issue.path.length === 1 && !(name in env);
		faults[name] ??= isMissing ? "is missing" : issue.message;
	}
	const halves = ["ORIGIN_ACCESS_CLIENT_ID", "ORIGIN_ACCESS_CLIENT_SECRET"];
	const missing = halves.filter((half) => !(half in env));
	if (missing.length === 1 && missing[0] !== undefined) {
		faults[missing[0]] =
			"is missing, the other half of the Access service token is there";
	}
	if (data === undefined || Object.keys(faults).length > 0)
		throw new ConfigError(faults);
	const clientId = data.ORIGIN_ACCESS_CLIENT_ID;
	const clientSecret = data.ORIGIN_ACCESS_CLIENT_SECRET;
	return Object.freeze({
		origin: {
			url: data.ORIGIN_URL,
			signingKey: data.ORIGIN_SIGNING_KEY,
			access:
				clientId !== undefined && clientSecret !== undefined
					? { clientId, clientSecret }
					: undefined,
			timeoutMs: data.ORIGIN_TIMEOUT_MS,
		},
		tokens: {
			jwks: data.TOKEN_JWKS,
			issuer: data.TOKEN_ISSUER,
			audience: data.TOKEN_AUDIENCE,
			roles: data.TOKEN_ROLES,
		},
		anonRole: data.ANON_ROLE,
		corsOrigins: data.CORS_ORIGINS,
	});
}

/** A schema for a variable that holds JSON. */
function json<Schema extends z.ZodType>(schema: Schema) {
	return z
		.string("is not text")
		.transform((text, context): unknown => {
			try {
				return JSON.parse(text);
			} catch {
				context.addIssue("is not JSON");
				return z.NEVER;
			}
		})
		.pipe(schema);
}
