// The heart: a function shaped like fetch. A PostgREST request and an Identity go in, a Response comes out.
// Its requests are addressed to PIPELINE_URL, not to the origin's address.
import type { Identity } from "./identity/identity.ts";

/** The address that requests into the pipeline carry: PostgREST's root. Never resolved. */
export const PIPELINE_URL = "http://postgrest";

/** The path of a request into the pipeline, as in its URL. */
export function pathIn(url: string): string {
	const end = url.search(/[?#]/);
	return url.slice(PIPELINE_URL.length, end === -1 ? undefined : end);
}

/** A request into the pipeline: a `Request`, or an object that costs the runtime less. Its headers can be changed. */
export type PipelineRequest = Pick<
	Request,
	"method" | "url" | "headers" | "body" | "signal" | "arrayBuffer"
> & {
	/** Whether its signal aborts at a deadline, so that nobody else needs to watch the clock for it. */
	readonly hasDeadline?: boolean;
	/** The whole body, where it is there already: it needs no stream. */
	readonly wholeBytes?: Uint8Array | undefined;
};

/** A GET into the pipeline, in texts: they cost the runtime nothing. */
export interface PlainRead {
	readonly url: string;
	/** By names in lower case. */
	readonly headers: Readonly<Record<string, string>>;
}

/** A request with other parts. Its body and its signal are read only where they are asked for: each is an object of the runtime's. */
export function withParts(
	from: PipelineRequest,
	{
		url = from.url,
		headers = from.headers,
		signalOf = () => from.signal,
		hasDeadline = from.hasDeadline ?? false,
	}: Partial<Pick<PipelineRequest, "url" | "headers" | "hasDeadline">> & {
		signalOf?: () => AbortSignal;
	},
): PipelineRequest {
	return {
		method: from.method,
		url,
		headers,
		hasDeadline,
		wholeBytes: from.wholeBytes,
		get body() {
			return from.body;
		},
		get signal() {
			return signalOf();
		},
		arrayBuffer: () => from.arrayBuffer(),
	};
}

export function isRead(method: string): boolean {
	return method === "GET" || method === "HEAD";
}

/** A request whose whole body is there. */
export function withBytes(
	from: Pick<PipelineRequest, "method" | "url" | "headers" | "signal">,
	wholeBytes: Uint8Array,
): PipelineRequest {
	const { method, url, headers } = from;
	return {
		...{ method, url, headers, wholeBytes },
		get body() {
			return new Response(wholeBytes).body;
		},
		get signal() {
			return from.signal;
		},
		arrayBuffer: () => new Response(wholeBytes).arrayBuffer(),
	};
}

/** @throws {Refusal} where the gateway, not PostgREST, has to say no */
export type Pipeline = (
	request: PipelineRequest,
	identity: Identity,
) => Promise<Response>;

/** What postern.pre_request is told of a write, in headers that are the gateway's alone. */
export interface PreRequest {
	/** Of a write with an idempotency key. */
	readonly claim?: string;
	/** Of a write with If-Match. */
	readonly match?: string;
	/** Whether the answer is to name the write's transaction. */
	readonly transaction?: "name";
}

/** The pipeline behind which PostgREST is. The headers of its answers can be changed. */
export type Origin = (
	request: PipelineRequest,
	identity: Identity,
	told?: PreRequest,
) => Promise<Response>;
