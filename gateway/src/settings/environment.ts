// What a Worker with Postern finds in its environment: bindings and variables. Which variables there are, and what each may
// hold, is in settings.ts.
import type { Feed } from "../feed/feed.ts";
import type { CallerCounts } from "../limits/caller-counts.ts";

/** Every binding is optional: without one, what needs it is off. */
export interface PosternEnv {
	/** Keeps answers and issuers' keys for all isolates. Without it each isolate has its own memory only. */
	CACHE?: KVNamespace;
	/** The object that follows the database's changes. Without it every read goes to the origin. */
	CHANGE_FEED?: DurableObjectNamespace<Feed & Rpc.DurableObjectBranded>;
	/** The objects that count exactly for each caller what RATE_LIMITS limits. Without it each isolate counts for itself. */
	CALLER_LIMITS?: DurableObjectNamespace<
		CallerCounts & Rpc.DurableObjectBranded
	>;
	/** Cloudflare's rate limit of one location, for requests. */
	REQUEST_LIMIT?: RateLimit;
	/** Workers VPC service that reaches PostgREST through the tunnel, in place of ORIGIN_URL's host. */
	ORIGIN?: Fetcher;
	/** Analytics Engine, which keeps the counters of all isolates. */
	ANALYTICS?: AnalyticsEngineDataset;
	/** Static assets, where Swagger UI is served at /docs. */
	ASSETS?: Fetcher;
}
