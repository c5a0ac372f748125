// Answers a read from a store: finds a fresh entry, and gives it only to callers that the database would answer alike.
import {
	consistencyTokensIn,
	setConsistencyTokens,
} from "../consistency/consistency-token.ts";
import type { Freshness } from "../consistency/freshness.ts";
import type { View } from "../consistency/view.ts";
import type { Identity } from "../identity/identity.ts";
import type { CacheablePlan } from "../planner/plan.ts";
import type { Directives } from "./directives.ts";
import { type Entry, readerOf, type Store } from "./entry.ts";
import {
	isCovered,
	isFresh,
	isTimely,
	ofAnotherIsolate,
	tokensOf,
} from "./entry-freshness.ts";
import { conditional } from "./etag.ts";
import type { MemoryStore } from "./memory-store.ts";
import { type CacheStatus, fromEntry, setAge, setStatus } from "./respond.ts";

/** A read that may be answered from a store, as of a view. */
export interface CacheableRead {
	readonly request: Request;
	readonly identity: Identity;
	readonly directives: Directives;
	readonly plan: CacheablePlan;
	readonly view: View;
	readonly maxAgeMs: number;
	/** What the entry is stored under. */
	readonly name: string;
	/** When the view was found recent enough, by the isolate's clock. */
	readonly at: number;
}

/** Longest `ttl` in Cache-Status. */
const MAX_TTL_MS = 3_600_000;

interface FromStoreDeps {
	freshness: Freshness;
	memory: MemoryStore;
	store: Store | undefined;
	now: () => number;
}

export function createFromStore(deps: FromStoreDeps) {
	const { freshness, memory, store, now } = deps;

	return { lookUp, answer, isGood, ttlMs };

	/** Finds a fresh entry: in memory, then in the store. */
	async function lookUp(read: CacheableRead): Promise<{
		hit?: Entry;
		detail?: string;
		isStale?: boolean;
	}> {
		const { name } = read;
		const near = memory.get(name);
		if (near !== undefined && isGood(near, read))
			return { hit: near, detail: "memory" };
		const stored = read.plan.readsClock ? undefined : await store?.get(name);
		if (stored === undefined) return { isStale: near !== undefined };
		if (!isGood(stored, read)) return { isStale: true };
		const far = ofAnotherIsolate(stored);
		memory.put(name, far);
		return { hit: far, detail: "kv" };
	}

	function isGood(
		entry: Entry,
		{ plan, view, maxAgeMs }: CacheableRead,
	): boolean {
		const at = now();
		return (
			isFresh(entry, plan.tags, view, at) &&
			isTimely(entry, plan.readsClock, maxAgeMs, at)
		);
	}

	/** Up to when the answer is known to be right. */
	function asOf({ clockReadAt }: Entry, view: View): number {
		return Math.min(view.asOf, clockReadAt ?? Number.POSITIVE_INFINITY);
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
		setAge(response.headers, asOf(entry, view), now());
		setConsistencyTokens(response.headers, tokensOf(entry, view));
		const ttl = ttlMs({ ...read, view: { asOf: asOf(entry, view) } });
		setStatus(response.headers, { ...status, ttlMs: ttl });
		return conditional(request, response);
	}

	/**
	 * The origin may have answered by policies that are newer than the plan, and that tell callers apart whom the plan takes
	 * for alike. So callers other than the entry's reader need a poll that began after the answer and found no such change.
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
		return newer && isGood(entry, { ...read, view: newer }) ? newer : undefined;
	}

	/** How long the answer may be given without asking the feed again. */
	function ttlMs({
		view,
		maxAgeMs,
	}: {
		view: Pick<View, "asOf">;
		maxAgeMs: number;
	}): number {
		return Math.max(0, Math.min(maxAgeMs, MAX_TTL_MS) - (now() - view.asOf));
	}
}
