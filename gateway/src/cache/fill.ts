// Fills an entry from an answer of the origin, or says why it cannot be stored. Large answers go on streaming.
import { NAMES_PROGRAM } from "../http/own-answers.ts";
import type { MemoryBudget } from "../memory/memory-budget.ts";
import { isWhole, readAnswer, withBody } from "../origin/whole-body.ts";
import type { PipelineRequest } from "../pipeline.ts";
import type { Entry } from "./entry.ts";
import { entityTag, etagOf } from "./etag.ts";

/** The largest body that is stored. */
export const MAX_BODY_BYTES = 1_048_576;

/** Headers of PostgREST's that an entry keeps. */
const KEPT = new Set([
	"content-location",
	"content-profile",
	"content-range",
	"content-type",
	"preference-applied",
	"range-unit",
	"vary",
	"warning",
]);

/** Headers about one connection, one moment or one network path. An answer from the cache does not repeat them. */
const DROPPED =
	/^(age|alt-svc|cache-status|cf-.*|connection|content-encoding|content-length|date|expect-ct|keep-alive|nel|report-to|reporting-endpoints|server-timing|strict-transport-security|transfer-encoding)$/;

/** The runtime decompresses these as the body is read. Other encodings would be stored compressed. */
const DECOMPRESSED_ENCODINGS = [null, "gzip", "br"];

/**
 * Usual names of PostgREST's server-trace-header, which repeats a client's header. Another name is not accepted: a client
 * that sent X-Frame-Options itself could get that header left out of the entry.
 */
const TRACE =
	/^((x-)?(request|correlation|trace|amzn-trace)-id|x-b3-[a-z]+|b3|traceparent|tracestate|x-cloud-trace-context)$/;

/** Vary may name these: plans take them into account, or they are undone before the cache. */
const KNOWN_TO_VARY = new Set([
	"accept",
	"accept-encoding",
	"accept-profile",
	"origin",
	"prefer",
	"range",
	"range-unit",
]);

/** What an entry records of the feed, as it was before the origin was asked. */
type Stamp = Pick<Entry, "feedEpoch" | "seq" | "tags" | "clockReadAt">;

/** An answer to pass on, with the entry, or the reason why there is none. */
type Filled =
	| { readonly response: Response; readonly entry: Entry }
	| {
			readonly response: Response;
			readonly entry?: never;
			readonly reason: string;
	  };

interface Filling {
	readonly request: PipelineRequest;
	readonly response: Response;
	/** The schema that the plan was made for. */
	readonly schema: string;
	readonly stamp: Stamp;
	readonly consistencyToken: string;
	/** The caller, as `readerOf` names it. */
	readonly reader: string;
	/** When the origin was asked. */
	readonly askedAt: number;
	/** For all bodies that are being read. */
	readonly budget: MemoryBudget;
	readonly now: () => number;
}

/** @throws {Refusal} where the origin's answer is interrupted */
export async function fill(given: Filling): Promise<Filled> {
	const { request, response, schema, stamp, now } = given;
	const { consistencyToken, reader, askedAt } = given;
	const { status, statusText } = response;
	if (status !== 200 && status !== 206)
		return { response, reason: `the status is ${status}` };
	// PostgREST names the schema that answered. The plan is for one schema only.
	if (response.headers.get("content-profile") !== schema)
		return { response, reason: "another schema answered than DB_SCHEMAS says" };
	const encoding = response.headers.get("content-encoding");
	if (!DECOMPRESSED_ENCODINGS.includes(encoding))
		return { response, reason: `the body is compressed by ${encoding}` };
	const kept = keptHeaders(response, request);
	if (typeof kept === "string") return { response, reason: kept };
	const share = given.budget.open();
	const { signal } = request;
	const read = await readAnswer(response, MAX_BODY_BYTES, share, signal);
	if (read instanceof Response)
		return { response: read, reason: "the body is too large" };
	if (request.method !== "HEAD" && !isWhole(response, read))
		return {
			response: withBody(read, response),
			reason: "the body may be cut off",
		};
	const etag = await entityTag({ status, headers: kept.headers, body: read });
	const entry = {
		...stamp,
		consistencyToken,
		reader,
		askedAt,
		filledAt: now(),
		status,
		statusText,
		...kept,
		etag,
		body: read,
	};
	return { entry, response: rebuilt(request, response, entry) };
}

/** The answer again, after its body was read. */
function rebuilt(
	request: PipelineRequest,
	response: Response,
	entry: Entry,
): Response {
	// The headers of a HEAD describe the body of a GET, which is not there.
	if (request.method === "HEAD") return new Response(null, response);
	const again = withBody(entry.body, response);
	if (request.method === "GET") again.headers.set("ETag", etagOf(entry));
	return again;
}

/** The headers to store, or the reason why the answer cannot be stored. An unknown header is such a reason. */
function keptHeaders(
	response: Response,
	request: PipelineRequest,
): Pick<Entry, "headers" | "echoed"> | string {
	const kept: [string, string][] = [];
	const echoed: string[] = [];
	// The length in a HEAD is that of the GET's body, unless the body would be compressed.
	const keepsLength =
		request.method === "HEAD" && !response.headers.has("content-encoding");
	let reason: string | undefined;
	// An iterator would be an object of the runtime's.
	response.headers.forEach((value, name) => {
		if (name === "vary" && !isKnownToVary(value))
			reason ??= `the origin's answer varies by ${value}`;
		else if (KEPT.has(name) || (keepsLength && name === "content-length"))
			kept.push([name, value]);
		else if (isEcho(name, value, request)) echoed.push(name);
		else if (!DROPPED.test(name) && !NAMES_PROGRAM.test(name))
			reason ??= `the origin's answer has ${name}`;
	});
	return reason ?? { headers: kept, echoed };
}

/** Whether this is PostgREST's server-trace-header: the client's own value, or empty without one. */
function isEcho(
	name: string,
	value: string,
	request: PipelineRequest,
): boolean {
	return TRACE.test(name) && (request.headers.get(name) ?? "") === value;
}

function isKnownToVary(value: string): boolean {
	const names = value.toLowerCase().split(",");
	return names.every((name) => KNOWN_TO_VARY.has(name.trim()));
}
