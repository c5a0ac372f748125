// Schemas of what a route takes, with messages that follow a field's name: "title is missing".
import { z } from "@hono/zod-openapi";
import { isJsonObject } from "./exact-json.ts";

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

/**
 * A valid e-mail address of the HTML standard, as browsers check it, of at most as many characters as the database takes.
 * The database has the same rule: `auth.is_email`.
 */
export function emailAddress() {
	return text(300)
		.pipe(
			z.email({
				pattern: z.regexes.html5Email,
				error: "is not an e-mail address",
			}),
		)
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

/** Any JSON object, kept as it is. `z.record` would leave out a field named "__proto__". */
export function jsonObject() {
	return z.custom<Record<string, unknown>>(isJsonObject, "has to be an object");
}

/** A JSON number, checked by `check` for its range. */
export function number() {
	return z.number({
		error: (issue) =>
			issue.input === undefined ? "is missing" : "has to be a number",
	});
}
