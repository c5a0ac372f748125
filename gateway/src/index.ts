// The package's public API: builds a Worker from its options and the environment. Decides nothing else.
import { waitUntil } from "cloudflare:workers";
import type { Feed } from "./feed/feed.ts";
import { createGateway, type Routes } from "./gateway.ts";
import { Refusal, refusalResponse } from "./http/refusals.ts";
import { readConfig } from "./settings/settings.ts";

export { ChangeFeed } from "./feed/change-feed.ts";

type Gateway = (request: Request) => Response | Promise<Response>;

export interface PosternOptions {
	/** The application's own routes. */
	routes?: Routes;
}

/** Builds the Worker's handler. The gateway itself is built at an isolate's first request, from its environment. */
export function createPostern(options: PosternOptions = {}) {
	let gateway: Gateway | undefined;
	return {
		fetch(request: Request, env: Env) {
			gateway ??= build(env, options);
			return gateway(request);
		},
	} satisfies ExportedHandler<Env>;
}

function build(env: Env, { routes }: PosternOptions): Gateway {
	try {
		const config = readConfig(env);
		const app = createGateway({
			config,
			...(routes && { routes }),
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

/** One object for all isolates. A stub belongs to one request, so each call has its own. */
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
