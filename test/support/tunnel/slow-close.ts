// A link to an origin on which the end of a connection arrives a little late, as it may between two machines.
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { setTimeout as wait } from "node:timers/promises";
import { LOOPBACK } from "../../../gateway/cli/stack/ports.ts";

/** Long enough for the next request to be sent. */
const LATE_MS = 50;

export async function startSlowClose(originUrl: string) {
	const { hostname, port } = new URL(originUrl);
	const sockets = new Set<Socket>();
	const server = createServer({ allowHalfOpen: true }, (near) => {
		const far = connect({
			host: hostname,
			port: Number(port),
			allowHalfOpen: true,
		});
		for (const socket of [near, far]) {
			sockets.add(socket);
			// An origin that has closed resets what still arrives.
			socket.on("error", () => {});
			socket.on("close", () => sockets.delete(socket));
		}
		near.on("data", (data) => far.write(data));
		near.on("close", () => far.destroy());
		far.on("data", (data) => near.write(data));
		far.once("end", () => closeLate(near));
		far.once("close", () => closeLate(near));
	});
	server.listen(0, LOOPBACK);
	await once(server, "listening");
	return {
		url: `http://${LOOPBACK}:${(server.address() as AddressInfo).port}`,
		async stop() {
			server.close();
			for (const socket of sockets) socket.destroy();
			await once(server, "close");
		},
	};
}

async function closeLate(socket: Socket): Promise<void> {
	await wait(LATE_MS);
	socket.destroy();
}
