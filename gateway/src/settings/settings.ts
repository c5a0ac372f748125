// The environment of the Worker as one frozen Config, or one error that names every bad variable. Never reads a variable anywhere
// else but for the feed's own (feed-settings.ts).
import type { JWK } from "jose";
import * as z from "zod/mini";
import { USER_ROLE } from "../accounts/issue-token.ts";
import type { ApiKey } from "../identity/identity.ts";
import type { Issuer } from "../identity/verify-token.ts";
import {
	type FeedSettings,
	faultsOfFeed,
	feedVariables,
	originUrlOf,
	toFeedSettings,
} from "./feed-settings.ts";
import {
	type FormRoles,
	formVariables,
	rolesOrAll,
	toFormRoles,
} from "./forms.ts";
import { accessIssuer, issuerList } from "./issuers.ts";
import { keySet, privateKey } from "./keys.ts";
import { faultsOfOwnTokens } from "./own-tokens.ts";
import {
	ConfigError,
	type Faults,
	faultsOfPair,
	parseVariables,
} from "./parse-variables.ts";
import { type RateLimits, rateLimits } from "./rate-limits.ts";
import { type SizeLimits, sizeLimits } from "./size-limits.ts";
import {
	callersRole,
	headerSecret,
	hostUrl,
	json,
	onOrOff,
	wholeNumber,
	word,
	words,
} from "./variables.ts";

/** One schema's name in place of another's. */
const ALIAS = /^[^=]+=[^=]+$/;

function toPair(text: string): [string, string] {
	const [name = "", schema = ""] = text.split("=");
	return [name, schema];
}

const profileAliases = z.pipe(
	z.pipe(
		words,
		z.array(
			z
				.string()
				.check(z.regex(ALIAS, "has an entry that is not like public=api")),
		),
	),
	z.transform((pairs: string[]) => new Map(pairs.map(toPair))),
);

/** As browsers send it in `Origin`: no path, not even a slash. */
const ORIGIN = /^(\*|[a-z][a-z\d+.-]*:\/\/[^\s/]+)$/;

/** Both of them, or neither. */
const ACCESS: [string, string] = ["ACCESS_TEAM_URL", "ACCESS_AUDIENCE"];

/** Every variable of the Worker. */
export const environment = z.extend(feedVariables, {
	UPSTREAM_URL: z.optional(hostUrl),
	TOKEN_JWKS: z.optional(json(keySet)),
	TOKEN_ISSUER: z._default(word, "postern"),
	TOKEN_AUDIENCE: z._default(word, "authenticated"),
	TOKEN_ROLES: z._default(z.pipe(words, z.array(callersRole)), [
		"anon",
		"authenticated",
	]),
	TOKEN_SIGNING_KEY: z.optional(json(privateKey)),
	TOKEN_LIFETIME_SECONDS: z._default(wholeNumber(60, 86_400), 600),
	// bcrypt's own bounds are 4 and 31; beyond 15 a sign-in takes seconds.
	BCRYPT_COST: z._default(wholeNumber(4, 15), 10),
	ISSUERS: z._default(json(issuerList), []),
	ACCESS_TEAM_URL: z.optional(hostUrl),
	ACCESS_AUDIENCE: z.optional(word),
	ACCESS_ROLE: z._default(callersRole, "authenticated"),
	ANON_ROLE: z._default(callersRole, "anon"),
	PROFILE_ALIASES: z._default(profileAliases, new Map()),
	MAX_STALENESS_SECONDS: z._default(wholeNumber(1, 3_600), 5),
	OUTAGE_STALENESS_SECONDS: z._default(wholeNumber(0, 86_400), 3_600),
	KV_FROM_ASK: z._default(wholeNumber(1, 2), 2),
	...formVariables,
	SIZE_LIMITS: sizeLimits,
	RATE_LIMITS: rateLimits,
	CAUSAL_COOKIE: z._default(onOrOff, "off"),
	EXPLAIN_ROLES: z._default(rolesOrAll, ["service"]),
	REQUEST_LOG: z._default(
		z.enum(["failures", "all"], "is neither failures nor all"),
		"failures",
	),
	METRICS_TOKEN: z.optional(
		headerSecret.check(z.minLength(32, "is shorter than 32 characters")),
	),
	SERVER_TIMING_ROLES: z._default(z.pipe(words, z.array(callersRole)), []),
	CORS_ORIGINS: z._default(
		words.check(
			z.refine(
				(list) => list.every((origin) => ORIGIN.test(origin)),
				"has an entry that is not an origin like https://app.example.com",
			),
		),
		["*"],
	),
});
export interface Config extends FeedSettings {
	/** The server that answers what is not PostgREST's. */
	upstream: URL | undefined;
	tokens: {
		/** Public ES256 keys of the issuer of callers' tokens (RFC 7517). None: there are no such tokens. */
		jwks: { keys: JWK[] };
		issuer: string;
		audience: string;
		/** Roles that a caller's token may name. */
		roles: readonly string[];
		/** Private ES256 key that Postern signs its users' tokens with. Without it users cannot sign up or in. */
		signingKey: (JWK & { kid: string }) | undefined;
		/** How long an access token is good for. */
		lifetimeSeconds: number;
	};
	/** Work factor of password hashes: the logarithm of bcrypt's rounds. */
	bcryptCost: number;
	/** Whose bearer tokens are accepted: Postern's own first. */
	issuers: readonly Issuer[];
	/** API keys of the settings, by their SHA-256 in lower-case hex. */
	configuredKeys: ReadonlyMap<string, ApiKey>;
	/** Cloudflare Access, where it says who a caller is. */
	access: Issuer | undefined;
	/** Role of a caller without a token. */
	anonRole: string;
	/** Schemas by the other names that clients ask for them under. */
	profileAliases: ReadonlyMap<string, string>;
	/** The oldest that an answer may be, in milliseconds, where a relation has no bound of its own. */
	maxStalenessMs: number;
	/** The oldest that an answer may be while the origin is away, in milliseconds. 0: then there is none. */
	outageStalenessMs: number;
	/** From which time that it is asked for an answer goes into KV: 1 or 2. */
	storedFromAsk: number;
	/** Which roles may ask what is expensive. */
	formRoles: FormRoles;
	/** How large a request may be. */
	sizeLimits: SizeLimits;
	/** How often a caller, or an address, may do what. */
	rateLimits: RateLimits;
	/** Whether browsers get the token of what they have seen as a cookie. */
	causalCookie: boolean;
	/** Roles that are told how an answer came about, when they ask. */
	explainRoles: readonly string[];
	/** The requests that the log has a line of. */
	requestLog: "failures" | "all";
	/** Who sends this may read the counters. */
	metricsToken: string | undefined;
	/** Roles that are told how long the phases of a request took. */
	serverTimingRoles: readonly string[];
	/** Origins that browsers may call from; `*` is any. */
	corsOrigins: readonly string[];
}

