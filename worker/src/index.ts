// The Worker: reads the configuration, builds the gateway once an isolate, hands requests to it. Decides nothing else.
import { waitUntil } from "cloudflare:workers";
import { readConfig } from "./config.ts";
import type { Feed } from "./feed/feed.ts";
import { createGateway } from "./gateway.ts";
import { Refusal, refusalResponse } from "./refusals.ts";

export { ChangeFeed } from "./feed/change-feed.ts";

type Gateway = (request: Request) => Response | Promise<Response>;

let gateway: Gateway | undefined;

export default {
	fetch(request, env) {
		gateway ??= build(env);
		return gateway(request);
	},
} satisfies ExportedHandler<Env>;

function build(env: Env): Gateway {
	try {
		const config = readConfig(env);
		const app = createGateway({
			config,
			now: Date.now,
			fetch: (request) => (env.ORIGIN ?? globalThis).fetch(request),
			assets: env.ASSETS && ((request) => env.ASSETS.fetch(request)),
			fetchKeys: (request) => globalThis.fetch(request),
			keyStore: env.CACHE,
			cache: env.CHANGE_FEED && {
				feed: feedOf(env.CHANGE_FEED, config.feedLocation),
				namespace: env.CACHE,
				sleep: (ms) => scheduler.wait(ms),
				waitUntil,
			},
			log: (problem) => console.error(problem),
		});
		return (request) => app.fetch(request);
	} catch (problem) {
		console.error(problem);
		return () => refusalResponse(new Refusal("gateway_misconfigured"));
	}
}

/** One object for all isolates. A stub is of one request, so each call has its own. */
function feedOf(
	namespace: Env["CHANGE_FEED"],
	locationHint: DurableObjectLocationHint | undefined,
): Feed {
	// Over RPC the stub is what the object is, though the stub's type has no tuples.
	const object = () =>
		namespace.getByName(
			"feed",
			locationHint ? { locationHint } : {},
		) as unknown as Feed;
	return {
		sync: (request) => object().sync(request),
		catalog: () => object().catalog(),
	};
}
