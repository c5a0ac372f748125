// What PostgREST refuses a resource route, in the gateway's words. `/rest/v1` never comes here: its errors pass as they are.
import { PostgrestError } from "@supabase/postgrest-js";
import type { Identity } from "../identity/identity.ts";
import { defineRefusals } from "./define-refusals.ts";
import { Refusal, type RefusalCode, type RefusalTable } from "./refusals.ts";

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

export interface ErrorOptions {
	/** The application's own refusals. */
	refusals: RefusalTable;
	/** Codes by the constraint, or the column that may not be null, that a change would break. The others speak of the body. */
	constraints: Readonly<Record<string, string>>;
	anonRole: string;
}

/** Builds the function that takes what was thrown while a request was served to the refusal that its client gets. */
export function createToRefusal({
	refusals,
	constraints,
	anonRole,
}: ErrorOptions) {
	const { Refusal: OwnRefusal } = defineRefusals(refusals);

	return function toRefusal(
		error: unknown,
		identity: Identity | undefined,
	): Refusal {
		if (error instanceof Refusal) return error;
		if (!(error instanceof PostgrestError))
			return new Refusal("internal_error", { cause: error });
		if (error.code === "42501") {
			const isAnonymous = identity === undefined || identity.role === anonRole;
			return new Refusal(isAnonymous ? "unauthenticated" : "denied", {
				cause: error,
			});
		}
		const constraint = broken(error.message);
		// JSON that is not PostgREST's may have no code, or a number.
		const sqlState = String(error.code ?? "");
		const code =
			constraints[constraint] ??
			BY_CODE[sqlState] ??
			BY_CLASS[sqlState.slice(0, 2)] ??
			"internal_error";
		return new OwnRefusal(code, {
			...describe(code, constraint, error),
			cause: error,
		});
	};
}

/** The constraint that a message of class 23 names, or the column that is null and may not be. */
function broken(message: string): string {
	const name =
		/constraint "([^"]+)"/.exec(message) ??
		/null value in column "([^"]+)"/.exec(message);
	return name?.[1] ?? "";
}

/** Constraints are named as the facts that they keep: `serial_number_is_unique`, `title_has_1_to_200_characters`. */
function describe(
	code: string,
	constraint: string,
	{ message }: PostgrestError,
): { details?: string } {
	// Postgres itself names the column only to who may read the whole table (row level security).
	const unique = /^(.+)_is_unique$/.exec(constraint)?.[1];
	if (code === "not_unique" && unique !== undefined) {
		return { details: toCamelCase(unique) };
	}
	if (code !== "body_invalid") return {};
	return { details: constraint.replaceAll("_", " ") || message };
}

/** The routes' JSON is camelCase, the database's columns are snake_case. */
function toCamelCase(column: string): string {
	return column.replace(/_([a-z])/g, (_, letter: string) =>
		letter.toUpperCase(),
	);
}
