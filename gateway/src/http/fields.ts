// Schemas of what a request's body holds, with messages that follow a field's name: "title is missing".
import * as z from "zod/mini";
import { isJsonObject } from "./exact-json.ts";

/** E-mail addresses of the HTML standard: `z.regexes.html5Email`, without the other expressions. */
const EMAIL =
	/^[a-zA-Z0-9.!#$%&'*+/=?^_`{|}~-]+@[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?)*$/;

/** The most characters of an e-mail address that the database takes. */
export const MAX_EMAIL_CHARACTERS = 300;

/** The message where a field is missing, or of another type: without one the schema's, or zod's. */
export function missingOr(message?: string) {
	return {
		error: ({ input }: { input?: unknown }) =>
			input === undefined ? "is missing" : message,
	};
}

/** Text of 1 to `max` characters. Postgres cannot store U+0000 or half a surrogate pair. */
export function text(max: number) {
	return z.string(missingOr("has to be a string")).check(
		z.minLength(1, "is empty"),
		z.refine(
			// Postgres counts code points, not UTF-16 units.
			(value) => [...value].length <= max,
			`has more than ${max} characters`,
		),
		z.refine((value) => value.trim() !== "", "is blank"),
		z.refine((value) => !value.includes("\0"), "has a null character"),
		z.refine((value) => value.isWellFormed(), "is not well-formed Unicode"),
	);
}

export function emailAddress() {
	return text(MAX_EMAIL_CHARACTERS).check(
		z.regex(EMAIL, "is not an e-mail address"),
	);
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
