// Where entries are kept: one narrow interface, so that the cache does not care which. Knows nothing of freshness.
import type { Entry } from "./entry.ts";

/** Every implementation passes one suite: gateway/test/cache/stores.test.ts. */
export interface Store {
	/** @returns the entry that was put under the name last, an older one, or nothing: stores may be behind, and forget */
	get(name: string): Promise<Entry | undefined>;
	put(name: string, entry: Entry): Promise<void>;
}
