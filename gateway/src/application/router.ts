// The routers of the gateway and of an application: what a route finds in its context, and the path that it is chosen by.
import type { PostgrestClient } from "@supabase/postgrest-js";
import { Hono } from "hono";
import { getPathNoStrict } from "hono/utils/url";
import type { CallerAccounts } from "../accounts/caller-accounts.ts";
import type { Recall } from "../http/database.ts";
import { partsOf } from "../http/url-parts.ts";
import type { Identity } from "../identity/identity.ts";
import type { Counted } from "../limits/rate-limit-fields.ts";
import { PIPELINE_URL, type Pipeline } from "../pipeline.ts";

/**
 * What an application's route finds in `context.var`.
 * @template Database the schema's types, as postgrest-js takes them
 */
// biome-ignore lint/suspicious/noExplicitAny: postgrest-js's own default, a database without types
export interface RouteEnv<Database = any> {
	Variables: {
		/** Who is calling. */
		identity: Identity;
		/** The database as this caller, through the cache. Ask it with `throwOnError()`: what PostgREST refuses then becomes a refusal. */
		database: PostgrestClient<Database>;
		/** Postern's own users. Refuses with `issuing_off` where no TOKEN_SIGNING_KEY is set. */
		accounts: CallerAccounts;
	};
}

/** A router of an application with any database and routes. */
// biome-ignore lint/suspicious/noExplicitAny: Hono's type of an environment is invariant
type Router = Hono<any>;

/** Routers by the path that each is mounted at. */
export type Routes = Readonly<Record<string, Router>>;

/** What the gateway's own routes find as well. */
export interface GatewayEnv {
	Variables: RouteEnv["Variables"] & {
		pipeline: Pipeline;
		/** Answers of the isolate's memory. */
		recall: Recall;
		/** What was counted of the request for its caller's limits. */
		counted?: readonly Counted[];
	};
}

/** A router whose routes are not described in OpenAPI. It ignores a trailing slash. */
export function createPlainRouter(): Hono<GatewayEnv> {
	return new Hono<GatewayEnv>({ strict: false });
}

/**
 * The path that a route is chosen by: that of the parsed URL, which is the one that `/rest/v1` hands on. The parser removes dot
 * segments, also percent-encoded ones, and takes `\` for `/`. The router's own reading does neither, so it could choose a route
 * for one path and the origin be asked for another. It has no trailing slash. A text that is no URL, because its Host is none,
 * has the root for a path.
 */
export function pathOf(request: Request): string {
	if (!URL.canParse(request.url)) return "/";
	// Hono reads nothing else of the request.
	const url = PIPELINE_URL + partsOf(request.url).pathname;
	return getPathNoStrict({ url } as Request);
}
