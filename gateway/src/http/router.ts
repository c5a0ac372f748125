// What the resource routes share: their router, their validation, their client of the pipeline.
import { OpenAPIHono, z } from "@hono/zod-openapi";
import type { Context, MiddlewareHandler } from "hono";
import { bodyLimit } from "hono/body-limit";
import { every } from "hono/combine";
import type { Identity } from "../identity/identity.ts";
import type { Pipeline } from "../pipeline.ts";
import { openDatabase } from "./database.ts";
import { Refusal } from "./refusals.ts";

/** What the gateway puts at every route's disposal. */
export interface GatewayEnv {
	Variables: { identity: Identity; pipeline: Pipeline };
}

/** The largest body that a resource route reads, in bytes. */
const MAX_BODY_BYTES = 65_536;

/** A router that refuses invalid input by naming each field, and ignores a trailing slash. */
export function createRouter(): OpenAPIHono<GatewayEnv> {
	return new OpenAPIHono<GatewayEnv>({
		strict: false,
		defaultHook(result) {
			if (result.success) return;
			const code =
				result.target === "json" ? "body_invalid" : "parameter_invalid";
			throw new Refusal(code, { details: describe(result.error.issues) });
		},
	});
}

/** The body, behind `jsonBody`, for routes that are not described in OpenAPI. */
export async function parse<Schema extends z.ZodType>(
	schema: Schema,
	context: Context,
): Promise<z.infer<Schema>> {
	const result = schema.safeParse(await context.req.json());
	if (result.success) return result.data;
	throw new Refusal("body_invalid", {
		details: describe(result.error.issues),
	});
}

/** `weightLbs has to be above 0; title is missing`: one fault a field, the first. The body as a whole is "it". */
function describe(issues: z.core.$ZodIssue[]): string {
	const faults = new Map<string, string>();
	for (const { path, message } of issues) {
		const field = path.join(".") || "it";
		if (!faults.has(field)) faults.set(field, `${field} ${message}`);
	}
	return [...faults.values()].join("; ");
}

/** The media type and its parameters, no wider than what the validation behind it takes. */
const JSON_MEDIA_TYPE = /^application\/json(;\s*[a-z\d-]+=[^;]+)*$/i;

/** Runs before validation: the body has to be JSON of a bounded size. */
export const jsonBody: MiddlewareHandler = every(
	async (context, next) => {
		const type = context.req.header("content-type") ?? "";
		if (!JSON_MEDIA_TYPE.test(type))
			throw new Refusal("media_type_unsupported");
		await next();
	},
	bodyLimit({
		maxSize: MAX_BODY_BYTES,
		onError: () => {
			throw new Refusal("body_too_large", {
				details: `${MAX_BODY_BYTES} bytes are the most`,
			});
		},
	}),
	async (context, next) => {
		const text = await context.req.text();
		if (text.trim() === "")
			throw new Refusal("body_malformed", { details: "it is empty" });
		try {
			JSON.parse(text);
		} catch (cause) {
			throw new Refusal("body_malformed", { cause });
		}
		await next();
	},
);

/** The database as this request's caller. */
export function database(context: Context<GatewayEnv>) {
	const { identity, pipeline } = context.var;
	const { signal } = context.req.raw;
	return openDatabase(pipeline, identity, { signal });
}

/** Text of 1 to `max` characters. Postgres cannot store U+0000 or half a surrogate pair. */
export function text(max: number) {
	return z
		.string({
			error: (issue) =>
				issue.input === undefined ? "is missing" : "has to be a string",
		})
		.min(1, "is empty")
		.refine(
			// Postgres counts code points, not UTF-16 units.
			(value) => [...value].length <= max,
			`has more than ${max} characters`,
		)
		.refine((value) => value.trim() !== "", "is blank")
		.refine((value) => !value.includes("\0"), "has a null character")
		.refine((value) => value.isWellFormed(), "is not well-formed Unicode")
		.openapi({ maxLength: max });
}

/** An e-mail address, of as many characters as the database takes. */
export function emailAddress() {
	return text(300)
		.pipe(z.email("is not an e-mail address"))
		.openapi({ format: "email" });
}

/** The id of a row in a path. Ids start at 1; Number.MAX_SAFE_INTEGER has 16 digits. */
export function rowId() {
	return z
		.string()
		.regex(/^[1-9]\d{0,14}$/, "has to be a positive whole number");
}

/** A JSON object of these fields and no others. */
export function fields<Shape extends z.core.$ZodLooseShape>(shape: Shape) {
	return z.strictObject(shape, {
		error: (issue) =>
			issue.code === "unrecognized_keys"
				? `has unknown fields: ${issue.keys.join(", ")}`
				: "has to be an object",
	});
}

/** A JSON number, checked by `check` for its range. */
export function number() {
	return z.number({
		error: (issue) =>
			issue.input === undefined ? "is missing" : "has to be a number",
	});
}
