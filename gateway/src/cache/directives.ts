// What a request asks of a cache: RFC 9111, section 5.2.1.

export interface Directives {
	/** Ask the origin. */
	readonly isNoCache: boolean;
	/** Ask the origin, and keep nothing of it. */
	readonly isNoStore: boolean;
	/** Ask nobody else: a 504 where the cache has no fresh answer. */
	readonly isOnlyIfCached: boolean;
	/** Oldest answer that is wanted, in milliseconds. */
	readonly maxAgeMs: number;
	/** How much older than that it may be, in milliseconds. */
	readonly maxStaleMs: number;
	/** How long it has to stay fresh, in milliseconds. */
	readonly minFreshMs: number;
}

/** A directive, its value in quotes or not. */
const DIRECTIVE = /([^\s,;="]+)\s*(?:=\s*(?:"([^"]*)"|([^\s,;"]*)))?/g;

export function parseDirectives(headers: Headers): Directives {
	// Section 5.4: an old client's word for no-cache.
	const field = headers.get("cache-control") ?? headers.get("pragma") ?? "";
	const given = new Map<string, string | undefined>();
	for (const [, name = "", quoted, plain] of field.matchAll(DIRECTIVE)) {
		// Section 4.2.1: of several values the first.
		if (!given.has(name.toLowerCase()))
			given.set(name.toLowerCase(), quoted ?? plain);
	}
	const isGiven = (name: string) => given.has(name);
	return {
		isNoCache: isGiven("no-cache"),
		isNoStore: isGiven("no-store"),
		isOnlyIfCached: isGiven("only-if-cached"),
		maxAgeMs: isGiven("max-age")
			? milliseconds(given.get("max-age"), 0)
			: Number.POSITIVE_INFINITY,
		maxStaleMs: !isGiven("max-stale")
			? 0
			: given.get("max-stale") === undefined
				? Number.POSITIVE_INFINITY
				: milliseconds(given.get("max-stale"), 0),
		minFreshMs: isGiven("min-fresh")
			? milliseconds(given.get("min-fresh"), Number.POSITIVE_INFINITY)
			: 0,
	};
}

/**
 * How old an answer may be that is allowed `boundMs` of age, in milliseconds. `max-stale` takes back what the request's other
 * directives ask for, and no more: beyond the bound a caller would choose by which policies they are judged.
 */
export function allowedAgeMs(directives: Directives, boundMs: number): number {
	const { maxAgeMs, maxStaleMs, minFreshMs } = directives;
	const wantedMs = Math.max(0, Math.min(boundMs, maxAgeMs) - minFreshMs);
	return Math.min(boundMs, wantedMs + maxStaleMs);
}

/** Seconds in digits; what is not is taken as the most careful reading. */
function milliseconds(text: string | undefined, otherwise: number): number {
	return /^\d+$/.test(text ?? "") ? Number(text) * 1_000 : otherwise;
}
