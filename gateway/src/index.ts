// The package's public API: builds a Worker from its options and the environment. Decides nothing else.
import { waitUntil } from "cloudflare:workers";
import { Hono } from "hono";
import { config } from "zod/mini";
import en from "zod/v4/locales/en.js";
import type { Application } from "./application/application.ts";
import type { OpenApiOptions } from "./application/openapi.ts";
import type { Routes } from "./application/router.ts";
import { sleep } from "./consistency/sleep.ts";
import { ChangeFeed, feedFor } from "./feed/change-feed.ts";
import { createGateway } from "./gateway.ts";
import { crossOrigin } from "./http/cors.ts";
import { protectOwnAnswers } from "./http/own-answers.ts";
import {
	Refusal,
	type RefusalCode,
	type RefusalTable,
	refusalResponse,
} from "./http/refusals.ts";
import type { PosternEnv } from "./settings/environment.ts";
import { parseConfig } from "./settings/settings.ts";

export { CallerLimits } from "./limits/caller-limits.ts";
export type { OpenApiOptions, PosternEnv, RefusalTable, Routes };
export { ChangeFeed };

export interface PosternOptions<Own extends RefusalTable = RefusalTable> {
	/** The application's routers (`createRouter` of `postern/routes`), by the path that each is mounted at. With UPSTREAM_URL they are off. */
	routes?: Routes;
	/** The application's own refusals: the table that `defineRefusals` was given. */
	refusals?: Own;
	/** What a change is refused with that would break a constraint, or leave a column null, by the constraint's or column's name. */
	constraints?: Readonly<Record<string, RefusalCode | (keyof Own & string)>>;
	/** The head of the document at /openapi.json. */
	openapi?: OpenApiOptions;
}

// zod/mini has no words of its own: the log has them where an answer is not understood.
config(en());

type Gateway = (request: Request) => Response | Promise<Response>;

/** Builds the Worker's handler. The gateway itself is built at an isolate's first request, from its environment. */
// biome-ignore lint/complexity/noBannedTypes: a table without a refusal
export function createPostern<const Own extends RefusalTable = {}>({
	routes = {},
	refusals,
	constraints = {},
	openapi = {},
}: PosternOptions<Own> = {}) {
	const application: Application = {
		routes,
		refusals: refusals ?? {},
		constraints,
		openapi,
	};
	let gateway: Gateway | undefined;
	return {
		fetch(request: Request, env: PosternEnv) {
			gateway ??= build(env, application, request.cf?.colo);
			return gateway(request);
		},
	} satisfies ExportedHandler<PosternEnv>;
}

/** @param dataCentre that of the isolate, as Cloudflare names it */
function build(
	env: PosternEnv,
	application: Application,
	dataCentre: unknown,
): Gateway {
	const { ANALYTICS, ASSETS, CACHE, CALLER_LIMITS, CHANGE_FEED, ORIGIN } = env;
	try {
		const config = parseConfig(env);
		const app = createGateway({
			config,
			application,
			now: Date.now,
			fetch: (request) => (ORIGIN ?? globalThis).fetch(request),
			assets: ASSETS && ((request) => ASSETS.fetch(request)),
			fetchKeys: (request) => globalThis.fetch(request),
			fetchUpstream: (request) => globalThis.fetch(request),
			kv: CACHE,
			dataset: ANALYTICS,
			countsOf: CALLER_LIMITS && ((name) => CALLER_LIMITS.getByName(name)),
			locationLimit: env.REQUEST_LIMIT,
			feed: CHANGE_FEED && feedFor(CHANGE_FEED, config, dataCentre),
			sleep,
			waitUntil,
			logRequest: (line) =>
				console[line.status >= 500 ? "error" : "log"](JSON.stringify(line)),
			log: (error) => console.error(error),
		});
		return (request) => app.fetch(request);
	} catch (error) {
		console.error(error);
		// Without its CORS headers a browser shows the page nothing of it. The origins that may see it are not known.
		const app = new Hono().use(protectOwnAnswers, crossOrigin(["*"]));
		app.all("*", () => refusalResponse(new Refusal("gateway_misconfigured")));
		return (request) => app.fetch(request);
	}
}
