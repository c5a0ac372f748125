// `postern migrate` and `postern sql`: applies or prints the programs of gateway/sql. psql runs the same files without Node, so
// nothing is decided here: the files themselves know what was applied.
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { basename, dirname, join } from "node:path";
import pg from "pg";
import type { Log } from "./stack/service.ts";

interface ProgramOptions {
	/** Also users and sessions. */
	accounts?: boolean | undefined;
}

interface MigrateOptions extends ProgramOptions {
	/** The database, as the owner of its tables. */
	databaseUrl: string;
	log: Log;
	/** How long other transactions may hold tables that a migration needs. */
	patienceMs?: number;
}

interface SqlTextOptions extends ProgramOptions {
	/** Leaves out the migrations of the program `postern` up to this number, because they were applied before. */
	from?: number | undefined;
}

/** One file of a program, or a statement between two files. */
interface Part {
	readonly name: string;
	readonly text: string;
	/** Number of a migration of the program `postern`. */
	readonly migration?: number | undefined;
}

const PAUSE_MS = 200;

/**
 * Applies the programs in one transaction.
 * @throws {Error} names the file that failed; the database is then as before
 */
export async function migrate({
	databaseUrl,
	accounts,
	log,
	patienceMs = 60_000,
}: MigrateOptions): Promise<void> {
	const parts = await partsOf({ accounts });
	const client = new pg.Client({ connectionString: databaseUrl });
	// The command fails with the query that the lost connection ends.
	client.on("error", () => {});
	client.on("notice", ({ severity, message }) => {
		if (severity === "WARNING") log(`warning: ${message}`);
	});
	await client.connect();
	try {
		const giveUpAt = Date.now() + patienceMs;
		while (!(await tryToApply(client, parts, Date.now() >= giveUpAt))) {
			log("waiting for transactions that hold tables of the gateway");
			await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
		}
	} finally {
		await client.end();
	}
}

/** Whether other transactions held what a statement needed: lock_not_available, deadlock_detected. */
export function isContention(error: unknown): boolean {
	return (
		error instanceof pg.DatabaseError &&
		["55P03", "40P01"].includes(error.code ?? "")
	);
}

/** The programs as one text, for psql and for other tools of migration. It has to run in one transaction. */
export async function sqlText({
	from = 0,
	accounts,
}: SqlTextOptions = {}): Promise<string> {
	const parts = await partsOf({ accounts });
	return parts
		.filter(({ migration }) => migration === undefined || migration > from)
		.map(({ text }) => text)
		.join("\n");
}

/** @returns false where other transactions hold what is needed */
async function tryToApply(
	client: pg.Client,
	parts: readonly Part[],
	isLastTry: boolean,
): Promise<boolean> {
	await client.query("begin isolation level read committed");
	for (const { name, text } of parts) {
		try {
			await client.query(text);
		} catch (error) {
			await client.query("rollback").catch(() => {});
			if (!isLastTry && isContention(error)) return false;
			const { message } = error as Error;
			throw new Error(`${name}: ${message}`, { cause: error });
		}
	}
	await client.query("commit");
	return true;
}

async function partsOf({ accounts }: ProgramOptions): Promise<Part[]> {
	const packageFile = createRequire(import.meta.url).resolve(
		"postern/package.json",
	);
	const folder = join(dirname(packageFile), "sql");
	const core = await readProgram(join(folder, "postern.sql"));
	const numbered = core.map((part) => ({
		...part,
		migration: migrationNumber(part.name),
	}));
	if (!accounts) return numbered;
	const program = join(folder, "accounts", "accounts.sql");
	return [...numbered, ...(await readProgram(program))];
}

/** A program's main file with the files that it includes, in their order. */
async function readProgram(path: string): Promise<Part[]> {
	const text = await readFile(path, "utf8");
	// The odd pieces are the names of included files.
	const pieces = text.split(/^\\ir (.+)$/m);
	return Promise.all(
		pieces.map(async (piece, index) =>
			index % 2 === 0
				? { name: basename(path), text: piece }
				: {
						name: piece,
						text: await readFile(join(dirname(path), piece), "utf8"),
					},
		),
	);
}

function migrationNumber(name: string): number | undefined {
	const number = /^migrations\/(\d{4})_/.exec(name)?.[1];
	return number === undefined ? undefined : Number(number);
}
