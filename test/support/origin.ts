// An HTTP server of a test's own in PostgREST's place, which also does what PostgREST does only on a bad day, and a Worker
// before it.
import { once } from "node:events";
import {
	createServer,
	type IncomingMessage,
	type RequestListener,
} from "node:http";
import type { AddressInfo } from "node:net";
import { freePort, LOOPBACK } from "../../stack/ports.ts";
import { startWorkerd, workerVariables } from "../../stack/worker.ts";
import { stack } from "./client.ts";

export interface TestOrigin {
	readonly url: string;
	/** All requests that reached it, in their order. */
	readonly received: IncomingMessage[];
	/** What it does with a request. */
	answer: RequestListener;
	stop(): Promise<void>;
}

export async function startOrigin(
	answer: RequestListener = (_, answering) => answering.end("[]"),
): Promise<TestOrigin> {
	const received: IncomingMessage[] = [];
	const server = createServer((incoming, answering) => {
		received.push(incoming);
		origin.answer(incoming, answering);
	});
	// Longer than workerd keeps a connection, as PostgREST does: it is never the origin that closes an idle one.
	server.keepAliveTimeout = 60_000;
	server.listen(0, LOOPBACK);
	await once(server, "listening");
	const { port } = server.address() as AddressInfo;
	const origin: TestOrigin = {
		url: `http://${LOOPBACK}:${port}`,
		received,
		answer,
		async stop() {
			server.close();
			server.closeAllConnections();
			await once(server, "close");
		},
	};
	return origin;
}

/** The stack's Worker, before another origin. */
export async function startGateway(
	originUrl: string,
	variables: Record<string, string> = {},
) {
	return startWorkerd({
		bundle: stack.bundle,
		port: await freePort(),
		variables: {
			...workerVariables(originUrl, stack.credentials),
			...variables,
		},
		log: () => {},
	});
}
