// Brings a database up to date: roles, the gateway's own programs, migrations, example rows, in that order. Running it again
// changes nothing.
import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { Client } from "pg";
import { migrate as migratePrograms } from "../migrate.ts";
import type { Log } from "./service.ts";

const execute = promisify(execFile);

/** In the current directory. */
const FOLDER = "db";

interface PrepareOptions {
	/** The database, as its superuser. */
	url: string;
	/** Password that the role `authenticator` gets. */
	authenticatorPassword: string;
	log: Log;
}

export async function prepareDatabase({
	url,
	authenticatorPassword,
	log,
}: PrepareOptions): Promise<void> {
	await withClient(url, async (client) => {
		await client.query(
			"select set_config('postern.authenticator_password', $1, false)",
			[authenticatorPassword],
		);
		await client.query(await sql("roles.sql"));
	});
	await migratePrograms({ databaseUrl: url, accounts: true, log });
	await migrate(url, log);
	await withClient(url, async (client) => {
		await client.query(await sql("seed.sql"));
	});
}

/** Runs dbmate, by default to bring the database up to date. */
export async function migrate(
	url: string,
	log: Log,
	command: readonly string[] = ["up", "--strict"],
): Promise<void> {
	const dbmate = join("node_modules", ".bin", "dbmate");
	const args = [
		"--migrations-dir",
		join(FOLDER, "migrations"),
		"--no-dump-schema",
		...command,
	];
	const { stdout } = await execute(dbmate, args, {
		env: { ...process.env, DATABASE_URL: `${url}?sslmode=disable` },
	});
	for (const line of stdout.split("\n").filter(Boolean)) log(line);
}

async function withClient(
	url: string,
	use: (client: Client) => Promise<void>,
): Promise<void> {
	const client = new Client({ connectionString: url });
	await client.connect();
	try {
		await use(client);
	} finally {
		await client.end();
	}
}

function sql(name: string): Promise<string> {
	return readFile(join(FOLDER, name), "utf8");
}
