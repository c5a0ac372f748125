// A server of the test's own in the upstream's place: records what it receives, answers as the test says, and answers each
// message of a WebSocket.
import { once } from "node:events";
import {
	createServer,
	type IncomingMessage,
	type RequestListener,
} from "node:http";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import { LOOPBACK } from "../../../gateway/cli/stack/ports.ts";
import { acceptWebSocket, type Reply } from "./web-socket.ts";

export interface TestUpstream {
	readonly url: string;
	/** The requests that reached it, in order, those for a WebSocket included. */
	readonly received: IncomingMessage[];
	/** Answers a request. */
	answer: RequestListener;
	/** Answers a message of a WebSocket: with the same one, unless the test says otherwise. */
	reply: Reply;
	/** Refuses every WebSocket with this status. */
	refusesWebSockets: number | undefined;
	/** The connections of WebSockets that were accepted. */
	readonly sockets: Duplex[];
	stop(): Promise<void>;
}

export async function startUpstream(): Promise<TestUpstream> {
	const server = createServer((incoming, answering) => {
		upstream.received.push(incoming);
		upstream.answer(incoming, answering);
	});
	server.on("upgrade", (incoming: IncomingMessage, socket: Duplex) => {
		upstream.received.push(incoming);
		if (upstream.refusesWebSockets !== undefined) {
			socket.end(
				`HTTP/1.1 ${upstream.refusesWebSockets} No\r\nContent-Length: 2\r\n\r\nno`,
			);
			return;
		}
		upstream.sockets.push(socket);
		acceptWebSocket(incoming, socket, (message) => upstream.reply(message));
	});
	// Longer than workerd keeps a connection, so that the upstream never closes an idle one.
	server.keepAliveTimeout = 60_000;
	server.listen(0, LOOPBACK);
	await once(server, "listening");
	const { port } = server.address() as AddressInfo;
	const upstream: TestUpstream = {
		url: `http://${LOOPBACK}:${port}`,
		received: [],
		answer: (_, answering) => answering.end(),
		reply: (message) => message,
		refusesWebSockets: undefined,
		sockets: [],
		async stop() {
			server.close();
			server.closeAllConnections();
			for (const socket of upstream.sockets) socket.destroy();
			await once(server, "close");
		},
	};
	return upstream;
}
