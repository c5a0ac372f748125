// The Worker by `wrangler dev`: runs it from its sources, and again when they change.
import { existsSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { parseEnv } from "node:util";
import type { Credentials } from "./credentials.ts";
import { resolvePackage } from "./packages.ts";
import { LOOPBACK } from "./ports.ts";
import { type Log, type Service, startService, untilReady } from "./service.ts";

/** For wrangler's own environment. */
export const QUIET = {
	WRANGLER_SEND_METRICS: "false",
	WRANGLER_HIDE_BANNER: "true",
};

/** Variables and secrets of the Worker, by name: see gateway/src/settings/settings.ts. */
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

const CONFIG_FILES = ["wrangler.jsonc", "wrangler.json", "wrangler.toml"];

/** @param given a file that has to be there; without it, the one that wrangler would take */
export function findWranglerConfig(given?: string): string {
	const candidates = given === undefined ? CONFIG_FILES : [given];
	const found = candidates.find((file) => existsSync(file));
	if (found !== undefined) return found;
	throw new Error(
		`${process.cwd()} has no ${candidates[0]}: --config says where the Worker's configuration is.`,
	);
}

interface WranglerOptions {
	/** The Worker's wrangler.jsonc. */
	config: string;
	port: number;
	variables: WorkerVariables;
	/** Not secret, and given up for what the application sets itself. */
	defaults?: WorkerVariables;
	/** Where wrangler reads the variables: an argument would show in the process list. */
	variablesFile: string;
	log: Log;
}

export async function startWranglerDev({
	config,
	port,
	variables,
	defaults = {},
	variablesFile,
	log,
}: WranglerOptions): Promise<Service & { url: string }> {
	const devVars = devVarsOf(config);
	const own = await ownVariables(config, Object.keys(defaults));
	const lines = Object.entries(withoutReplaced(variables, own)).map(
		([name, value]) => `${name}='${value}'\n`,
	);
	await writeFile(variablesFile, lines.join(""), { mode: 0o600 });
	const service = startService({
		command: process.execPath,
		args: [
			wrangler(),
			"dev",
			...["--config", config],
			...["--ip", LOOPBACK, "--port", String(port)],
			...["--inspector-port", "0"],
			// Named, so that wrangler does not give the Worker all of .env, the database's passwords included.
			...[devVars, variablesFile]
				.filter((file) => existsSync(file))
				.flatMap((file) => ["--env-file", resolve(file)]),
			...Object.entries(defaults)
				.filter(([name]) => !own.has(name))
				// Where `secrets` names what is required, wrangler reads no other variable from a file.
				.flatMap(([name, value]) => ["--var", `${name}:${value}`]),
			"--show-interactive-dev-session=false",
			"--local",
		],
		env: { ...process.env, ...QUIET },
		stopSignal: "SIGTERM",
		log,
	});
	const url = `http://${LOOPBACK}:${port}`;
	await untilReady("The Worker", service, () => isHealthy(url));
	return { ...service, url };
}

/** Variables that an application sets in the place of a key of .env: the settings refuse both together. */
const INSTEAD_OF: Readonly<Record<string, string>> = {
	ORIGIN_SIGNING_KEY: "ORIGIN_JWT_SECRET",
	TOKEN_SIGNING_KEY: "UPSTREAM_URL",
};

/** Variables of .env without those that the application's own replace. */
export function withoutReplaced<Value>(
	variables: Readonly<Record<string, Value>>,
	own: ReadonlySet<string>,
): Record<string, Value> {
	return Object.fromEntries(
		Object.entries(variables).filter(
			([name]) => !own.has(INSTEAD_OF[name] ?? ""),
		),
	);
}

/** Whether the application gives its Worker all that .env would. */
export async function replacesEveryKey(config: string): Promise<boolean> {
	const own = await ownVariables(config, []);
	return Object.values(INSTEAD_OF).every((name) => own.has(name));
}

function devVarsOf(config: string): string {
	return join(dirname(config), ".dev.vars");
}

/** The names of the variables that the application itself gives its Worker: all, or none of those that are sought. */
async function ownVariables(
	config: string,
	defaults: readonly string[],
): Promise<ReadonlySet<string>> {
	const devVars = devVarsOf(config);
	const secrets = existsSync(devVars)
		? Object.keys(parseEnv(await readFile(devVars, "utf8")))
		: [];
	const text = await readFile(config, "utf8");
	const sought = [...Object.values(INSTEAD_OF), ...defaults];
	if (!sought.some((name) => text.includes(name))) return new Set(secrets);
	const { unstable_readConfig: readConfig } = await loadWrangler();
	return new Set([...secrets, ...Object.keys(readConfig({ config }).vars)]);
}

/** The application's wrangler, as a library. Loading it takes seconds. */
export function loadWrangler(): Promise<typeof import("wrangler")> {
	return import(pathToFileURL(resolvePackage("wrangler")).href);
}

export function wrangler(): string {
	return join(
		dirname(resolvePackage("wrangler", "package.json")),
		"bin",
		"wrangler.js",
	);
}

/** Whether the Worker answers. */
export async function isHealthy(url: string): Promise<boolean> {
	try {
		return (await fetch(`${url}/health`)).ok;
	} catch {
		return false;
	}
}
