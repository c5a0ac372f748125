// Parses what a request asks of a cache: Cache-Control and Pragma (RFC 9111, sections 5.2.1 and 5.4).

export interface Directives {
	/** Ask the origin. */
	readonly isNoCache: boolean;
	/** Ask the origin, and store nothing. */
	readonly isNoStore: boolean;
	/** Do not ask the origin: answer 504 where the cache has no fresh answer. */
	readonly isOnlyIfCached: boolean;
	/** The oldest answer that the client wants. */
	readonly maxAgeMs: number;
	/** How much older than that the answer may be. */
	readonly maxStaleMs: number;
	/** How long the answer has to stay fresh. */
	readonly minFreshMs: number;
	/** How much older than the maximum staleness the answer may be while the origin is away (RFC 5861, section 4). */
	readonly staleIfErrorMs: number;
}

/** A directive and its value, quoted or not. */
const DIRECTIVE = /([^\s,;="]+)\s*(?:=\s*(?:"([^"]*)"|([^\s,;"]*)))?/g;

export function parseDirectives(headers: Headers): Directives {
	// Section 5.4: old clients send Pragma instead.
	const field = headers.get("cache-control") ?? headers.get("pragma");
	return field === null ? NO_DIRECTIVES : directivesOf(field);
}

/** Of nearly every read. */
export const NO_DIRECTIVES = directivesOf("");

function directivesOf(field: string): Directives {
	const given = new Map<string, string | undefined>();
	for (const [, name = "", quoted, plain] of field.matchAll(DIRECTIVE)) {
		// Section 4.2.1: the first of several values counts.
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
		staleIfErrorMs: isGiven("stale-if-error")
			? milliseconds(given.get("stale-if-error"), 0)
			: Number.POSITIVE_INFINITY,
	};
}

/**
 * The oldest answer that a request accepts, and never older than `maxStalenessMs`. `max-stale` only takes back what the
 * request's other directives ask for: with an older answer, callers could choose the policies that they are judged by.
 */
export function allowedAgeMs(
	directives: Directives,
	maxStalenessMs: number,
): number {
	const { maxAgeMs, maxStaleMs, minFreshMs } = directives;
	const wantedMs = Math.max(0, Math.min(maxStalenessMs, maxAgeMs) - minFreshMs);
	return Math.min(maxStalenessMs, wantedMs + maxStaleMs);
}

/** The oldest answer that a request accepts while the origin is away. Without a directive, any. */
export function acceptedAgeMs(
	{ maxAgeMs, maxStaleMs, minFreshMs, staleIfErrorMs }: Directives,
	maxStalenessMs: number,
): number {
	const wantedMs =
		minFreshMs > 0
			? Math.max(0, Math.min(maxStalenessMs, maxAgeMs) - minFreshMs)
			: maxAgeMs;
	return Math.min(wantedMs + maxStaleMs, maxStalenessMs + staleIfErrorMs);
}

/** Parses seconds in digits. Another text means `otherwise`, the most careful reading. */
function milliseconds(text: string | undefined, otherwise: number): number {
	return /^\d+$/.test(text ?? "") ? Number(text) * 1_000 : otherwise;
}
