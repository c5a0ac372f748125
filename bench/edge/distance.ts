// Distance between the edge and the origin: a relay of TCP that holds back what passes it.
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { LOOPBACK } from "../../gateway/cli/stack/ports.ts";
import type { Cleanup } from "../freshness/stack.ts";

/** @param roundTripMs how long a byte and its answer take besides. @returns the port that stands for the given one */
export async function distant(
	port: number,
	roundTripMs: number,
	cleanup: Cleanup,
): Promise<number> {
	const sockets = new Set<Socket>();
	const server = createServer((near) => {
		const far = connect(port, LOOPBACK);
		for (const [from, to] of [
			[near, far],
			[far, near],
		] as const) {
			sockets.add(from);
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
	return (server.address() as AddressInfo).port;
}
