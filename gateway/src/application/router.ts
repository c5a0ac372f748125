// The router of an application's routes: it refuses invalid input by field. What a route finds in its context is here, too.
import {
	createRoute as createOpenApiRoute,
	OpenAPIHono,
	type RouteConfig,
	type z,
} from "@hono/zod-openapi";
import type { PostgrestClient } from "@supabase/postgrest-js";
import type { Context, Hono, MiddlewareHandler } from "hono";
import { bodyLimit } from "hono/body-limit";
import { every } from "hono/combine";
import { getPathNoStrict } from "hono/utils/url";
import type { CallerAccounts } from "../accounts/caller-accounts.ts";
import { parseExactJson } from "../http/exact-json.ts";
import { Refusal } from "../http/refusals.ts";
import type { Identity } from "../identity/identity.ts";
import type { Counted } from "../limits/rate-limit-fields.ts";
import type { Pipeline } from "../pipeline.ts";

/**
 * What an application's route finds in `context.var`.
 * @template Database the schema's types, as postgrest-js takes them
 */
// biome-ignore lint/suspicious/noExplicitAny: postgrest-js's own default, a database without types
export interface RouteEnv<Database = any> {
	Variables: {
		/** Who is calling. */
		identity: Identity;
		/** The database as this caller, through the cache. Ask it with `throwOnError()`: what PostgREST refuses then becomes a refusal. */
		database: PostgrestClient<Database>;
		/** Postern's own users. Refuses with `issuing_off` where no TOKEN_SIGNING_KEY is set. */
		accounts: CallerAccounts;
	};
}

/** A router of an application with any database and routes. */
// biome-ignore lint/suspicious/noExplicitAny: Hono's type of an environment is invariant
export type Router = Hono<any>;

/** What the gateway's own routes find as well. */
export interface GatewayEnv {
	Variables: RouteEnv["Variables"] & {
		pipeline: Pipeline;
		/** What was counted of the request for its caller's limits. */
		counted?: readonly Counted[];
	};
}

/** The largest body that a resource route reads, in bytes. */
const MAX_BODY_BYTES = 65_536;

/**
 * A router that refuses invalid input by naming each field, and ignores a trailing slash.
 * @template Database types `context.var.database`
 */
// biome-ignore lint/suspicious/noExplicitAny: postgrest-js's own default, a database without types
export function createRouter<Database = any>(): OpenAPIHono<
	RouteEnv<Database>
> {
	return new OpenAPIHono<RouteEnv<Database>>({
		strict: false,
		defaultHook(result) {
			if (result.success) return;
			const code =
				result.target === "json" ? "body_invalid" : "parameter_invalid";
			throw new Refusal(code, { details: describe(result.error.issues) });
		},
	});
}

/** Parses the body, after `jsonBody`, for routes that are not described in OpenAPI. */
export async function parse<Schema extends z.ZodType>(
	schema: Schema,
	context: Context,
): Promise<z.infer<Schema>> {
	const result = schema.safeParse(parseExactJson(await context.req.text()));
	if (result.success) return result.data;
	throw new Refusal("body_invalid", {
		details: describe(result.error.issues),
	});
}

/** `weightLbs has to be above 0; title is missing`: the first fault of each field. The body as a whole is "it". */
function describe(issues: z.core.$ZodIssue[]): string {
	const faults = new Map<string, string>();
	for (const { path, message } of issues) {
		const field = path.join(".") || "it";
		if (!faults.has(field)) faults.set(field, `${field} ${message}`);
	}
	return [...faults.values()].join("; ");
}

const JSON_TYPE = "application/json";

/** Names of UTF-8, in which JSON is exchanged (RFC 8259, section 8.1), and of its part ASCII. */
const UTF_8 = /^(utf-?8|us-ascii)$/i;

/** Refuses a Content-Type that is not JSON's. Its parameters other than charset mean nothing, in any form. */
function checkMediaType(contentType: string): void {
	const [type = "", ...parameters] = contentType.split(";");
	if (type.trim().toLowerCase() !== JSON_TYPE)
		throw new Refusal("media_type_unsupported");
	for (const parameter of parameters) {
		const charset = /^\s*charset\s*=\s*"?([^"]*)"?\s*$/i.exec(parameter)?.[1];
		if (charset !== undefined && !UTF_8.test(charset.trim()))
			throw new Refusal("media_type_unsupported", {
				details: "its charset has to be UTF-8",
			});
	}
}

const limitBody = bodyLimit({
	maxSize: MAX_BODY_BYTES,
	onError: () => {
		throw new Refusal("body_too_large", {
			details: `the limit is ${MAX_BODY_BYTES} bytes`,
		});
	},
});

async function readText(context: Context): Promise<string> {
	try {
		await limitBody(context, async () => {});
		return await context.req.text();
	} catch (cause) {
		if (cause instanceof Refusal) throw cause;
		throw new Refusal("body_malformed", { cause, details: "it breaks off" });
	}
}

/** Runs before validation: refuses a body that is not JSON, or too large. */
export const jsonBody: MiddlewareHandler = every(
	async (context, next) => {
		checkMediaType(context.req.header("content-type") ?? "");
		// The validator that follows knows fewer forms of it.
		const headers = new Headers(context.req.raw.headers);
		headers.set("Content-Type", JSON_TYPE);
		context.req.raw = new Request(context.req.raw, { headers });
		await next();
	},
	async (context, next) => {
		const text = await readText(context);
		if (text.trim() === "")
			throw new Refusal("body_malformed", { details: "it is empty" });
		try {
			JSON.parse(text);
		} catch (cause) {
			throw new Refusal("body_malformed", { cause, details: "it is not JSON" });
		}
		await next();
	},
);

/** A route with its description. If it has a JSON body, the body is refused unless it is JSON of a bounded size. */
export function createRoute<
	Path extends string,
	Config extends Omit<RouteConfig, "path"> & { path: Path },
>(config: Config) {
	const { middleware = [] } = config;
	return createOpenApiRoute<Path, Config>(
		config.request?.body === undefined
			? config
			: { ...config, middleware: [jsonBody, middleware].flat() },
	);
}

/**
 * The path that a route is chosen by: that of the parsed URL, which is the one that `/rest/v1` hands on. The parser removes dot
 * segments, also percent-encoded ones, and takes `\` for `/`. The router's own reading does neither, so it could choose a route
 * for one path and the origin be asked for another. It has no trailing slash. A text that is no URL, because its Host is none,
 * has the root for a path.
 */
export function pathOf(request: Request): string {
	const url = URL.parse(request.url);
	// Hono reads nothing else of the request.
	return url === null ? "/" : getPathNoStrict({ url: url.href } as Request);
}
