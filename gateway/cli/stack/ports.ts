// Ports on the loopback interface: free ones for tests, and a clear word about taken ones.
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";

export const LOOPBACK = "127.0.0.1";

/** A port that nobody listens on right now. */
export async function freePort(): Promise<number> {
	const server = createServer().listen(0, LOOPBACK);
	await once(server, "listening");
	const { port } = server.address() as AddressInfo;
	server.close();
	await once(server, "close");
	return port;
}

/** @returns whether something listens on the port already */
export async function isTaken(port: number): Promise<boolean> {
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
