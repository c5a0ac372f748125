// The life of a request: routes, and what is done for all of them. Reads as the list of what Postern offers.
import { OpenAPIHono } from "@hono/zod-openapi";
import type { MiddlewareHandler } from "hono";
import { cors } from "hono/cors";
import { methodNotAllowed } from "hono/method-not-allowed";
import { createAccounts } from "./accounts/accounts.ts";
import { auth } from "./accounts/auth-routes.ts";
import { NO_ACCOUNTS, openAccounts } from "./accounts/caller-accounts.ts";
import { createIssue } from "./accounts/issue-token.ts";
import { createCache } from "./cache/cache.ts";
import { createFailOpenStore } from "./cache/fail-open-store.ts";
import { KvStore, type Namespace } from "./cache/kv-store.ts";
import { MemoryStore } from "./cache/memory-store.ts";
import { createSingleFlight } from "./cache/single-flight.ts";
import { openConsistencyScope } from "./consistency/consistency-scope.ts";
import { createFreshness } from "./consistency/freshness.ts";
import type { Feed } from "./feed/feed.ts";
import { openDatabase } from "./http/database.ts";
import { docs } from "./http/docs.ts";
import { describe, type OpenApiOptions } from "./http/openapi.ts";
import { createToRefusal } from "./http/postgrest-errors.ts";
import {
	Refusal,
	type RefusalTable,
	refusalResponse,
} from "./http/refusals.ts";
import { createRouter, type GatewayEnv, type Router } from "./http/router.ts";
import { createApiKeys } from "./identity/api-keys.ts";
import { createIdentify } from "./identity/identify.ts";
import { createVerify, type VerifyDeps } from "./identity/verify-token.ts";
import { removeHopByHop } from "./origin/headers.ts";
import { createOrigin, type Fetch } from "./origin/origin.ts";
import { createSign } from "./origin/sign.ts";
import { PIPELINE_URL, type Pipeline } from "./pipeline.ts";
import { parseCatalog } from "./planner/catalog.ts";
import { createPlanner } from "./planner/planner.ts";
import type { Config } from "./settings/settings.ts";

const REST = "/rest/v1";
const AUTH = "/auth/v1";
const KEYS = "/.well-known/jwks.json";
const MOUNT_SEGMENTS = REST.split("/").length;

/** Headers of PostgREST's, GoTrue's and the cache's that a browser's script may read. */
const EXPOSED_HEADERS = [
	"Age",
	"Cache-Status",
	"Content-Encoding",
	"Content-Location",
	"Content-Profile",
	"Content-Range",
	"Date",
	"ETag",
	"Location",
	"Postern-Explain",
	"Postern-Token",
	"Preference-Applied",
	"Proxy-Status",
	"Range-Unit",
	"Retry-After",
	"Server",
	"Server-Timing",
	"WWW-Authenticate",
	"X-Supabase-Api-Version",
];

/** An isolate has 128 MB in all. */
const MEMORY_BYTES = 33_554_432;

/** Longer than nearly every answer takes: then those who wait for it ask for themselves. */
const TURN_MS = 5_000;

/** What the read cache needs. */
export interface CacheBindings {
	feed: Feed;
	/** Keeps answers for all isolates. */
	namespace: Namespace | undefined;
	sleep: (ms: number) => Promise<void>;
	/** Work that goes on after the answer of the request at hand. */
	waitUntil: (promise: Promise<unknown>) => void;
}

/** What an application adds to the gateway. */
export interface Application {
	/** Its routers (`createRouter`), by the path that each is mounted at. */
	routes: Routes;
	/** Its own refusals, by code: the table that `defineRefusals` was given. */
	refusals: RefusalTable;
	/** The refusal of a change that would break a constraint, or leave a column null, by the name of that. */
	constraints: Readonly<Record<string, string>>;
	/** Its words in the document at /openapi.json. */
	openapi: OpenApiOptions;
}

export type Routes = Readonly<Record<string, Router>>;

/** What comes from outside. Tests hand in plain functions. */
export interface Deps extends VerifyDeps {
	config: Config;
	/** Reaches the origin. */
	fetch: Fetch;
	/** The files in worker/assets, where the runtime has them: workerd by itself does not, and then there is no /docs. */
	assets: Fetch | undefined;
	application: Application;
	/** Without it every read goes to the origin. */
	cache: CacheBindings | undefined;
	/** Takes what went wrong, for the operator; never shown to a client. */
	log: (problem: unknown) => void;
}

