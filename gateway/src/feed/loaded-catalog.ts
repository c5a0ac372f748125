// The catalog as the feed loaded it last, and when it has to be loaded again: after a change that the feed knows, and
// regularly, because no event tells of changed memberships of roles or of ALTER ROLE.
import type { CatalogAnswer } from "./feed.ts";
import type { FeedState } from "./feed-state.ts";
import type { Polls } from "./polls.ts";
import { CATALOG_TAG } from "./tag.ts";
import type { Tracking } from "./tracking.ts";

interface LoadedCatalogDeps {
	tracking: Tracking;
	state: FeedState;
	polls: Polls;
	now: () => number;
}

/** A catalog that was loaded longer ago is loaded again. */
export const CATALOG_MS = 60_000;

/** The catalog as it was loaded. */
interface Loaded extends CatalogAnswer {
	/** Before it was asked for. */
	readonly asOf: number;
}

export function createLoadedCatalog(deps: LoadedCatalogDeps) {
	const { tracking, state, polls, now } = deps;
	let loaded: Loaded | undefined;
	let loading: Promise<void> | undefined;

	return {
		/** Loads the catalog again if it is in use and was loaded longer than maxAgeMs ago. */
		async check(maxAgeMs: number): Promise<void> {
			const isUsed = (state.stored?.catalog ?? null) !== null;
			const loadedAt = current()?.asOf ?? Number.NEGATIVE_INFINITY;
			if (isUsed && !polls.isAbsent() && now() - loadedAt > maxAgeMs)
				await load();
		},
		/** @throws {Error} where the database tracks nothing */
		async get(): Promise<CatalogAnswer> {
			// A load that was under way may have begun before the catalog's last change.
			for (let round = 0; round < 2 && !isCurrent(); round++) await load();
			const known = current();
			if (known === undefined || polls.isAbsent())
				throw new Error(`There is no catalog: ${polls.absenceReason}`);
			const { feedEpoch, seq, catalog } = known;
			return { feedEpoch, seq, catalog };
		},
	};

	/** A catalog of an earlier feed epoch is none: its number cannot be compared. */
	function current(): Loaded | undefined {
		return loaded?.feedEpoch === state.stored?.feedEpoch ? loaded : undefined;
	}

	function isCurrent(): boolean {
		const known = current();
		return (
			known !== undefined &&
			state.lastCatalogChange() <= known.seq &&
			now() - known.asOf <= CATALOG_MS
		);
	}

	function load(): Promise<void> {
		loading ??= loadOnce().finally(() => {
			loading = undefined;
		});
		return loading;
	}

	async function loadOnce(): Promise<void> {
		if (state.stored === undefined || polls.isAbsent()) return;
		const { feedEpoch, seq } = state.stored;
		const asOf = now();
		const { version, json } = await tracking.loadCatalog();
		// Read again: polls went on meanwhile.
		const { stored } = state;
		if (stored?.feedEpoch !== feedEpoch) return;
		const last = stored.catalog;
		const isKnown = last !== null && state.lastCatalogChange() <= last.seq;
		if (isKnown && last.version === version) {
			loaded = { asOf, feedEpoch, seq, catalog: json };
			return;
		}
		// No event told of this change, so it is numbered now. The loaded catalog shows it, and belongs to no earlier number.
		if (isKnown) state.number([CATALOG_TAG], stored.cursor);
		const currentAt = isKnown ? (state.stored?.seq ?? seq) : seq;
		state.setCatalog({ version, seq: currentAt });
		loaded = { asOf, feedEpoch, seq: currentAt, catalog: json };
	}
}
