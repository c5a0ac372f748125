// Translates PostgREST's errors into refusals, for an application's routes. `/rest/v1` passes its errors on unchanged.
import { PostgrestError } from "@supabase/postgrest-js";
import { Refusal, type RefusalCode, type RefusalTable } from "./refusals.ts";

/** PostgREST's own codes, and SQLSTATEs (PostgreSQL manual, appendix A). */
const BY_CODE: Record<string, RefusalCode> = {
	PGRST103: "range_not_satisfiable",
	PGRST116: "not_found",
	// An anonymous caller never gets this far: database.ts.
	"42501": "denied",
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
	/** Codes by the name of a constraint, or of a column that may not be null. Any other broken constraint is `body_invalid`. */
	constraints: Readonly<Record<string, string>>;
}

/** Builds the function that turns an error, thrown while a request was served, into the refusal that the client gets. */
export function createToRefusal({ refusals, constraints }: ErrorOptions) {
	return function toRefusal(error: unknown): Refusal {
		if (error instanceof Refusal) return error;
		if (!(error instanceof PostgrestError))
			return new Refusal("internal_error", { cause: error });
		const constraint = broken(error.message);
		// JSON that is not PostgREST's may have no code, or a number.
		const sqlState = String(error.code ?? "");
		const code =
			constraints[constraint] ??
			BY_CODE[sqlState] ??
			BY_CLASS[sqlState.slice(0, 2)] ??
			"internal_error";
		const options = { ...describe(code, constraint, error), cause: error };
		// Without an entry of the application's, the code is Postern's.
		return new Refusal(code as RefusalCode, options, refusals[code]);
	};
}

/** The constraint that a message of class 23 names, or the column that is null and may not be. */
function broken(message: string): string {
	const name =
		/constraint "([^"]+)"/.exec(message) ??
		/null value in column "([^"]+)"/.exec(message);
	return name?.[1] ?? "";
}

/** Constraints are named as facts: `name_is_unique` becomes `name`, `title_has_1_to_200_characters` the same in words. */
function describe(
	code: string,
	constraint: string,
	{ message }: PostgrestError,
): { details?: string } {
	// PostgreSQL names the column only to callers who may read the whole table.
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
