// The bulkhead of one isolate: requests to one relation or function have only so many of PostgREST's connections at once. A locked
// table or a slow function leaves the others to other requests, and to the polls of the change feed. Those places are shared out fairly
// among callers (fair-places.ts). Equal reads that wait for one share an answer (memory/shared-answers.ts).
//
// A request waits by looking again after a pause: a Worker must not await another request's promise.
import { growingPauses } from "../consistency/single-flight.ts";
import { Refusal } from "../http/refusals.ts";
import type { Identity } from "../identity/identity.ts";
import {
	createSharedAnswers,
	type SharedRead,
} from "../memory/shared-answers.ts";
import {
	isRead,
	type Origin,
	type PipelineRequest,
	pathIn,
	withBytes,
} from "../pipeline.ts";
import { refusalOfAbort } from "./deadline.ts";
import { createFairPlaces, type Wait } from "./fair-places.ts";
import { NotAsked } from "./origin-absence.ts";
import { wholeBody } from "./send.ts";

interface BulkheadDeps {
	/** How many requests to one relation or function are under way at once. */
	limit: number;
	/** Longest wait for the head of an answer, in milliseconds. */
	timeoutMs: number;
	/** Who the request at hand is for. Places are shared out fairly among callers. */
	callerOf: (identity: Identity) => string;
	/** The clock, in milliseconds. */
	now: () => number;
	sleep: (ms: number) => Promise<void>;
}

/** A larger body, or one of unknown length, streams, and its request has no place: its client may take any time to send it. */
const MAX_BODY_BYTES = 65_536;

/** PostgREST's own limit for a free connection (`db-pool-acquisition-timeout`). */
const LONGEST_WAIT_MS = 10_000;

export function createBulkhead(
	origin: Origin,
	{ limit, timeoutMs, callerOf, now, sleep }: BulkheadDeps,
): Origin {
	// A place is worth waiting for while there is time left for an answer.
	const waitMs = Math.min(LONGEST_WAIT_MS, timeoutMs / 2);
	const places = createFairPlaces({ limit, timeoutMs, now });

	const answers = createSharedAnswers({ timeoutMs, now });

	return async function bulkhead(request, identity, told) {
		const sent = isRead(request.method)
			? request
			: await withWholeBody(request);
		if (sent === undefined) return origin(request, identity, told);
		const { signal } = sent;
		const shared = answers.open(sent, identity);
		const wait = places.wait(pathIn(sent.url), callerOf(identity));
		try {
			// There nearly always is one: without a promise.
			const taken = wait.take();
			if (taken !== undefined) wait.end();
			const turn =
				taken ?? (await placeFor(wait, shared, signal).finally(wait.end));
			if (turn instanceof Response) return turn;
			signal.addEventListener("abort", turn);
			try {
				return await shared.ask(() => origin(sent, identity, told));
			} finally {
				turn();
			}
		} finally {
			shared.end();
		}
	};

	/** @returns gives the place back; or the answer to an equal read that was sent meanwhile */
	async function placeFor(
		{ take, leastPauseMs }: Wait,
		shared: SharedRead,
		signal: AbortSignal,
	): Promise<(() => void) | Response> {
		const giveUpAt = now() + waitMs;
		const pause = growingPauses((ms) => sleep(Math.max(ms, leastPauseMs())));
		let leave: (() => void) | undefined;
		while (leave === undefined) {
			if (signal.aborted) throw refusalOfAbort(signal, signal.reason);
			const found = shared.look();
			if (found instanceof Response) return found;
			if (found === "asks" && now() >= giveUpAt)
				throw new Refusal("origin_busy", {
					headers: { "Retry-After": "1" },
					cause: new NotAsked("the bulkhead is full"),
				});
			await pause();
			if (shared.look() === "asks") leave = take();
		}
		return leave;
	}
}

/** @returns undefined where the body streams */
async function withWholeBody(
	request: PipelineRequest,
): Promise<PipelineRequest | undefined> {
	const { headers, wholeBytes } = request;
	if (wholeBytes === undefined && request.body === null) return request;
	const length = headers.get("content-length");
	if (length === null || Number(length) > MAX_BODY_BYTES) return undefined;
	return withBytes(request, await wholeBody(request));
}
