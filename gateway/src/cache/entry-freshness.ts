// When an entry is fresh, and when it is too old: by the changes that the view knows, and by age in any case.
import type { View } from "../consistency/view.ts";
import type { Entry } from "./entry.ts";

/** An older entry is stale even if the feed knows no change. This bounds changes that no feed can see. */
const LIFETIME_MS = 3_600_000;

/** The clocks of two isolates differ by less than this. */
const MAX_CLOCK_DIFFERENCE_MS = 60_000;

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
	const isUnchanged = (tag: string) => view.lastChange(tag) <= entry.seq;
	return (
		entry.feedEpoch === view.feedEpoch &&
		entry.seq >= view.prunedBelow &&
		tags.every(isUnchanged) &&
		entry.tags.every(isUnchanged) &&
		// Either way: an isolate's clock may have been ahead.
		Math.abs(now - entry.filledAt) < LIFETIME_MS
	);
}

/** Whether the view reaches as far as everything that the answer may show. */
export function isCovered(entry: Entry, view: View): boolean {
	return (
		view.covers(entry.consistencyToken) ||
		// No view covers the tokens of earlier runs of the feed's object.
		view.asOf - entry.filledAt > MAX_CLOCK_DIFFERENCE_MS
	);
}
