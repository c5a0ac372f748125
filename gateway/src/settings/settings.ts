// The environment of the Worker as one frozen Config, or one error that names every bad variable.
// Never reads a variable anywhere else; never repeats the value of a secret in an error.
import type { JWK } from "jose";
import { z } from "zod";
import { USER_ROLE } from "../accounts/issue-token.ts";
import type { Issuer } from "../identity/verify-token.ts";
import {
	callersRole,
	isEncryptedOrLocal,
	issuerList,
	word,
} from "./issuers.ts";

/** One schema's name in place of another's. */
const ALIAS = /^[^=]+=[^=]+$/;

function toPair(text: string): [string, string] {
	const [name = "", schema = ""] = text.split("=");
	return [name, schema];
}

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
	isEncryptedOrLocal,
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

const words = z
	.string("is not text")
	.transform((text) => text.split(",").map((word) => word.trim()))
	.refine((list) => list.every((word) => word !== ""), "has an empty entry");

const teamUrl = z
	.url({ protocol: /^https?$/, error: "is not an http(s) URL" })
	.transform((text) => new URL(text))
	.refine(isEncryptedOrLocal, "is plain http to another machine")
	.refine(
		({ pathname, search }) => pathname === "/" && search === "",
		"has more than a host",
	);

function wholeNumber(min: number, max: number) {
	return z.coerce
		.number("is not a number")
		.int("is not a whole number")
		.min(min, `is below ${min}`)
		.max(max, `is above ${max}`);
}

/** Where a Durable Object may be asked to live. */
const LOCATIONS = [
	"wnam",
	"enam",
	"sam",
	"weur",
	"eeur",
	"apac",
	"apac-ne",
	"apac-se",
	"oc",
	"afr",
	"me",
] as const;

