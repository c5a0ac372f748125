// `npm start`: the whole stack on this machine, from Postgres to the Worker.
// `npm start -- --fresh` deletes the data first.
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { readCredentials } from "../stack/credentials.ts";
import { prepareDatabase } from "../stack/database.ts";
import { freePort } from "../stack/ports.ts";
import { startPostgres } from "../stack/postgres.ts";
import { startPostgrest } from "../stack/postgrest.ts";
import { run } from "../stack/run.ts";
import {
	asAuthenticator,
	gatewayUrl,
	port,
	refuseTakenPorts,
} from "../stack/settings.ts";
import { ENV_FILE, stateDirectory } from "../stack/state.ts";
import { startWranglerDev, workerVariables } from "../stack/wrangler.ts";

const { fresh } = parseArgs({
	options: { fresh: { type: "boolean", default: false } },
}).values;
const state = await stateDirectory();
const dataDirectory = join(state, "postgres");

await run(state, async ({ step, logTo }) => {
	await refuseTakenPorts(["POSTGRES_PORT", "POSTGREST_PORT", "POSTERN_PORT"]);
	if (fresh)
		await step("fresh", () =>
			rm(dataDirectory, { recursive: true, force: true }),
		);
	const credentials = await readCredentials(ENV_FILE);
	const postgres = await step("postgres", () =>
		startPostgres({
			dataDirectory,
			port: port("POSTGRES_PORT"),
			password: credentials.postgresPassword,
			log: logTo("postgres"),
		}),
	);
	const { authenticatorPassword } = credentials;
	await step("database", () =>
		prepareDatabase({
			url: postgres.url,
			authenticatorPassword,
			log: logTo("database"),
		}),
	);
	const postgrest = await step("postgrest", async () =>
		startPostgrest({
			databaseUrl: asAuthenticator(postgres.url, authenticatorPassword),
			jwks: credentials.originJwks,
			port: port("POSTGREST_PORT"),
			adminPort: await freePort(),
			publicUrl: `${gatewayUrl()}/rest/v1`,
			log: logTo("postgrest"),
		}),
	);
	await step("worker", () =>
		startWranglerDev({
			config: "worker/wrangler.jsonc",
			port: port("POSTERN_PORT"),
			variables: workerVariables(postgrest.url, credentials),
			log: logTo("worker", console.log),
		}),
	);
	console.log(`
Postern answers at ${gatewayUrl()}. Try:

  curl '${gatewayUrl()}/rest/v1/products?select=title,quantity&quantity=gte.10'

  curl ${gatewayUrl()}/products -H "Authorization: Bearer $(npm run --silent token -- --sub me)" \\
    -H 'Content-Type: application/json' -d '{"serialNumber":"'$(date +%s)'","title":"Bluetooth Headphones","weightLbs":0.5}'

  curl ${gatewayUrl()}/shared-data

Logs and data are in ${state}. Ctrl-C stops everything.
`);
});
