// The life of a request: routes, and what is done for all of them. Reads as the list of what Postern offers.
import type { OpenAPIHono } from "@hono/zod-openapi";
import type { MiddlewareHandler } from "hono";
import { cors } from "hono/cors";
import { methodNotAllowed } from "hono/method-not-allowed";
import type { Config } from "./config.ts";
import { createIdentify } from "./identity/identify.ts";
import { createOrigin, type Fetch } from "./origin/origin.ts";
import { createSign } from "./origin/sign.ts";
import { PIPELINE_URL } from "./pipeline.ts";
import { Refusal, refusalResponse } from "./refusals.ts";
import { toRefusal } from "./resources/postgrest-errors.ts";
import { products } from "./resources/products.ts";
import { rescues, shared } from "./resources/rescues.ts";
import { createRouter, type GatewayEnv } from "./resources/router.ts";

const REST = "/rest/v1";
const MOUNT_SEGMENTS = REST.split("/").length;

/** Headers of PostgREST's that a browser's script may read. */
const EXPOSED_HEADERS = [
	"Content-Location",
	"Content-Profile",
	"Content-Range",
	"Location",
	"Preference-Applied",
	"Proxy-Status",
	"Range-Unit",
	"Server-Timing",
	"WWW-Authenticate",
];

/** What comes from outside. Tests hand in plain functions. */
export interface Deps {
	config: Config;
	/** The clock, in milliseconds since the epoch. */
	now: () => number;
	/** Reaches the origin. */
	fetch: Fetch;
	/** Takes what went wrong, for the operator; never shown to a client. */
	log: (problem: unknown) => void;
}

/** Builds the gateway; everything that configuration decides is decided here, once. */
export function createGateway({
	config,
	now,
	fetch,
	log,
}: Deps): OpenAPIHono<GatewayEnv> {
	const identify = createIdentify(config, now);
	const pipeline = createOrigin(config, createSign(config, now), fetch, REST);
	const nobody = { role: config.anonRole, claims: {} };

	const app = createRouter();
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
		const answer = await pipeline(
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

	app.doc31("/openapi.json", {
		openapi: "3.1.0",
		info: { title: "Postern", version: "1" },
	});

	app.use(async (context, next) => {
		context.set("identity", await identify(context.req.raw));
		context.set("pipeline", pipeline);
		await next();
	});
	app.all(`${REST}/*`, (context) => {
		const { pathname, search } = new URL(context.req.url);
		// By segments: the route also matches where a client percent-encodes `rest` or `v1`.
		const path = `/${pathname.split("/").slice(MOUNT_SEGMENTS).join("/")}`;
		return pipeline(
			new Request(PIPELINE_URL + path + search, context.req.raw),
			context.get("identity"),
		);
	});
	app.route("/products", products());
	app.route("/rescues", rescues());
	app.route("/shared-data", shared());

	app.notFound(() => refusalResponse(new Refusal("route_unknown")));
	app.onError((error, context) => {
		const refusal = toRefusal(error, context.get("identity"), config);
		if (refusal.status >= 500) log(refusal.cause ?? refusal);
		return refusalResponse(refusal);
	});
	return app;
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
