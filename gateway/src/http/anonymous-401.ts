// PostgREST answers 401 to its anonymous role where it answers 403 to others (SQLSTATE 42501). The origin has no anonymous role,
// because it takes signed tokens only, so the gateway makes that distinction, here and nowhere else.
import type { Pipeline } from "../pipeline.ts";

/** What a 401 of this kind has as `WWW-Authenticate`. That of PostgREST for a token that it does not accept says more. */
const CHALLENGE = "Bearer";

/** Whether this answer of the pipeline asks an anonymous caller for a token. */
export function asksForToken({ status, headers }: Response): boolean {
	return status === 401 && headers.get("www-authenticate") === CHALLENGE;
}

/** The pipeline, whose 403 for a missing privilege is a 401 where the caller is anonymous. */
export function withAnonymous401(
	pipeline: Pipeline,
	anonRole: string,
): Pipeline {
	return async (request, identity) => {
		const response = await pipeline(request, identity);
		return identity.role === anonRole && response.status === 403
			? asUnauthenticated(response, request.method)
			: response;
	};
}

async function asUnauthenticated(
	response: Response,
	method: string,
): Promise<Response> {
	// As bytes, because a body that is not PostgREST's error passes unchanged.
	const body = await response.arrayBuffer();
	const code =
		method === "HEAD" ? codeInHead(response.headers) : codeInBody(body);
	if (code !== "42501") return new Response(body, response);
	const headers = new Headers(response.headers);
	headers.set("WWW-Authenticate", CHALLENGE);
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
