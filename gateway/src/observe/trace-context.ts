// W3C trace context: what of it PostgREST gets. A valid one of the client's passes, an invalid one does not, and where there is none a
// new one is made when the origin is asked. Neither says anything about the caller.

/** Version 00, and what of a later version reads like it (W3C Trace Context, section 3.2). No id is all zeros. */
const TRACEPARENT =
	/^(?!ff)([\da-f]{2})-((?!0{32})[\da-f]{32}-(?!0{16})[\da-f]{16}-[\da-f]{2})(-.*)?$/;

/** One member of tracestate (section 3.3.1). */
const STATE_MEMBER =
	/^[a-z\d][\w\-*/]{0,240}(@[a-z][\w\-*/]{0,13})?=[ -+\--<>-~]{0,255}[!-+\--<>-~]$/;

const MAX_STATE_CHARACTERS = 512;
const MAX_STATE_MEMBERS = 32;

export interface TraceContext {
	readonly traceparent: string;
	readonly tracestate: string | undefined;
}

/** @returns undefined where the client sent none, or one that is not valid */
export function traceContextIn(headers: Headers): TraceContext | undefined {
	const sent = headers.get("traceparent");
	const [, version, fields, more] = TRACEPARENT.exec(sent ?? "") ?? [];
	if (fields === undefined) return undefined;
	if (version === "00" && more !== undefined) return undefined;
	return { traceparent: `00-${fields}`, tracestate: stateIn(headers) };
}

function stateIn(headers: Headers): string | undefined {
	const sent = headers.get("tracestate") ?? "";
	const members = sent.split(",").map((member) => member.trim());
	const isValid =
		sent.length <= MAX_STATE_CHARACTERS &&
		members.length <= MAX_STATE_MEMBERS &&
		members.every((member) => STATE_MEMBER.test(member));
	return isValid ? sent : undefined;
}

/** A new trace. Nothing of Postern samples it: the flag is for programs that record it. */
export function newTraceContext(): TraceContext {
	// The version in a UUID is 4, so that neither id is all zeros.
	const [trace, span] = [randomHex(), randomHex()];
	return {
		traceparent: `00-${trace}-${span.slice(0, 16)}-00`,
		tracestate: undefined,
	};
}

function randomHex(): string {
	return crypto.randomUUID().replaceAll("-", "");
}

/** Sets what the origin gets. */
export function setTraceContext(
	headers: Headers,
	{ traceparent, tracestate }: TraceContext,
): void {
	headers.set("traceparent", traceparent);
	if (tracestate === undefined) headers.delete("tracestate");
	else headers.set("tracestate", tracestate);
}

/** PostgREST's server-trace-header repeats what it was sent. The client is told what it sent itself. */
export function restoreTraceContext(
	answer: Headers,
	sent: Headers,
	byClient: Headers,
): void {
	for (const name of ["traceparent", "tracestate"])
		if (answer.has(name) && answer.get(name) === (sent.get(name) ?? ""))
			answer.set(name, byClient.get(name) ?? "");
}
