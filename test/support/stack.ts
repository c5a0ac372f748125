// Whole stacks for the tests of a project, one for each process that runs test files, started before the first and stopped
// after the last. POSTERN_TEST_ORIGIN=compose takes the one that `docker compose up` and `npm run worker` are running.
import { chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestProject } from "vitest/node";
import { DEFAULT_PORTS } from "../../gateway/cli/options.ts";
import {
	asAuthenticator,
	databaseUrl,
	postgrestUrl,
} from "../../gateway/cli/stack/addresses.ts";
import {
	type Credentials,
	makeCredentials,
	readCredentials,
} from "../../gateway/cli/stack/credentials.ts";
import { prepareDatabase } from "../../gateway/cli/stack/database.ts";
import { freePort, LOOPBACK } from "../../gateway/cli/stack/ports.ts";
import { startPostgres } from "../../gateway/cli/stack/postgres.ts";
import {
	startPostgrest,
	WITH_PRE_REQUEST,
} from "../../gateway/cli/stack/postgrest.ts";
import { workerVariables } from "../../gateway/cli/stack/wrangler.ts";
import {
	composeNetwork,
	startPostgresContainer,
	startPostgrestContainer,
} from "./containers.ts";
import { bundleWorker } from "./workerd/bundle.ts";
import { startWorkerd } from "./workerd/workerd.ts";

/** The parts of the stack that every test gets. */
interface TestStack {
	/** The Worker. */
	readonly gatewayUrl: string;
	/** PostgREST behind the Worker, which accepts only tokens that the Worker signed. */
	readonly postgrestUrl: string;
	/** A second PostgREST on the same database, with the anonymous role `anon`, as clients had it before the gateway. */
	readonly openPostgrestUrl: string;
	/** The database, as superuser. */
	readonly databaseUrl: string;
	readonly credentials: Credentials;
	/** The Worker as one file, for tests that run it in front of another origin. */
	readonly bundle: string;
}

declare module "vitest" {
	export interface ProvidedContext {
		/** A process of Vitest has the one at `VITEST_POOL_ID - 1`. */
		stacks: readonly TestStack[];
	}
}

/** The database and the two PostgRESTs. */
type Origin = Pick<
	TestStack,
	"postgrestUrl" | "openPostgrestUrl" | "databaseUrl"
>;

/** Called in reverse order when the tests are over. */
type Cleanup = (() => Promise<unknown>)[];

const ANON_ROLE = "anon";
const PUBLIC_URL = "http://localhost:8787/rest/v1";
const silent = () => {};

export default async function setup(
	project: TestProject,
): Promise<() => Promise<void>> {
	const cleanup: Cleanup = [];
	const stop = async () => {
		for (const end of cleanup.reverse()) await end();
	};
	try {
		const start = startOf(project.name);
		const bundle = await bundleWorker();
		const stacks = Array.from({ length: project.config.maxWorkers }, () =>
			start(bundle, cleanup),
		);
		await Promise.allSettled(stacks);
		project.provide("stacks", await Promise.all(stacks));
	} catch (error) {
		await stop();
		throw error;
	}
	return stop;
}

function startOf(projectName: string) {
	if (process.env.POSTERN_TEST_ORIGIN === "compose") return compose;
	return projectName === "containers" ? containers : embedded;
}

async function compose(bundle: string, cleanup: Cleanup): Promise<TestStack> {
	const credentials = await readCredentials();
	const open = await startPostgrestContainer({
		network: composeNetwork(),
		authenticatorPassword: credentials.authenticatorPassword,
		jwks: credentials.originJwks,
		anonRole: ANON_ROLE,
	});
	cleanup.push(open.stop);
	return {
		gatewayUrl: `http://${LOOPBACK}:${port("POSTERN_PORT")}`,
		postgrestUrl: postgrestUrl(port("POSTGREST_PORT")),
		openPostgrestUrl: open.url,
		databaseUrl: databaseUrl({
			user: "postgres",
			password: credentials.postgresPassword,
			port: port("POSTGRES_PORT"),
		}),
		credentials,
		bundle,
	};
}

/** The setting as docker-compose.yml reads it. */
function port(name: keyof typeof DEFAULT_PORTS): number {
	return Number(process.env[name] || DEFAULT_PORTS[name]);
}

async function embedded(bundle: string, cleanup: Cleanup): Promise<TestStack> {
	const credentials = await makeCredentials();
	const origin = await embeddedOrigin(credentials, cleanup);
	return withWorker({ bundle, credentials, origin, cleanup });
}

async function containers(
	bundle: string,
	cleanup: Cleanup,
): Promise<TestStack> {
	const credentials = await makeCredentials();
	const origin = await containersOrigin(credentials, cleanup);
	return withWorker({ bundle, credentials, origin, cleanup });
}

interface WithoutWorker {
	bundle: string;
	credentials: Credentials;
	origin: Origin;
	cleanup: Cleanup;
}

async function withWorker({
	bundle,
	credentials,
	origin,
	cleanup,
}: WithoutWorker): Promise<TestStack> {
	const worker = await startWorkerd({
		bundle,
		port: await freePort(),
		variables: workerVariables(origin.postgrestUrl, credentials),
		log: silent,
	});
	cleanup.push(worker.stop);
	return { ...origin, gatewayUrl: worker.url, credentials, bundle };
}

async function embeddedOrigin(
	{ postgresPassword, authenticatorPassword, originJwks }: Credentials,
	cleanup: Cleanup,
): Promise<Origin> {
	const directory = await mkdtemp(join(tmpdir(), "postern-test-"));
	cleanup.push(() => rm(directory, { recursive: true }));
	await chmod(directory, 0o755);
	const postgres = await startPostgres({
		dataDirectory: join(directory, "postgres"),
		port: await freePort(),
		password: postgresPassword,
		log: silent,
	});
	cleanup.push(postgres.stop);
	await prepareDatabase({
		url: postgres.url,
		authenticatorPassword,
		log: silent,
	});
	const common = {
		databaseUrl: asAuthenticator(postgres.url, authenticatorPassword),
		jwks: originJwks,
		publicUrl: PUBLIC_URL,
		log: silent,
	};
	const closed = await startPostgrest({
		...common,
		settings: WITH_PRE_REQUEST,
		port: await freePort(),
		adminPort: await freePort(),
	});
	cleanup.push(closed.stop);
	const open = await startPostgrest({
		...common,
		anonRole: ANON_ROLE,
		port: await freePort(),
		adminPort: await freePort(),
	});
	cleanup.push(open.stop);
	return {
		databaseUrl: postgres.url,
		postgrestUrl: closed.url,
		openPostgrestUrl: open.url,
	};
}

async function containersOrigin(
	{ postgresPassword, authenticatorPassword, originJwks }: Credentials,
	cleanup: Cleanup,
): Promise<Origin> {
	const postgres = await startPostgresContainer({ password: postgresPassword });
	cleanup.push(postgres.stop);
	await prepareDatabase({
		url: postgres.url,
		authenticatorPassword,
		log: silent,
	});
	const common = {
		network: postgres.network,
		authenticatorPassword,
		jwks: originJwks,
	};
	const closed = await startPostgrestContainer(common);
	cleanup.push(closed.stop);
	const open = await startPostgrestContainer({
		...common,
		anonRole: ANON_ROLE,
	});
	cleanup.push(open.stop);
	return {
		databaseUrl: postgres.url,
		postgrestUrl: closed.url,
		openPostgrestUrl: open.url,
	};
}
