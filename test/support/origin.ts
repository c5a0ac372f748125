// A test's own HTTP server in PostgREST's place, which can also fail in every way, and a Worker
// in front of it.
import { once } from "node:events";
import {
	createServer,
	type IncomingMessage,
	type RequestListener,
	type ServerResponse,
} from "node:http";
import type { AddressInfo } from "node:net";
import { freePort, LOOPBACK } from "../../gateway/cli/stack/ports.ts";
import type { Log } from "../../gateway/cli/stack/service.ts";
import { workerVariables } from "../../gateway/cli/stack/wrangler.ts";
import { stack } from "./client.ts";
import { startWorkerd } from "./workerd/workerd.ts";

export interface TestOrigin {
	readonly url: string;
	/** The requests that reached it, in order, without the change feed's. */
	readonly received: IncomingMessage[];
	/** Answers a request. */
	answer: RequestListener;
	stop(): Promise<void>;
}

export async function startOrigin(
	answer: RequestListener = (_, answering) => answering.end("[]"),
): Promise<TestOrigin> {
	const received: IncomingMessage[] = [];
	const server = createServer((incoming, answering) => {
		if (incoming.url?.endsWith("/rpc/changes_since"))
			return trackNothing(answering);
		received.push(incoming);
		answering.setHeader("server", "postgrest/12.0.2");
		origin.answer(incoming, answering);
	});
	// Longer than workerd keeps a connection, as with PostgREST, so the origin never closes an idle one.
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

/** PostgREST's answer if there is no function of that name. */
function trackNothing(answering: ServerResponse): void {
	answering.writeHead(404, { "content-type": "application/json" });
	answering.end(JSON.stringify({ code: "PGRST202", message: "no function" }));
}

/** The stack's Worker in front of another origin. */
export async function startGateway(
	originUrl: string,
	variables: Record<string, string> = {},
	log: Log = () => {},
) {
	return startWorkerd({
		bundle: stack.bundle,
		port: await freePort(),
		variables: {
			...workerVariables(originUrl, stack.credentials),
			...variables,
		},
		log,
	});
}
