// Databases for the tests of a suite, on a Postgres in a temporary directory or on the server that POSTERN_TEST_DATABASE_URL
// names.

import { createHash, randomBytes } from "node:crypto";
import { chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestProject } from "vitest/node";
import { freePort } from "../../../cli/stack/ports.ts";
import { startPostgres } from "../../../cli/stack/postgres.ts";
import { query } from "./query.ts";

declare module "vitest" {
	export interface ProvidedContext {
		/** A process of Vitest has the one at `VITEST_POOL_ID - 1`. */
		testDatabases: readonly TestDatabase[];
	}
}

interface TestDatabase {
	/** The connection string of the superuser, who owns everything. */
	readonly ownerUrl: string;
	/** The connection string that PostgREST would use. */
	readonly authenticatorUrl: string;
}

/** Makes roles and schemas in an empty database. */
type Prepare = (options: {
	readonly url: string;
	readonly authenticatorPassword: string;
}) => Promise<void>;

/** Vitest's global setup of a suite: a server for each process that runs test files, since roles belong to a whole server. */
export async function provideTestDatabase(
	project: TestProject,
	prepare: Prepare,
): Promise<() => Promise<void>> {
	const started = await Promise.all(
		Array.from({ length: project.config.maxWorkers }, () =>
			startTestDatabase(prepare),
		),
	);
	project.provide(
		"testDatabases",
		started.map(({ ownerUrl, authenticatorUrl }) => ({
			ownerUrl,
			authenticatorUrl,
		})),
	);
	return async () => {
		await Promise.all(started.map(({ stop }) => stop()));
	};
}

export async function startTestDatabase(
	prepare: Prepare,
): Promise<TestDatabase & { stop(): Promise<void> }> {
	const given = process.env.POSTERN_TEST_DATABASE_URL;
	const server = given ? { url: given, stop: async () => {} } : await start();
	const name = `postern_test_${randomBytes(4).toString("hex")}`;
	const stop = async () => {
		await query(server.url, `drop database if exists ${name} with (force)`);
		await server.stop();
	};
	// Roles belong to the server, so that two suites on one server have to give authenticator the same password.
	const authenticatorPassword = createHash("sha256")
		.update(server.url)
		.digest("hex");
	const url = new URL(server.url);
	url.pathname = `/${name}`;
	try {
		await query(server.url, `create database ${name}`);
		await prepare({ url: url.href, authenticatorPassword });
	} catch (error) {
		await stop();
		throw error;
	}
	const authenticatorUrl = new URL(url);
	authenticatorUrl.username = "authenticator";
	authenticatorUrl.password = authenticatorPassword;
	return {
		ownerUrl: url.href,
		authenticatorUrl: authenticatorUrl.href,
		stop,
	};
}

async function start() {
	const directory = await mkdtemp(join(tmpdir(), "postern-db-"));
	const remove = () => rm(directory, { recursive: true, force: true });
	// If root runs this, Postgres runs as another user, who has to pass through this directory. The data directory stays closed.
	await chmod(directory, 0o755);
	try {
		const postgres = await startPostgres({
			dataDirectory: join(directory, "postgres"),
			port: await freePort(),
			password: randomBytes(16).toString("hex"),
			log: () => {},
		});
		return {
			url: postgres.url,
			stop: async () => {
				await postgres.stop();
				await remove();
			},
		};
	} catch (error) {
		await remove();
		throw error;
	}
}
