// An origin that records what it receives and gives the answers of the test. A plain function, used as the gateway's fetch.
import type { Fetch } from "../../src/origin/send.ts";

export interface Received {
	method: string;
	/** Path and query, as received. */
	target: string;
	url: URL;
	headers: Headers;
	body: string;
	redirect: string;
	signal: AbortSignal;
}

/** What the origin answers: one response's making, so that each request gets its own. */
export type Answer = (request: Received) => Response | Promise<Response>;

interface RecordingOrigin {
	fetch: Fetch;
	received: Received[];
	/** The one request that was received; fails where there was none or another. */
	only(): Received;
}

export function recordingOrigin(
	answer: Answer = () => Response.json([]),
): RecordingOrigin {
	const received: Received[] = [];
	return {
		received,
		fetch: asPostgrest(async (request) => {
			const { method, headers, redirect, signal } = request;
			const url = new URL(request.url);
			const body = await request.text();
			const target = url.pathname + url.search;
			const entry = { method, target, url, headers, body, redirect, signal };
			received.push(entry);
			return answer(entry);
		}),
		only() {
			const [first, ...others] = received;
			if (first === undefined || others.length > 0)
				throw new Error(`the origin received ${received.length} requests`);
			return first;
		},
	};
}

/** An origin whose answers name PostgREST as their server, unless they name another. */
export function asPostgrest(fetch: Fetch): Fetch {
	return async (request) => {
		const answer = await fetch(request);
		if (answer.headers.has("server")) return answer;
		const response = new Response(answer.body, answer);
		response.headers.set("server", "postgrest/14.17");
		return response;
	};
}

/** An answer of Cloudflare's, or of a server of another make. */
export function elsewhere(
	body: BodyInit | null,
	{ status = 200, headers = {} }: { status?: number; headers?: HeadersInit },
): Response {
	const response = new Response(body, { status, headers });
	response.headers.set("server", "cloudflare");
	return response;
}

/** Never answers, and rejects when the request is aborted, as the runtime's fetch does. */
export const silence: Answer = ({ signal }) =>
	new Promise((_, reject) => {
		const stop = () => reject(signal.reason);
		if (signal.aborted) stop();
		signal.addEventListener("abort", stop);
	});

/** PostgREST's error body. */
export function postgrestError(
	status: number,
	code: string,
	{
		message = "message of the database",
		details = null,
		hint = null,
	}: {
		message?: string;
		details?: string | null;
		hint?: string | null;
	} = {},
): Answer {
	return () => Response.json({ code, message, details, hint }, { status });
}

/** What PostgREST is asked, in the parts that it reads. */
export function asked({ method, url, headers, body }: Received) {
	return {
		method,
		path: url.pathname,
		// postgrest-js encodes more than it has to.
		query: decodeURIComponent(url.search.slice(1)),
		accept: headers.get("accept"),
		prefer: headers.get("prefer"),
		body: body === "" ? null : (JSON.parse(body) as unknown),
	};
}
