// Sends a read once more where it got no answer: connections that were kept open end with their server, and a tunnel that
// restarts refuses for a moment. A write is never sent twice.
import { Refusal } from "../http/refusals.ts";
import { isRead, type Origin, type PipelineRequest } from "../pipeline.ts";

/** The pause before it, in milliseconds: at least this, and at most twice as long, so that many do not come at once. */
const PAUSE_MS = 50;

/** At most a tenth of the requests are sent again, and this many in a row. An origin that is away gets no storm. */
const MAX_IN_A_ROW = 10;
const EARNED_BY_A_REQUEST = 0.1;

export function withRetries(
	origin: Origin,
	sleep: (ms: number) => Promise<void>,
): Origin {
	let budget = MAX_IN_A_ROW;

	return async function again(request, identity, told) {
		budget = Math.min(MAX_IN_A_ROW, budget + EARNED_BY_A_REQUEST);
		try {
			return await origin(request, identity, told);
		} catch (error) {
			if (!mayRepeat(request, error) || budget < 1) throw error;
			budget--;
			await sleep(PAUSE_MS * (1 + Math.random()));
			if (request.signal.aborted) throw error;
			return origin(request, identity, told);
		}
	};
}

/** PostgREST runs GET and HEAD in read-only transactions. */
function mayRepeat(
	{ method, signal }: PipelineRequest,
	error: unknown,
): boolean {
	return (
		isRead(method) &&
		!signal.aborted &&
		error instanceof Refusal &&
		error.code === "origin_unreachable"
	);
}
