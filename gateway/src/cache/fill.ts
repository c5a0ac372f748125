// SingleFlight an answer of the origin into an entry, or says why it cannot be one. Large answers go on streaming.
import { Refusal } from "../http/refusals.ts";
import { type Entry, entityTag } from "./entry.ts";
import type { MemoryBudget, MemoryShare } from "./memory-budget.ts";

/** The largest body that is kept, in bytes. */
export const MAX_BODY_BYTES = 1_048_576;

/** What PostgREST itself says, and a client is told again. */
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

/** Of one connection, one moment or one path: said anew, or by nobody. */
const DROPPED =
	/^(age|alt-svc|cache-status|cf-.*|connection|content-encoding|content-length|date|expect-ct|keep-alive|nel|report-to|reporting-endpoints|server-timing|strict-transport-security|transfer-encoding|via)$/;

/** What the runtime undoes as the body is read. Of others there are only the compressed bytes. */
const UNDONE_ENCODINGS = [null, "gzip", "br"];

/** Names that PostgREST's server-trace-header usually has. No other may be said back: a client could have, say, X-Frame-Options left out. */
const TRACE =
	/^((x-)?(request|correlation|trace|amzn-trace)-id|x-b3-[a-z]+|b3|traceparent|tracestate|x-cloud-trace-context)$/;

/** What plans reckon with, and what is undone before the cache. */
const KNOWN_TO_VARY = new Set([
	"accept",
	"accept-encoding",
	"accept-profile",
	"origin",
	"prefer",
	"range",
	"range-unit",
]);

/** What an entry is made of, beside the answer. */
export type Stamp = Pick<Entry, "feedEpoch" | "seq" | "tags">;

/** An answer to pass on, and the entry made of it, or why there is none. */
export type Filled =
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
	/** As it was before the origin was asked. */
	readonly stamp: Stamp;
	readonly token: string;
	/** Names the caller. */
	readonly reader: string;
	/** For bodies that are being read. */
	readonly filling: MemoryBudget;
	readonly now: () => number;
}

/** @throws {Refusal} where the origin's answer breaks off */
export async function fill(given: Filling): Promise<Filled> {
	const { request, response, schema, stamp, token, reader, now } = given;
	const { status, statusText } = response;
	if (status !== 200 && status !== 206)
		return { response, reason: `the status is ${status}` };
	// PostgREST says which schema answered, where it serves several: another one's answer was not planned for.
	if (response.headers.get("content-profile") !== schema)
		return { response, reason: "another schema answered than DB_SCHEMAS says" };
	const encoding = response.headers.get("content-encoding");
	if (!UNDONE_ENCODINGS.includes(encoding))
		return { response, reason: `the body is compressed by ${encoding}` };
	const kept = keptHeaders(response, request);
	if (typeof kept === "string") return { response, reason: kept };
	const share = given.filling.open();
	const read = await readUpTo(response, MAX_BODY_BYTES, share)
		.catch((cause) => {
			throw new Refusal(
				request.signal.aborted ? "client_closed" : "origin_unreachable",
				{ cause },
			);
		})
		.finally(share.close);
	if (read instanceof Response)
		return { response: read, reason: "the body is too large" };
	if (
		request.method === "GET" &&
		isCutOff(read, response.headers.get("content-type"))
	)
		return {
			response: withBody(read, response),
			reason: "the body is cut off",
		};
	const etag = await entityTag({ status, headers: kept.headers, body: read });
	const entry = {
		...stamp,
		token,
		reader,
		filledAt: now(),
		status,
		statusText,
		...kept,
		etag,
		body: read,
	};
	return { entry, response: rebuilt(request, response, entry) };
}

/** The answer once more, after its body has been read. */
function rebuilt(
	request: Request,
	response: Response,
	{ body, etag }: Entry,
): Response {
	// A HEAD tells of the body of a GET, which is not here.
	if (request.method === "HEAD") return new Response(null, response);
	const again = withBody(body, response);
	again.headers.set("ETag", etag);
	return again;
}

/** A response with the body as it was read. */
function withBody(body: BodyInit, response: Response): Response {
	const again = new Response(body, response);
	// They speak of the body as it came, which may have been compressed.
	again.headers.delete("Content-Encoding");
	again.headers.delete("Content-Length");
	return again;
}

/** The headers to keep, or why the answer cannot be kept. What is not known is not guessed at. */
function keptHeaders(
	response: Response,
	request: Request,
): Pick<Entry, "headers" | "echoed"> | string {
	const kept: [string, string][] = [];
	const echoed: string[] = [];
	// A HEAD tells the length of a GET's body, unless it is that of the body's compressed form.
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

/** PostgREST's server-trace-header: what the client said, said back; nothing, if it said nothing. */
function isEcho(name: string, value: string, request: Request): boolean {
	return TRACE.test(name) && (request.headers.get(name) ?? "") === value;
}

/** What ends with its connection may have been cut off without anybody's noticing. JSON ends as it begins. */
function isCutOff(body: Uint8Array, type: string | null): boolean {
	if (!/^application\/([\w.-]+\+)?json\b/.test(type ?? "")) return false;
	if (body.length === 0) return true;
	const at = (index: number) => String.fromCharCode(body.at(index) ?? 0);
	const end = { "[": "]", "{": "}", '"': '"' }[at(0)];
	return end !== undefined && (body.length === 1 || at(-1) !== end);
}

function isKnownToVary(value: string): boolean {
	const names = value.toLowerCase().split(",");
	return names.every((name) => KNOWN_TO_VARY.has(name.trim()));
}

/** The whole body, or, where it is larger than the limit, a response that streams what was read and the rest. */
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

/** The response from its beginning, after a part of its body has been read. */
function resumed(
	response: Response,
	chunks: readonly Uint8Array[],
	reader: ReadableStreamDefaultReader<Uint8Array>,
): Response {
	const body = new ReadableStream<Uint8Array>({
		start(controller) {
			for (const chunk of chunks) controller.enqueue(chunk);
		},
		// Asked for more only when all of the above has been taken.
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
