// PostgREST answers 401 to its anonymous role where it answers 403 to others (SQLSTATE 42501). The origin has no anonymous role,
// because it takes signed tokens only, so the gateway makes that distinction, here and nowhere else.
import { codeInHead, errorIn } from "../origin/error-code.ts";
import { wholeBodyOf } from "../origin/whole-body.ts";
import type { Origin } from "../pipeline.ts";

/** What a 401 of this kind has as `WWW-Authenticate`. That of PostgREST for a token that it does not accept says more. */
const CHALLENGE = "Bearer";

/** Whether this answer of the pipeline asks an anonymous caller for a token. */
export function asksForToken({ status, headers }: Response): boolean {
	return status === 401 && headers.get("www-authenticate") === CHALLENGE;
}

/** The origin, whose 403 for a missing privilege is a 401 where the caller is anonymous. */
export function withAnonymous401(origin: Origin, anonRole: string): Origin {
	return async (request, identity, told) => {
		const response = await origin(request, identity, told);
		if (identity.role !== anonRole || response.status !== 403) return response;
		// As bytes, because a body that is not PostgREST's error passes unchanged.
		const body = await wholeBodyOf(response);
		let code = codeInHead(response.headers) ?? errorIn(body)?.code;
		// PostgREST 12 names the code in the body only, which the answer to HEAD does not have.
		if (code === undefined && request.method === "HEAD") {
			// Without its body, which a HEAD may have.
			const { url, headers, signal } = request;
			const asked = new Request(url, { headers, signal });
			code = await codeOf(await origin(asked, identity));
		}
		return code === "42501"
			? asUnauthenticated(body, response)
			: new Response(body, response);
	};
}

/** The code of an error. The body of any other answer is not read. */
async function codeOf(response: Response): Promise<string | undefined> {
	if (response.status === 403)
		return errorIn(await wholeBodyOf(response))?.code;
	await response.body?.cancel();
	return undefined;
}

function asUnauthenticated(body: ArrayBuffer, response: Response): Response {
	const headers = new Headers(response.headers);
	headers.set("WWW-Authenticate", CHALLENGE);
	return new Response(body, {
		status: 401,
		statusText: "Unauthorized",
		headers,
	});
}
