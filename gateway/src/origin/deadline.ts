// The deadline of a read, from its arrival to the whole of an answer that is to be stored: the wait for other requests, for the origin's
// head and for the body count. At the deadline the request to the origin is aborted, too.
import { Refusal } from "../http/refusals.ts";
import { type PipelineRequest, withParts } from "../pipeline.ts";

/**
 * Does the work with a request that is aborted after the limit. A body that the work does not read may stream for any time.
 * @throws {Refusal} `origin_timeout` after the limit, even where the work ignores the signal
 */
export async function withinDeadline(
	request: PipelineRequest,
	limitMs: number,
	work: (request: PipelineRequest) => Promise<Response>,
): Promise<Response> {
	const { promise: late, reject } = Promise.withResolvers<never>();
	// Made where the signal is read: a read that is refused before it reaches the origin needs none.
	let deadline: AbortController | undefined;
	let refusal: Refusal | undefined;
	const timer = setTimeout(
		() => {
			refusal = new Refusal("origin_timeout");
			reject(refusal);
			deadline?.abort(refusal);
		},
		Math.max(0, limitMs),
	);
	const limited = withParts(request, {
		hasDeadline: true,
		signalOf() {
			deadline ??= abortedWith(request.signal);
			if (refusal !== undefined) deadline.abort(refusal);
			return deadline.signal;
		},
	});
	try {
		return await Promise.race([work(limited), late]);
	} finally {
		clearTimeout(timer);
	}
}

/** A controller that another signal aborts, too: one object less for each request than `AbortSignal.any` makes. */
export function abortedWith(signal: AbortSignal): AbortController {
	const controller = new AbortController();
	const abort = () => controller.abort(signal.reason);
	if (signal.aborted) abort();
	else signal.addEventListener("abort", abort, { once: true });
	return controller;
}

/** Why a request was aborted: a deadline says so, a client that goes away says nothing. */
export function refusalOfAbort(
	{ reason }: AbortSignal,
	cause: unknown,
): Refusal {
	return reason instanceof Refusal
		? reason
		: new Refusal("client_closed", { cause });
}
