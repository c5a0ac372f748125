// Passes what is not PostgREST's to another server, such as the rest of a Supabase project: unchanged, streamed both ways,
// WebSockets included. The caller's credentials go there, since that server verifies them. Nothing of the gateway's own does.
import type { MiddlewareHandler } from "hono";
import { Refusal } from "../http/refusals.ts";
import { removeHopByHop, toUpstreamHeaders } from "../origin/headers.ts";
import { type Fetch, send } from "../origin/send.ts";
import { mayBeReadAs } from "./lenient-path.ts";

interface UpstreamOptions {
	/** The server: scheme and host. */
	upstream: URL;
	/** The path that stands for PostgREST's root. */
	mount: string;
	/** Reaches the upstream. */
	fetch: Fetch;
	/** Adds the headers of the gateway's own answers to a refusal. The upstream's answers have the upstream's. */
	ownAnswers: MiddlewareHandler;
	refusalOf: (error: unknown) => Response;
}

/** Routes of the gateway besides the mount. */
const OWN_PATHS = ["/health", "/ready"];

export function passToUpstream({
	upstream,
	mount,
	fetch,
	ownAnswers,
	refusalOf,
}: UpstreamOptions): MiddlewareHandler {
	// A cdn-id with a parameter (RFC 8586). With its upstream it names this gateway, also where its upstream is another gateway.
	const loopMark = `postern; upstream="${upstream.host}"`;

	return async (context, next) => {
		const { raw: request, path } = context.req;
		const url = URL.parse(request.url);
		if (url === null || isOwn(path)) return next();
		try {
			return await pass(request, url);
		} catch (error) {
			return ownAnswers(context, async () => {
				context.res = refusalOf(error);
			});
		}
	};

	function isOwn(path: string): boolean {
		return (
			OWN_PATHS.includes(path) || path === mount || path.startsWith(`${mount}/`)
		);
	}

	async function pass(request: Request, url: URL): Promise<Response> {
		// Behind the upstream is PostgREST, too. What reaches it there is not cached, and its writes have no token.
		if (mayBeReadAs(url.pathname, mount))
			throw new Refusal("parameter_invalid", {
				details: `its path is another spelling of ${mount}`,
			});
		const passed = request.headers.get("cdn-loop");
		if (passed?.includes(loopMark))
			throw new Refusal("upstream_unreachable", {
				cause: new Error("UPSTREAM_URL leads back to this gateway"),
			});
		const headers = toUpstreamHeaders(request.headers);
		const address = request.headers.get("cf-connecting-ip");
		if (address !== null) headers.set("x-forwarded-for", address);
		headers.set("x-forwarded-host", url.host);
		headers.set("x-forwarded-proto", url.protocol.slice(0, -1));
		headers.set(
			"cdn-loop",
			passed === null ? loopMark : `${passed}, ${loopMark}`,
		);
		if (isWebSocket(request)) headers.set("upgrade", "websocket");
		const target = new URL(upstream);
		target.pathname = url.pathname;
		target.search = url.search;
		const response = await send(request, {
			url: target,
			headers,
			fetch,
			// A function may work for minutes before it answers.
			timeoutMs: undefined,
			unreachable: "upstream_unreachable",
			// An empty body in chunks, which prevents it, is a body without a type to some servers: 415.
			mayRepeat: true,
		});
		return fromUpstream(response, url.origin);
	}

	/** The answer to a client that asked at `origin`. */
	function fromUpstream(response: Response, origin: string): Response {
		if (response.webSocket !== null) return response;
		const answer = new Response(response.body, response);
		const { headers } = answer;
		removeHopByHop(headers);
		for (const name of ["location", "content-location"]) {
			const target = URL.parse(headers.get(name) ?? "");
			if (target?.origin === upstream.origin)
				headers.set(
					name,
					origin + target.pathname + target.search + target.hash,
				);
		}
		return answer;
	}
}

function isWebSocket({ headers }: Request): boolean {
	return headers.get("upgrade")?.toLowerCase() === "websocket";
}
