// Brings a database up to date: roles, the gateway's own programs, the application's migrations, its example rows, in that
// order. Running it again changes nothing.
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { Client } from "pg";
import { analyze } from "../analyze.ts";
import { migrate as migratePrograms } from "../migrate.ts";
import { resolvePackage } from "./packages.ts";
import type { Log } from "./service.ts";

const execute = promisify(execFile);

/** The application's own, in the current directory. Each of them may be absent. */
const ROLES = join("db", "roles.sql");
export const MIGRATIONS = join("db", "migrations");
const SEED = join("db", "seed.sql");

interface PrepareOptions {
	/** The database, as its superuser. */
	url: string;
	/** Password that the role `authenticator` gets. */
	authenticatorPassword: string;
	/** Also the optional users and sessions. */
	accounts?: boolean;
	log: Log;
}

export async function prepareDatabase({
	url,
	authenticatorPassword,
	accounts = true,
	log,
}: PrepareOptions): Promise<void> {
	await withClient(url, async (client) => {
		await client.query(
			"select set_config('postern.authenticator_password', $1, false)",
			[authenticatorPassword],
		);
		await client.query(await readFile(rolesFile(), "utf8"));
	});
	await migratePrograms({ databaseUrl: url, accounts, log });
	if (existsSync(MIGRATIONS)) {
		await migrate(url, log);
		await analyze(url);
	}
	if (!existsSync(SEED)) return;
	await withClient(url, async (client) => {
		await client.query(await readFile(SEED, "utf8"));
	});
}

/** Without a file of the application, the package's own makes the roles that the gateway needs. */
function rolesFile(): string {
	if (existsSync(ROLES)) return ROLES;
	const packageFile = createRequire(import.meta.url).resolve(
		"postern/package.json",
	);
	return join(dirname(packageFile), "sql", "roles.sql");
}

/** Runs dbmate, by default to bring the database up to date. */
export async function migrate(
	url: string,
	log: Log,
	command: readonly string[] = ["up", "--strict"],
): Promise<void> {
	const dbmate = join(
		dirname(resolvePackage("dbmate", "package.json")),
		"dist",
		"cli.js",
	);
	const args = [
		dbmate,
		"--migrations-dir",
		MIGRATIONS,
		"--no-dump-schema",
		...command,
	];
	const { stdout } = await execute(process.execPath, args, {
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
