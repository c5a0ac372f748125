// Schemas of what a request's body holds, with messages that follow a field's name: "title is missing".
import * as z from "zod/mini";
import { isJsonObject } from "./exact-json.ts";

/** E-mail addresses of the HTML standard: `z.regexes.html5Email`, without the other expressions. */
const EMAIL =
	/^[a-zA-Z0-9.!#$%&'*+/=?^_`{|}~-]+@[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?)*$/;

export const EMAIL_PARAMETERS = {
	pattern: EMAIL,
	error: "is not an e-mail address",
};

/** The most characters of an e-mail address that the database takes. */
export const MAX_EMAIL_CHARACTERS = 300;

/** The message where a field is missing, or of another type. */
export function missingOr(message: string) {
	return {
		error: ({ input }: { input?: unknown }) =>
			input === undefined ? "is missing" : message,
	};
}

export const TEXT_PARAMETERS = missingOr("has to be a string");

/** Checks that a text has 1 to `max` characters. Postgres cannot store U+0000 or half a surrogate pair. */
export function textChecks(max: number) {
	return [
		z.minLength(1, "is empty"),
		z.refine<string>(
			// Postgres counts code points, not UTF-16 units.
			(value) => [...value].length <= max,
			`has more than ${max} characters`,
		),
		z.refine<string>((value) => value.trim() !== "", "is blank"),
		z.refine<string>((value) => !value.includes("\0"), "has a null character"),
		z.refine<string>(
			(value) => value.isWellFormed(),
			"is not well-formed Unicode",
		),
	] as const;
}

export function text(max: number) {
	return z.string(TEXT_PARAMETERS).check(...textChecks(max));
}

export function emailAddress() {
	return z.pipe(text(MAX_EMAIL_CHARACTERS), z.email(EMAIL_PARAMETERS));
}

/** What is said of a value that is no object, or has a field that it must not have. */
export const OBJECT_PARAMETERS = {
	error: (issue: z.core.$ZodRawIssue) =>
		issue.code === "unrecognized_keys"
			? `has unknown fields: ${issue.keys.join(", ")}`
			: "has to be an object",
};

/** A JSON object of these fields and no others. */
export function fields<Shape extends z.core.$ZodLooseShape>(shape: Shape) {
	return z.strictObject(shape, OBJECT_PARAMETERS);
}

/** Any JSON object, kept as it is. `z.record` would leave out a field named "__proto__". */
export function jsonObject() {
	return z.custom<Record<string, unknown>>(isJsonObject, "has to be an object");
}
