// A folder of an adopter with a Postgres and a PostgREST of its own, whose settings a test changes, and `postern` run in it.
import { once } from "node:events";
import {
	chmod,
	mkdtemp,
	readFile,
	rm,
	symlink,
	writeFile,
} from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Client } from "pg";
import {
	type DiagnoseOptions,
	diagnose,
} from "../../../gateway/cli/doctor/diagnose.ts";
import type { Report } from "../../../gateway/cli/doctor/finding.ts";
import { migrate } from "../../../gateway/cli/migrate.ts";
import { asAuthenticator } from "../../../gateway/cli/stack/addresses.ts";
import {
	type Credentials,
	makeCredentials,
} from "../../../gateway/cli/stack/credentials.ts";
import { freePort, LOOPBACK } from "../../../gateway/cli/stack/ports.ts";
import { startPostgres } from "../../../gateway/cli/stack/postgres.ts";
import { startPostgrest } from "../../../gateway/cli/stack/postgrest.ts";
import { workerVariables } from "../../../gateway/cli/stack/wrangler.ts";
import {
	COMMAND,
	type Outcome,
	ownEnvironment,
	runScript,
} from "../command.ts";
import { passOn } from "../pass-on.ts";
import { PROJECT } from "../project.ts";

const ROLES = join(PROJECT, "gateway", "sql", "roles.sql");
const silent = () => {};

export const WRANGLER = {
	name: "application",
	main: "worker.js",
	compatibility_date: "2026-11-01",
	kv_namespaces: [{ binding: "CACHE" }],
	exports: { ChangeFeed: { type: "durable-object", storage: "sqlite" } },
	durable_objects: {
		bindings: [{ name: "CHANGE_FEED", class_name: "ChangeFeed" }],
	},
};

type Answer = (path: string) => [status: number, body: string];

export type World = Awaited<ReturnType<typeof makeWorld>>;

/** @param sql makes the application's schema */
export async function makeWorld(sql: string) {
	const folder = await mkdtemp(join(tmpdir(), "postern-doctor-"));
	// If root runs this, Postgres's own user has to be able to enter.
	await chmod(folder, 0o755);
	const credentials = await makeCredentials();
	const postgres = await startPostgres({
		dataDirectory: join(folder, "postgres"),
		port: await freePort(),
		password: credentials.postgresPassword,
		log: silent,
	});
	const owner = await prepare(postgres.url, credentials, sql);
	const [port, adminPort] = [await freePort(), await freePort()];
	/** By the names of its environment variables. */
	let postgrestSettings: Record<string, string> = {};
	let postgrest = await beginPostgrest();
	const healthy: Record<string, string> = {
		...workerVariables(postgrest.url, credentials),
	};
	let variables = { ...healthy };
	const servers: Server[] = [];
	await symlink(join(PROJECT, "node_modules"), join(folder, "node_modules"));
	await writeWrangler(WRANGLER);

	return {
		folder,
		credentials,
		owner,
		databaseUrl: postgres.url,
		writeWrangler,
		/** Sets a variable of the Worker. */
		set(name: string, value: string) {
			variables = { ...variables, [name]: value };
		},
		unset(name: string) {
			const { [name]: _, ...others } = variables;
			variables = others;
		},
		restore(name: string) {
			variables = { ...variables, [name]: healthy[name] ?? "" };
		},
		/** Changes a setting of PostgREST, and starts it again. */
		async configure(name: string, value: string) {
			postgrestSettings = { ...postgrestSettings, [name]: value };
			await postgrest.stop();
			postgrest = await beginPostgrest();
		},
		serve,
		behind,
		postern,
		postgrestUrl: () => postgrest.url,
		/** What `postern doctor` finds, in this process: it is started once for a whole file. */
		async diagnose(options: DiagnoseOptions = {}): Promise<Report> {
			await writeVariables();
			return diagnose({
				folder,
				config: join(folder, "wrangler.jsonc"),
				database: postgres.url,
				...options,
			});
		},
		async end() {
			for (const server of servers) server.close();
			await owner.end();
			await postgrest.stop();
			await postgres.stop();
			await rm(folder, { recursive: true });
		},
	};

	function beginPostgrest() {
		return startPostgrest({
			databaseUrl: asAuthenticator(
				postgres.url,
				credentials.authenticatorPassword,
			),
			jwks: credentials.originJwks,
			port,
			adminPort,
			publicUrl: "http://localhost:8787/rest/v1",
			settings: postgrestSettings,
			log: silent,
		});
	}

	function writeWrangler(config: object): Promise<void> {
		return writeFile(join(folder, "wrangler.jsonc"), JSON.stringify(config));
	}

	/** A server that is not PostgREST. */
	function serve(answer: Answer): Promise<string> {
		const server = createServer((request, response) => {
			const [status, body] = answer(request.url ?? "");
			response.writeHead(status, { "content-type": "text/html" }).end(body);
		});
		return listen(server);
	}

	/** PostgREST behind a server that sets headers of its answers. */
	function behind(changed: () => Record<string, string>): Promise<string> {
		const server = createServer((asked, answering) => {
			const { headers, url } = asked;
			passOn(asked, answering, postgrest.url + url, headers, changed());
		});
		return listen(server);
	}

	async function listen(server: Server): Promise<string> {
		servers.push(server.listen(0, LOOPBACK));
		await once(server, "listening");
		return `http://${LOOPBACK}:${(server.address() as AddressInfo).port}`;
	}

	function writeVariables(): Promise<void> {
		const lines = Object.entries(variables).map(
			([name, value]) => `${name}='${value}'\n`,
		);
		return writeFile(join(folder, ".dev.vars"), lines.join(""));
	}

	async function postern(...args: string[]): Promise<Outcome> {
		await writeVariables();
		const env = ownEnvironment({ DATABASE_URL: postgres.url });
		return runScript(COMMAND, args, { cwd: folder, env });
	}
}

async function prepare(
	url: string,
	{ authenticatorPassword }: Credentials,
	sql: string,
): Promise<Client> {
	const owner = new Client({ connectionString: url });
	await owner.connect();
	await owner.query(
		"select set_config('postern.authenticator_password', $1, false)",
		[authenticatorPassword],
	);
	await owner.query(await readFile(ROLES, "utf8"));
	await migrate({ databaseUrl: url, log: silent });
	// PostgREST's login role gives it to all roles that have none of their own.
	await owner.query("alter role authenticator set statement_timeout = '8s'");
	await owner.query(sql);
	return owner;
}
