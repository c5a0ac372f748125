// Decides which answers go into the store beyond the isolate: those that are asked for again. Most URLs are asked for once, and a
// write into KV costs more than any read.
import { MemoryStore } from "../memory/memory-store.ts";
import type { Entry, Store } from "./entry.ts";

/** For the keys of what was asked for: some 10,000 of 200 characters. */
const ASKED_BYTES = 4_194_304;

export interface SecondAsks {
	/** Takes an answer of the origin's. */
	filled(key: string, entry: Entry): void;
	/** Takes an entry of the isolate's memory that is given again. */
	given(key: string, entry: Entry): void;
	/** Whether the entry goes into the store when it is given again. */
	isWaiting(entry: Entry): boolean;
}

interface SecondAsksDeps {
	store: Store | undefined;
	/** 1: every answer goes into the store. 2: those that are asked for again. */
	storedFromAsk: number;
	waitUntil: (promise: Promise<unknown>) => void;
}

export function createSecondAsks(deps: SecondAsksDeps): SecondAsks {
	const { store, storedFromAsk, waitUntil } = deps;
	/** Also after memory has dropped the entry, or a change has made it stale. */
	const asked = new MemoryStore<true>(ASKED_BYTES, () => 0);
	const waiting = new WeakSet<Entry>();

	return {
		filled(key, entry) {
			// What depends on the clock stays in the isolate.
			if (store === undefined || entry.clockReadAt !== undefined) return;
			if (storedFromAsk === 1 || asked.get(key)) {
				waitUntil(store.put(key, entry));
			} else {
				asked.put(key, true);
				waiting.add(entry);
			}
		},
		given(key, entry) {
			if (store === undefined || !waiting.delete(entry)) return;
			waitUntil(store.put(key, entry));
		},
		isWaiting: (entry) => waiting.has(entry),
	};
}