/**
 * Parses the Worker's environment.
 * @param env variables and bindings, as the runtime hands them over
 * @throws {ConfigError} naming every bad variable
 */
export function parseConfig(env: object): Readonly<Config> {
	const { data, faults } = parseVariables(
		z.extend(environment, originUrlOf(env)),
		env,
	);
	Object.assign(
		faults,
		faultsOfFeed(env),
		faultsOfPair(env, ACCESS),
		faultsOfOwnTokens(env),
	);
	if (data !== undefined) Object.assign(faults, contradictions(data));
	if (data === undefined || Object.keys(faults).length > 0) {
		throw new ConfigError(faults);
	}
	return Object.freeze({
		...toFeedSettings(data),
		upstream: data.UPSTREAM_URL,
		tokens: {
			jwks: data.TOKEN_JWKS ?? { keys: [] },
			issuer: data.TOKEN_ISSUER,
			audience: data.TOKEN_AUDIENCE,
			roles: data.TOKEN_ROLES,
			signingKey: data.TOKEN_SIGNING_KEY,
			lifetimeSeconds: data.TOKEN_LIFETIME_SECONDS,
		},
		bcryptCost: data.BCRYPT_COST,
		issuers: [
			...ownIssuer(data),
			...data.ISSUERS.flatMap(({ issuers }) => issuers),
		],
		configuredKeys: new Map(data.ISSUERS.flatMap(({ keys }) => keys)),
		access: accessIssuer(data),
		anonRole: data.ANON_ROLE,
		profileAliases: data.PROFILE_ALIASES,
		maxStalenessMs: data.MAX_STALENESS_SECONDS * 1_000,
		outageStalenessMs: data.OUTAGE_STALENESS_SECONDS * 1_000,
		storedFromAsk: data.KV_FROM_ASK,
		formRoles: toFormRoles(data),
		sizeLimits: data.SIZE_LIMITS,
		rateLimits: data.RATE_LIMITS,
		causalCookie: data.CAUSAL_COOKIE === "on",
		explainRoles: data.EXPLAIN_ROLES,
		requestLog: data.REQUEST_LOG,
		metricsToken: data.METRICS_TOKEN,
		serverTimingRoles: data.SERVER_TIMING_ROLES,
		corsOrigins: data.CORS_ORIGINS,
	});
}

/** Postern itself, where TOKEN_JWKS has its keys. */
function ownIssuer(variables: z.infer<typeof environment>): Issuer[] {
	const { TOKEN_JWKS: jwks } = variables;
	if (jwks === undefined) return [];
	return [
		{
			issuer: variables.TOKEN_ISSUER,
			audience: [variables.TOKEN_AUDIENCE],
			algorithms: ["ES256"],
			keys: { kind: "jwks", jwks },
			role: { claim: ["role"] },
			roles: variables.TOKEN_ROLES,
		},
	];
}

/** Variables that are right by themselves and not together. */
function contradictions(data: z.infer<typeof environment>): Faults {
	const faults: Faults = {};
	if (data.TOKEN_SIGNING_KEY !== undefined) {
		const { kid, x, y } = data.TOKEN_SIGNING_KEY;
		const isPublished = data.TOKEN_JWKS?.keys.some(
			(key) => key.kid === kid && key.x === x && key.y === y,
		);
		if (!isPublished) {
			faults.TOKEN_SIGNING_KEY = "has its public half not in TOKEN_JWKS";
		}
	}
	if (
		data.TOKEN_SIGNING_KEY !== undefined &&
		!data.TOKEN_ROLES.includes(USER_ROLE)
	) {
		faults.TOKEN_ROLES = `lacks ${USER_ROLE}, which Postern's own users are`;
	}
	const team = data.ACCESS_TEAM_URL?.origin;
	if (team !== undefined && team === data.TOKEN_ISSUER) {
		faults.ACCESS_TEAM_URL = "is TOKEN_ISSUER, which is Postern itself";
	}
	if (
		data.ISSUERS.some(({ issuers }) =>
			issuers.some(({ issuer }) => issuer === data.TOKEN_ISSUER),
		)
	) {
		faults.ISSUERS = "names TOKEN_ISSUER, which is Postern itself";
	}
	return faults;
}
