// The breaker of one isolate: after several failures in a row, the origin counts as away and is asked by one request a second
// only, until one of them is answered or the change feed reaches the origin. All others are refused at once, and what is refused
// here was not sent.
//
// No library: those for it let requests await another request's promise, which a Worker must not do.
import { Refusal } from "../http/refusals.ts";
import type { Identity } from "../identity/identity.ts";
import type { Origin, PipelineRequest, PreRequest } from "../pipeline.ts";
import { absenceIn, absenceOf, NotAsked } from "./origin-absence.ts";

/** One connection that breaks is no outage. */
const FAILURES = 3;
/** How often a request is let through to see whether the origin is back. It may wait longer than this for its answer. */
const PROBE_MS = 1_000;

interface Breaker {
	/** The origin behind the breaker. */
	readonly pipeline: Origin;
	/** Ends the outage: the origin is known to answer. */
	close(): void;
}

export function createBreaker(origin: Origin, now: () => number): Breaker {
	let failures = 0;
	let probeAt = Number.NEGATIVE_INFINITY;

	return { pipeline: guarded, close };

	async function guarded(
		request: PipelineRequest,
		identity: Identity,
		told?: PreRequest,
	): Promise<Response> {
		if (failures >= FAILURES) {
			const waitMs = probeAt - now();
			if (waitMs > 0) throw notAsked(waitMs);
			probeAt = now() + PROBE_MS;
		}
		try {
			const { answer, absence } = await absenceIn(
				await origin(request, identity, told),
			);
			if (absence === undefined) close();
			else failed();
			return answer;
		} catch (error) {
			if (absenceOf(error) !== undefined) failed();
			// The request was refused before it was sent, or its client went away: it tells nothing, and the next one may probe.
			else probeAt = now();
			throw error;
		}
	}

	function close(): void {
		failures = 0;
	}

	function failed(): void {
		failures++;
		if (failures === FAILURES) probeAt = now() + PROBE_MS;
	}
}

function notAsked(waitMs: number): Refusal {
	return new Refusal("origin_unreachable", {
		headers: { "Retry-After": String(Math.ceil(waitMs / 1_000)) },
		cause: new NotAsked("The origin has been away for several requests"),
	});
}
