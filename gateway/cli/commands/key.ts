// `npm run key -- create NAME [--role ROLE] | list | revoke ID`: the API keys of the local stack, or of DATABASE_URL.
// Without --role a key is publishable: it stands for nobody and may be in every browser.
import { parseArgs } from "node:util";
import { Client } from "pg";
import { readCredentials } from "../stack/credentials.ts";
import { LOOPBACK } from "../stack/ports.ts";
import { port } from "../stack/settings.ts";
import { ENV_FILE } from "../stack/state.ts";

const { values, positionals } = parseArgs({
	allowPositionals: true,
	options: { role: { type: "string" } },
});
const [command, argument] = positionals;
const client = new Client({ connectionString: await databaseUrl() });
await client.connect();
try {
	await execute();
} catch (error) {
	// What the database says of a wrong role or id is for the person, the stack trace is not.
	console.error(error instanceof Error ? error.message : error);
	process.exitCode = 1;
} finally {
	await client.end();
}

async function execute(): Promise<void> {
	if (command === "list") {
		console.table(
			(await client.query("select * from postern.api_keys order by id")).rows,
		);
	} else if (command === "create" && argument !== undefined) {
		const kind = values.role === undefined ? "publishable" : "secret";
		const { rows } = await client.query(
			"select postern.create_api_key($1, $2, $3) as key",
			[argument, kind, values.role ?? "anon"],
		);
		console.log(rows[0].key);
	} else if (command === "revoke" && argument !== undefined) {
		await client.query("select postern.revoke_api_key($1)", [argument]);
		console.log(`Key ${argument} is refused within 5 seconds.`);
	} else {
		throw new Error("Say create NAME [--role ROLE], list, or revoke ID.");
	}
}

async function databaseUrl(): Promise<string> {
	if (process.env.DATABASE_URL !== undefined) return process.env.DATABASE_URL;
	const { postgresPassword } = await readCredentials(ENV_FILE);
	return `postgres://postgres:${postgresPassword}@${LOOPBACK}:${port("POSTGRES_PORT")}/postern`;
}
