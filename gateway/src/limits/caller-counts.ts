// What the Durable Object of one caller, or of one address, counts for all isolates.
import type { Quota, Standing } from "./window-counts.ts";

/** Where a count stands once the share is taken. */
export interface Taken extends Standing {
	/** How many were counted: what is not spent of them in the window is lost to the caller. */
	readonly share: number;
}

export interface CallerCounts {
	/**
	 * Counts one more under this name, if it is allowed.
	 * @param wantsShare takes a tenth of what is left, where that is more
	 */
	take(name: string, quota: Quota, wantsShare?: boolean): Promise<Taken>;
	/** Takes one back that was counted so many milliseconds ago, where that was in the same window. */
	giveBack(name: string, quota: Quota, agoMs: number): Promise<void>;
}
