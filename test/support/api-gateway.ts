// An API gateway before PostgREST, as Supabase has one (Kong): it answers below a path only, asks for a key in `apikey`, and
// keeps that from PostgREST.
import { once } from "node:events";
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { LOOPBACK } from "../../gateway/cli/stack/ports.ts";
import { passOn } from "./pass-on.ts";

interface ApiGatewayOptions {
	/** PostgREST's URL at this moment. */
	origin: () => string;
	/** The path that stands for PostgREST's root. */
	mount: string;
	/** The keys that it takes. */
	keys: readonly string[];
	/** A free one, without it. */
	port?: number;
}

/** @returns PostgREST's URL behind it */
export async function startApiGateway(options: ApiGatewayOptions) {
	const { origin, mount, keys, port = 0 } = options;
	const server = createServer((asked, answer) => {
		const refusal = refusalOf(asked);
		if (refusal !== undefined) {
			const [status, message] = refusal;
			answer.writeHead(status, { "content-type": "application/json" });
			answer.end(JSON.stringify({ message }));
			return;
		}
		const { apikey: _, ...headers } = asked.headers;
		const path = (asked.url ?? "").slice(mount.length);
		passOn(asked, answer, `${origin()}${path}`, headers);
	});
	server.listen(port, LOOPBACK);
	await once(server, "listening");
	const { port: own } = server.address() as AddressInfo;
	return {
		url: `http://${LOOPBACK}:${own}${mount}`,
		async stop() {
			server.closeAllConnections();
			server.close();
			await once(server, "close");
		},
	};

	function refusalOf(asked: IncomingMessage): [number, string] | undefined {
		const { apikey } = asked.headers;
		if (!asked.url?.startsWith(`${mount}/`))
			return [404, "no Route matched with those values"];
		if (apikey === undefined) return [401, "No API key found in request"];
		return keys.includes(String(apikey))
			? undefined
			: [401, "Invalid authentication credentials"];
	}
}
