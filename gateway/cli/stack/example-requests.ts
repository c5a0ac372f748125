// The requests that `postern dev` shows when it is up. They name a table of the database at hand.
import { existsSync, readFileSync } from "node:fs";
import { Client } from "pg";

interface ExampleOptions {
	/** The Worker. */
	url: string;
	databaseUrl: string;
	/** Separated by commas. */
	schemas: string;
}

/** Shell commands: a read without a token, and one with. */
export async function exampleRequests({
	url,
	databaseUrl,
	schemas,
}: ExampleOptions): Promise<string> {
	const [schema = ""] = schemas.split(",");
	const relation = await readableRelation(databaseUrl, schema.trim());
	const target = `'${url}/rest/v1/${relation === undefined ? "" : `${relation}?limit=3`}'`;
	return `  curl -i ${target}

  curl -i ${target} -H "Authorization: Bearer $(${tokenCommand()})"
`;
}

/** A table or view that both requests may read. */
async function readableRelation(
	databaseUrl: string,
	schema: string,
): Promise<string | undefined> {
	const client = new Client({ connectionString: databaseUrl });
	await client.connect();
	try {
		const { rows } = await client.query(
			`select relname
			from pg_catalog.pg_class
			where relnamespace = to_regnamespace($1)
				and relkind in ('r', 'p', 'v', 'm')
				and has_table_privilege('anon', oid, 'select')
				and has_table_privilege('authenticated', oid, 'select')
			order by pg_relation_size(oid) desc, relname
			limit 1`,
			[schema],
		);
		return rows[0]?.relname;
	} finally {
		await client.end();
	}
}

/** By the script of package.json where there is one: it brings the right Node. */
function tokenCommand(): string {
	const hasScript =
		existsSync("package.json") &&
		JSON.parse(readFileSync("package.json", "utf8")).scripts?.token !==
			undefined;
	return hasScript
		? "npm run --silent token -- --sub me"
		: "npx postern token --sub me";
}
