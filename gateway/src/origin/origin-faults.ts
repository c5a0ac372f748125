// Errors of PostgREST that the caller did not cause and cannot mend: it refuses the gateway's own token, or it does not reach the
// database. An error that a function raises passes unchanged, whatever its status is.
import { Refusal } from "../http/refusals.ts";

interface PostgrestErrorBody {
	code: string;
	message: string;
	details: string | null;
}

/** PostgREST's codes for a token that it does not accept, and for having no key to verify one. */
const TOKEN_REFUSED = /^PGRST30[0-3]$/;

/** PostgREST's codes for a database that it does not reach. Their details name the database's address. */
const UNREACHED = /^PGRST00[0-3]$/;

/**
 * The answer as a caller may see it.
 * @throws {Refusal} origin_refused where PostgREST refuses the gateway's token: the caller's own token never reaches it
 */
export async function withoutOriginFaults(
	response: Response,
	method: string,
): Promise<Response> {
	const { status, headers } = response;
	// What a function returns has Content-Range, whatever its status is.
	if (![401, 500, 503, 504].includes(status) || headers.has("content-range"))
		return response;
	if (method === "HEAD") {
		if (refusesTokenInHead(response)) throw refused(response, "");
		return response;
	}
	const body = await bodyOf(response);
	const error = parseError(body);
	if (TOKEN_REFUSED.test(error?.code ?? ""))
		throw refused(response, `${error?.code}, ${error?.message}`);
	return UNREACHED.test(error?.code ?? "")
		? new Response(JSON.stringify({ ...error, details: null }), response)
		: new Response(body, response);
}

/** PostgREST 13 names its code in Proxy-Status. 12 tells by its challenge. */
function refusesTokenInHead({ headers }: Response): boolean {
	const code = /\berror=(\w+)/.exec(headers.get("proxy-status") ?? "")?.[1];
	return code === undefined
		? /^Bearer error="invalid_token"/.test(
				headers.get("www-authenticate") ?? "",
			)
		: TOKEN_REFUSED.test(code);
}

function refused({ status, headers }: Response, error: string): Refusal {
	const challenge = headers.get("www-authenticate") ?? "";
	return new Refusal("origin_refused", {
		cause: new Error(
			`PostgREST refuses the gateway's token: ${status} ${error || challenge}. Its JWT settings do not fit ORIGIN_SIGNING_KEY, or the clocks differ`,
		),
	});
}

async function bodyOf(response: Response): Promise<ArrayBuffer> {
	try {
		return await response.arrayBuffer();
	} catch (cause) {
		throw new Refusal("origin_unreachable", { cause });
	}
}

function parseError(body: ArrayBuffer): PostgrestErrorBody | undefined {
	try {
		return JSON.parse(new TextDecoder().decode(body)) ?? undefined;
	} catch {
		return undefined;
	}
}
