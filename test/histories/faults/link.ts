// A link between two processes: an HTTP proxy that a test can slow down or cut. It delivers what it has accepted even
// when the sender is gone, because a request may do its work long after its client stopped waiting.
import { once } from "node:events";
import {
	Agent,
	createServer,
	type IncomingHttpHeaders,
	type IncomingMessage,
	type ServerResponse,
	request as send,
} from "node:http";
import type { AddressInfo } from "node:net";
import { LOOPBACK } from "../../../gateway/cli/stack/ports.ts";

/** A request that passes the link. */
export interface Passing {
	readonly method: string;
	readonly path: string;
}

/** A fault on the link. Each step may delay the request; `cut` ends the sender's connection without an answer. */
export interface Fault {
	/** The requests that it affects; all by default. */
	readonly of?: (passing: Passing) => boolean;
	/** Runs before the request is delivered; after `cut` it never is. */
	readonly onRequest?: (passing: Passing) => Verdict | Promise<Verdict>;
	/** Runs after the other side has answered, before the sender gets the answer. */
	readonly onAnswer?: (
		passing: Passing,
		status: number,
	) => Verdict | Promise<Verdict>;
}
export type Verdict = "pass" | "cut";

export interface Link {
	readonly url: string;
	/** Host and port. */
	readonly address: string;
	/** The address of the other side, which may change. */
	target: string;
	/** The number of requests that are not answered yet. */
	readonly underWay: number;
	/** @returns a function that ends the fault; `times` ends it after so many requests */
	inject(fault: Fault, times?: number): () => void;
	stop(): Promise<void>;
}

interface Answer {
	status: number;
	reason: string;
	headers: IncomingHttpHeaders;
	body: Buffer;
}

/** @param dropped a request header that does not arrive */
export async function startLink(target: string, dropped = ""): Promise<Link> {
	const agent = new Agent({ keepAlive: true });
	const faults = new Set<{ fault: Fault; left: number }>();
	let underWay = 0;
	const server = createServer((request, response) => {
		underWay += 1;
		pass(request, response)
			// The other side is down, or disconnected.
			.catch(() => request.socket.destroy())
			.finally(() => {
				underWay -= 1;
			});
	});
	// Longer than workerd keeps a connection, so this side never closes an idle one.
	server.keepAliveTimeout = 600_000;
	server.listen(0, LOOPBACK);
	await once(server, "listening");
	const { port } = server.address() as AddressInfo;

	async function pass(
		request: IncomingMessage,
		response: ServerResponse,
	): Promise<void> {
		const body = await contentsOf(request);
		const passing = { method: request.method ?? "", path: request.url ?? "" };
		const met = faultsFor(passing);
		for (const { onRequest } of met) {
			if ((await onRequest?.(passing)) === "cut") {
				request.socket.destroy();
				return;
			}
		}
		const answer = await deliver(request, body);
		for (const { onAnswer } of met) {
			if ((await onAnswer?.(passing, answer.status)) === "cut") {
				request.socket.destroy();
				return;
			}
		}
		response.writeHead(answer.status, answer.reason, answer.headers);
		response.end(answer.body);
	}

	function faultsFor(passing: Passing): Fault[] {
		const met = [...faults].filter(({ fault }) => fault.of?.(passing) ?? true);
		for (const one of met) {
			one.left -= 1;
			if (one.left <= 0) faults.delete(one);
		}
		return met.map(({ fault }) => fault);
	}

	async function deliver(
		request: IncomingMessage,
		body: Buffer,
	): Promise<Answer> {
		const [host, toPort] = link.target.split(":");
		const { method, url: path } = request;
		const { [dropped]: _, ...headers } = request.headers;
		const sent = send({ host, port: toPort, method, path, headers, agent });
		sent.end(body);
		const [answer] = (await once(sent, "response")) as [IncomingMessage];
		return {
			status: answer.statusCode ?? 502,
			reason: answer.statusMessage ?? "",
			headers: withoutFraming(answer.headers),
			body: await contentsOf(answer),
		};
	}

	const address = `${LOOPBACK}:${port}`;
	const link: Link = {
		url: `http://${address}`,
		address,
		target,
		get underWay() {
			return underWay;
		},
		inject(fault, times = Number.POSITIVE_INFINITY) {
			const one = { fault, left: times };
			faults.add(one);
			return () => faults.delete(one);
		},
		async stop() {
			faults.clear();
			server.close();
			server.closeAllConnections();
			agent.destroy();
			await once(server, "close");
		},
	};
	return link;
}

async function contentsOf(message: IncomingMessage): Promise<Buffer> {
	const chunks: Buffer[] = [];
	for await (const chunk of message) chunks.push(chunk);
	return Buffer.concat(chunks);
}

/** Sends the answer in one piece, on its own connection. */
function withoutFraming(headers: IncomingHttpHeaders): IncomingHttpHeaders {
	const { "transfer-encoding": _, connection: __, ...others } = headers;
	return others;
}
