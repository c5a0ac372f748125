// A read as it arrived. A small JSON body of a call by POST, as supabase-js's `.rpc()` sends it, is read here, because what is
// called depends on it. Any other body goes on streaming to the origin.
import { strictUtf8 } from "../http/utf8.ts";
import type { Identity } from "../identity/identity.ts";
import { wholeBody } from "../origin/send.ts";
import { type PipelineRequest, withBytes } from "../pipeline.ts";
import {
	type CallArguments,
	parseCallArguments,
} from "../planner/grammar/call-arguments.ts";
import { type Directives, parseDirectives } from "./directives.ts";

export interface ArrivedRead {
	readonly request: PipelineRequest;
	readonly identity: Identity;
	readonly directives: Directives;
	readonly arrivedAt: number;
	/** From the body of a call by POST; undefined where that was not read, or is no JSON object. */
	readonly callArguments: CallArguments | undefined;
}

/** The largest body of a call by POST whose answer may be cached. */
export const MAX_ARGUMENTS_BYTES = 16_384;

const JSON_TYPE = /^application\/json(?:; ?charset=utf-8)?$/i;

/** A read whose body, if it has one, still streams. */
export function arrivalOf(
	request: PipelineRequest,
	identity: Identity,
	arrivedAt: number,
): ArrivedRead {
	const directives = parseDirectives(request.headers);
	return { request, identity, directives, arrivedAt, callArguments: undefined };
}

/** Whether the body may be one that is worth reading. */
export function hasSmallBody(request: PipelineRequest): boolean {
	if (request.method !== "POST") return false;
	const { headers } = request;
	const length = headers.get("content-length");
	return (
		length !== null &&
		request.body !== null &&
		Number(length) <= MAX_ARGUMENTS_BYTES &&
		!headers.has("content-encoding") &&
		JSON_TYPE.test(headers.get("content-type") ?? "")
	);
}

/**
 * The read with what its body says, and a body of the same bytes for the origin.
 * @throws {Refusal} where the client breaks the body off
 */
export async function withArguments(
	arrived: ArrivedRead,
	now: () => number,
): Promise<ArrivedRead> {
	const body = await wholeBody(arrived.request);
	return {
		...arrived,
		// A client may take any time to send its body.
		arrivedAt: now(),
		request: withBytes(arrived.request, body),
		callArguments: argumentsIn(body),
	};
}

/** Whether its body still streams, and may take any time to arrive. */
export function isStreaming({ request, callArguments }: ArrivedRead): boolean {
	return request.method === "POST" && callArguments === undefined;
}

function argumentsIn(body: Uint8Array): CallArguments | undefined {
	try {
		return parseCallArguments(strictUtf8.decode(body));
	} catch {
		// PostgREST refuses what is not UTF-8.
		return undefined;
	}
}
