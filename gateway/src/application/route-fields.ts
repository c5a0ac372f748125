// Schemas of what a route takes, as http/fields.ts has them, with what OpenAPI says of them.
import * as z from "zod/mini";
import * as plain from "../http/fields.ts";

export { fields } from "../http/fields.ts";

/** Text of 1 to `max` characters. Postgres cannot store U+0000 or half a surrogate pair. */
export function text(max: number) {
	return plain.text(max).with(z.meta({ maxLength: max }));
}

/**
 * A valid e-mail address of the HTML standard, as browsers check it, of at most as many characters as the database takes.
 * The database has the same rule: `auth.is_email`.
 */
export function emailAddress() {
	return plain
		.emailAddress()
		.with(z.meta({ format: "email", maxLength: plain.MAX_EMAIL_CHARACTERS }));
}

/** The id of a row in a path. Ids start at 1; Number.MAX_SAFE_INTEGER has 16 digits. */
export function rowId() {
	return z
		.string()
		.check(z.regex(/^[1-9]\d{0,14}$/, "has to be a positive whole number"));
}

/** A JSON number. */
export function number() {
	return z.number(plain.missingOr("has to be a number"));
}

/** A whole JSON number from `min` to `max`. */
export function wholeNumber(min: number, max: number) {
	return number().check(
		z.minimum(min, `is below ${min}`),
		z.maximum(max, `is above ${max}`),
		z.int("has to be a whole number"),
	);
}

/** A moment as PostgREST answers a `timestamptz`. Its form is described, not checked. */
export function timestamp() {
	return z.string().with(z.meta({ format: "date-time" }));
}
