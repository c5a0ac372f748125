// Where the parts of a local stack are found. Passwords may hold any character.
import { LOOPBACK } from "./ports.ts";

/** The database of a local stack. */
export const DATABASE = "postern";

interface Login {
	user: string;
	password: string;
	port: number;
	database?: string;
}

export function databaseUrl({
	user,
	password,
	port,
	database = DATABASE,
}: Login): string {
	return `postgres://${user}:${encodeURIComponent(password)}@${LOOPBACK}:${port}/${database}`;
}

/** The same database, as the role that PostgREST logs in as. */
export function asAuthenticator(databaseUrl: string, password: string): string {
	const url = new URL(databaseUrl);
	url.username = "authenticator";
	// The setter leaves a percent sign as it is.
	url.password = encodeURIComponent(password);
	return url.href;
}

/** Where clients reach the Worker. */
export function gatewayUrl(port: number): string {
	return `http://localhost:${port}`;
}

export function postgrestUrl(port: number): string {
	return `http://${LOOPBACK}:${port}`;
}
