// Answers a read from a store: finds a fresh entry, and gives it only to callers that the database would answer alike.
import {
	consistencyTokensIn,
	setConsistencyTokens,
} from "../consistency/consistency-token.ts";
import type { Freshness } from "../consistency/freshness.ts";
import type { View } from "../consistency/view.ts";
import { CATALOG_TAG } from "../feed/tag.ts";
import type { Identity } from "../identity/identity.ts";
import type { MemoryStore } from "../memory/memory-store.ts";
import { timed } from "../observe/observation.ts";
import type { PipelineRequest } from "../pipeline.ts";
import type { CacheablePlan } from "../planner/plan.ts";
import type { Directives } from "./directives.ts";
import { type Entry, readerOf, type Store } from "./entry.ts";
import {
	areUnchanged,
	isCovered,
	isGoodFor,
	knownRightAt,
	ofAnotherIsolate,
	tokensOf,
	ttlOf,
} from "./entry-freshness.ts";
import { conditional } from "./etag.ts";
import { type CacheStatus, fromEntry, setAge, setStatus } from "./respond.ts";

/** A read that may be answered from a store, as of a view. */
export interface CacheableRead {
	readonly request: PipelineRequest;
	readonly identity: Identity;
	readonly directives: Directives;
	readonly plan: CacheablePlan;
	readonly view: View;
	readonly maxAgeMs: number;
	/** When the view was found recent enough, by the isolate's clock. */
	readonly at: number;
}

interface Found {
	readonly hit?: Entry;
	readonly detail?: string;
	readonly isStale?: boolean;
}

interface FromStoreDeps {
	freshness: Freshness;
	memory: MemoryStore<Entry>;
	store: Store | undefined;
	/** Before a look-up beyond the isolate, which costs, too. @throws {Refusal} where the caller has no misses left */
	checkMisses: (identity: Identity) => void;
	now: () => number;
}

export function createFromStore(deps: FromStoreDeps) {
	const { freshness, memory, store, now } = deps;

	return { lookUp, answer, isGood };

	/** Finds a fresh entry: in memory, then in the store. */
	async function lookUp(read: CacheableRead): Promise<Found> {
		const { key, readsClock } = read.plan;
		const near = memory.get(key);
		if (near !== undefined && isGood(near, read))
			return { hit: near, detail: "memory" };
		const stored = readsClock ? undefined : await fromKv(read);
		if (stored === undefined) return { isStale: near !== undefined };
		if (!isGood(stored, read)) return { isStale: true };
		const far = ofAnotherIsolate(stored);
		memory.put(key, far);
		return { hit: far, detail: "kv" };
	}

	async function fromKv({
		directives,
		identity,
		plan,
	}: CacheableRead): Promise<Entry | undefined> {
		if (store === undefined) return undefined;
		if (!directives.isOnlyIfCached) deps.checkMisses(identity);
		return timed("kv", () => store.get(plan.key));
	}

	function isGood(entry: Entry, read: CacheableRead): boolean {
		return isGoodFor(entry, read, now());
	}

	/** @returns undefined where the good entry turns out not to be for this caller */
	async function answer(
		read: CacheableRead,
		entry: Entry,
		status: CacheStatus,
	): Promise<Response | undefined> {
		const { request } = read;
		const view = await viewForCaller(read, entry);
		if (view === undefined) return undefined;
		const response = fromEntry(entry, request);
		const asOf = knownRightAt(entry, view);
		setAge(response.headers, asOf, now());
		setConsistencyTokens(response.headers, tokensOf(entry, view));
		const ttlMs = ttlOf(asOf, read.maxAgeMs, now());
		setStatus(response.headers, { ...status, ttlMs });
		return conditional(request, response);
	}

	/**
	 * The origin may have answered by policies that are newer than the plan, and that tell callers apart whom the plan takes
	 * for alike. So callers other than the entry's reader need a poll that began after the answer and found no such change: neither
	 * since the entry was stamped nor since the view that the plan is for, which may be older.
	 */
	async function viewForCaller(
		read: CacheableRead,
		entry: Entry,
	): Promise<View | undefined> {
		const { view, identity, request, maxAgeMs } = read;
		if (
			isCovered(entry, view) ||
			entry.reader === (await readerOf(identity, request))
		)
			return view;
		const consistencyTokens = [
			...consistencyTokensIn(request.headers),
			entry.consistencyToken,
		];
		const newer = await freshness.view({ maxAgeMs, consistencyTokens });
		return newer &&
			areUnchanged([CATALOG_TAG], view, newer) &&
			isGood(entry, { ...read, view: newer })
			? newer
			: undefined;
	}
}
