// Fills an entry from an answer of the origin, or says why it cannot be stored. Large answers go on streaming.
import { Refusal } from "../http/refusals.ts";
import { refusalOfAbort } from "../origin/deadline.ts";
import type { Entry } from "./entry.ts";
import { entityTag } from "./etag.ts";
import type { MemoryBudget, MemoryShare } from "./memory-budget.ts";

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
	"server",
	"vary",
	"warning",
]);

/** Headers about one connection, one moment or one network path. An answer from the cache does not repeat them. */
const DROPPED =
	/^(age|alt-svc|cache-status|cf-.*|connection|content-encoding|content-length|date|expect-ct|keep-alive|nel|report-to|reporting-endpoints|server-timing|strict-transport-security|transfer-encoding|via)$/;

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
	readonly request: Request;
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
	const read = await readUpTo(response, MAX_BODY_BYTES, share)
		.catch((cause) => {
			if (request.signal.aborted) throw refusalOfAbort(request.signal, cause);
			throw new Refusal("origin_unreachable", { cause });
		})
		.finally(share.close);
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
	request: Request,
	response: Response,
	{ body, etag }: Entry,
): Response {
	// The headers of a HEAD describe the body of a GET, which is not there.
	if (request.method === "HEAD") return new Response(null, response);
	const again = withBody(body, response);
	if (request.method === "GET") again.headers.set("ETag", etag);
	return again;
}

/** A response with a body that was read. */
function withBody(body: BodyInit, response: Response): Response {
	const again = new Response(body, response);
	// Both describe the body as received, which may have been compressed.
	again.headers.delete("Content-Encoding");
	again.headers.delete("Content-Length");
	return again;
}

/** The headers to store, or the reason why the answer cannot be stored. An unknown header is such a reason. */
function keptHeaders(
	response: Response,
	request: Request,
): Pick<Entry, "headers" | "echoed"> | string {
	const kept: [string, string][] = [];
	const echoed: string[] = [];
	// The length in a HEAD is that of the GET's body, unless the body would be compressed.
	const keepsLength =
		request.method === "HEAD" && !response.headers.has("content-encoding");
	for (const [name, value] of response.headers) {
		if (name === "vary" && !isKnownToVary(value))
			return `the origin's answer varies by ${value}`;
		if (KEPT.has(name) || (keepsLength && name === "content-length"))
			kept.push([name, value]);
		else if (isEcho(name, value, request)) echoed.push(name);
		else if (!DROPPED.test(name)) return `the origin's answer has ${name}`;
	}
	return { headers: kept, echoed };
}

/** Whether this is PostgREST's server-trace-header: the client's own value, or empty without one. */
function isEcho(name: string, value: string, request: Request): boolean {
	return TRACE.test(name) && (request.headers.get(name) ?? "") === value;
}

/**
 * Whether the body is proved to be all that PostgREST sent: by its length, or as a whole JSON text. Where the end of a connection
 * ends a body, fetch and proxies take a part for the whole, and a proxy may give it a chunked coding that ends as it should.
 */
function isWhole({ headers }: Response, body: Uint8Array): boolean {
	const length = headers.get("content-length");
	// A compressed body's length says nothing of the body as it was read.
	if (length !== null && !headers.has("content-encoding"))
		return Number(length) === body.length;
	const type = headers.get("content-type") ?? "";
	return /^application\/([\w.-]+\+)?json\b/.test(type) && isWholeJson(body);
}

function isWholeJson(body: Uint8Array): boolean {
	try {
		const text = new TextDecoder("utf-8", {
			fatal: true,
			ignoreBOM: true,
		}).decode(body);
		// The beginning of a number is a number, too.
		return typeof JSON.parse(text) !== "number";
	} catch {
		return false;
	}
}

function isKnownToVary(value: string): boolean {
	const names = value.toLowerCase().split(",");
	return names.every((name) => KNOWN_TO_VARY.has(name.trim()));
}

/** Reads the whole body. One beyond the limit becomes a response that streams what was read, and the rest. */
async function readUpTo(
	response: Response,
	limit: number,
	share: MemoryShare,
): Promise<Uint8Array<ArrayBuffer> | Response> {
	if (response.body === null) return new Uint8Array();
	if (Number(response.headers.get("content-length")) > limit) return response;
	const reader: ReadableStreamDefaultReader<Uint8Array> =
		response.body.getReader();
	const chunks: Uint8Array[] = [];
	let length = 0;
	for (let isAllowed = true; isAllowed; ) {
		const { done, value } = await reader.read();
		if (done) return joined(chunks, length);
		chunks.push(value);
		length += value.length;
		isAllowed = share.take(value.length) && length <= limit;
	}
	return resumed(response, chunks, reader);
}

/** The response from its beginning, after a part of its body was read. */
function resumed(
	response: Response,
	chunks: readonly Uint8Array[],
	reader: ReadableStreamDefaultReader<Uint8Array>,
): Response {
	const body = new ReadableStream<Uint8Array>({
		start(controller) {
			for (const chunk of chunks) controller.enqueue(chunk);
		},
		// Called only when all chunks of start() have been taken.
		async pull(controller) {
			const { done, value } = await reader.read();
			if (done) controller.close();
			else controller.enqueue(value);
		},
		cancel: (reason) => reader.cancel(reason),
	});
	return withBody(body, response);
}

function joined(chunks: Uint8Array[], length: number): Uint8Array<ArrayBuffer> {
	const bytes = new Uint8Array(length);
	let offset = 0;
	for (const chunk of chunks) {
		bytes.set(chunk, offset);
		offset += chunk.length;
	}
	return bytes;
}
