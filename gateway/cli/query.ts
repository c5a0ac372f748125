// One statement to the gateway's own schema in a database.
import { Client, DatabaseError, type QueryResult } from "pg";
import { type DatabaseOptions, databaseOf } from "./options.ts";

/** @throws {Error} also where `postern migrate` has not run */
export async function query(
	options: DatabaseOptions,
	sql: string,
	values: (string | null)[] = [],
): Promise<QueryResult> {
	const client = new Client({ connectionString: await databaseOf(options) });
	await client.connect();
	try {
		return await client.query(sql, values);
	} catch (error) {
		throw isMissing(error)
			? new Error(
					"The database lacks the gateway's schema, or a part of it: `postern migrate` adds it.",
				)
			: error;
	} finally {
		await client.end();
	}
}

/** undefined_function, undefined_table, invalid_schema_name */
function isMissing(error: unknown): boolean {
	return (
		error instanceof DatabaseError &&
		["42883", "42P01", "3F000"].includes(error.code ?? "")
	);
}
