// What the Durable Object of one caller, or of one address, counts for all isolates.
import type { Quota, Standing } from "./window-counts.ts";

export interface CallerCounts {
	/** Counts one more under this name, if it is allowed. */
	take(name: string, quota: Quota): Promise<Standing>;
	giveBack(name: string): Promise<void>;
}
