// The Worker on this machine: by `wrangler dev` for people, by workerd itself for tests and measurements.
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import type { Credentials } from "./credentials.ts";
import { LOOPBACK } from "./ports.ts";
import { type Log, type Service, startService, untilReady } from "./service.ts";
import { PROJECT } from "./state.ts";

const execute = promisify(execFile);
const require = createRequire(import.meta.url);

const CONFIG = join(PROJECT, "worker", "wrangler.jsonc");

/** For wrangler's own environment. */
const QUIET = { WRANGLER_SEND_METRICS: "false", WRANGLER_HIDE_BANNER: "true" };

/** Variables and secrets of the Worker, by name: see worker/src/config.ts. */
export type WorkerVariables = Readonly<Record<string, string>>;

/** The variables of a Worker in front of an origin that has these credentials. */
export function workerVariables(
	originUrl: string,
	credentials: Credentials,
): WorkerVariables {
	return {
		ORIGIN_URL: originUrl,
		ORIGIN_SIGNING_KEY: credentials.originSigningKey,
		TOKEN_JWKS: credentials.tokenJwks,
		TOKEN_SIGNING_KEY: credentials.tokenSigningKey,
	};
}

interface WorkerOptions {
	port: number;
	variables: WorkerVariables;
	log: Log;
}

/** Runs the Worker from its sources, and again when they change. */
export async function startWranglerDev({
	port,
	variables,
	log,
}: WorkerOptions): Promise<Service & { url: string }> {
	const { ORIGIN_URL, ...secrets } = variables;
	const service = startService({
		command: process.execPath,
		args: [
			wrangler(),
			"dev",
			...[
				"--config",
				CONFIG,
				"--ip",
				LOOPBACK,
				"--port",
				String(port),
				"--inspector-port",
				"0",
			],
			...[
				"--var",
				`ORIGIN_URL:${ORIGIN_URL}`,
				"--show-interactive-dev-session=false",
				"--local",
			],
		],
		env: { ...process.env, ...secrets, ...QUIET },
		stopSignal: "SIGTERM",
		log,
	});
	const url = `http://${LOOPBACK}:${port}`;
	await untilReady("The Worker", service, () => isHealthy(url));
	return { ...service, url };
}

/** Builds the Worker as `wrangler deploy` does and returns its one file. */
export async function bundleWorker(): Promise<string> {
	const outDirectory = await mkdtemp(join(tmpdir(), "postern-bundle-"));
	try {
		await execute(
			process.execPath,
			[
				wrangler(),
				"deploy",
				"--dry-run",
				"--config",
				CONFIG,
				"--outdir",
				outDirectory,
			],
			{
				env: { ...process.env, ...QUIET },
			},
		);
		return await readFile(join(outDirectory, "index.js"), "utf8");
	} finally {
		await rm(outDirectory, { recursive: true });
	}
}

interface WorkerdOptions extends WorkerOptions {
	/** What `bundleWorker` returned. */
	bundle: string;
}

/** Runs a bundle in one workerd process with nothing around it. */
export async function startWorkerd({
	port,
	variables,
	bundle,
	log,
}: WorkerdOptions): Promise<Service & { url: string }> {
	const directory = await mkdtemp(join(tmpdir(), "postern-workerd-"));
	await writeFile(join(directory, "worker.js"), bundle);
	const { settings, vars } = await wranglerConfig();
	const all = { ...vars, ...variables };
	await writeFile(
		join(directory, "config.capnp"),
		workerdConfig(port, settings, Object.keys(all)),
	);
	const service = startService({
		command: workerdBinary(),
		args: ["serve", join(directory, "config.capnp")],
		env: { ...process.env, ...all },
		stopSignal: "SIGTERM",
		log,
	});
	service.exited.then(() => rm(directory, { recursive: true, force: true }));
	const url = `http://${LOOPBACK}:${port}`;
	await untilReady("workerd", service, () => isHealthy(url));
	return { ...service, url };
}

/** What wrangler.jsonc says of the Worker and workerd has to know. */
async function wranglerConfig(): Promise<{
	settings: CompatibilitySettings;
	vars: WorkerVariables;
}> {
	const { unstable_readConfig: readConfig } = await import("wrangler");
	const { compatibility_date, compatibility_flags, vars } = readConfig({
		config: CONFIG,
	});
	return {
		settings: { date: String(compatibility_date), flags: compatibility_flags },
		vars: vars as WorkerVariables,
	};
}

interface CompatibilitySettings {
	date: string;
	flags: readonly string[];
}

/** The configuration of workerd; its workerd.capnp describes it. */
function workerdConfig(
	port: number,
	settings: CompatibilitySettings,
	variableNames: readonly string[],
): string {
	const bindings = variableNames.map(
		(name) => `(name = "${name}", fromEnvironment = "${name}")`,
	);
	return `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "postern", worker = .postern),
    (name = "internet", network = (allow = ["public", "private", "local"])),
  ],
  sockets = [(name = "http", address = "${LOOPBACK}:${port}", http = (), service = "postern")],
);
const postern :Workerd.Worker = (
  modules = [(name = "worker.js", esModule = embed "worker.js")],
  compatibilityDate = "${settings.date}",
  compatibilityFlags = ${JSON.stringify(settings.flags)},
  bindings = [${bindings.join(", ")}],
  globalOutbound = "internet",
);
`;
}

/** The workerd that wrangler runs: another package may bring another. */
function workerdBinary(): string {
	const packageFile = createRequire(wrangler()).resolve("workerd/package.json");
	return join(dirname(packageFile), "bin", "workerd");
}

function wrangler(): string {
	return join(
		dirname(require.resolve("wrangler/package.json")),
		"bin",
		"wrangler.js",
	);
}

async function isHealthy(url: string): Promise<boolean> {
	try {
		return (await fetch(`${url}/health`)).ok;
	} catch {
		return false;
	}
}
