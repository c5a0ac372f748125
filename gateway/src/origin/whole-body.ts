// The whole body of an answer, read up to a limit, and the proof that it is whole.
import { Refusal } from "../http/refusals.ts";
import { strictUtf8 } from "../http/utf8.ts";
import type { MemoryShare } from "../memory/memory-budget.ts";
import { refusalOfAbort } from "./deadline.ts";

/**
 * The whole body of an answer of the origin's.
 * @throws {Refusal} `origin_unreachable` where it breaks off
 */
export async function wholeBodyOf(response: Response): Promise<ArrayBuffer> {
	try {
		return await response.arrayBuffer();
	} catch (cause) {
		throw brokenOff(cause);
	}
}

/**
 * `readUpTo` of an answer of the origin's.
 * @param signal of the request that it answers
 * @throws {Refusal} `origin_unreachable` where it breaks off, or why the request was aborted
 */
export async function readAnswer(
	response: Response,
	limit: number,
	share: MemoryShare,
	signal: AbortSignal,
): Promise<Uint8Array<ArrayBuffer> | Response> {
	try {
		return await readUpTo(response, limit, share);
	} catch (cause) {
		if (signal.aborted) throw refusalOfAbort(signal, cause);
		throw brokenOff(cause);
	}
}

/** A body that is too large ends in a refusal. */
function brokenOff(cause: unknown): Refusal {
	return cause instanceof Refusal
		? cause
		: new Refusal("origin_unreachable", { cause });
}

/**
 * Reads the whole body. One beyond the limit becomes a response that streams what was read, and the rest.
 * @param share is closed when what was read is handed on: until then a slow client holds it in memory
 */
export async function readUpTo(
	response: Response,
	limit: number,
	share: MemoryShare,
): Promise<Uint8Array<ArrayBuffer> | Response> {
	if (
		response.body === null ||
		Number(response.headers.get("content-length")) > limit
	) {
		share.close();
		return response.body === null ? new Uint8Array() : response;
	}
	const length = lengthOf(response);
	if (length === undefined)
		return readByChunks(response, limit, share, response.body);
	const isAllowed = share.take(length);
	try {
		return isAllowed ? new Uint8Array(await response.arrayBuffer()) : response;
	} finally {
		share.close();
	}
}

/** How many bytes there are to read, where that is known. Compressed, there are more than the length says. */
function lengthOf({ headers }: Response): number | undefined {
	const length = headers.get("content-length") ?? "";
	return /^\d+$/.test(length) && !headers.has("content-encoding")
		? Number(length)
		: undefined;
}

async function readByChunks(
	response: Response,
	limit: number,
	share: MemoryShare,
	stream: ReadableStream,
): Promise<Uint8Array<ArrayBuffer> | Response> {
	const reader: ReadableStreamDefaultReader<Uint8Array> = stream.getReader();
	const chunks: Uint8Array[] = [];
	let length = 0;
	for (let isAllowed = true; isAllowed; ) {
		const { done, value } = await reader.read().catch((error) => {
			share.close();
			throw error;
		});
		if (done) {
			share.close();
			return joined(chunks, length);
		}
		chunks.push(value);
		length += value.length;
		isAllowed = share.take(value.length) && length <= limit;
	}
	return resumed(response, chunks, reader, share);
}

/** The response from its beginning, after a part of its body was read. */
function resumed(
	response: Response,
	chunks: readonly Uint8Array[],
	reader: ReadableStreamDefaultReader<Uint8Array>,
	share: MemoryShare,
): Response {
	const body = new ReadableStream<Uint8Array>({
		start(controller) {
			for (const chunk of chunks) controller.enqueue(chunk);
		},
		// Called only when all chunks of start() have been taken.
		async pull(controller) {
			share.close();
			const { done, value } = await reader.read();
			if (done) controller.close();
			else controller.enqueue(value);
		},
		cancel(reason) {
			share.close();
			return reader.cancel(reason);
		},
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

/**
 * Whether the body is proved to be all that PostgREST sent: by its length, or as a whole JSON text. Where the end of a connection
 * ends a body, fetch and proxies take a part for the whole, and a proxy may give it a chunked coding that ends as it should.
 */
export function isWhole({ headers }: Response, body: Uint8Array): boolean {
	const length = headers.get("content-length");
	// A compressed body's length says nothing of the body as it was read.
	if (length !== null && !headers.has("content-encoding"))
		return Number(length) === body.length;
	const type = headers.get("content-type") ?? "";
	return /^application\/([\w.-]+\+)?json\b/.test(type) && isWholeJson(body);
}

function isWholeJson(body: Uint8Array): boolean {
	try {
		// The beginning of a number is a number, too.
		return typeof JSON.parse(strictUtf8.decode(body)) !== "number";
	} catch {
		return false;
	}
}

/** A response with a body that was read. */
export function withBody(
	body: Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array>,
	response: Response,
): Response {
	const again = new Response(body, response);
	// Both describe the body as received, which may have been compressed.
	again.headers.delete("Content-Encoding");
	again.headers.delete("Content-Length");
	return again;
}
