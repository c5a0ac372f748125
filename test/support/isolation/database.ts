// A database of one test file, with a PostgREST. Its schema changes often, and nothing is stored while a schema changes.
import pg from "pg";
import { analyze } from "../../../gateway/cli/analyze.ts";
import { asAuthenticator } from "../../../gateway/cli/stack/addresses.ts";
import { prepareDatabase } from "../../../gateway/cli/stack/database.ts";
import { freePort } from "../../../gateway/cli/stack/ports.ts";
import { startPostgrest } from "../../../gateway/cli/stack/postgrest.ts";
import { stack } from "../client.ts";
import { DROP_ROLES, MAKE_ROLES } from "./callers.ts";

export interface TestDatabase {
	/** As superuser. */
	readonly client: pg.Client;
	/** A PostgREST that accepts only tokens that the gateway could have signed. */
	readonly postgrestUrl: string;
	stop(): Promise<void>;
}

const silent = () => {};

interface TestDatabaseOptions {
	name?: string;
	makeRoles?: string;
	dropRoles?: string;
	/** PostgREST's, by the names of its environment variables. */
	settings?: Readonly<Record<string, string>>;
}

/** @param sql makes the exposed objects, each text in its own transaction */
export async function makeDatabase(
	sql: readonly string[],
	{
		name = "postern_isolation",
		makeRoles = MAKE_ROLES,
		dropRoles = DROP_ROLES,
		settings = {},
	}: TestDatabaseOptions = {},
): Promise<TestDatabase> {
	// An earlier run may have been killed before it could clean up.
	await remove();
	await asOwner(stack.databaseUrl, async (client) => {
		await client.query(`create database ${name}`);
		await client.query(makeRoles);
	});
	const url = new URL(stack.databaseUrl);
	url.pathname = name;
	const { authenticatorPassword, originJwks } = stack.credentials;
	await prepareDatabase({ url: url.href, authenticatorPassword, log: silent });
	const client = new pg.Client(url.href);
	await client.connect();
	for (const one of sql) await client.query(one);
	await analyze(url.href);
	const postgrest = await startPostgrest({
		databaseUrl: asAuthenticator(url.href, authenticatorPassword),
		jwks: originJwks,
		port: await freePort(),
		adminPort: await freePort(),
		publicUrl: "http://localhost:8787/rest/v1",
		settings,
		log: silent,
	});
	return {
		client,
		postgrestUrl: postgrest.url,
		async stop() {
			await postgrest.stop();
			await client.end();
			await remove();
		},
	};

	function remove(): Promise<void> {
		return asOwner(stack.databaseUrl, async (client) => {
			await client.query(`drop database if exists ${name} with (force)`);
			await client.query(dropRoles);
		});
	}
}

async function asOwner(
	url: string,
	work: (client: pg.Client) => Promise<void>,
): Promise<void> {
	const client = new pg.Client(url);
	await client.connect();
	try {
		await work(client);
	} finally {
		await client.end();
	}
}
