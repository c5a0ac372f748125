// The catalog that an isolate plans reads by: loaded from the feed when the view shows that the known one is outdated.

import type { CatalogAnswer } from "../feed/feed.ts";
import { CATALOG_TAG } from "../feed/tag.ts";
import type { Catalog } from "../planner/catalog.ts";
import type { SingleFlight } from "./single-flight.ts";
import type { View } from "./view.ts";

/** The catalog is not loaded for this long after a failure. */
const COOL_DOWN_MS = 1_000;

interface KnownCatalogDeps {
	load: () => Promise<CatalogAnswer>;
	/** @throws {Error} on what is not a catalog */
	parseCatalog: (json: unknown) => Catalog;
	flights: SingleFlight;
	now: () => number;
	waitUntil: (promise: Promise<unknown>) => void;
	log: (error: unknown) => void;
}

export function createKnownCatalog(deps: KnownCatalogDeps) {
	const { load, parseCatalog, flights, now, waitUntil, log } = deps;
	let known: { feedEpoch: string; seq: number; catalog: Catalog } | undefined;
	let hasFailed = false;
	let quietUntil = Number.NEGATIVE_INFINITY;

	return {
		/** The last known catalog, current or not. */
		last: (): Catalog | undefined => known?.catalog,
		current,
		/** The catalog, loaded if necessary; undefined while another request loads it, and where it cannot be loaded. */
		async at(view: View): Promise<Catalog | undefined> {
			return current(view) ?? loadFor(view);
		},
	};

	/** The known catalog, if it is current as of the view. */
	function current({ feedEpoch, lastChange }: View): Catalog | undefined {
		const isCurrent =
			known?.feedEpoch === feedEpoch && lastChange(CATALOG_TAG) <= known.seq;
		return isCurrent ? known?.catalog : undefined;
	}

	/** One request waits for the catalog. The others ask the origin meanwhile. */
	async function loadFor(view: View): Promise<Catalog | undefined> {
		if (now() < quietUntil || flights.isUnderWay("catalog")) return undefined;
		const loading = flights.run<void>("catalog", () => undefined, loadAndParse);
		waitUntil(loading);
		await loading;
		return current(view);
	}

	async function loadAndParse(): Promise<void> {
		try {
			const { feedEpoch, seq, catalog } = await load();
			known = { feedEpoch, seq, catalog: parseCatalog(catalog) };
			hasFailed = false;
		} catch (error) {
			if (!hasFailed) log(error);
			hasFailed = true;
			quietUntil = now() + COOL_DOWN_MS;
		}
	}
}
