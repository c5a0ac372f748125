// Takes the body of a function in PL/pgSQL apart, with PostgreSQL's own parser. What the statements mean is found by the database:
// each becomes a function in SQL, whose arguments are the variables. Control flow does not matter for what a function may read.
import { loadModule, parsePlPgSQLSync } from "libpg-query";

export type Translation =
	| {
			/** A list of arguments for SQL, such as `"found" boolean`. Ends of lines end comments. */
			variables: string;
			/** One statement each. */
			statements: string[];
	  }
	/** Why the body cannot be understood. */
	| { reason: string };

type Tree = Record<string, unknown>;

interface Variable {
	refname: string;
	datatype: { PLpgSQL_type: { typname: string } };
}

/** What each part of a function holds is searched for expressions. What is not among these is not understood. */
const PARTS = new Set([
	"PLpgSQL_function",
	"PLpgSQL_var",
	"PLpgSQL_type",
	"PLpgSQL_row",
	"PLpgSQL_rec",
	"PLpgSQL_recfield",
	"PLpgSQL_stmt_block",
	"PLpgSQL_stmt_if",
	"PLpgSQL_if_elsif",
	"PLpgSQL_stmt_case",
	"PLpgSQL_case_when",
	"PLpgSQL_stmt_loop",
	"PLpgSQL_stmt_while",
	"PLpgSQL_stmt_fori",
	"PLpgSQL_stmt_fors",
	"PLpgSQL_stmt_foreach_a",
	"PLpgSQL_stmt_exit",
	"PLpgSQL_stmt_assign",
	"PLpgSQL_stmt_execsql",
	"PLpgSQL_stmt_perform",
	"PLpgSQL_stmt_return",
	"PLpgSQL_stmt_return_next",
	"PLpgSQL_stmt_return_query",
	"PLpgSQL_stmt_raise",
	"PLpgSQL_raise_option",
	"PLpgSQL_stmt_assert",
	"PLpgSQL_exception_block",
	"PLpgSQL_exception",
	"PLpgSQL_condition",
]);

const REASONS: Record<string, string> = {
	PLpgSQL_stmt_dynexecute: "it runs a statement that it computes (EXECUTE)",
	PLpgSQL_stmt_dynfors: "it runs a statement that it computes (EXECUTE)",
	dynquery: "it runs a statement that it computes (EXECUTE)",
	cursor_explicit_expr: "it has a cursor",
	PLpgSQL_stmt_open: "it has a cursor",
	PLpgSQL_stmt_forc: "it has a cursor",
	// The type of a variable that PL/pgSQL adds is known when it runs.
	t_expr: "it has CASE with a value: write CASE WHEN",
};

/** The target of an assignment, a variable or a field of one, and the sign behind it. */
const TARGET = /^\s*(?:"(?:[^"]|"")+"|[\w$.])+\s*:?=(?!=)/;

/** RawParseMode of PostgreSQL's parser. */
const STATEMENT = 0;
const EXPRESSION = 2;

class NotUnderstood extends Error {}

/** To be called once before `translate`. */
export const loadParser = loadModule;

/**
 * @param source a CREATE FUNCTION statement
 * @param parameters how many arguments the function has, with those for output
 */
export function translate(source: string, parameters: number): Translation {
	try {
		const parsed = parsePlPgSQLSync(source) as { plpgsql_funcs: Tree[] };
		const [body, second] = parsed.plpgsql_funcs;
		if (body === undefined || second !== undefined)
			throw new NotUnderstood("it is not one function");
		const { datums } = body.PLpgSQL_function as { datums: Tree[] };
		return {
			variables: variablesAmong(datums.slice(parameters)),
			statements: [...new Set(statementsIn(body))],
		};
	} catch (error) {
		if (!(error instanceof Error)) throw error;
		return {
			reason:
				error instanceof NotUnderstood
					? error.message
					: `its body is not understood: ${error.message}`,
		};
	}
}

/** The variables as arguments. A name that stands for two variables of different types is not understood. */
function variablesAmong(datums: readonly Tree[]): string {
	const types = new Map<string, string>();
	for (const { PLpgSQL_var, PLpgSQL_rec } of datums) {
		const variable = PLpgSQL_var ?? PLpgSQL_rec;
		if (variable === undefined) continue;
		const { refname, datatype } = variable as Variable;
		// The parser takes any type that it does not know for a composite one.
		const type = datatype.PLpgSQL_type.typname.replace(/%rowtype$/i, "");
		if (/^record$/i.test(type))
			throw new NotUnderstood(
				`it has a variable of type record, ${refname}: give it the type of a table`,
			);
		if (types.has(refname) && types.get(refname) !== type)
			throw new NotUnderstood(`it has several variables named ${refname}`);
		types.set(refname, type);
	}
	if (!types.has("found"))
		throw new NotUnderstood("its arguments are not those of the parser");
	return [...types]
		.map(([name, type]) => `"${name.replaceAll('"', '""')}" ${type}`)
		.join(",\n");
}

function* statementsIn(tree: unknown): Generator<string> {
	if (typeof tree !== "object" || tree === null) return;
	for (const [name, part] of Object.entries(tree)) {
		if (name === "PLpgSQL_expr") {
			yield statementOf(part as { query: string; parseMode: number });
			continue;
		}
		const reason = REASONS[name];
		if (reason !== undefined) throw new NotUnderstood(reason);
		if (name.startsWith("PLpgSQL_") && !PARTS.has(name)) {
			const statement = name.replace(/^PLpgSQL_(stmt_)?/, "");
			throw new NotUnderstood(`it has a statement ${statement.toUpperCase()}`);
		}
		yield* statementsIn(part);
	}
}

function statementOf({
	query,
	parseMode,
}: {
	query: string;
	parseMode: number;
}): string {
	if (parseMode === STATEMENT) return query;
	// An expression may go on like a query: `return count(*) from films`.
	if (parseMode === EXPRESSION) return `select ${query}`;
	const target = TARGET.exec(query);
	if (target === null)
		throw new NotUnderstood("it assigns to an element of a variable");
	return `select ${query.slice(target[0].length)}`;
}
