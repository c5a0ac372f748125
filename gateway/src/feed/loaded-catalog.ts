// The catalog as the feed loaded it last. It is loaded again when an isolate asks for it after a change that the feed knows.
import type { CatalogAnswer } from "./feed.ts";
import type { FeedState } from "./feed-state.ts";
import type { Polls } from "./polls.ts";
import type { Tracking } from "./tracking.ts";

interface LoadedCatalogDeps {
	tracking: Tracking;
	state: FeedState;
	polls: Polls;
}

export function createLoadedCatalog(deps: LoadedCatalogDeps) {
	const { tracking, state, polls } = deps;
	let loaded: CatalogAnswer | undefined;
	let loading: Promise<void> | undefined;

	return {
		/** @throws {Error} where the database tracks nothing */
		async get(): Promise<CatalogAnswer> {
			// A load that was under way may have begun before the catalog's last change.
			for (let round = 0; round < 2 && !isCurrent(); round++) await load();
			const known = current();
			if (known === undefined || polls.isAbsent())
				throw new Error(`There is no catalog: ${polls.absenceReason}`);
			return known;
		},
	};

	/** A catalog of an earlier feed epoch is none: its number cannot be compared. */
	function current(): CatalogAnswer | undefined {
		return loaded?.feedEpoch === state.stored?.feedEpoch ? loaded : undefined;
	}

	function isCurrent(): boolean {
		const known = current();
		return known !== undefined && state.lastCatalogChange() <= known.seq;
	}

	function load(): Promise<void> {
		loading ??= loadOnce().finally(() => {
			loading = undefined;
		});
		return loading;
	}

	async function loadOnce(): Promise<void> {
		if (state.stored === undefined || polls.isAbsent()) return;
		// Taken before the database is asked: a late catalog can only look too old.
		const { feedEpoch, seq } = state.stored;
		const catalog = await tracking.loadCatalog();
		loaded = { feedEpoch, seq, catalog };
	}
}
