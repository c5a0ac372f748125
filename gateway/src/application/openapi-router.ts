// The router of an application's routes, which describe themselves for OpenAPI: it refuses invalid input by field.
// The class of @hono/zod-openapi would put all of zod into the Worker, more than everything else together. Its types are used.
import {
	OpenAPIRegistry,
	OpenApiGeneratorV31,
} from "@asteasolutions/zod-to-openapi";
import type { OpenAPIHono, RouteConfig } from "@hono/zod-openapi";
import { zValidator } from "@hono/zod-validator";
import {
	type Env,
	type Handler,
	Hono,
	type MiddlewareHandler,
	type ValidationTargets,
} from "hono";
import { mergePath } from "hono/utils/url";
import type { ZodType } from "zod";
import { Refusal } from "../http/refusals.ts";
import { describeFaults, jsonBody } from "./json-body.ts";
import { type Described, toTemplate } from "./openapi.ts";
import type { RouteEnv } from "./router.ts";

/** Hono's router, with routes that describe themselves. */
export interface OpenApiRouter<Own extends Env> extends Hono<Own> {
	readonly openapi: OpenAPIHono<Own>["openapi"];
}

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

/** A route with its description. If it has a JSON body, the body is refused unless it is JSON of a bounded size. */
export function createRoute<
	Path extends string,
	Config extends Omit<RouteConfig, "path"> & { path: Path },
>(config: Config): Config {
	const { middleware = [] } = config;
	return config.request?.body === undefined
		? config
		: { ...config, middleware: [jsonBody, middleware].flat() };
}

class DescribedRouter extends Hono implements Described {
	readonly openAPIRegistry = new OpenAPIRegistry();
	readonly #mounted: [string, DescribedRouter][] = [];

	openapi(
		{ middleware = [], hide, ...route }: RouteConfig,
		handler: Handler,
		hook: Hook = refuseInvalid,
	): this {
		if (hide !== true) this.openAPIRegistry.registerPath(route);
		const path = route.path.replaceAll(/\/\{(.+?)\}/g, "/:$1");
		this.on(
			[route.method],
			[path],
			...[middleware].flat(),
			...validatorsOf(route, hook),
			handler,
		);
		return this;
	}

	/** Mounts a router, and describes its routes. */
	// biome-ignore lint/suspicious/noExplicitAny: a router of any environment
	override route(path: string, app: Hono<any, any, any>): any {
		super.route(path, app);
		if (app instanceof DescribedRouter) this.#mounted.push([path, app]);
		return this;
	}

	getOpenAPI31Document(head: Parameters<Described["getOpenAPI31Document"]>[0]) {
		return new OpenApiGeneratorV31(this.#definitions()).generateDocument(head);
	}

	#definitions(): OpenAPIRegistry["definitions"] {
		const mounted = this.#mounted.flatMap(([path, router]) =>
			router
				.#definitions()
				.map((definition) =>
					definition.type === "route"
						? { ...definition, route: below(path, definition.route) }
						: definition,
				),
		);
		return [...this.openAPIRegistry.definitions, ...mounted];
	}
}

function below<Route extends { path: string }>(mount: string, route: Route) {
	return { ...route, path: mergePath(toTemplate(mount), route.path) };
}

type Hook = (result: Validated) => void;

type Validated =
	| { success: true; target: string }
	| {
			success: false;
			target: string;
			error: { issues: Parameters<typeof describeFaults>[0] };
	  };

function refuseInvalid(result: Validated): void {
	if (result.success) return;
	const code = result.target === "json" ? "body_invalid" : "parameter_invalid";
	throw new Refusal(code, { details: describeFaults(result.error.issues) });
}

function validatorsOf(
	{ request = {} }: Pick<RouteConfig, "request">,
	hook: Hook,
): MiddlewareHandler[] {
	const { query, params, headers, cookies, body } = request;
	const ofBody = Object.values(body?.content ?? {}).map(
		(media) => media && "schema" in media && media.schema,
	);
	const schemas: [keyof ValidationTargets, unknown][] = [
		["query", query],
		["param", params],
		["header", headers],
		["cookie", cookies],
		...ofBody.map((schema): ["json", unknown] => ["json", schema]),
	];
	return schemas.flatMap(([target, schema]) =>
		isSchema(schema) ? [zValidator(target, schema, hook)] : [],
	);
}

/** A body may be described by a JSON Schema instead, which checks nothing. */
function isSchema(schema: unknown): schema is ZodType {
	return (
		typeof schema === "object" && schema !== null && "safeParseAsync" in schema
	);
}
