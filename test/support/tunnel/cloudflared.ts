// Stands in for cloudflared and Cloudflare's edge where no real ones can run. It imitates what both do to requests, answers
// and connections, after the sources of cloudflared (`proxy/proxy.go`, `ingress/origin_service.go`) and of Go's `net/http`.
import { once } from "node:events";
import {
	Agent,
	createServer,
	type IncomingMessage,
	type OutgoingHttpHeaders,
	request,
	type ServerResponse,
} from "node:http";
import type { AddressInfo } from "node:net";
import { LOOPBACK } from "../../../gateway/cli/stack/ports.ts";

/** cloudflared's own default. */
const DEFAULT_KEEP_ALIVE_CONNECTIONS = 100;

/** Go's default, used if the setting is 0. */
const GO_KEEP_ALIVE_CONNECTIONS = 2;

/** The headers that Cloudflare adds to a request on its way to the origin. */
export const ADDED_BY_CLOUDFLARE = {
	"cdn-loop": "cloudflare; loops=1; subreqs=1",
	"cf-access-jwt-assertion": "eyJhbGciOiJSUzI1NiJ9.e30.c2lnbmF0dXJl",
	"cf-connecting-ip": "2a06:98c0:3600::103",
	"cf-ipcountry": "DE",
	"cf-ray": "a04c9b2f4a5a1c2d-FRA",
	"cf-visitor": '{"scheme":"https"}',
	"cf-warp-tag-id": "1",
	"cf-worker": "example.com",
	"x-forwarded-for": "2a06:98c0:3600::103",
	"x-forwarded-proto": "https",
} as const;

interface TunnelOptions {
	originUrl: string;
	/** `originRequest.keepAliveConnections`. */
	keepAliveConnections?: number | undefined;
	/** How cloudflared is connected: over QUIC it tells a request without a body from others, over HTTP/2 it does not. */
	protocol?: "quic" | "http2";
}

export interface Tunnel {
	/** The address of Cloudflare's edge. */
	readonly url: string;
	/** Whether a cloudflared is connected to the edge. */
	isConnected: boolean;
	stop(): Promise<void>;
}

export async function startTunnel({
	originUrl,
	keepAliveConnections = DEFAULT_KEEP_ALIVE_CONNECTIONS,
	protocol = "http2",
}: TunnelOptions): Promise<Tunnel> {
	const pool = new Agent({
		keepAlive: keepAliveConnections >= 0,
		maxFreeSockets: keepAliveConnections || GO_KEEP_ALIVE_CONNECTIONS,
		scheduling: "lifo",
	});
	const server = createServer(async (incoming, answering) => {
		if (!tunnel.isConnected) return answerAs(answering, 530);
		if (!hasPathThatGoParses(incoming)) return answerAs(answering, 502);
		try {
			relay(await roundTrip(incoming), answering);
		} catch {
			answerAs(answering, 502);
		}
	});
	server.keepAliveTimeout = 60_000;
	server.listen(0, LOOPBACK);
	await once(server, "listening");
	const { port } = server.address() as AddressInfo;
	const tunnel: Tunnel = {
		url: `http://${LOOPBACK}:${port}`,
		isConnected: true,
		async stop() {
			server.close();
			server.closeAllConnections();
			pool.destroy();
			await once(server, "close");
		},
	};
	return tunnel;

	/** `http.Transport.RoundTrip`: repeats a request that a reused connection lost, if it is replayable. */
	async function roundTrip(incoming: IncomingMessage) {
		for (;;) {
			const attempt = send(incoming);
			try {
				return await attempt.response;
			} catch (error) {
				if (!attempt.outgoing.reusedSocket || !isReplayable(incoming))
					throw error;
			}
		}
	}

	function send(incoming: IncomingMessage) {
		const outgoing = request(originUrl + incoming.url, {
			agent: pool,
			method: incoming.method ?? "GET",
			headers: {
				...inLists(incoming),
				...ADDED_BY_CLOUDFLARE,
				host: new URL(originUrl).host,
				connection: "keep-alive",
			},
		});
		// Node closes a connection after an answer to HEAD without a length, and Go keeps it.
		outgoing.once("response", ({ headers }) => {
			if (incoming.method === "HEAD")
				outgoing.shouldKeepAlive = headers.connection !== "close";
		});
		const response = once(outgoing, "response").then(
			([answer]) => answer as IncomingMessage,
		);
		if (isReplayable(incoming)) outgoing.end();
		else incoming.pipe(outgoing);
		return { outgoing, response };
	}

	/** `Request.isReplayable`. Over HTTP/2 each request has a body for Go, even if nothing is in it. */
	function isReplayable({ method, headers }: IncomingMessage): boolean {
		const hasBody =
			"content-length" in headers || "transfer-encoding" in headers;
		return (
			protocol === "quic" &&
			!hasBody &&
			["GET", "HEAD", "OPTIONS"].includes(method ?? "")
		);
	}
}

/** `url.ParseRequestURI`. */
function hasPathThatGoParses({ url = "" }: IncomingMessage): boolean {
	const [path = ""] = url.split("?");
	return !/%(?![\da-f]{2})/i.test(path);
}

function inLists({ headersDistinct }: IncomingMessage): OutgoingHttpHeaders {
	const { host: _, connection: __, ...headers } = headersDistinct;
	return headers;
}

function relay(answer: IncomingMessage, answering: ServerResponse): void {
	const { connection: _, ...headers } = answer.headersDistinct;
	answering.writeHead(answer.statusCode ?? 0, {
		...headers,
		server: "cloudflare",
		"cf-ray": ADDED_BY_CLOUDFLARE["cf-ray"],
	});
	answer.on("error", () => answering.destroy());
	answer.pipe(answering);
}

/** Cloudflare's own pages. */
function answerAs(answering: ServerResponse, status: 502 | 530): void {
	const [type, page] =
		status === 530
			? ["text/plain; charset=UTF-8", "error code: 1033"]
			: ["text/html; charset=UTF-8", "<!DOCTYPE html><title>502: Bad gateway"];
	answering.writeHead(status, { "content-type": type, server: "cloudflare" });
	answering.end(page);
}
