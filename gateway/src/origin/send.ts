// Sends a request on, its body streamed, and waits for the head of the answer. Never follows a redirect.
import { Refusal } from "../http/refusals.ts";
import { isRead, type PipelineRequest } from "../pipeline.ts";
import { abortedWith, refusalOfAbort } from "./deadline.ts";

/** `fetch`, or the fetch of a Workers VPC binding. */
export type Fetch = (request: Request) => Promise<Response>;

interface Destination {
	url: URL | string;
	headers: Headers;
	fetch: Fetch;
	/** Longest wait for the head of the answer, in milliseconds. Undefined: there is no limit. */
	timeoutMs: number | undefined;
	/** The refusal where no answer comes. */
	unreachable: "origin_unreachable" | "upstream_unreachable";
	/** Whether the runtime may send a write without a body again, where the connection ends. */
	mayRepeat: boolean;
}

export async function send(
	request: PipelineRequest,
	destination: Destination,
): Promise<Response> {
	const { url, headers, fetch, timeoutMs, unreachable, mayRepeat } =
		destination;
	// The deadline is for the head of the answer, and begins when the whole request has been taken. Bodies may stream for any
	// time, both ways.
	const isWatched = isRead(request.method) && request.hasDeadline === true;
	const sending = isWatched ? undefined : abortedWith(request.signal);
	let timer: number | null = null;
	let isOver = false;
	let isLate = false;
	let brokenBy: { cause: unknown } | undefined;
	const body = passing(
		request,
		() => {
			if (isOver || isWatched || timeoutMs === undefined) return;
			timer = setTimeout(() => {
				isLate = true;
				sending?.abort();
			}, timeoutMs);
		},
		// The runtime ends a body in chunks that breaks off as if it were whole, and the part of it would be written.
		(cause) => {
			brokenBy = { cause };
			sending?.abort(cause);
		},
	);
	const { method } = request;
	const { signal } = sending ?? request;
	try {
		return await fetch(
			new Request(url, {
				method,
				headers,
				body: body ?? (mayRepeat ? null : emptyBodyOf(method)),
				signal,
				redirect: "manual",
			}),
		);
	} catch (cause) {
		if (request.signal.aborted) throw refusalOfAbort(request.signal, cause);
		if (isLate) throw new Refusal("origin_timeout", { cause });
		// It is too large.
		if (brokenBy?.cause instanceof Refusal) throw brokenBy.cause;
		if (brokenBy !== undefined)
			throw new Refusal("body_malformed", { cause, details: "it breaks off" });
		throw new Refusal(unreachable, { cause });
	} finally {
		isOver = true;
		clearTimeout(timer);
	}
}

/** The request's body, with its length where that is known. Calls `onSent` when all of it has been taken. */
function passing(
	request: PipelineRequest,
	onSent: () => void,
	onBroken: (cause: unknown) => void,
): ReadableStream | Uint8Array | null {
	const { wholeBytes } = request;
	if (wholeBytes !== undefined && wholeBytes.length > 0) {
		onSent();
		return wholeBytes;
	}
	const length = request.headers.get("content-length");
	// The body of a read has no meaning (RFC 9110, section 9.3.1), and the runtime makes one of `Content-Length: 0`.
	const body =
		isRead(request.method) || wholeBytes || length === "0"
			? null
			: request.body;
	if (body === null) {
		onSent();
		return null;
	}
	const { readable, writable } =
		length === null
			? new IdentityTransformStream()
			: new FixedLengthStream(Number(length));
	body.pipeTo(writable).then(onSent, onBroken);
	return readable;
}

/** Writes that the runtime itself sends again, where they have no body and the connection ends. */
const REPEATED = ["DELETE", "PUT"];

/**
 * A body in chunks, with nothing in it: such a write is not sent again. The second of two DELETEs would find no row, and its answer
 * would say so.
 */
function emptyBodyOf(method: string): ReadableStream | null {
	if (!REPEATED.includes(method)) return null;
	const { readable, writable } = new IdentityTransformStream();
	void writable.close();
	return readable;
}

/**
 * The request's body, as soon as all of it is there.
 * @throws {Refusal} where the client breaks it off
 */
export async function wholeBody(request: PipelineRequest): Promise<Uint8Array> {
	try {
		return request.wholeBytes ?? new Uint8Array(await request.arrayBuffer());
	} catch (cause) {
		if (request.signal.aborted) throw refusalOfAbort(request.signal, cause);
		if (cause instanceof Refusal) throw cause;
		throw new Refusal("body_malformed", { cause, details: "it breaks off" });
	}
}