/** Builds the gateway; everything that configuration decides is decided here, once. */
export function createGateway(deps: Deps): OpenAPIHono<GatewayEnv> {
	const { application, config, now, fetch, assets, log } = deps;
	const origin = createOrigin(config, createSign(config, now), fetch, REST);
	const pipeline = deps.cache ? withCache(origin, deps, deps.cache) : origin;
	const nobody = { role: config.anonRole, claims: {} };
	const accounts = (pipeline: Pipeline) =>
		createAccounts(pipeline, config.bcryptCost);
	const identify = createIdentify({
		verifyToken: createVerify(config.issuers, deps),
		verifyAssertion: config.access && createVerify([config.access], deps),
		findApiKey: createApiKeys(accounts(origin).findApiKey, now),
		anonRole: config.anonRole,
	});

	const app = new OpenAPIHono<GatewayEnv>({ strict: false });
	app.use(crossOrigin(config));
	app.use(
		methodNotAllowed({
			app,
			onMethodNotAllowed: (_, methods) =>
				refusalResponse(
					new Refusal("method_not_allowed", {
						headers: { Allow: methods.join(", ") },
					}),
				),
		}),
	);

	app.get("/health", (context) => context.json({ status: "ok" }));
	app.get("/ready", async (context) => {
		const answer = await origin(
			new Request(`${PIPELINE_URL}/`, { method: "HEAD" }),
			nobody,
		);
		// 404 is PostgREST with its OpenAPI document turned off: it answered, and took the token.
		if (!answer.ok && answer.status !== 404)
			throw new Refusal("origin_not_ready", {
				details: `it answers ${answer.status}`,
			});
		return context.json({ status: "ok" });
	});

	describe(app, "/openapi.json", application.openapi);
	if (assets !== undefined) app.route("/docs", docs(assets));

	app.get(KEYS, (context) => context.json(config.tokens.jwks));

	app.use(`${AUTH}/*`, async (context, next) => {
		await next();
		// supabase-js reads the code of an error only beside this header.
		context.header("X-Supabase-Api-Version", "2024-01-01");
		context.header("Cache-Control", "no-store");
	});
	app.use(async (context, next) => {
		context.set("identity", await identify(context.req.raw));
		const session = openConsistencyScope(
			context.req.raw,
			pipeline,
			config.causalCookie,
		);
		context.set("pipeline", session.pipeline);
		await next();
		session.close(context.res.headers);
	});
	app.all(`${REST}/*`, (context) => {
		const { pathname, search } = new URL(context.req.url);
		// By segments: the route also matches where a client percent-encodes `rest` or `v1`.
		const path = `/${pathname.split("/").slice(MOUNT_SEGMENTS).join("/")}`;
		const request = new Request(PIPELINE_URL + path + search, context.req.raw);
		removeHopByHop(request.headers);
		renameProfile(request.headers, config.profileAliases);
		return context.get("pipeline")(request, context.get("identity"));
	});
	const { signingKey, issuer, jwks } = config.tokens;
	const issue =
		signingKey && createIssue({ ...config.tokens, signingKey, now });
	const routes = {
		[AUTH]: issue ? auth(jwks) : issuingOff(),
		...application.routes,
	};
	for (const [path, router] of Object.entries(routes)) {
		app.use(`${path}/*`, async (context, next) => {
			const { identity, pipeline } = context.var;
			const { headers, signal } = context.req.raw;
			context.set("database", openDatabase(pipeline, identity, { signal }));
			context.set(
				"accounts",
				issue
					? openAccounts({
							accounts: accounts(pipeline),
							issue,
							issuer,
							identity,
							// Cloudflare sets this header, whatever the client sent.
							address: headers.get("cf-connecting-ip") ?? "unknown",
						})
					: NO_ACCOUNTS,
			);
			await next();
		});
		app.route(path, router);
	}

	const toRefusal = createToRefusal({ ...application, ...config });
	app.notFound(() => refusalResponse(new Refusal("route_unknown")));
	app.onError((error, context) => {
		const refusal = toRefusal(error, context.get("identity"));
		// Of a 504 that the client wished for, there is nothing to tell.
		if (refusal.status >= 500 && refusal.code !== "not_cached")
			log(refusal.cause ?? refusal);
		return refusalResponse(refusal);
	});
	return app;
}

function withCache(
	origin: Pipeline,
	{ config, now, log }: Deps,
	{ feed, namespace, sleep, waitUntil }: CacheBindings,
): Pipeline {
	const { schemas, maxStalenessMs, explainRoles } = config;
	return createCache({
		origin,
		planner: createPlanner({ schemas, maxStalenessMs }),
		freshness: createFreshness({
			feed,
			parseCatalog,
			now,
			sleep,
			waitUntil,
			log,
		}),
		memory: new MemoryStore(MEMORY_BYTES),
		store:
			namespace &&
			createFailOpenStore({
				store: new KvStore(namespace),
				now,
				sleep,
				log,
			}),
		flights: createSingleFlight({
			now,
			sleep,
			limitMs: TURN_MS,
			maxFlights: 10_000,
		}),
		maxStalenessMs,
		explainRoles,
		now,
		waitUntil,
		log,
	});
}

function issuingOff() {
	const router = createRouter();
	router.all("/*", () => {
		throw new Refusal("issuing_off");
	});
	return router;
}

/** supabase-js asks for the schema `public`, unless it is told otherwise. */
function renameProfile(
	headers: Headers,
	aliases: ReadonlyMap<string, string>,
): void {
	for (const name of ["accept-profile", "content-profile"]) {
		const schema = aliases.get(headers.get(name) ?? "");
		if (schema !== undefined) headers.set(name, schema);
	}
}

/** Cross-origin requests (the Fetch standard's CORS protocol): with a token in a header, never with cookies. */
function crossOrigin({ corsOrigins }: Config): MiddlewareHandler {
	const answerCors = cors({
		origin: corsOrigins.includes("*") ? "*" : [...corsOrigins],
		exposeHeaders: EXPOSED_HEADERS,
		maxAge: 86_400,
	});
	return (context, next) => {
		// An OPTIONS that is no preflight is a question to PostgREST.
		const isPreflight =
			context.req.header("access-control-request-method") !== undefined;
		return context.req.method === "OPTIONS" && !isPreflight
			? next()
			: answerCors(context, next);
	};
}
