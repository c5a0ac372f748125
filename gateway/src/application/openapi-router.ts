// The router of an application's routes, which describe themselves for OpenAPI: it refuses invalid input by field.

import { type Handler, Hono } from "hono";
import { mergePath } from "hono/utils/url";
import { jsonBody } from "./json-body.ts";
import { type Described, toTemplate } from "./openapi.ts";
import { describeRoutes } from "./openapi-document.ts";
import { checksOf } from "./request-parts.ts";
import type { OpenApiRouter, RouteConfig } from "./route-types.ts";
import type { RouteEnv } from "./router.ts";

/**
 * A router that refuses invalid input by naming each field, and ignores a trailing slash.
 * @template Database types `context.var.database`
 */
// biome-ignore lint/suspicious/noExplicitAny: postgrest-js's own default, a database without types
export function createRouter<Database = any>(): OpenApiRouter<
	RouteEnv<Database>
> {
	// `openapi` has the types of the description only where it is called.
	return new DescribedRouter({
		strict: false,
	}) as unknown as OpenApiRouter<RouteEnv<Database>>;
}

/** A route with its description, for `openapi`. */
export function createRoute<
	Path extends string,
	Config extends Omit<RouteConfig, "path"> & { path: Path },
>(config: Config): Config {
	return config;
}

class DescribedRouter extends Hono implements Described {
	/** Its own routes, and those of the routers mounted in it. */
	readonly #described: RouteConfig[] = [];

	/** If the route has a body, it is refused unless it is JSON of a bounded size. */
	openapi(route: RouteConfig, handler: Handler): this {
		const { method, path, request, middleware = [], hide } = route;
		if (hide !== true) this.#described.push(route);
		this.on(
			[method],
			[path.replaceAll(/\/\{(.+?)\}/g, "/:$1")],
			...(request?.body ? [jsonBody] : []),
			...[middleware].flat(),
			...checksOf(route),
			handler,
		);
		return this;
	}

	/** Mounts a router, and describes its routes. */
	// biome-ignore lint/suspicious/noExplicitAny: a router of any environment
	override route(path: string, app: Hono<any, any, any>): any {
		super.route(path, app);
		if (app instanceof DescribedRouter)
			this.#described.push(
				...app.#described.map((route) => below(path, route)),
			);
		return this;
	}

	getOpenAPI31Document() {
		return describeRoutes(this.#described);
	}
}

function below(mount: string, route: RouteConfig): RouteConfig {
	return { ...route, path: mergePath(toTemplate(mount), route.path) };
}
