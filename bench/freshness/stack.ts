// The parts that the contenders share: one Postgres with the benchmark's tables, one PostgREST that lets anyone read, and one that
// calls postern.pre_request(). In front of it Postern as a cluster of isolates with one KV and one change feed.
import { chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
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
import {
	type Cluster,
	startCluster,
} from "../../test/histories/faults/cluster.ts";
import { type Random, randomOf } from "../../test/histories/random.ts";
import { bundleWorker } from "../../test/support/workerd/bundle.ts";
import { type CountingOrigin, startCountingOrigin } from "./origin.ts";
import { createTables } from "./tables.ts";

/** Called in reverse order when the benchmark is over. */
export type Cleanup = (() => Promise<unknown>)[];

/** Stops everything that was started, last first, also after a failure. */
export async function withCleanup<T>(
	use: (cleanup: Cleanup) => Promise<T>,
): Promise<T> {
	const cleanup: Cleanup = [];
	try {
		return await use(cleanup);
	} finally {
		for (const end of cleanup.reverse()) await end();
	}
}

interface BenchOrigin {
	readonly postgrestUrl: string;
	/** PostgREST and Postgres. */
	readonly originPids: readonly number[];
}

export interface BenchStack extends BenchOrigin {
	readonly pool: pg.Pool;
	/** The one whose answers to writes name their transactions. */
	readonly naming: BenchOrigin;
	/** Of the superuser. */
	readonly databaseUrl: string;
	readonly credentials: Credentials;
}

const CONNECTIONS = 10;
const silent = () => {};

/** The random source of the cluster's KV and clocks: with this one they never misbehave. */
const withoutMishaps: Random = {
	...randomOf(0),
	chance: () => false,
	between: (min, max) => (min + max) / 2,
	stream: () => withoutMishaps,
};

export async function startStack(cleanup: Cleanup): Promise<BenchStack> {
	const credentials = await makeCredentials();
	const { postgresPassword: password, authenticatorPassword } = credentials;
	const directory = await mkdtemp(join(tmpdir(), "postern-bench-"));
	cleanup.push(() => rm(directory, { recursive: true, force: true }));
	// If root runs this, Postgres runs as another user.
	await chmod(directory, 0o755);
	const options = {
		dataDirectory: join(directory, "postgres"),
		port: await freePort(),
		password,
		log: silent,
	};
	await configure(options);
	const postgres = await startPostgres(options);
	cleanup.push(postgres.stop);
	await prepareDatabase({
		url: postgres.url,
		authenticatorPassword,
		log: silent,
	});
	const pool = new pg.Pool({
		connectionString: postgres.url,
		max: CONNECTIONS,
	});
	// The server is stopped while the last connection closes.
	pool.on("error", () => {});
	cleanup.push(() => pool.end());
	await createTables(pool);
	const start = async (settings: Readonly<Record<string, string>>) => {
		const postgrest = await startPostgrest({
			databaseUrl: asAuthenticator(postgres.url, authenticatorPassword),
			jwks: credentials.originJwks,
			// nginx could not keep apart the answers to callers with tokens, so all readers are anonymous.
			anonRole: "anon",
			port: await freePort(),
			adminPort: await freePort(),
			publicUrl: "http://localhost",
			settings,
			log: silent,
		});
		cleanup.push(postgrest.stop);
		const originPids = [postgrest.pid ?? 0, postgres.pid ?? 0];
		return { postgrestUrl: postgrest.url, originPids };
	};
	return {
		...(await start({})),
		...{ pool, credentials, databaseUrl: postgres.url },
		naming: await start(WITH_PRE_REQUEST),
	};
}

/** The first setting takes effect when the server starts. With the second a commit is visible as soon as its time is recorded. */
async function configure(
	options: Parameters<typeof startPostgres>[0],
): Promise<void> {
	const postgres = await startPostgres(options);
	const client = new pg.Client({ connectionString: postgres.url });
	await client.connect();
	await client.query("alter system set track_commit_timestamp = on");
	await client.query("alter system set synchronous_commit = off");
	await client.end();
	await postgres.stop();
}

export async function startPostern(
	{ postgrestUrl, credentials }: BenchStack,
	isolates: number,
	maxStalenessSeconds: number,
	cleanup: Cleanup,
): Promise<{ cluster: Cluster; origin: CountingOrigin }> {
	const origin = await startCountingOrigin(postgrestUrl);
	cleanup.push(origin.stop);
	const cluster = await startCluster({
		bundle: await bundleWorker(),
		credentials,
		postgrestUrl: origin.url,
		instances: isolates,
		maxStalenessSeconds,
		random: withoutMishaps,
	});
	cleanup.push(cluster.stop);
	return { cluster, origin };
}
