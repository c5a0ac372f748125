// Options that several commands share. Each of them may also be set by an environment variable.
import { type Command, InvalidArgumentError, Option } from "commander";
import type { z } from "zod/mini";
import { databaseUrl } from "./stack/addresses.ts";
import { readCredentials } from "./stack/credentials.ts";

export const DEFAULT_PORTS = {
	POSTERN_PORT: 8787,
	POSTGREST_PORT: 13000,
	POSTGRES_PORT: 15432,
} as const;

export function gatewayPort(): Option {
	return portOption("--port <number>", "port of the Worker", "POSTERN_PORT");
}

export function postgrestPort(): Option {
	return portOption(
		"--postgrest-port <number>",
		"port of PostgREST",
		"POSTGREST_PORT",
	);
}

export function postgresPort(): Option {
	return portOption(
		"--postgres-port <number>",
		"port of Postgres",
		"POSTGRES_PORT",
	);
}

function portOption(
	flags: string,
	description: string,
	variable: keyof typeof DEFAULT_PORTS,
): Option {
	return new Option(flags, description)
		.env(variable)
		.default(DEFAULT_PORTS[variable])
		.argParser(parsePort);
}

/** A variable that is set to nothing counts as unset. */
function parsePort(text: string, before: number): number {
	if (text === "") return before;
	const port = Number(text);
	if (Number.isInteger(port) && port > 0 && port < 65_536) return port;
	throw new InvalidArgumentError("It has to be a port, 1 to 65535.");
}

export function wholeNumber(text: string): number {
	if (/^\d+$/.test(text) && Number(text) > 0) return Number(text);
	throw new InvalidArgumentError("It has to be a whole number above 0.");
}

/** By a rule of the Worker's settings. */
export function by(rule: z.ZodMiniType): (text: string) => string {
	return (text) => {
		const { error } = rule.safeParse(text, { jitless: true });
		if (error === undefined) return text;
		throw new InvalidArgumentError(`It ${error.issues[0]?.message}.`);
	};
}

/** Without it, the database of `postern dev` or of docker compose. */
function databaseOption(): Option {
	return new Option(
		"--database <url>",
		"the database, as its owner (default: the one of `postern dev`)",
	).env("DATABASE_URL");
}

export interface DatabaseOptions {
	database?: string;
	postgresPort: number;
}

/** For a command that takes `DatabaseOptions`. */
export function withDatabase(command: Command): Command {
	return command.addOption(databaseOption()).addOption(postgresPort());
}

export async function databaseOf({
	database,
	postgresPort,
}: DatabaseOptions): Promise<string> {
	if (database) return database;
	const { postgresPassword } = await readCredentials();
	return databaseUrl({
		user: "postgres",
		password: postgresPassword,
		port: postgresPort,
	});
}

export function accountsOption(): Option {
	return new Option("--accounts", "also the optional users and sessions");
}
