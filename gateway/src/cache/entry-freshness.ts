// When an entry is fresh, and when it is too old: by the changes that the view knows, and by age in any case.
import type { View } from "../consistency/view.ts";
import { CATALOG_TAG } from "../feed/tag.ts";
import type { CacheablePlan } from "../planner/plan.ts";
import type { Entry } from "./entry.ts";

/** An older entry is stale even if the feed knows no change. This bounds changes that no feed can see. */
const LIFETIME_MS = 3_600_000;

/** Longest `ttl` in Cache-Status. */
const MAX_TTL_MS = 3_600_000;

/** The clocks of two isolates differ by less than this. */
const MAX_CLOCK_DIFFERENCE_MS = 60_000;

/** What an entry is compared with. */
interface Read {
	readonly plan: Pick<CacheablePlan, "tags" | "readsClock">;
	readonly view: View;
	/** The oldest answer that the plan and the request allow. */
	readonly maxAgeMs: number;
}

/** Whether the entry is an answer to the read, for a caller that it is for. */
export function isGoodFor(
	entry: Entry,
	{ plan, view, maxAgeMs }: Read,
	now: number,
): boolean {
	return (
		isFresh(entry, plan.tags, view, now) &&
		isTimely(entry, plan.readsClock, maxAgeMs, now)
	);
}

/** Up to when the answer is known to be right. */
export function knownRightAt({ clockReadAt }: Entry, view: View): number {
	return Math.min(view.asOf, clockReadAt ?? Number.POSITIVE_INFINITY);
}

/** How long an answer that is right as of `asOf` may be given without asking the feed again. */
export function ttlOf(asOf: number, maxAgeMs: number, now: number): number {
	return Math.max(0, Math.min(maxAgeMs, MAX_TTL_MS) - (now - asOf));
}

/**
 * Whether nothing that the answer depends on has changed since it was given, as far as the view reaches.
 * @param tags what the answer depends on now. The entry's own tags count as well: the catalog of `tags` may be ahead of the
 *   view, which then does not know of the schema's change.
 */
export function isFresh(
	entry: Entry,
	tags: readonly string[],
	view: View,
	now: number,
): boolean {
	return (
		isUnchanged(entry, tags, view) &&
		// Either way: an isolate's clock may have been ahead.
		Math.abs(now - entry.filledAt) < LIFETIME_MS
	);
}

/** Whether nothing that the answer depends on has changed since it was given, as far as the view reaches. */
export function isUnchanged(
	entry: Entry,
	tags: readonly string[],
	view: View,
): boolean {
	return (
		areUnchanged(tags, entry, view) && areUnchanged(entry.tags, entry, view)
	);
}

/** Whether the schema, the policies and the grants are the ones that the answer was made by, as far as the view reaches. */
export function hasSameCatalog(entry: Entry, view: View): boolean {
	return areUnchanged([CATALOG_TAG], entry, view);
}

/** Whether none of the tags has changed since a number of the feed, as far as the view reaches. */
export function areUnchanged(
	tags: readonly string[],
	entry: Pick<Entry, "feedEpoch" | "seq">,
	view: View,
): boolean {
	return (
		entry.feedEpoch === view.feedEpoch &&
		entry.seq >= view.prunedBelow &&
		tags.every((tag) => view.lastChange(tag) <= entry.seq)
	);
}

/** An entry of another isolate, whose clock may be ahead: asked at no later moment by this one's clock. */
export function ofAnotherIsolate(entry: Entry): Entry {
	return { ...entry, askedAt: entry.askedAt - MAX_CLOCK_DIFFERENCE_MS };
}

/** Which of two copies is the newer one, by the feed: no clocks are compared. */
export function isNewer(one: Entry, other: Entry, view: View): boolean {
	return one.feedEpoch === other.feedEpoch
		? one.seq > other.seq
		: one.feedEpoch === view.feedEpoch;
}

/** Until when the answer is known to have been right, by the isolate's clock. Without a change that is as far as the view reaches. */
export function rightUntil(
	{ askedAt, filledAt, clockReadAt }: Entry,
	view: View,
	hasChanged: boolean,
): number {
	return hasChanged || clockReadAt !== undefined
		? askedAt
		: Math.min(Math.max(view.asOf, askedAt), filledAt + LIFETIME_MS);
}

/** What an answer from the entry stands for. The origin's answer may be ahead of the view. */
export function tokensOf(entry: Entry, view: View): readonly string[] {
	return isCovered(entry, view)
		? [view.consistencyToken]
		: [view.consistencyToken, entry.consistencyToken];
}

/**
 * Whether an answer that depends on the clock was made recently enough, even where the feed knows no change. Clocks of other isolates are not
 * compared with this one's.
 */
export function isTimely(
	{ clockReadAt }: Entry,
	readsClock: boolean,
	maxAgeMs: number,
	now: number,
): boolean {
	if (clockReadAt === undefined) return !readsClock;
	return now >= clockReadAt && now - clockReadAt <= maxAgeMs;
}

/** Whether the view reaches as far as everything that the answer may show. */
export function isCovered(entry: Entry, view: View): boolean {
	return (
		view.covers(entry.consistencyToken) ||
		// No view covers the tokens of earlier runs of the feed's object.
		view.asOf - entry.filledAt > MAX_CLOCK_DIFFERENCE_MS
	);
}
