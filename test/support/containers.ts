// Postgres and PostgREST in containers, for the tests that ask whether Postern works on the images that
// docker-compose.yml runs. Only starts and stops: it makes no roles and no tables.

import {
	GenericContainer,
	getContainerRuntimeClient,
	Network,
	Wait,
} from "testcontainers";
import { LOOPBACK } from "../../gateway/cli/stack/ports.ts";
import { WITH_PRE_REQUEST } from "../../gateway/cli/stack/postgrest.ts";

/** The images of docker-compose.yml, by the same names and with the same defaults. */
const IMAGES = {
	postgres: process.env.POSTGRES_IMAGE || "postgres:18.4",
	postgrest: process.env.POSTGREST_IMAGE || "postgrest/postgrest:v14.17",
} as const;

/** The name of Postgres inside a network, here as in docker-compose.yml. */
const POSTGRES_HOST = "postgres";

interface PostgresContainer {
	/** The connection string of the database `postern` for this machine, as superuser. */
	readonly url: string;
	/** The Docker network in which containers reach it as `postgres`. */
	readonly network: string;
	/** The text of `pg_dump --schema-only --no-owner`, from the pg_dump of the same version. */
	pgDump(options?: readonly string[]): Promise<string>;
	stop(): Promise<void>;
}

interface PostgrestContainer {
	readonly url: string;
	stop(): Promise<void>;
}

export interface PostgrestOptions {
	/** `PostgresContainer.network`, or `composeNetwork()` */
	network: string;
	authenticatorPassword: string;
	jwks: string;
	/** The role of requests without a token; they are refused if it is left out. */
	anonRole?: string;
}

/** Whether containers can run here. With POSTERN_REQUIRE_DOCKER=1 it is an error with the reason if they cannot. */
export async function hasDocker(): Promise<boolean> {
	try {
		await getContainerRuntimeClient();
		return true;
	} catch (error) {
		if (process.env.POSTERN_REQUIRE_DOCKER === "1") throw error;
		return false;
	}
}

/** The network in which the compose project's PostgREST reaches its Postgres. */
export function composeNetwork(): string {
	return `${process.env.COMPOSE_PROJECT_NAME || "postern"}_database`;
}

export async function startPostgresContainer(options: {
	password: string;
}): Promise<PostgresContainer> {
	const network = await new Network().start();
	try {
		const container = await new GenericContainer(IMAGES.postgres)
			.withNetwork(network)
			.withNetworkAliases(POSTGRES_HOST)
			.withEnvironment({
				POSTGRES_PASSWORD: options.password,
				POSTGRES_DB: "postern",
			})
			.withExposedPorts(5432)
			// Over TCP, because the image listens on a socket only while it sets up the database.
			.withWaitStrategy(
				Wait.forSuccessfulCommand(
					"pg_isready --host=127.0.0.1 --username=postgres --dbname=postern",
				),
			)
			.start();
		const address = `${LOOPBACK}:${container.getMappedPort(5432)}`;
		return {
			url: `postgres://postgres:${encodeURIComponent(options.password)}@${address}/postern`,
			network: network.getName(),
			async pgDump(dumpOptions = []) {
				const dump = await container.exec([
					"pg_dump",
					"--username=postgres",
					"--dbname=postern",
					"--schema-only",
					"--no-owner",
					...dumpOptions,
				]);
				if (dump.exitCode !== 0) throw new Error(dump.output);
				return dump.stdout;
			},
			async stop() {
				await container.stop();
				await network.stop();
			},
		};
	} catch (error) {
		await network.stop();
		throw error;
	}
}

/** Also starts a second PostgREST on a database that one already serves, to compare answers with. */
export async function startPostgrestContainer(
	options: PostgrestOptions,
): Promise<PostgrestContainer> {
	const password = encodeURIComponent(options.authenticatorPassword);
	const container = await new GenericContainer(IMAGES.postgrest)
		.withNetworkMode(options.network)
		.withEnvironment({
			PGRST_DB_URI: `postgres://authenticator:${password}@${POSTGRES_HOST}:5432/postern`,
			PGRST_DB_SCHEMAS: "api,postern",
			...(options.anonRole
				? { PGRST_DB_ANON_ROLE: options.anonRole }
				: WITH_PRE_REQUEST),
			PGRST_JWT_SECRET: options.jwks,
			PGRST_JWT_AUD: "postgrest",
			PGRST_JWT_CACHE_MAX_LIFETIME: "300",
			PGRST_OPENAPI_SERVER_PROXY_URI: "http://localhost:8787/rest/v1",
			PGRST_SERVER_PORT: "3000",
			PGRST_ADMIN_SERVER_PORT: "3001",
		})
		.withExposedPorts(3000, 3001)
		// The image has no shell, which the default strategy would need.
		.withWaitStrategy(
			Wait.forHttp("/ready", 3001, {
				abortOnContainerExit: true,
			}).forStatusCode(200),
		)
		.start();
	return {
		// Not container.getHost(), which on a machine that looks like a container is the bridge's
		// address: the Worker speaks plain http to the loopback interface only.
		url: `http://${LOOPBACK}:${container.getMappedPort(3000)}`,
		async stop() {
			await container.stop();
		},
	};
}
