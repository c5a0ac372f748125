// Errors of PostgREST that the caller did not cause and cannot mend: it refuses the gateway's own token, cannot take the role in
// it, or does not reach the database. An error that a function raises passes unchanged with any status.
import { Refusal } from "../http/refusals.ts";
import { codeInHead, errorIn } from "./error-code.ts";
import { wholeBodyOf } from "./whole-body.ts";

/** PostgREST's codes for a token that it does not accept, and for having no key to verify one. */
const TOKEN_REFUSED = /^PGRST30[0-3]$/;

/** PostgREST's codes for a database that it does not reach. Their details name the database's address. */
const UNREACHED = /^PGRST00[0-3]$/;

/** How PostgreSQL says that PostgREST cannot take a role, by SQLSTATE. */
const ROLE_REFUSED: Readonly<Record<string, (role: string) => string>> = {
	"22023": (role) => `role "${role}" does not exist`,
	"42501": (role) => `permission denied to set role "${role}"`,
};

/** What PostgREST answers a token, a role or a lost database with. */
const STATUSES = [400, 401, 403, 500, 503, 504];

/**
 * The answer as a caller may see it.
 * @param role of the token that the gateway sent
 * @throws {Refusal} origin_refused where PostgREST refuses the gateway's token: the caller's own token never reaches it
 */
export async function withoutOriginFaults(
	response: Response,
	method: string,
	role: string,
): Promise<Response> {
	const { status, headers } = response;
	// The result of a function has Content-Range, with any status.
	if (!STATUSES.includes(status) || headers.has("content-range"))
		return response;
	if (method === "HEAD") {
		if (refusesTokenInHead(response)) throw refused(response, "");
		return response;
	}
	const body = await wholeBodyOf(response);
	const error = errorIn(body);
	if (TOKEN_REFUSED.test(error?.code ?? ""))
		throw refused(response, `${error?.code}, ${error?.message}`);
	const roleRefused = ROLE_REFUSED[error?.code ?? ""]?.(role);
	if (roleRefused !== undefined && roleRefused === error?.message)
		throw new Refusal("origin_refused", {
			cause: new Error(
				`The gateway's settings allow a role that PostgREST cannot take: ${error.message}`,
			),
		});
	return UNREACHED.test(error?.code ?? "")
		? new Response(JSON.stringify({ ...error, details: null }), response)
		: new Response(body, response);
}

/** PostgREST 12 tells by its challenge. */
function refusesTokenInHead({ headers }: Response): boolean {
	const code = codeInHead(headers);
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
