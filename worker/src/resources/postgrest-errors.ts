// What PostgREST refuses a resource route, in the gateway's words. `/rest/v1` never comes here: its errors pass as they are.
import { PostgrestError } from "@supabase/postgrest-js";
import type { Config } from "../config.ts";
import type { Identity } from "../identity/identity.ts";
import { Refusal, type RefusalCode } from "../refusals.ts";

/** Check constraints that speak of a state, not of the body. */
const STATE_CONSTRAINTS: Record<string, RefusalCode> = {
	quantity_is_not_negative: "quantity_below_zero",
};

/** PostgREST's own codes, and SQLSTATEs (PostgreSQL manual, appendix A). */
const BY_CODE: Record<string, RefusalCode> = {
	PGRST116: "not_found",
	PGRST000: "origin_unreachable",
	PGRST001: "origin_unreachable",
	PGRST002: "origin_unreachable",
	PGRST003: "origin_timeout",
	"23505": "not_unique",
	"40001": "contended",
	"40P01": "contended",
	"55P03": "contended",
	"57014": "origin_timeout",
};

/** Classes of SQLSTATE: 22 data exception, 23 integrity constraint, 08 and 53 connection and resources. */
const BY_CLASS: Record<string, RefusalCode> = {
	"08": "origin_unreachable",
	"22": "body_invalid",
	"23": "body_invalid",
	"53": "origin_unreachable",
};

/** Whatever was thrown while a request was served, as the refusal its client gets. */
export function toRefusal(
	error: unknown,
	identity: Identity | undefined,
	config: Config,
): Refusal {
	if (error instanceof Refusal) return error;
	if (!(error instanceof PostgrestError))
		return new Refusal("internal_error", { cause: error });
	if (error.code === "42501") {
		const isNobody =
			identity === undefined || identity.role === config.anonRole;
		return new Refusal(isNobody ? "unauthenticated" : "denied", {
			cause: error,
		});
	}
	if (error.code === "23514") return brokenConstraint(error);
	const code =
		BY_CODE[error.code] ?? BY_CLASS[error.code.slice(0, 2)] ?? "internal_error";
	return new Refusal(code, { ...describe(code, error), cause: error });
}

function brokenConstraint(cause: PostgrestError): Refusal {
	const name = /constraint "([^"]+)"/.exec(cause.message)?.[1] ?? "";
	const state = STATE_CONSTRAINTS[name];
	if (state !== undefined) return new Refusal(state, { cause });
	return new Refusal("body_invalid", {
		details: name.replaceAll("_", " "),
		cause,
	});
}

function describe(
	code: RefusalCode,
	{ message, details }: PostgrestError,
): { details?: string } {
	// `Key (serial_number)=(H56) already exists.`: the client knows the value, the name of the field is what it needs.
	if (code === "not_unique") {
		const column = /^Key \(([^)]+)\)/.exec(details ?? "")?.[1];
		return column === undefined ? {} : { details: toCamelCase(column) };
	}
	return code === "body_invalid" ? { details: message } : {};
}

/** The routes' JSON is camelCase, the database's columns are snake_case. */
function toCamelCase(column: string): string {
	return column.replace(/_([a-z])/g, (_, letter: string) =>
		letter.toUpperCase(),
	);
}
