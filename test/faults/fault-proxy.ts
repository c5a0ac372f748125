// A TCP proxy between the Worker and PostgREST that can fail in the ways that networks do. It knows nothing of HTTP but how long the
// head of an answer is at least.
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { LOOPBACK } from "../../gateway/cli/stack/ports.ts";

/** What the proxy does with a connection, open or new. */
export type Fault =
	| { readonly kind: "none" }
	/** Answers come this much later. */
	| { readonly kind: "delay"; readonly ms: number }
	/** Connections are accepted, and nothing is ever answered. */
	| { readonly kind: "silence" }
	/** Nothing listens. */
	| { readonly kind: "refuse" }
	/** Connections end with a reset. */
	| { readonly kind: "reset" }
	/** The connection ends after so many bytes of an answer. */
	| { readonly kind: "cut"; readonly bytes: number }
	/** Nothing comes after so many bytes of an answer. */
	| { readonly kind: "stall"; readonly bytes: number }
	/** Each request is answered by this text, in the origin's place. */
	| { readonly kind: "answer"; readonly text: string };

export interface FaultProxy {
	readonly url: string;
	/** Affects open connections as well. */
	fail(fault: Fault): Promise<void>;
	stop(): Promise<void>;
}

/** Sees the bytes of requests, by the number of their connection. */
export type Tap = (connection: number, chunk: Buffer) => void;

export async function startFaultProxy(
	targetUrl: string,
	tap?: Tap,
): Promise<FaultProxy> {
	const target = new URL(targetUrl);
	const sockets = new Set<Socket>();
	let fault: Fault = { kind: "none" };

	let connections = 0;
	const server = createServer((client) => {
		const connection = ++connections;
		if (tap) client.on("data", (chunk) => tap(connection, chunk));
		track(client);
		if (fault.kind === "reset") return client.resetAndDestroy();
		if (fault.kind === "silence") return client.resume();
		const upstream = connect(Number(target.port), target.hostname);
		track(upstream);
		client.on("data", (chunk) => toOrigin(chunk, client, upstream));
		upstream.on("data", (chunk) => toClient(chunk, client));
		client.on("close", () => upstream.destroy());
		// At once: PostgREST ends a connection after a HEAD, and the Worker would send the next request to nobody.
		for (const ending of ["end", "close"])
			upstream.on(ending, () => {
				if (fault.kind !== "silence") client.end();
			});
	});
	server.listen(0, LOOPBACK);
	await once(server, "listening");
	const { port } = server.address() as AddressInfo;

	function track(socket: Socket): void {
		sockets.add(socket);
		socket.on("error", () => {});
		socket.on("close", () => sockets.delete(socket));
	}

	function toOrigin(chunk: Buffer, client: Socket, upstream: Socket): void {
		if (fault.kind === "answer") client.end(fault.text);
		else if (fault.kind !== "silence") upstream.write(chunk);
	}

	async function toClient(chunk: Buffer, client: Socket): Promise<void> {
		if (fault.kind === "silence") return;
		if (fault.kind === "delay") await sleep(fault.ms);
		if (fault.kind !== "cut" && fault.kind !== "stall") {
			client.write(chunk);
			return;
		}
		client.write(chunk.subarray(0, fault.bytes));
		if (fault.kind === "cut") client.destroySoon();
		else client.removeAllListeners("data").resume();
	}

	return {
		url: `http://${LOOPBACK}:${port}`,
		async fail(next) {
			const wasListening = server.listening;
			fault = next;
			if (next.kind === "refuse" && wasListening) server.close();
			if (next.kind !== "refuse" && !wasListening) {
				server.listen(port, LOOPBACK);
				await once(server, "listening");
			}
			// Connections of a fault that is over are of no use, and the origin's own end with these two.
			if (["refuse", "reset", "none"].includes(next.kind))
				for (const socket of sockets) socket.resetAndDestroy();
		},
		async stop() {
			for (const socket of sockets) socket.destroy();
			if (server.listening) {
				server.close();
				await once(server, "close");
			}
		},
	};
}
