// The Worker: reads the configuration, builds the gateway once an isolate, hands requests to it. Decides nothing else.
import { readConfig } from "./config.ts";
import { createGateway } from "./gateway.ts";
import { Refusal, refusalResponse } from "./refusals.ts";

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
		const app = createGateway({
			config: readConfig(env),
			now: Date.now,
			fetch: (request) => (env.ORIGIN ?? globalThis).fetch(request),
			assets: env.ASSETS && ((request) => env.ASSETS.fetch(request)),
			fetchKeys: (request) => globalThis.fetch(request),
			keyStore: env.CACHE,
			log: (problem) => console.error(problem),
		});
		return (request) => app.fetch(request);
	} catch (problem) {
		console.error(problem);
		return () => refusalResponse(new Refusal("gateway_misconfigured"));
	}
}
