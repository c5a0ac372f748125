// What a Worker with Postern finds in its environment: bindings and variables. Which variables there are, and what each may
// hold, is in settings.ts.
import type { Feed } from "../feed/feed.ts";

/** Every binding is optional: without one, what needs it is off. */
export interface PosternEnv {
	/** Keeps answers and issuers' keys for all isolates. Without it each isolate has its own memory only. */
	CACHE?: KVNamespace;
	/** The object that follows the database's changes. Without it every read goes to the origin. */
	CHANGE_FEED?: DurableObjectNamespace<Feed & Rpc.DurableObjectBranded>;
	/** Workers VPC service that reaches PostgREST through the tunnel, in place of ORIGIN_URL's host. */
	ORIGIN?: Fetcher;
	/** Analytics Engine, which keeps the counters of all isolates. */
	ANALYTICS?: AnalyticsEngineDataset;
	/** Static assets, where Swagger UI is served at /docs. */
	ASSETS?: Fetcher;
}
