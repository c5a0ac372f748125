// Around a store that is reached over a network: it fails no request and holds none up. What goes wrong is for the log.
import type { Store } from "./store.ts";

/** Longest that an answer is waited for, in milliseconds: asking the origin takes no longer. */
const LIMIT_MS = 1_000;

/** A store that took too long is not asked again for this time, in milliseconds. */
const REST_MS = 10_000;

interface FailOpenStoreDeps {
	store: Store;
	now: () => number;
	sleep: (ms: number) => Promise<void>;
	log: (problem: unknown) => void;
}

export function createFailOpenStore(deps: FailOpenStoreDeps): Store {
	const { store, now, sleep, log } = deps;
	let restsUntil = Number.NEGATIVE_INFINITY;

	return {
		async get(name) {
			if (now() < restsUntil) return undefined;
			const asked = attempt(() => store.get(name));
			const answer = await Promise.race([
				asked.then((entry) => ({ entry })),
				sleep(LIMIT_MS),
			]);
			if (answer !== undefined) return answer.entry;
			restsUntil = now() + REST_MS;
			log(new Error(`The store of answers is silent for ${LIMIT_MS} ms`));
			return undefined;
		},
		put: (name, entry) => attempt(() => store.put(name, entry)),
	};

	async function attempt<T>(work: () => Promise<T>): Promise<T | undefined> {
		try {
			return await work();
		} catch (problem) {
			log(problem);
			return undefined;
		}
	}
}
