// The Worker by `wrangler dev`: runs it from its sources, and again when they change.
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import type { Credentials } from "./credentials.ts";
import { LOOPBACK } from "./ports.ts";
import { type Log, type Service, startService, untilReady } from "./service.ts";

const require = createRequire(import.meta.url);

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

interface WranglerOptions {
	/** The Worker's wrangler.jsonc. */
	config: string;
	port: number;
	variables: WorkerVariables;
	log: Log;
}

export async function startWranglerDev({
	config,
	port,
	variables,
	log,
}: WranglerOptions): Promise<Service & { url: string }> {
	const { ORIGIN_URL, ...secrets } = variables;
	const service = startService({
		command: process.execPath,
		args: [
			wrangler(),
			"dev",
			...["--config", config],
			...["--ip", LOOPBACK, "--port", String(port)],
			...["--inspector-port", "0"],
			...["--var", `ORIGIN_URL:${ORIGIN_URL}`],
			"--show-interactive-dev-session=false",
			"--local",
		],
		env: { ...process.env, ...secrets, ...QUIET },
		stopSignal: "SIGTERM",
		log,
	});
	const url = `http://${LOOPBACK}:${port}`;
	await untilReady("The Worker", service, () => isHealthy(url));
	return { ...service, url };
}

export function wrangler(): string {
	return join(
		dirname(require.resolve("wrangler/package.json")),
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
