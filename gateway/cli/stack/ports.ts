// Ports on the loopback interface: finds free ones, refuses taken ones.
import { once } from "node:events";
import { createServer } from "node:net";

export const LOOPBACK = "127.0.0.1";

/**
 * Lies below the ports that Linux, macOS, Windows and gVisor give to outgoing connections: one of those could take a
 * port after it was found free, and before its server listens. `postern dev`'s own ports lie above,
 * and 10080, which fetch refuses (Fetch, section 2.9), below.
 */
const FIRST_PORT = 10_100;
const PORTS = 700;

/**
 * Each process of Vitest has ports of its own: two of them would find the same one free, and a port is free too while the
 * server that it belongs to restarts.
 */
const firstPort = FIRST_PORT + Number(process.env.VITEST_POOL_ID ?? 0) * PORTS;

let nextOffset = Math.floor(Math.random() * PORTS);

/** A port that no program listens on now, and that this process was not given before. */
export async function freePort(): Promise<number> {
	for (let tried = 0; tried < PORTS; tried += 1) {
		const port = firstPort + nextOffset;
		nextOffset = (nextOffset + 1) % PORTS;
		if (!(await isTaken(port))) return port;
	}
	throw new Error(
		`Every port from ${firstPort} to ${firstPort + PORTS - 1} is taken.`,
	);
}

/**
 * @param ports each under the option that sets it
 * @throws {Error} naming the first of them that a program listens on already
 */
export async function refuseTakenPorts(
	ports: Readonly<Record<string, number>>,
): Promise<void> {
	for (const [option, port] of Object.entries(ports)) {
		if (!(await isTaken(port))) continue;
		throw new Error(
			`Port ${port} is taken by another program: stop that one, or choose another port by ${option}.`,
		);
	}
}

async function isTaken(port: number): Promise<boolean> {
	const server = createServer().listen(port, LOOPBACK);
	try {
		await once(server, "listening");
		server.close();
		await once(server, "close");
		return false;
	} catch {
		return true;
	}
}
