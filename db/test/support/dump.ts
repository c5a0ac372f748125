// The dump of the example's own objects, without what depends on the versions of pg_dump and the server or on their owner.

import { exec, execFile } from "node:child_process";
import { promisify } from "node:util";
import pg from "pg";

const runShell = promisify(exec);
const run = promisify(execFile);

export const SCHEMA_FILE = new URL("../../schema.sql", import.meta.url);

const HEADER = `-- What db/migrations make: pg_dump --schema-only, normalised. Written by \`npm run schema\`, compared by the tests.
-- For reading, not for loading. What the programs of gateway/sql make is not shown.

`;

/** The programs of gateway/sql own these. */
const PROGRAM_SCHEMAS = ["postern", "auth", "extensions"];

type Dump = { readonly schema: string } | { readonly unavailable: string };

/**
 * The normalised dump: of the database that the shell command POSTERN_PG_DUMP dumps,
 * else of the one given, by the pg_dump on PATH. pg_dump refuses a server newer than itself.
 */
export async function dumpSchema(databaseUrl: string): Promise<Dump> {
	const command = process.env.POSTERN_PG_DUMP;
	if (command) {
		const { stdout } = await runShell(command);
		return { schema: HEADER + normalise(stdout) };
	}
	const [server, client] = await Promise.all([
		serverMajor(databaseUrl),
		pgDumpMajor(),
	]);
	if (client === undefined) {
		return {
			unavailable: "there is no pg_dump on PATH and POSTERN_PG_DUMP is not set",
		};
	}
	if (client < server) {
		return {
			unavailable: `pg_dump ${client} on PATH cannot dump PostgreSQL ${server} and POSTERN_PG_DUMP is not set`,
		};
	}
	const { stdout } = await run("pg_dump", [
		"--schema-only",
		"--no-owner",
		"--exclude-table=public.schema_migrations",
		...PROGRAM_SCHEMAS.map((schema) => `--exclude-schema=${schema}`),
		databaseUrl,
	]);
	return { schema: HEADER + normalise(stdout) };
}

export function normalise(dump: string): string {
	return (
		dump
			// titles, versions, the token that guards a restore, session settings
			.replaceAll(/^--\n-- .*\n--\n/gm, "")
			.replaceAll(/^-- Dumped (from|by) .*\n/gm, "")
			.replaceAll(/^\\(un)?restrict .*\n/gm, "")
			.replaceAll(/^SET \w+ = .*;\n/gm, "")
			.replaceAll(/^SELECT pg_catalog\.set_config\(.*\n/gm, "")
			// owners
			.replaceAll(/^ALTER .* OWNER TO .*;\n/gm, "")
			.replaceAll(/^(ALTER DEFAULT PRIVILEGES) FOR ROLE \S+/gm, "$1")
			// the extension and the triggers of the programs
			.replaceAll(/^(CREATE|COMMENT ON) EXTENSION [^;]*;/gm, "")
			.replaceAll(/^(CREATE|ALTER) (EVENT )?TRIGGER postern_[^;]*;/gm, "")
			// 15 writes two spaces
			.replaceAll(/^(ALTER DEFAULT PRIVILEGES .*) {2}(FROM|TO)/gm, "$1 $2")
			.replaceAll(/^CREATE VIEW [^;]*;/gm, unqualifyColumns)
			.replaceAll(/\n{3,}/g, "\n\n")
			.trim()
			.concat("\n")
	);
}

/** Up to 15, a view over one table names the table before each column; from 16 on it does not. */
function unqualifyColumns(view: string): string {
	const tables = [...view.matchAll(/(?:FROM|JOIN) \(*(?:\w+\.)?(\w+)/g)];
	const [only] = tables;
	return tables.length === 1 && only
		? view.replaceAll(new RegExp(`\\b(?<!\\.)${only[1]}\\.`, "g"), "")
		: view;
}

async function serverMajor(databaseUrl: string): Promise<number> {
	const client = new pg.Client({ connectionString: databaseUrl });
	await client.connect();
	try {
		const { rows } = await client.query<{ server_version: string }>(
			"show server_version",
		);
		return Number.parseInt(rows[0]?.server_version ?? "", 10);
	} finally {
		await client.end();
	}
}

async function pgDumpMajor(): Promise<number | undefined> {
	try {
		const { stdout } = await run("pg_dump", ["--version"]);
		return Number.parseInt(/\d+/.exec(stdout)?.[0] ?? "", 10);
	} catch {
		return undefined; // not installed
	}
}
