// The read cache, put together of its parts: planner, freshness, memory, KV.

import { createConditionalWrites } from "../conditions/conditional-writes.ts";
import { createFreshness, type Freshness } from "../consistency/freshness.ts";
import { createOwnWrites, type OwnWrites } from "../consistency/own-writes.ts";
import { createSingleFlight } from "../consistency/single-flight.ts";
import type { Sleep } from "../consistency/sleep.ts";
import { isContractReason } from "../feed/contract.ts";
import type { Feed } from "../feed/feed.ts";
import type { Identity } from "../identity/identity.ts";
import { createFailOpenStore } from "../kv/fail-open-store.ts";
import { KvStore } from "../kv/kv-store.ts";
import type { Kv } from "../kv/sealed-values.ts";
import { MemoryStore } from "../memory/memory-store.ts";
import type { PreRequestProbe } from "../origin/pre-request-probe.ts";
import { createTokenClaims } from "../origin/sign.ts";
import type { Origin, Pipeline } from "../pipeline.ts";
import { parseCatalog } from "../planner/catalog.ts";
import { createPlanner, type QuestionPlanner } from "../planner/planner.ts";
import type { Config } from "../settings/settings.ts";
import { createCache } from "./cache.ts";
import { type Entry, sizeOf } from "./entry.ts";
import { createSecondAsks, type SecondAsks } from "./second-asks.ts";

/** An isolate has 128 MB in all. */
const MEMORY_BYTES = 50_331_648;

/** Longer than nearly every answer takes: then those who wait for it ask for themselves. */
const TURN_MS = 5_000;

interface CacheDeps {
	config: Config;
	/** The origin for what may write. */
	writes: Origin;
	preRequest: PreRequestProbe;
	/** Keeps answers for all isolates. */
	kv: Kv | undefined;
	feed: Feed;
	/** @throws {Refusal} where the caller has no misses left */
	checkMisses: (identity: Identity) => void;
	/** Is called when the feed polls the origin again after a failure. */
	onOriginBack: () => void;
	now: () => number;
	sleep: Sleep;
	/** Work that goes on after the answer of the request at hand. */
	waitUntil: (promise: Promise<unknown>) => void;
	log: (error: unknown) => void;
}

/** What the cache depends on, each by itself. */
export interface CacheReadiness {
	readonly feed: "ok" | "unreachable";
	/** How old the gateway's knowledge of the database's changes is. */
	readonly feedLagSeconds?: number;
	/** Whether the database speaks a contract that the Worker knows; the reason where it does not. */
	readonly contract: "ok" | "unknown" | (string & {});
	/** Why nothing is cached at this moment. */
	readonly nothingIsCached?: string;
}

/** What the fast path and the full path share. */
export interface CacheParts {
	readonly planner: QuestionPlanner;
	readonly freshness: Freshness;
	readonly ownWrites: OwnWrites;
	readonly memory: MemoryStore<Entry>;
	readonly secondAsks: Pick<SecondAsks, "isWaiting">;
}

interface ReadCache {
	readonly parts: CacheParts;
	/** Answers reads from the cache where it may, and asks the origin where it may not. */
	readonly pipeline: Pipeline;
	readiness(): Promise<CacheReadiness>;
}

export function createReadCache(origin: Pipeline, deps: CacheDeps): ReadCache {
	const { config, kv, feed, onOriginBack, now, sleep, waitUntil, log } = deps;
	const { schemas, maxStalenessMs, outageStalenessMs, explainRoles } = config;
	const tokenClaimsOf = createTokenClaims(config.origin, config.anonRole);
	const freshness = createFreshness({
		feed,
		onOriginBack,
		parseCatalog,
		now,
		sleep,
		waitUntil,
		log,
	});
	const planner = createPlanner({
		schemas,
		maxStalenessMs,
		audienceOf: (identity) => tokenClaimsOf(identity).aud,
	});
	const ownWrites = createOwnWrites();
	const memory = new MemoryStore(MEMORY_BYTES, sizeOf);
	const store =
		kv && createFailOpenStore({ store: new KvStore(kv), now, sleep, log });
	const { storedFromAsk } = config;
	const secondAsks = createSecondAsks({ store, storedFromAsk, waitUntil });
	const pipeline = createCache({
		origin,
		writes: createConditionalWrites(naming(deps.writes), {
			preRequest: deps.preRequest,
			...{ planner, freshness, maxStalenessMs },
		}),
		planner,
		freshness,
		ownWrites,
		memory,
		store,
		checkMisses: deps.checkMisses,
		secondAsks,
		flights: createSingleFlight({
			now,
			sleep,
			limitMs: TURN_MS,
			maxFlights: 10_000,
		}),
		maxStalenessMs,
		outageStalenessMs,
		explainRoles,
		deadlineMs: config.origin.timeoutMs,
		now,
		waitUntil,
		log,
	});
	return {
		parts: { planner, freshness, ownWrites, memory, secondAsks },
		pipeline,
		async readiness() {
			const view = await freshness.view({
				maxAgeMs: maxStalenessMs,
				consistencyTokens: [],
			});
			const catalog = view && (await freshness.catalog(view));
			const { absence, reason } = freshness;
			const isOfContract = absence !== undefined && isContractReason(absence);
			// It runs before every answer.
			const ofAll = catalog ? catalog.preRequest?.reasons[0] : "no view";
			const why = absence ?? reason ?? ofAll;
			return {
				feed: reason === "feed-unreachable" ? "unreachable" : "ok",
				...(view && {
					feedLagSeconds: Math.round(Math.max(0, now() - view.asOf) / 100) / 10,
				}),
				contract: isOfContract ? absence : catalog ? "ok" : "unknown",
				...(why !== undefined && { nothingIsCached: why }),
			};
		},
	};
}

/** Writes whose answers name their transactions, where PostgREST calls postern.pre_request(). */
function naming(writes: Origin): Origin {
	return (request, identity, told) =>
		writes(request, identity, { ...told, transaction: "name" });
}
