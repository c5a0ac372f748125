// Finds the entry that answers a question in the isolate's memory, synchronously: where the view and the entry satisfy what the full
// path would demand.
import { allowedAgeMs, type Directives } from "../cache/directives.ts";
import type { Entry } from "../cache/entry.ts";
import { isCovered, isGoodFor } from "../cache/entry-freshness.ts";
import type { CacheParts } from "../cache/read-cache.ts";
import type { View } from "../consistency/view.ts";
import type { Identity } from "../identity/identity.ts";
import type { Catalog } from "../planner/catalog.ts";
import type { Question } from "../planner/planner.ts";

/** An entry in memory, fresh as of the view, and covered by it. */
export interface FreshEntry {
	/** What it is kept by. */
	readonly name: string;
	readonly entry: Entry;
	readonly view: View;
	readonly maxAgeMs: number;
}

interface AskedInFull {
	readonly question: Question;
	/** By which the question was planned. */
	readonly catalog: Catalog;
	readonly identity: Identity;
	readonly headers: Headers;
	/** Undefined where the request has none. */
	readonly directives: Directives | undefined;
	readonly consistencyTokens: readonly string[];
}

export type FindHit = (asked: AskedInFull) => FreshEntry | undefined;

export function createFindHit(
	{ planner, freshness, memory, secondAsks }: CacheParts,
	now: () => number,
): FindHit {
	return function findHit(asked) {
		const { directives, consistencyTokens } = asked;
		const plan = planner.planFor(asked.question, asked.identity, asked.headers);
		const maxAgeMs = directives
			? allowedAgeMs(directives, plan.maxStalenessMs)
			: plan.maxStalenessMs;
		const view = freshness.knownView({ maxAgeMs, consistencyTokens });
		if (view === undefined || freshness.knownCatalog(view) !== asked.catalog)
			return undefined;
		const entry = memory.get(plan.key);
		const isForCaller =
			entry !== undefined &&
			entry.echoed.length === 0 &&
			// The full path puts it into the store.
			!secondAsks.isWaiting(entry) &&
			isGoodFor(entry, { plan, view, maxAgeMs }, now()) &&
			// An entry that no poll covers yet is for its first reader alone.
			isCovered(entry, view);
		return isForCaller ? { name: plan.key, entry, view, maxAgeMs } : undefined;
	};
}
