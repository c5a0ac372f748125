// Takes a PostgREST request to the origin and its answer back, both streamed. Never forwards the caller's token, never follows
// a redirect, never repeats a request.

import { Refusal } from "../http/refusals.ts";
import type { Pipeline } from "../pipeline.ts";
import type { OriginSettings } from "../settings/feed-settings.ts";
import { refusalOfAbort } from "./deadline.ts";
import { toClientHeaders, toOriginHeaders } from "./headers.ts";
import { withoutOriginFaults } from "./origin-faults.ts";
import { requirePostgrest } from "./postgrest-answer.ts";
import type { Sign } from "./sign.ts";

/** `fetch`, or the fetch of a Workers VPC binding. */
export type Fetch = (request: Request) => Promise<Response>;

/** @param mount the path under which clients see PostgREST's root, without a trailing slash */
export function createOrigin(
	settings: OriginSettings,
	sign: Sign,
	fetch: Fetch,
	mount: string,
): Pipeline {
	return async function origin(request, identity) {
		const headers = toOriginHeaders(request.headers);
		headers.set("authorization", `Bearer ${await sign(identity)}`);
		setAccess(headers, settings.access);
		const url = originUrl(request.url, settings.url);
		const response = await send(request, url, headers);
		const { method } = request;
		const answer = await requirePostgrest(response, method);
		return fromOrigin(
			await withoutOriginFaults(answer, method, identity.role),
			mount,
		);
	};

	async function send(
		request: Request,
		url: URL,
		headers: Headers,
	): Promise<Response> {
		// The deadline is for the head of the answer, and begins when the origin has the whole request. Bodies may stream for any
		// time, both ways.
		const deadline = new AbortController();
		let timer: number | null = null;
		let isOver = false;
		const broken = new AbortController();
		const body = passing(
			request,
			() => {
				if (isOver) return;
				timer = setTimeout(() => deadline.abort(), settings.timeoutMs);
			},
			// The runtime ends a body in chunks that breaks off as if it were whole. PostgREST would write the part that it has.
			(cause) => broken.abort(cause),
		);
		const { method } = request;
		const signal = AbortSignal.any([
			request.signal,
			deadline.signal,
			broken.signal,
		]);
		try {
			return await fetch(
				new Request(url, { method, headers, body, signal, redirect: "manual" }),
			);
		} catch (cause) {
			if (request.signal.aborted) throw refusalOfAbort(request.signal, cause);
			if (deadline.signal.aborted)
				throw new Refusal("origin_timeout", { cause });
			if (broken.signal.aborted)
				throw new Refusal("body_malformed", {
					cause,
					details: "it breaks off",
				});
			throw new Refusal("origin_unreachable", { cause });
		} finally {
			isOver = true;
			clearTimeout(timer);
		}
	}
}

/** The request's body, with its length where that is known. Calls `onSent` when the origin has taken all of it. */
function passing(
	{ method, body, headers }: Request,
	onSent: () => void,
	onBroken: (cause: unknown) => void,
): ReadableStream | null {
	// The body of a read has no meaning (RFC 9110, section 9.3.1), and the runtime makes one of `Content-Length: 0`.
	if (method === "GET" || method === "HEAD") {
		onSent();
		return null;
	}
	const length = headers.get("content-length");
	if (body === null || length === "0") {
		onSent();
		return REPEATED.includes(method) ? emptyBody() : null;
	}
	const { readable, writable } =
		length === null
			? new IdentityTransformStream()
			: new FixedLengthStream(Number(length));
	body.pipeTo(writable).then(onSent, onBroken);
	return readable;
}

/** Writes that the runtime itself sends again, where they have no body and the origin closes the connection. */
const REPEATED = ["DELETE", "PUT"];

/**
 * A body in chunks, with nothing in it: such a write is not sent again. The second of two DELETEs would find no row, and its answer
 * would say so.
 */
function emptyBody(): ReadableStream {
	const { readable, writable } = new IdentityTransformStream();
	void writable.close();
	return readable;
}

/**
 * Same path and query at the origin. Setting parts of a URL cannot change its host, with any path.
 * PostgREST refuses a path with a null character in its HTTP server's words, and cloudflared a path with a malformed percent-encoding, and where it finds a raw `|` or `^` it encodes the whole path again,
 * so that `%2F` in it becomes `/`. Both are settled here, so that the tunnel changes nothing.
 */
function originUrl(requestUrl: string, base: URL): URL {
	const { pathname, search } = new URL(requestUrl);
	if (/%(?![\da-f]{2})/i.test(pathname))
		throw new Refusal("parameter_invalid", {
			details: "a % in its path begins no percent-encoding",
		});
	if (pathname.includes("%00"))
		throw new Refusal("parameter_invalid", {
			details: "its path has a null character",
		});
	const url = new URL(base);
	const path = pathname.replaceAll("|", "%7C").replaceAll("^", "%5E");
	url.pathname = base.pathname.replace(/\/$/, "") + path;
	url.search = search;
	return url;
}

function setAccess(headers: Headers, access: OriginSettings["access"]) {
	if (access === undefined) return;
	headers.set("cf-access-client-id", access.clientId);
	headers.set("cf-access-client-secret", access.clientSecret);
}

/** The origin's answer as the client may see it. Keeps the reason phrase, which clients read as `statusText`. */
function fromOrigin(response: Response, mount: string): Response {
	const headers = toClientHeaders(response.headers);
	// PostgREST names its own resources by absolute path (`/films?id=eq.1`). The database may set any other address.
	for (const name of ["location", "content-location"]) {
		const path = headers.get(name);
		if (path?.startsWith("/") && !path.startsWith("//"))
			headers.set(name, mount + path);
	}
	const { status, statusText } = response;
	return new Response(response.body, { status, statusText, headers });
}
