// Requests over kept connections, timed from sending to the last byte of the answer.
import {
	Agent,
	type IncomingHttpHeaders,
	type OutgoingHttpHeaders,
	request,
} from "node:http";
import { buffer } from "node:stream/consumers";
import type { Version } from "./tables.ts";

/** Shorter than any of the servers keeps an idle connection, so none is closed while a request is on its way. */
const IDLE_MS = 10_000;
const agent = new Agent({ keepAlive: true, timeout: IDLE_MS });

export interface Answer {
	readonly url: string;
	readonly status: number;
	readonly headers: IncomingHttpHeaders;
	readonly body: Buffer;
	/** Milliseconds since the Unix epoch, to compare with the moment of a commit. */
	readonly sentAt: number;
	readonly answeredAt: number;
	readonly latencyMs: number;
}

export function get(
	url: string,
	headers: OutgoingHttpHeaders = {},
): Promise<Answer> {
	return send("GET", url, headers);
}

export function patch(
	url: string,
	headers: OutgoingHttpHeaders,
	changes: object,
): Promise<Answer> {
	const type = { "content-type": "application/json" };
	return send("PATCH", url, { ...type, ...headers }, JSON.stringify(changes));
}

/** The articles of an answer: its rows, or rows embedded in authors. */
export function versionsIn({ body }: Answer): Version[] {
	const rows: (Version & { articles?: Version[] })[] = JSON.parse(`${body}`);
	return rows
		.flatMap((row) => row.articles ?? [row])
		.map(({ id, version }) => ({ id, version }));
}

/** Closes the kept connections. */
export function closeConnections(): void {
	agent.destroy();
}

function send(
	method: string,
	url: string,
	headers: OutgoingHttpHeaders,
	body = "",
): Promise<Answer> {
	return new Promise((resolve, reject) => {
		const sentAt = Date.now();
		const start = performance.now();
		const outgoing = request(url, { agent, method, headers });
		outgoing.on("error", reject);
		outgoing.on("response", (incoming) => {
			buffer(incoming).then(
				(received) =>
					resolve({
						url,
						status: incoming.statusCode ?? 0,
						headers: incoming.headers,
						body: received,
						sentAt,
						answeredAt: Date.now(),
						latencyMs: performance.now() - start,
					}),
				reject,
			);
		});
		outgoing.end(body);
	});
}
