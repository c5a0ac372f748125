// A Postgres with a prepared database: one in a temporary directory, or the database that POSTERN_TEST_DATABASE_URL names.

import { randomBytes } from "node:crypto";
import { chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { prepareDatabase } from "../../../gateway/cli/stack/database.ts";
import { freePort } from "../../../gateway/cli/stack/ports.ts";
import { startPostgres } from "../../../gateway/cli/stack/postgres.ts";

export interface TestDatabase {
	/** The connection string of the superuser, who owns everything. */
	readonly ownerUrl: string;
	/** The connection string that PostgREST would use. */
	readonly authenticatorUrl: string;
}

export async function startTestDatabase(): Promise<
	TestDatabase & { stop(): Promise<void> }
> {
	const given = process.env.POSTERN_TEST_DATABASE_URL;
	const server = given ? { url: given, stop: async () => {} } : await start();
	const authenticatorPassword = secret();
	try {
		await prepareDatabase({
			url: server.url,
			authenticatorPassword,
			log: () => {},
		});
	} catch (error) {
		await server.stop();
		throw error;
	}
	const authenticatorUrl = new URL(server.url);
	authenticatorUrl.username = "authenticator";
	authenticatorUrl.password = authenticatorPassword;
	return {
		ownerUrl: server.url,
		authenticatorUrl: authenticatorUrl.href,
		stop: server.stop,
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
			password: secret(),
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

function secret(): string {
	return randomBytes(16).toString("hex");
}
