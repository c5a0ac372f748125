// Tells the database what its functions in PL/pgSQL say, and has it analyse all functions whose body is text. The database does the
// rest by itself whenever one changes, except for parsing PL/pgSQL.
import pg from "pg";
import { loadParser, translate } from "./plpgsql.ts";

interface RequestSchemas {
	/** PostgREST's db-schemas, where it is not to be guessed. */
	schemas?: string[] | undefined;
	/** PostgREST's db-extra-search-path. Means something together with `schemas` only. */
	extraSearchPath?: string[] | undefined;
}

/** A function that is not understood. */
interface Unknown {
	name: string;
	reason: string;
}

/** Ordered by name. */
export async function analyze(
	databaseUrl: string,
	request?: RequestSchemas,
): Promise<Unknown[]> {
	const client = new pg.Client({ connectionString: databaseUrl });
	await client.connect();
	try {
		await client.query("begin");
		const unknown = await analyzeIn(client, request);
		await client.query("commit");
		return unknown;
	} finally {
		await client.end();
	}
}

/** The same in a transaction. */
export async function analyzeIn(
	client: pg.Client,
	{ schemas, extraSearchPath }: RequestSchemas = {},
): Promise<Unknown[]> {
	await loadParser();
	const { rows } = await client.query(
		"select function, definition, source, arguments from postern.untranslated_functions",
	);
	for (const row of rows) {
		const found = translate(row.source, row.arguments);
		const [variables, statements, reason] =
			"reason" in found
				? [null, null, found.reason]
				: [found.variables, found.statements, null];
		await client.query("select postern.translate($1, $2, $3, $4, $5)", [
			row.function,
			row.definition,
			variables,
			statements,
			reason,
		]);
	}
	await client.query("select postern.analyze_functions($1, $2)", [
		schemas,
		extraSearchPath,
	]);
	await client.query("select postern.add_declarations()");
	const unknown = await client.query(
		"select function::regprocedure::text as name, reason from postern.known_analyses() where reason is not null order by 1",
	);
	return unknown.rows;
}
