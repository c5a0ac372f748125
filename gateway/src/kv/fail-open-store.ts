// Wraps a store that is reached over a network, so that it neither fails a request nor delays one for long. Its failures are
// logged.
import type { Store } from "../cache/entry.ts";
import type { Sleep } from "../consistency/sleep.ts";

/** Longest wait for the store. Asking the origin takes no longer. */
const LIMIT_MS = 1_000;

/** A store that took too long is not asked for this long. */
const REST_MS = 10_000;

interface FailOpenStoreDeps {
	store: Store;
	now: () => number;
	sleep: Sleep;
	log: (error: unknown) => void;
}

export function createFailOpenStore(deps: FailOpenStoreDeps): Store {
	const { store, now, sleep, log } = deps;
	let restsUntil = Number.NEGATIVE_INFINITY;

	return {
		async get(key) {
			if (now() < restsUntil) return undefined;
			const asked = attempt(() => store.get(key));
			const answer = await Promise.race([
				asked.then((entry) => ({ entry })),
				sleep(LIMIT_MS, asked),
			]);
			if (answer !== undefined) return answer.entry;
			restsUntil = now() + REST_MS;
			log(new Error(`The store of answers is silent for ${LIMIT_MS} ms`));
			return undefined;
		},
		put: (key, entry) => attempt(() => store.put(key, entry)),
	};

	async function attempt<T>(work: () => Promise<T>): Promise<T | undefined> {
		try {
			return await work();
		} catch (error) {
			log(error);
			return undefined;
		}
	}
}
