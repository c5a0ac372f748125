// Whether PostgREST has loaded the schema as of the catalog's last change. It may be told late, or take long, or be unable to load:
// so it is asked for a table that was made after the change.
import type { FeedState } from "./feed-state.ts";
import type { Polls } from "./polls.ts";
import type { Tracking } from "./tracking.ts";

interface LoadedSchemaDeps {
	tracking: Tracking;
	state: FeedState;
	polls: Polls;
	/** The clock, in milliseconds. Never goes back. */
	now: () => number;
}

/** The database drops a marker some time later. */
const MARKER_MS = 1_800_000;

interface Marker {
	readonly name: string;
	readonly madeAt: number;
	/** The marker was made after the changes up to this number. */
	readonly feedEpoch: string;
	readonly seq: number;
}

export function createLoadedSchema(deps: LoadedSchemaDeps) {
	const { tracking, state, polls, now } = deps;
	let marker: Marker | undefined;
	let observing: Promise<void> | undefined;

	return {
		/** Asks PostgREST, unless it is known to have loaded the schema. */
		observe(): Promise<void> {
			observing ??= observeOnce().finally(() => {
				observing = undefined;
			});
			return observing;
		},
	};

	async function observeOnce(): Promise<void> {
		const { stored } = state;
		if (stored === undefined || polls.isAbsent() || state.isSchemaLoaded())
			return;
		const { feedEpoch, seq } = stored;
		if (marker === undefined || !isUsable(marker, feedEpoch)) {
			const name = await tracking.markSchema();
			marker = { name, madeAt: now(), feedEpoch, seq };
		}
		if (await tracking.hasLoaded(marker.name)) state.schemaLoaded(marker);
	}

	function isUsable(
		{ seq, madeAt, ...of }: Marker,
		feedEpoch: string,
	): boolean {
		return (
			of.feedEpoch === feedEpoch &&
			state.lastCatalogChange() <= seq &&
			now() - madeAt < MARKER_MS
		);
	}
}
