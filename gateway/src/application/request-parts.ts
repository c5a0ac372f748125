// The parts of a request that a route describes: refuses what does not fit by field, and keeps the rest for `context.req.valid`.
import type { Context, MiddlewareHandler, ValidationTargets } from "hono";
import { getCookie } from "hono/cookie";
import { type core, safeParseAsync } from "zod/mini";
import { missingOr } from "../http/fields.ts";
import { Refusal, type RefusalCode } from "../http/refusals.ts";
import { describeFaults } from "./json-body.ts";
import { isZod } from "./openapi-document.ts";
import type { RouteConfig } from "./route-types.ts";

/** The checks of a route's request. `@hono/zod-validator` would bring forms in, and make a second request of each body. */
export function checksOf({ request = {} }: RouteConfig): MiddlewareHandler[] {
	const { query, params, headers, cookies, body } = request;
	const bodies = Object.values(body?.content ?? {});
	const lists = listsIn(query);
	return [
		...check("query", query, ({ req }) => queryOf(req, lists)),
		...check("param", params, ({ req }) => req.param()),
		...check("header", headers, ({ req }) => headersOf(req, headers)),
		...check("cookie", cookies, getCookie),
		...bodies.flatMap(({ schema }) =>
			// A schema in JSON checks nothing.
			isZod(schema) ? check("json", schema, ({ req }) => req.json()) : [],
		),
	];
}

const REFUSED_WITH: Partial<Record<keyof ValidationTargets, RefusalCode>> = {
	json: "body_invalid",
	header: "header_malformed",
	cookie: "header_malformed",
};

function check(
	target: keyof ValidationTargets,
	schema: core.$ZodType | undefined,
	read: (context: Context) => unknown,
): MiddlewareHandler[] {
	if (schema === undefined) return [];
	return [
		async (context, next) => {
			const value = await read(context);
			const result = await safeParseAsync(schema, value, missingOr());
			if (!result.success)
				throw new Refusal(REFUSED_WITH[target] ?? "parameter_invalid", {
					details: describeFaults(result.error.issues),
				});
			context.req.addValidatedData(target, result.data as object);
			await next();
		},
	];
}

/** A parameter that occurs once is a text, unless it is one of the lists. */
function queryOf(req: Context["req"], lists: readonly string[]) {
	return Object.fromEntries(
		Object.entries(req.queries()).map(([name, values]) => [
			name,
			values.length === 1 && !lists.includes(name) ? values[0] : values,
		]),
	);
}

/** The names of the parameters that the schema takes lists for. */
function listsIn(schema: core.$ZodObject | undefined): string[] {
	const parameters = Object.entries(schema?._zod.def.shape ?? {});
	return parameters
		.filter(([, parameter]) => isList(parameter))
		.map(([name]) => name);
}

function isList(schema: core.$ZodType): boolean {
	const { def } = (schema as core.$ZodTypes)._zod;
	if (def.type === "array") return true;
	if (def.type === "pipe") return isList(def.in);
	return "innerType" in def && isList(def.innerType);
}

/** The schema's headers, whose names are the same in capital and small letters. */
function headersOf(req: Context["req"], schema: core.$ZodObject | undefined) {
	const names = Object.keys(schema?._zod.def.shape ?? {});
	return Object.fromEntries(names.map((name) => [name, req.header(name)]));
}