export const environment = z.object({
	ORIGIN_URL: originUrl,
	ORIGIN_SIGNING_KEY: json(privateKey),
	ORIGIN_ACCESS_CLIENT_ID: word.optional(),
	ORIGIN_ACCESS_CLIENT_SECRET: word.optional(),
	ORIGIN_TIMEOUT_MS: wholeNumber(1, 600_000).default(30_000),
	TOKEN_JWKS: json(keySet),
	TOKEN_ISSUER: word.default("postern"),
	TOKEN_AUDIENCE: word.default("authenticated"),
	TOKEN_ROLES: words
		.pipe(z.array(callersRole))
		.default(["anon", "authenticated"]),
	TOKEN_SIGNING_KEY: json(privateKey).optional(),
	TOKEN_LIFETIME_SECONDS: wholeNumber(60, 86_400).default(600),
	// bcrypt's own bounds are 4 and 31; beyond 15 a sign-in takes seconds.
	BCRYPT_COST: wholeNumber(4, 15).default(10),
	ISSUERS: json(issuerList).default([]),
	ACCESS_TEAM_URL: teamUrl.optional(),
	ACCESS_AUDIENCE: word.optional(),
	ACCESS_ROLE: callersRole.default("authenticated"),
	ANON_ROLE: callersRole.default("anon"),
	PROFILE_ALIASES: words
		.pipe(
			z.array(
				z.string().regex(ALIAS, "has an entry that is not like public=api"),
			),
		)
		.transform((pairs) => new Map(pairs.map(toPair)))
		.default(new Map()),
	DB_SCHEMAS: words
		.refine(
			(list) => !list.includes("postern"),
			"names postern, which is not for callers",
		)
		.refine(
			(list) => new Set(list).size === list.length,
			"names a schema twice",
		)
		.default(["api"]),
	MAX_STALENESS_SECONDS: wholeNumber(1, 3_600).default(5),
	FEED_LOCATION: z
		.enum(LOCATIONS, `is none of ${LOCATIONS.join(", ")}`)
		.optional(),
	CAUSAL_COOKIE: z.enum(["on", "off"], "is neither on nor off").default("off"),
	EXPLAIN_ROLES: words.pipe(z.array(callersRole)).default(["service"]),
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
		/** Private ES256 key that Postern signs its users' tokens with. Without it nobody can sign up or in. */
		signingKey: (JWK & { kid: string }) | undefined;
		/** How long an access token is good for. */
		lifetimeSeconds: number;
	};
	/** Work factor of password hashes: the logarithm of bcrypt's rounds. */
	bcryptCost: number;
	/** Whose bearer tokens are accepted: Postern's own first. */
	issuers: readonly Issuer[];
	/** Cloudflare Access, where it says who a caller is. */
	access: Issuer | undefined;
	/** Role of a caller without a token. */
	anonRole: string;
	/** Schemas by the other names that clients ask for them under. */
	profileAliases: ReadonlyMap<string, string>;
	/** The schemas that PostgREST exposes to callers, the one that it takes by default first: its db-schemas without `postern`. */
	schemas: readonly string[];
	/** The oldest that an answer may be, in milliseconds, where a relation has no bound of its own. */
	maxStalenessMs: number;
	/** Where the change feed is made, when it is: near the database. Cloudflare never moves it. */
	feedLocation: (typeof LOCATIONS)[number] | undefined;
	/** Whether browsers get the token of what they have seen as a cookie. */
	causalCookie: boolean;
	/** Roles that are told how an answer came about, when they ask. */
	explainRoles: readonly string[];
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
		const field = issue.path.slice(1).join(".");
		const isInList = name === "ISSUERS" && field !== "";
		const fault = isInList ? `${field} ${issue.message}` : issue.message;
		faults[name] ??= isMissing ? "is missing" : fault;
	}
	const pairs = [
		["ORIGIN_ACCESS_CLIENT_ID", "ORIGIN_ACCESS_CLIENT_SECRET"],
		["ACCESS_TEAM_URL", "ACCESS_AUDIENCE"],
	];
	for (const pair of pairs) {
		const [missing, ...others] = pair.filter((name) => !(name in env));
		if (missing === undefined || others.length > 0) continue;
		const present = pair.find((name) => name !== missing);
		faults[missing] = `is missing, while ${present} is there`;
	}
	if (data?.TOKEN_SIGNING_KEY !== undefined) {
		const { kid, x, y } = data.TOKEN_SIGNING_KEY;
		const isPublished = data.TOKEN_JWKS.keys.some(
			(key) => key.kid === kid && key.x === x && key.y === y,
		);
		if (!isPublished) {
			faults.TOKEN_SIGNING_KEY = "has its public half not in TOKEN_JWKS";
		}
	}
	if (
		data?.TOKEN_SIGNING_KEY !== undefined &&
		!data.TOKEN_ROLES.includes(USER_ROLE)
	) {
		faults.TOKEN_ROLES = `lacks ${USER_ROLE}, which Postern's own users are`;
	}
	const team = data?.ACCESS_TEAM_URL?.origin;
	if (team !== undefined && team === data?.TOKEN_ISSUER) {
		faults.ACCESS_TEAM_URL = "is TOKEN_ISSUER, which is Postern itself";
	}
	if (data?.ISSUERS.some(({ issuer }) => issuer === data.TOKEN_ISSUER)) {
		faults.ISSUERS = "names TOKEN_ISSUER, which is Postern itself";
	}
	if (data === undefined || Object.keys(faults).length > 0) {
		throw new ConfigError(faults);
	}
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
			signingKey: data.TOKEN_SIGNING_KEY,
			lifetimeSeconds: data.TOKEN_LIFETIME_SECONDS,
		},
		bcryptCost: data.BCRYPT_COST,
		issuers: [
			// Postern itself
			{
				issuer: data.TOKEN_ISSUER,
				audience: [data.TOKEN_AUDIENCE],
				algorithms: ["ES256"],
				keys: { kind: "jwks", jwks: data.TOKEN_JWKS },
				role: { claim: ["role"] },
				roles: data.TOKEN_ROLES,
			} satisfies Issuer,
			...data.ISSUERS,
		],
		access: accessIssuer(data),
		anonRole: data.ANON_ROLE,
		profileAliases: data.PROFILE_ALIASES,
		schemas: data.DB_SCHEMAS,
		maxStalenessMs: data.MAX_STALENESS_SECONDS * 1_000,
		feedLocation: data.FEED_LOCATION,
		causalCookie: data.CAUSAL_COOKIE === "on",
		explainRoles: data.EXPLAIN_ROLES,
		corsOrigins: data.CORS_ORIGINS,
	});
}

/** Cloudflare Access signs with RS256 and publishes its keys below the team's own host. */
function accessIssuer(variables: {
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
