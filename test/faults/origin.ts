// The stack that the faults happen to: Postgres and PostgREST that can be stopped and started, a faulty network, and the Worker.
import { chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type pg from "pg";
import { asAuthenticator } from "../../gateway/cli/stack/addresses.ts";
import {
	type Credentials,
	makeCredentials,
} from "../../gateway/cli/stack/credentials.ts";
import { prepareDatabase } from "../../gateway/cli/stack/database.ts";
import { freePort } from "../../gateway/cli/stack/ports.ts";
import { startPostgres } from "../../gateway/cli/stack/postgres.ts";
import {
	startPostgrest,
	WITH_PRE_REQUEST,
} from "../../gateway/cli/stack/postgrest.ts";
import type { Service } from "../../gateway/cli/stack/service.ts";
import { issueCallerToken } from "../../gateway/cli/stack/tokens.ts";
import { workerVariables } from "../../gateway/cli/stack/wrangler.ts";
import { query } from "../../gateway/test/sql/support/query.ts";
import { startKv } from "../support/workerd/kv.ts";
import { startWorkerd } from "../support/workerd/workerd.ts";
import { type FaultProxy, startFaultProxy, type Tap } from "./fault-proxy.ts";

/** A part of the stack that can be killed and started again. */
export interface Restartable {
	kill(): Promise<void>;
	start(): Promise<void>;
}

export interface FaultyStack {
	readonly gatewayUrl: string;
	/** PostgREST, past the faulty network. */
	readonly postgrestUrl: string;
	/** The database, as its owner. */
	readonly databaseUrl: string;
	readonly credentials: Credentials;
	readonly network: FaultProxy;
	readonly postgres: Restartable;
	readonly postgrest: Restartable;
	/** A new isolate, without memory, on the same KV and the same change feed's storage. */
	readonly isolate: Restartable & { readonly running: Service };
	/** An access token of a signed-in caller. */
	token(sub: string, claims?: object): Promise<string>;
	/** Runs SQL as the database's owner, past the gateway and the faulty network. */
	query(sql: string, values?: unknown[]): Promise<pg.QueryResult>;
	stop(): Promise<void>;
}

const silent = () => {};

export async function startFaultyStack({
	bundle,
	variables = {},
	log = silent,
	tap,
}: {
	bundle: string;
	variables?: Readonly<Record<string, string>>;
	log?: (line: string) => void;
	/** Sees what is sent to PostgREST. */
	tap?: Tap;
}): Promise<FaultyStack> {
	const cleanup: (() => Promise<unknown>)[] = [];
	const stop = async () => {
		for (const end of cleanup.splice(0).reverse()) await end();
	};
	try {
		const credentials = await makeCredentials();
		const directory = await mkdtemp(join(tmpdir(), "postern-faults-"));
		cleanup.push(() => rm(directory, { recursive: true, force: true }));
		await chmod(directory, 0o755);
		const postgresPort = await freePort();
		const postgres = await restartable(() =>
			startPostgres({
				dataDirectory: join(directory, "postgres"),
				port: postgresPort,
				password: credentials.postgresPassword,
				log: silent,
			}),
		);
		cleanup.push(postgres.kill);
		const { url } = postgres.running;
		const { authenticatorPassword, originJwks } = credentials;
		await prepareDatabase({ url, authenticatorPassword, log: silent });
		const ports = { port: await freePort(), adminPort: await freePort() };
		const postgrest = await restartable(() =>
			startPostgrest({
				databaseUrl: asAuthenticator(url, authenticatorPassword),
				jwks: originJwks,
				publicUrl: "http://localhost:8787/rest/v1",
				settings: WITH_PRE_REQUEST,
				...ports,
				log: silent,
			}),
		);
		cleanup.push(postgrest.kill);
		const network = await startFaultProxy(postgrest.running.url, tap);
		cleanup.push(network.stop);
		const workerPort = await freePort();
		const kv = await startKv();
		cleanup.push(kv.stop);
		const isolate = await restartable(() =>
			startWorkerd({
				bundle,
				port: workerPort,
				variables: {
					...workerVariables(network.url, credentials),
					...variables,
				},
				storageDirectory: join(directory, "objects"),
				kv: { CACHE: kv.address },
				log,
			}),
		);
		cleanup.push(isolate.kill);
		return {
			gatewayUrl: isolate.running.url,
			postgrestUrl: postgrest.running.url,
			databaseUrl: url,
			credentials,
			...{ network, postgres, postgrest, isolate, stop },
			token: (sub, claims) =>
				issueCallerToken(credentials.tokenSigningKey, {
					...{ role: "authenticated", sub },
					...claims,
				}),
			query: (sql, values) => query(url, sql, values),
		};
	} catch (error) {
		await stop();
		throw error;
	}
}

/** @param start takes the same port and the same data each time */
async function restartable<Running extends { stop(): Promise<void> }>(
	start: () => Promise<Running>,
): Promise<Restartable & { running: Running }> {
	const part = {
		running: await start(),
		kill: () => part.running.stop(),
		async start() {
			part.running = await start();
		},
	};
	return part;
}
