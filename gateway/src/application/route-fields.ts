// Schemas of what a route takes, as http/fields.ts has them, with what OpenAPI says of them.
import {
	EMAIL_PARAMETERS,
	MAX_EMAIL_CHARACTERS,
	missingOr,
	OBJECT_PARAMETERS,
	TEXT_PARAMETERS,
	textChecks,
} from "../http/fields.ts";
import "./zod.ts";
import * as z from "zod";

/** Text of 1 to `max` characters. Postgres cannot store U+0000 or half a surrogate pair. */
export function text(max: number) {
	return z
		.string(TEXT_PARAMETERS)
		.check(...textChecks(max))
		.openapi({ maxLength: max });
}

/**
 * A valid e-mail address of the HTML standard, as browsers check it, of at most as many characters as the database takes.
 * The database has the same rule: `auth.is_email`.
 */
export function emailAddress() {
	return text(MAX_EMAIL_CHARACTERS)
		.pipe(z.email(EMAIL_PARAMETERS))
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
	return z.strictObject(shape, OBJECT_PARAMETERS);
}

/** A JSON number, checked by `check` for its range. */
export function number() {
	return z.number(missingOr("has to be a number"));
}
