// The origin of a history: Postgres, PostgREST, the tables, and connections for those who write past the gateway.
import { chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import { asAuthenticator } from "../../../gateway/cli/stack/addresses.ts";
import {
	type Credentials,
	makeCredentials,
} from "../../../gateway/cli/stack/credentials.ts";
import { prepareDatabase } from "../../../gateway/cli/stack/database.ts";
import { freePort } from "../../../gateway/cli/stack/ports.ts";
import { startPostgres } from "../../../gateway/cli/stack/postgres.ts";
import {
	startPostgrest,
	WITH_PRE_REQUEST,
} from "../../../gateway/cli/stack/postgrest.ts";
import { SCHEMA } from "./schema.ts";

export interface Database {
	readonly credentials: Credentials;
	/** As superuser. */
	readonly url: string;
	readonly postgrestUrl: string;
	connect(): Promise<pg.Client>;
	stop(): Promise<void>;
}

const silent = () => {};

interface DatabaseOptions {
	/** SQL that makes what PostgREST exposes. */
	schema?: string;
	/** PostgREST's, by the names of its environment variables. */
	settings?: Readonly<Record<string, string>>;
}

/** PostgreSQL keeps the plan of a prepared statement when a membership of roles changes. */
const UNPREPARED = { PGRST_DB_PREPARED_STATEMENTS: "false" };

export async function startDatabase({
	schema = SCHEMA,
	settings = UNPREPARED,
}: DatabaseOptions = {}): Promise<Database> {
	const cleanup: (() => Promise<unknown>)[] = [];
	const stop = async () => {
		for (const end of cleanup.reverse()) await end();
		cleanup.length = 0;
	};
	const connect = async () => {
		const client = new pg.Client({ connectionString: postgres.url });
		// If a test fails, the server ends first.
		client.on("error", silent);
		await client.connect();
		return client;
	};
	const credentials = await makeCredentials();
	const directory = await mkdtemp(join(tmpdir(), "postern-histories-"));
	cleanup.push(() => rm(directory, { recursive: true }));
	await chmod(directory, 0o755);
	const postgres = await startPostgres({
		dataDirectory: join(directory, "postgres"),
		port: await freePort(),
		password: credentials.postgresPassword,
		log: silent,
	});
	cleanup.push(postgres.stop);
	try {
		await prepareDatabase({
			url: postgres.url,
			authenticatorPassword: credentials.authenticatorPassword,
			log: silent,
		});
		const owner = await connect();
		// Faster, and safe enough, because the server does not crash here.
		await owner.query("alter system set synchronous_commit = off");
		await owner.query("select pg_reload_conf()");
		await owner.query(schema);
		await owner.end();
		const postgrest = await startPostgrest({
			databaseUrl: asAuthenticator(
				postgres.url,
				credentials.authenticatorPassword,
			),
			jwks: credentials.originJwks,
			publicUrl: "http://localhost:8787/rest/v1",
			port: await freePort(),
			adminPort: await freePort(),
			settings: { ...WITH_PRE_REQUEST, ...settings },
			log: silent,
		});
		cleanup.push(postgrest.stop);
		return {
			credentials,
			url: postgres.url,
			postgrestUrl: postgrest.url,
			connect,
			stop,
		};
	} catch (error) {
		await stop();
		throw error;
	}
}
