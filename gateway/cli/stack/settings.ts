// What a person may set about the local stack, and the addresses that follow from it.
import { isTaken, LOOPBACK } from "./ports.ts";

const DEFAULT_PORTS = {
	POSTERN_PORT: 8787,
	POSTGREST_PORT: 13000,
	POSTGRES_PORT: 15432,
} as const;

type PortName = keyof typeof DEFAULT_PORTS;

/** A port from the environment, or its default. */
export function port(name: PortName): number {
	const text = process.env[name];
	if (text === undefined || text === "") return DEFAULT_PORTS[name];
	const number = Number(text);
	if (Number.isInteger(number) && number > 0 && number < 65_536) return number;
	throw new Error(`${name} is "${text}"; it has to be a port, 1 to 65535.`);
}

/** @throws {Error} naming the first of these ports that something listens on already */
export async function refuseTakenPorts(
	names: readonly PortName[],
): Promise<void> {
	for (const name of names) {
		const number = port(name);
		if (!(await isTaken(number))) continue;
		throw new Error(
			`Port ${number} is taken by another program: stop that one, or set ${name} to a free port.`,
		);
	}
}

/** The same database, as the role that PostgREST logs in as. */
export function asAuthenticator(databaseUrl: string, password: string): string {
	const url = new URL(databaseUrl);
	url.username = "authenticator";
	url.password = password;
	return url.href;
}

/** Where clients reach the Worker. */
export function gatewayUrl(): string {
	return `http://localhost:${port("POSTERN_PORT")}`;
}

export function postgrestUrl(): string {
	return `http://${LOOPBACK}:${port("POSTGREST_PORT")}`;
}
