// Bodies in JSON: refuses what is none, and what a schema does not take, by field.
import type { Context, MiddlewareHandler } from "hono";
import { bodyLimit } from "hono/body-limit";
import { every } from "hono/combine";
import type * as z from "zod/mini";
import { parseExactJson } from "../http/exact-json.ts";
import { Refusal } from "../http/refusals.ts";

/** The largest body that a resource route reads, in bytes. */
const MAX_BODY_BYTES = 65_536;

/** Parses the body, after `jsonBody`, for routes that are not described in OpenAPI. */
export async function parse<Schema extends z.ZodMiniType>(
	schema: Schema,
	context: Context,
): Promise<z.infer<Schema>> {
	const result = schema.safeParse(parseExactJson(await context.req.text()));
	if (result.success) return result.data;
	throw new Refusal("body_invalid", {
		details: describeFaults(result.error.issues),
	});
}

/** `weightLbs has to be above 0; title is missing`: the first fault of each field. The body as a whole is "it". */
export function describeFaults(issues: readonly z.core.$ZodIssue[]): string {
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
