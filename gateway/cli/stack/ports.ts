// Ports on the loopback interface: finds free ones, refuses taken ones.
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";

export const LOOPBACK = "127.0.0.1";

/** A port that no program listens on now. */
export async function freePort(): Promise<number> {
	const server = createServer().listen(0, LOOPBACK);
	await once(server, "listening");
	const { port } = server.address() as AddressInfo;
	server.close();
	await once(server, "close");
	return port;
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
