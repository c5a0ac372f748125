// What the change feed's object needs of the environment: how the origin is reached, and which schemas callers may see. Reads
// nothing else, so that a wrong issuer does not stop the feed.
import * as z from "zod/mini";
import {
	faultsOfOriginKey,
	type OriginToken,
	originTokenVariables,
	toOriginToken,
} from "./origin-token.ts";
import {
	ConfigError,
	type Faults,
	faultsOfPair,
	parseVariables,
} from "./parse-variables.ts";
import {
	headerSecret,
	httpUrl,
	isEncryptedOrLocal,
	onOrOff,
	wholeNumber,
	word,
	words,
} from "./variables.ts";

// Over a Workers VPC binding the URL's host and scheme only name the service: cloudflared is at the other end.
const boundOriginUrl = httpUrl.check(
	z.refine(
		(url) => url.search === "" && url.hash === "",
		"has a query or a fragment",
	),
	z.refine(
		(url) => url.username === "" && url.password === "",
		"has credentials in it",
	),
);
const originUrl = boundOriginUrl.check(
	z.refine(
		isEncryptedOrLocal,
		"is plain http to another machine; use https or the ORIGIN binding",
	),
);

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

export const feedVariables = z.extend(originTokenVariables, {
	ORIGIN_URL: originUrl,
	ORIGIN_API_KEY: z.optional(headerSecret),
	ORIGIN_ACCESS_CLIENT_ID: z.optional(headerSecret),
	ORIGIN_ACCESS_CLIENT_SECRET: z.optional(headerSecret),
	ORIGIN_TIMEOUT_MS: z._default(wholeNumber(1, 600_000), 30_000),
	ORIGIN_REQUESTS_PER_RELATION: z._default(wholeNumber(1, 1_000), 4),
	DB_SCHEMAS: z._default(
		words.check(
			z.refine(
				(list) => !list.includes("postern"),
				"names postern, which is not for callers",
			),
			z.refine(
				(list) => new Set(list).size === list.length,
				"names a schema twice",
			),
		),
		["api"],
	),
	PRE_REQUEST: z.optional(word),
	CACHE_UNTESTED_VERSIONS: z._default(onOrOff, "off"),
	FEED_LOCATION: z.optional(
		z.enum(LOCATIONS, `is none of ${LOCATIONS.join(", ")}`),
	),
	FEED_RELAYS: z._default(onOrOff, "off"),
});

/** Both of them, or neither. */
const ORIGIN_ACCESS: [string, string] = [
	"ORIGIN_ACCESS_CLIENT_ID",
	"ORIGIN_ACCESS_CLIENT_SECRET",
];

export interface OriginSettings extends OriginToken {
	/** Base URL of PostgREST; its path, if any, comes before PostgREST's own. */
	url: URL;
	/** `apikey` of each request, for an API gateway before PostgREST, such as Supabase's. */
	apiKey: string | undefined;
	/** Cloudflare Access service token of the tunnel's hostname. */
	access: { clientId: string; clientSecret: string } | undefined;
	/** Longest wait for the head of an answer, in milliseconds. */
	timeoutMs: number;
	/** How many requests to one relation or function an isolate has under way at once. */
	requestsPerRelation: number;
}

export interface FeedSettings {
	origin: OriginSettings;
	/** The schemas that PostgREST exposes to callers, the one that it takes by default first: its db-schemas without `postern`. */
	schemas: readonly string[];
	/** PostgREST's db-pre-request. */
	preRequest: string | undefined;
	/** Whether answers are cached with majors of PostgreSQL and PostgREST that were not tested. */
	cachesUntestedVersions: boolean;
	/** Where the change feed is made, when it is: near the database. Cloudflare never moves it. */
	feedLocation: (typeof LOCATIONS)[number] | undefined;
	/** Whether isolates ask a relay of their data centre instead of the change feed's object. */
	hasFeedRelays: boolean;
}

/** Variables of the feed that are wrong by what else is there. */
export function faultsOfFeed(env: object): Faults {
	return { ...faultsOfPair(env, ORIGIN_ACCESS), ...faultsOfOriginKey(env) };
}

/** ORIGIN_URL in this environment: with the ORIGIN binding it may name any host. */
export function originUrlOf(env: object) {
	return { ORIGIN_URL: "ORIGIN" in env ? boundOriginUrl : originUrl };
}

/** @throws {ConfigError} naming every bad variable */
export function parseFeedSettings(env: object): FeedSettings {
	const { data, faults } = parseVariables(
		z.extend(feedVariables, originUrlOf(env)),
		env,
	);
	Object.assign(faults, faultsOfFeed(env));
	if (data === undefined || Object.keys(faults).length > 0) {
		throw new ConfigError(faults);
	}
	return toFeedSettings(data);
}

export function toFeedSettings(
	variables: z.infer<typeof feedVariables>,
): FeedSettings {
	const clientId = variables.ORIGIN_ACCESS_CLIENT_ID;
	const clientSecret = variables.ORIGIN_ACCESS_CLIENT_SECRET;
	return {
		origin: {
			url: variables.ORIGIN_URL,
			...toOriginToken(variables),
			apiKey: variables.ORIGIN_API_KEY,
			access:
				clientId !== undefined && clientSecret !== undefined
					? { clientId, clientSecret }
					: undefined,
			timeoutMs: variables.ORIGIN_TIMEOUT_MS,
			requestsPerRelation: variables.ORIGIN_REQUESTS_PER_RELATION,
		},
		schemas: variables.DB_SCHEMAS,
		preRequest: variables.PRE_REQUEST,
		cachesUntestedVersions: variables.CACHE_UNTESTED_VERSIONS === "on",
		feedLocation: variables.FEED_LOCATION,
		hasFeedRelays: variables.FEED_RELAYS === "on",
	};
}
