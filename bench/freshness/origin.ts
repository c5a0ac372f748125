// A proxy in front of PostgREST that counts requests. Every contender has its own, so all are counted in the same way.
import { once } from "node:events";
import {
	Agent,
	type ClientRequest,
	createServer,
	type IncomingMessage,
	type ServerResponse,
	request as send,
} from "node:http";
import type { AddressInfo } from "node:net";
import { pipeline } from "node:stream/promises";
import { LOOPBACK } from "../../gateway/cli/stack/ports.ts";

/** The counts of requests. Polls, catalog and pruning are the gateway's own requests. */
export type Kind = "reads" | "writes" | "polls" | "catalog" | "pruning";
export type Counts = Readonly<Record<Kind, number>>;

const KIND_OF_FUNCTION: Readonly<Record<string, Kind>> = {
	"/rpc/changes_since": "polls",
	"/rpc/catalog": "catalog",
	"/rpc/prune": "pruning",
};

/** PostgREST closes a connection that has been idle for half a minute. */
const IDLE_MS = 10_000;

export interface CountingOrigin {
	readonly url: string;
	readonly counts: Counts;
	/** If set, tells nginx for how many seconds to store the answer to this path and query; 0 means not at all. */
	lifeOf: ((path: string) => number) | undefined;
	stop(): Promise<void>;
}

export async function startCountingOrigin(
	postgrestUrl: string,
): Promise<CountingOrigin> {
	const agent = new Agent({ keepAlive: true, timeout: IDLE_MS });
	const { hostname, port } = new URL(postgrestUrl);
	const counts = { reads: 0, writes: 0, polls: 0, catalog: 0, pruning: 0 };
	const server = createServer((incoming, answering) => {
		counts[kindOf(incoming)] += 1;
		// The client or PostgREST disconnected, so disconnect from the other.
		pass(incoming, answering).catch(() => answering.destroy());
	});

	async function pass(
		incoming: IncomingMessage,
		answering: ServerResponse,
	): Promise<void> {
		const { method, url: path = "", headers } = incoming;
		const outgoing = send({ agent, hostname, port, method, path, headers });
		await Promise.all([
			pipeline(incoming, outgoing),
			answer(outgoing, answering, origin.lifeOf?.(path)),
		]);
	}

	// Longer than every client keeps a connection, so this side never closes an idle one.
	server.keepAliveTimeout = 600_000;
	server.listen(0, LOOPBACK);
	await once(server, "listening");
	const address = server.address() as AddressInfo;
	const origin: CountingOrigin = {
		url: `http://${LOOPBACK}:${address.port}`,
		counts,
		lifeOf: undefined,
		async stop() {
			server.close();
			server.closeAllConnections();
			agent.destroy();
			await once(server, "close");
		},
	};
	return origin;
}

async function answer(
	outgoing: ClientRequest,
	answering: ServerResponse,
	lifeSeconds: number | undefined,
): Promise<void> {
	const [incoming] = (await once(outgoing, "response")) as [IncomingMessage];
	answering.writeHead(incoming.statusCode ?? 502, {
		...incoming.headers,
		...(lifeSeconds !== undefined && { "x-accel-expires": `${lifeSeconds}` }),
	});
	await pipeline(incoming, answering);
}

/** The requests between two readings of the counts. */
export function difference(after: Counts, before: Counts): Counts {
	const kinds = Object.keys(after) as Kind[];
	return Object.fromEntries(
		kinds.map((kind) => [kind, after[kind] - before[kind]]),
	) as Counts;
}

function kindOf({ method = "", url = "", headers }: IncomingMessage): Kind {
	if (headers["content-profile"] === "postern")
		return KIND_OF_FUNCTION[url] ?? "writes";
	return method === "GET" || method === "HEAD" ? "reads" : "writes";
}
