// Every refusal of Postern's: one table of code, status and public text. A client learns what it has to change and no more; the
// reason goes to the log through `cause`.
import { ACCOUNT_REFUSALS } from "../accounts/account-refusals.ts";

const REFUSALS = {
	token_malformed: {
		status: 401,
		message: "The Authorization header is not one bearer token",
	},
	token_rejected: {
		status: 401,
		message: "The bearer token was not accepted",
	},
	token_expired: { status: 401, message: "The bearer token has expired" },
	role_refused: {
		status: 403,
		message: "The role of the bearer token may not be used here",
	},
	key_rejected: { status: 401, message: "The API key was not accepted" },
	credentials_conflict: {
		status: 400,
		message: "The request's credentials stand for different callers",
	},
	...ACCOUNT_REFUSALS,
	over_request_rate_limit: {
		status: 429,
		message: "Too many attempts; try again later",
	},
	rate_limited: {
		status: 429,
		message: "Too many requests; try again later",
	},
	issuing_off: {
		status: 404,
		message: "This gateway issues no tokens",
	},
	unauthenticated: { status: 401, message: "A bearer token is required" },
	denied: { status: 403, message: "Not allowed for this caller" },
	route_unknown: { status: 404, message: "No such route" },
	not_found: { status: 404, message: "Nothing was found under this id" },
	method_not_allowed: {
		status: 405,
		message: "This route does not know this method",
	},
	media_type_unsupported: {
		status: 415,
		message: "The Content-Type has to be application/json",
	},
	header_malformed: {
		status: 400,
		message: "A header of the request is not valid",
	},
	// PostgREST's status for a schema that it does not expose.
	schema_refused: { status: 406, message: "This schema is not for callers" },
	body_too_large: { status: 413, message: "The request body is too large" },
	answer_too_large: {
		status: 400,
		message: "The answer is too large: ask for fewer rows or columns",
	},
	url_too_long: { status: 414, message: "The URL is too long" },
	headers_too_large: {
		status: 431,
		message: "The request's header fields are too large",
	},
	embed_too_deep: {
		status: 400,
		message: "The select parameter embeds too deep",
	},
	body_malformed: { status: 400, message: "The request body is malformed" },
	body_invalid: { status: 400, message: "The request body is not valid" },
	parameter_invalid: { status: 400, message: "The URL is not valid" },
	range_not_satisfiable: {
		status: 416,
		message: "There are not so many rows",
	},
	not_unique: { status: 409, message: "The value is already taken" },
	contended: {
		status: 409,
		message: "Another request changed the same thing; try again",
	},
	idempotency_key_invalid: {
		status: 400,
		message: "The Idempotency-Key is not valid",
	},
	idempotency_in_flight: {
		status: 409,
		message: "The write with this Idempotency-Key is under way; try again",
	},
	idempotency_key_reused: {
		status: 422,
		message: "The Idempotency-Key was used for another request",
	},
	idempotency_answer_lost: {
		status: 409,
		message:
			"The write with this Idempotency-Key was done; its answer was not kept",
	},
	idempotency_unsupported: {
		status: 501,
		message:
			"No Idempotency-Key can be used: PostgREST's db-pre-request does not call postern.pre_request()",
	},
	precondition_invalid: { status: 400, message: "If-Match is not valid" },
	precondition_failed: {
		status: 412,
		message: "The row is not as If-Match says, so nothing was written",
	},
	precondition_unsupported: {
		status: 400,
		message: "If-Match cannot be checked, so nothing was written",
	},
	origin_not_ready: { status: 503, message: "The database is not ready" },
	issuer_unreachable: {
		status: 503,
		message: "The issuer of the token could not be reached",
	},
	origin_refused: {
		status: 503,
		message: "The database does not accept the gateway",
	},
	origin_unreachable: {
		status: 503,
		message: "The database could not be reached",
	},
	origin_busy: {
		status: 503,
		message:
			"Too many requests wait for the same relation or function; this one was not sent",
	},
	origin_timeout: {
		status: 504,
		message: "The database did not answer in time",
	},
	upstream_unreachable: {
		status: 503,
		message:
			"The server that this request is passed on to could not be reached",
	},
	// RFC 9111, section 5.2.1.7
	not_cached: {
		status: 504,
		message: "There is no fresh answer to give without asking the database",
	},
	// No client reads this answer. The status is for the log.
	client_closed: { status: 499, message: "The client went away" },
	gateway_misconfigured: {
		status: 500,
		message: "The gateway is not configured; its log names what is wrong",
	},
	internal_error: { status: 500, message: "Something went wrong" },
} as const;

export type RefusalCode = keyof typeof REFUSALS;

/** What one refusal answers. */
interface RefusalEntry {
	status: number;
	/** Public. */
	message: string;
}

/** Refusals by their codes. */
export type RefusalTable = Readonly<Record<string, RefusalEntry>>;

/** Every code of the table. */
export const REFUSAL_CODES = Object.keys(REFUSALS) as RefusalCode[];

export interface RefusalOptions extends ErrorOptions {
	/** What the caller has to change, such as the names of fields. Public. */
	details?: string;
	/** Response headers that belong to the refusal, such as `Allow`. */
	headers?: Record<string, string>;
	/** Further fields of the body, which clients of GoTrue read. Public. */
	fields?: Record<string, unknown>;
}

/** Thrown by any step of a request, caught once in gateway.ts. */
export class Refusal extends Error {
	override readonly name = "Refusal";
	readonly code: string;
	readonly status: number;
	readonly headers: Record<string, string>;
	readonly fields: Record<string, unknown>;

	/** @param entry what the code answers, where it is an application's own (`defineRefusals`) */
	constructor(
		code: RefusalCode,
		options: RefusalOptions = {},
		entry: RefusalEntry = REFUSALS[code],
	) {
		const { details, headers = {}, fields = {}, ...errorOptions } = options;
		const { status, message } = entry;
		super(
			details === undefined ? message : `${message}: ${details}`,
			errorOptions,
		);
		this.code = code;
		this.status = status;
		this.headers = headers;
		this.fields = fields;
	}
}

/**
 * The refusal as a response, in PostgREST's error shape, so that a client parses both alike.
 * A 401 carries `WWW-Authenticate` (RFC 6750, section 3), a 503 `Retry-After` in seconds.
 */
export function refusalResponse(refusal: Refusal): Response {
	const { code, message, status, headers, fields } = refusal;
	return Response.json(
		{ code, message, details: null, hint: null, ...fields },
		{
			status,
			// Without it a cache may store some statuses, such as 404 (RFC 9111, section 4.2.2).
			headers: {
				"Cache-Control": "no-store",
				...headersOf(status),
				...headers,
			},
		},
	);
}

function headersOf(status: number): Record<string, string> {
	if (status === 401) return { "WWW-Authenticate": "Bearer" };
	if (status === 503) return { "Retry-After": "1" };
	return {};
}
