// Distance: a relay of TCP that holds back what passes it.
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { LOOPBACK } from "../../gateway/cli/stack/ports.ts";
import type { Cleanup } from "../freshness/stack.ts";

/** @param roundTripMs how much longer a byte and its answer take. @returns the address, as it is reached from afar */
export async function fromAfar(
	address: string,
	roundTripMs: number,
	cleanup: Cleanup,
): Promise<string> {
	const url = new URL(address);
	const sockets = new Set<Socket>();
	const server = createServer((near) => {
		const far = connect(Number(url.port), LOOPBACK);
		for (const [from, to] of [
			[near, far],
			[far, near],
		] as const) {
			sockets.add(from);
			// Timers of one length end in the order in which they were set.
			const later = (send: () => void) => setTimeout(send, roundTripMs / 2);
			from.on("data", (bytes) => later(() => to.write(bytes)));
			from.on("end", () => later(() => to.end()));
			from.on("error", () => to.destroy());
			from.on("close", () => sockets.delete(from));
		}
	}).listen(0, LOOPBACK);
	await once(server, "listening");
	cleanup.push(async () => {
		server.close();
		for (const socket of sockets) socket.destroy();
	});
	const { port } = server.address() as AddressInfo;
	return address.replace(`:${url.port}`, `:${port}`);
}
