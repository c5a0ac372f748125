// Takes a PostgREST request to the origin and its answer back, both streamed. Never forwards the caller's token, never follows
// a redirect, never repeats a request.

import { Refusal } from "../http/refusals.ts";
import { traceOfRequest } from "../observe/observation.ts";
import {
	restoreTraceContext,
	setTraceContext,
} from "../observe/trace-context.ts";
import {
	type Origin,
	PIPELINE_URL,
	type PipelineRequest,
	pathIn,
} from "../pipeline.ts";
import type { OriginSettings } from "../settings/feed-settings.ts";
import { allowedMethods } from "./allowed-methods.ts";
import { removeOriginsOwn, setPassage, toOriginHeaders } from "./headers.ts";
import { withoutOriginFaults } from "./origin-faults.ts";
import { requirePostgrest } from "./postgrest-answer.ts";
import { type Fetch, send } from "./send.ts";
import type { Sign } from "./sign.ts";

/** @param mount the path under which clients see PostgREST's root, without a trailing slash */
export function createOrigin(
	settings: OriginSettings,
	sign: Sign,
	fetch: Fetch,
	mount: string,
): Origin {
	const base = settings.url.origin + settings.url.pathname.replace(/\/$/, "");
	return async function origin(request, identity, preRequest = {}) {
		const headers = toOriginHeaders(request.headers);
		checkMediaTypes(headers);
		// The client's own were left out: postern.pre_request trusts them.
		for (const [name, value] of Object.entries(preRequest))
			headers.set(`postern-${name}`, value);
		headers.set("authorization", `Bearer ${await sign(identity)}`);
		setPassage(headers, settings);
		const trace = traceOfRequest();
		if (trace !== undefined) setTraceContext(headers, trace);
		const url = originUrl(request.url, base);
		const response = await send(request, {
			url,
			headers,
			fetch,
			timeoutMs: settings.timeoutMs,
			unreachable: "origin_unreachable",
			mayRepeat: false,
		});
		const { method } = request;
		const answer = await requirePostgrest(response, method);
		const told = fromOrigin(
			await withoutOriginFaults(answer, method, identity.role),
			mount,
			request,
		);
		restoreTraceContext(told.headers, headers, request.headers);
		return told;
	};
}

/** PostgREST breaks the connection off where one of these is not ASCII, and the breaker would take an origin for away that is there. */
const MEDIA_TYPES = ["accept", "content-type"];

function checkMediaTypes(headers: Headers): void {
	for (const name of MEDIA_TYPES)
		if (/[^\t -~]/.test(headers.get(name) ?? ""))
			throw new Refusal("header_malformed", {
				details: `${name} has a character that is not ASCII`,
			});
}

/**
 * Same path and query at the origin. The path begins with a slash, and so cannot change the base's host.
 * PostgREST refuses a path with a null character in its HTTP server's words, and cloudflared a path with a malformed percent-encoding, and where it finds a raw `|` or `^` it encodes the whole path again,
 * so that `%2F` in it becomes `/`. Both are settled here, so that the tunnel changes nothing.
 */
function originUrl(requestUrl: string, base: string): string {
	const path = pathIn(requestUrl);
	if (/%(?![\da-f]{2})/i.test(path))
		throw new Refusal("parameter_invalid", {
			details: "a % in its path begins no percent-encoding",
		});
	if (path.includes("%00"))
		throw new Refusal("parameter_invalid", {
			details: "its path has a null character",
		});
	const search = requestUrl.slice(PIPELINE_URL.length + path.length);
	return base + path.replaceAll("|", "%7C").replaceAll("^", "%5E") + search;
}

/** The origin's answer as the client may see it. Keeps the reason phrase, which clients read as `statusText`. */
function fromOrigin(
	response: Response,
	mount: string,
	{ url, method }: PipelineRequest,
): Response {
	// The runtime copies the headers as a whole for less than one by one.
	const answer = new Response(response.body, response);
	const { status, headers } = answer;
	removeOriginsOwn(headers);
	// PostgREST names its own resources by absolute path (`/films?id=eq.1`). The database may set any other address.
	for (const name of ["location", "content-location"]) {
		const path = headers.get(name);
		if (path?.startsWith("/") && !path.startsWith("//"))
			headers.set(name, mount + path);
	}
	if (status === 405 && !headers.has("allow"))
		headers.set("Allow", allowedMethods(pathIn(url), method));
	return answer;
}
