// The parts of a request that a route describes: refuses what does not fit by field, and keeps the rest for `context.req.valid`.
import type { Context, MiddlewareHandler, ValidationTargets } from "hono";
import { getCookie } from "hono/cookie";
import { type core, safeParseAsync } from "zod/mini";
import { Refusal } from "../http/refusals.ts";
import { describeFaults } from "./json-body.ts";
import { isZod } from "./openapi-document.ts";
import type { RouteConfig } from "./route-types.ts";

/** The checks of a route's request. `@hono/zod-validator` would bring forms in, and make a second request of each body. */
export function checksOf({ request = {} }: RouteConfig): MiddlewareHandler[] {
	const { query, params, headers, cookies, body } = request;
	const bodies = Object.values(body?.content ?? {});
	return [
		...check("query", query, ({ req }) => withoutLists(req.queries())),
		...check("param", params, ({ req }) => req.param()),
		...check("header", headers, ({ req }) => headersOf(req, headers)),
		...check("cookie", cookies, getCookie),
		...bodies.flatMap(({ schema }) =>
			// A schema in JSON checks nothing.
			isZod(schema) ? check("json", schema, ({ req }) => req.json()) : [],
		),
	];
}

function check(
	target: keyof ValidationTargets,
	schema: core.$ZodType | undefined,
	read: (context: Context) => unknown,
): MiddlewareHandler[] {
	if (schema === undefined) return [];
	const code = target === "json" ? "body_invalid" : "parameter_invalid";
	return [
		async (context, next) => {
			const result = await safeParseAsync(schema, await read(context));
			if (!result.success)
				throw new Refusal(code, {
					details: describeFaults(result.error.issues),
				});
			context.req.addValidatedData(target, result.data as object);
			await next();
		},
	];
}

/** A parameter that occurs once is a text, and no list. */
function withoutLists(queries: Record<string, string[]>) {
	const entries = Object.entries(queries);
	return Object.fromEntries(
		entries.map(([name, [first, ...rest]]) => [
			name,
			rest.length === 0 ? first : [first, ...rest],
		]),
	);
}

/** The schema's headers, whose names are the same in capital and small letters. */
function headersOf(req: Context["req"], schema: core.$ZodObject | undefined) {
	const names = Object.keys(schema?._zod.def.shape ?? {});
	return Object.fromEntries(names.map((name) => [name, req.header(name)]));
}
