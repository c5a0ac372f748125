// One query over a connection of its own.
import pg from "pg";

export async function query(
	connectionString: string,
	sql: string,
	values?: unknown[],
): Promise<pg.QueryResult> {
	const client = new pg.Client({ connectionString });
	// A server that is stopped meanwhile rejects the query. Without a listener it would end the process as well.
	client.on("error", () => {});
	await client.connect();
	try {
		return await client.query(sql, values);
	} finally {
		await client.end();
	}
}
