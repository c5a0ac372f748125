// Takes a PostgREST request to the origin and its answer back, both streamed.
// Never forwards the caller's token, never follows a redirect, never repeats a request.

import { Refusal } from "../http/refusals.ts";
import type { Pipeline } from "../pipeline.ts";
import type { Config } from "../settings/settings.ts";
import { toClientHeaders, toOriginHeaders } from "./headers.ts";
import { requirePostgrest } from "./postgrest-answer.ts";
import type { Sign } from "./sign.ts";

/** `fetch`, or the fetch of a Workers VPC binding. */
export type Fetch = (request: Request) => Promise<Response>;

/** @param mount the path under which clients see PostgREST's root, without a trailing slash */
export function createOrigin(
	config: Config,
	sign: Sign,
	fetch: Fetch,
	mount: string,
): Pipeline {
	return async function origin(request, identity) {
		const headers = toOriginHeaders(request.headers);
		headers.set("authorization", `Bearer ${await sign(identity)}`);
		setAccess(headers, config.origin.access);
		const url = originUrl(request.url, config.origin.url);
		const response = await send(request, url, headers);
		const answer = fromOrigin(
			await requirePostgrest(response, request.method),
			mount,
		);
		return identity.role === config.anonRole
			? asUnauthenticated(answer, request.method)
			: answer;
	};

	async function send(
		request: Request,
		url: URL,
		headers: Headers,
	): Promise<Response> {
		// The deadline is for the head of the answer, from when the origin has the whole request: bodies may stream for as
		// long as they take, both ways.
		const deadline = new AbortController();
		let timer: number | null = null;
		let isOver = false;
		const body = passing(request, () => {
			if (isOver) return;
			timer = setTimeout(() => deadline.abort(), config.origin.timeoutMs);
		});
		const { method } = request;
		const signal = AbortSignal.any([request.signal, deadline.signal]);
		try {
			return await fetch(
				new Request(url, { method, headers, body, signal, redirect: "manual" }),
			);
		} catch (cause) {
			if (request.signal.aborted) throw new Refusal("client_closed", { cause });
			if (deadline.signal.aborted)
				throw new Refusal("origin_timeout", { cause });
			throw new Refusal("origin_unreachable", { cause });
		} finally {
			isOver = true;
			clearTimeout(timer);
		}
	}
}

/** The request's body, of the same length if that is known, and a call when the last of it has been taken. */
function passing(
	{ method, body, headers }: Request,
	onSent: () => void,
): ReadableStream | null {
	// The body of a read has no meaning (RFC 9110, section 9.3.1), and the runtime takes an announced length of 0 for one.
	if (body === null || method === "GET" || method === "HEAD") {
		onSent();
		return null;
	}
	const length = headers.get("content-length");
	const { readable, writable } =
		length === null
			? new IdentityTransformStream()
			: new FixedLengthStream(Number(length));
	// Where it fails, the request does, too, and says why.
	body.pipeTo(writable).then(onSent, () => {});
	return readable;
}

/**
 * Same path and query at the origin. Setting parts of a URL cannot change its host, whatever the path looks like.
 * cloudflared refuses a path with a malformed percent-encoding, and where it finds a raw `|` or `^` it encodes the whole path again,
 * so that `%2F` in it becomes `/`. Both are settled here, so that the tunnel changes nothing.
 */
function originUrl(requestUrl: string, base: URL): URL {
	const { pathname, search } = new URL(requestUrl);
	if (/%(?![\da-f]{2})/i.test(pathname))
		throw new Refusal("parameter_invalid", {
			details: "a % in its path begins no percent-encoding",
		});
	const url = new URL(base);
	const path = pathname.replaceAll("|", "%7C").replaceAll("^", "%5E");
	url.pathname = base.pathname.replace(/\/$/, "") + path;
	url.search = search;
	return url;
}

function setAccess(headers: Headers, access: Config["origin"]["access"]) {
	if (access === undefined) return;
	headers.set("cf-access-client-id", access.clientId);
	headers.set("cf-access-client-secret", access.clientSecret);
}

/** The origin's answer as the client may see it. The reason phrase stays: clients read it as `statusText`. */
function fromOrigin(response: Response, mount: string): Response {
	const headers = toClientHeaders(response.headers);
	// PostgREST names its own resources by absolute path (`/films?id=eq.1`). Other addresses are the database's own words.
	for (const name of ["location", "content-location"]) {
		const path = headers.get(name);
		if (path?.startsWith("/") && !path.startsWith("//"))
			headers.set(name, mount + path);
	}
	const { status, statusText } = response;
	return new Response(response.body, { status, statusText, headers });
}

/**
 * PostgREST answers 401 to its anonymous role where it answers 403 to others (SQLSTATE 42501). The origin has no anonymous
 * role, because it takes nothing but signed tokens, so that distinction is made here.
 */
async function asUnauthenticated(
	response: Response,
	method: string,
): Promise<Response> {
	if (response.status !== 403) return response;
	// As bytes: what is not PostgREST's error, whatever it is, passes as it is.
	const body = await response.arrayBuffer();
	const code =
		method === "HEAD" ? codeInHead(response.headers) : codeInBody(body);
	if (code !== "42501") return new Response(body, response);
	const headers = new Headers(response.headers);
	headers.set("WWW-Authenticate", "Bearer");
	return new Response(body, {
		status: 401,
		statusText: "Unauthorized",
		headers,
	});
}

/** The error's code from `Proxy-Status` (PostgREST 13). Without it (12) a 403 is taken for what it nearly always is. */
function codeInHead(headers: Headers): string | undefined {
	const status = headers.get("proxy-status") ?? "error=42501";
	return /\berror=(\w+)/.exec(status)?.[1];
}

/** `code` of PostgREST's error body, where the body is one. */
function codeInBody(body: ArrayBuffer): unknown {
	try {
		return JSON.parse(new TextDecoder().decode(body))?.code;
	} catch {
		return undefined;
	}
}
