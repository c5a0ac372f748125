// The read cache, put together of its parts: planner, freshness, memory, KV.
import { createFreshness } from "../consistency/freshness.ts";
import type { Feed } from "../feed/feed.ts";
import type { Pipeline } from "../pipeline.ts";
import { parseCatalog } from "../planner/catalog.ts";
import { createPlanner } from "../planner/planner.ts";
import type { Config } from "../settings/settings.ts";
import { createCache } from "./cache.ts";
import { createFailOpenStore } from "./fail-open-store.ts";
import { KvStore, type Namespace } from "./kv-store.ts";
import { MemoryStore } from "./memory-store.ts";
import { createSingleFlight } from "./single-flight.ts";

/** An isolate has 128 MB in all. */
const MEMORY_BYTES = 33_554_432;

/** Longer than nearly every answer takes: then those who wait for it ask for themselves. */
const TURN_MS = 5_000;

/** What the read cache needs of the runtime. */
export interface CacheBindings {
	feed: Feed;
	/** Keeps answers for all isolates. */
	namespace: Namespace | undefined;
	sleep: (ms: number) => Promise<void>;
	/** Work that goes on after the answer of the request at hand. */
	waitUntil: (promise: Promise<unknown>) => void;
}

interface CacheDeps {
	config: Config;
	now: () => number;
	log: (problem: unknown) => void;
}

/** The pipeline that answers reads from the cache where it may, and asks the origin where it may not. */
export function withReadCache(
	origin: Pipeline,
	{ config, now, log }: CacheDeps,
	{ feed, namespace, sleep, waitUntil }: CacheBindings,
): Pipeline {
	const { schemas, maxStalenessMs, explainRoles } = config;
	return createCache({
		origin,
		planner: createPlanner({ schemas, maxStalenessMs }),
		freshness: createFreshness({
			feed,
			parseCatalog,
			now,
			sleep,
			waitUntil,
			log,
		}),
		memory: new MemoryStore(MEMORY_BYTES),
		store:
			namespace &&
			createFailOpenStore({
				store: new KvStore(namespace),
				now,
				sleep,
				log,
			}),
		flights: createSingleFlight({
			now,
			sleep,
			limitMs: TURN_MS,
			maxFlights: 10_000,
		}),
		maxStalenessMs,
		explainRoles,
		now,
		waitUntil,
		log,
	});
}
