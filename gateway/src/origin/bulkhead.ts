// The bulkhead of one isolate: requests to one relation or function have only so many of PostgREST's connections at once. A locked
// table or a slow function leaves the others to other requests, and to the polls of the change feed.
//
// A request waits by looking again after a pause: a Worker must not await another request's promise.
import { growingPauses } from "../consistency/single-flight.ts";
import { Refusal } from "../http/refusals.ts";
import type { Origin } from "../pipeline.ts";
import { refusalOfAbort } from "./deadline.ts";
import { NotAsked } from "./origin-absence.ts";
import { wholeBody } from "./send.ts";

interface BulkheadDeps {
	/** How many requests to one relation or function are under way at once. */
	limit: number;
	/** Longest wait for the head of an answer, in milliseconds. */
	timeoutMs: number;
	/** The clock, in milliseconds. */
	now: () => number;
	sleep: (ms: number) => Promise<void>;
}

/** A larger body, or one of unknown length, streams, and its request has no place: its client may take any time to send it. */
const MAX_BODY_BYTES = 65_536;

/** PostgREST's own limit for a free connection (`db-pool-acquisition-timeout`). */
const LONGEST_WAIT_MS = 10_000;

/** One request that is under way. The runtime may have cancelled it without a word, so it counts until then at most. */
interface Place {
	readonly until: number;
}

export function createBulkhead(
	origin: Origin,
	{ limit, timeoutMs, now, sleep }: BulkheadDeps,
): Origin {
	// A place is worth waiting for while there is time left for an answer.
	const waitMs = Math.min(LONGEST_WAIT_MS, timeoutMs / 2);
	const placesByPath = new Map<string, Set<Place>>();

	return async function bulkhead(request, identity, told) {
		const sent = await withWholeBody(request);
		if (sent === undefined) return origin(request, identity, told);
		const leave = await enter(new URL(sent.url).pathname, sent.signal);
		try {
			return await origin(sent, identity, told);
		} finally {
			leave();
		}
	};

	/** @returns gives the place back */
	async function enter(path: string, signal: AbortSignal): Promise<() => void> {
		const giveUpAt = now() + waitMs;
		const pause = growingPauses(sleep);
		while (countOf(path) >= limit) {
			if (signal.aborted) throw refusalOfAbort(signal, signal.reason);
			if (now() >= giveUpAt)
				throw new Refusal("origin_busy", {
					headers: { "Retry-After": "1" },
					cause: new NotAsked("the bulkhead is full"),
				});
			await pause();
		}
		const place = { until: now() + timeoutMs };
		const places = placesByPath.get(path) ?? new Set();
		placesByPath.set(path, places.add(place));
		const leave = () => {
			places.delete(place);
			if (places.size === 0 && placesByPath.get(path) === places)
				placesByPath.delete(path);
		};
		signal.addEventListener("abort", leave);
		return leave;
	}

	function countOf(path: string): number {
		const places = placesByPath.get(path);
		if (places === undefined) return 0;
		for (const place of places) if (now() >= place.until) places.delete(place);
		return places.size;
	}
}

/** @returns undefined where the body streams */
async function withWholeBody(request: Request): Promise<Request | undefined> {
	const { url, method, headers, signal } = request;
	if (method === "GET" || method === "HEAD" || request.body === null)
		return request;
	const length = headers.get("content-length");
	if (length === null || Number(length) > MAX_BODY_BYTES) return undefined;
	const body = await wholeBody(request);
	return new Request(url, { method, headers, body, signal });
}
