// Decides which answers go into the store beyond the isolate: those that are asked for again. Most URLs are asked for once, and a
// write into KV costs more than any read.
import { BoundedMap } from "./bounded-map.ts";
import { type Entry, nameOf, type Store } from "./entry.ts";

/** Names of what was asked for, about 120 bytes each. The oldest is forgotten first. */
const MAX_ASKED = 10_000;

export interface SecondAsks {
	/** Takes an answer of the origin's. */
	filled(name: string, entry: Entry): void;
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
	const asked = new BoundedMap<true>(MAX_ASKED);
	const waiting = new WeakSet<Entry>();

	return {
		filled(name, entry) {
			// What depends on the clock stays in the isolate.
			if (store === undefined || entry.clockReadAt !== undefined) return;
			if (storedFromAsk === 1 || asked.get(name)) {
				waitUntil(store.put(name, entry));
			} else {
				asked.set(name, true);
				waiting.add(entry);
			}
		},
		given(key, entry) {
			if (store === undefined || !waiting.delete(entry)) return;
			waitUntil(nameOf(key).then((name) => store.put(name, entry)));
		},
		isWaiting: (entry) => waiting.has(entry),
	};
}
