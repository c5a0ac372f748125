// What single variables may hold: the schemas that the settings are made of. Never repeats the value of a secret in an error.
import * as z from "zod/mini";

/** Roles that no credential of a caller may name: they are the database's own. */
const RESERVED_ROLES = ["authenticator", "postern", "postgres"];

const LOOPBACK = new Set(["localhost", "127.0.0.1", "[::1]"]);

/** Whether plain http to this URL stays on this machine. */
export function isEncryptedOrLocal({ protocol, hostname }: URL): boolean {
	return protocol === "https:" || LOOPBACK.has(hostname);
}

/** Any http(s) URL. */
export const httpUrl = z.pipe(
	z.url({ protocol: /^https?$/, error: "is not an http(s) URL" }),
	z.transform((text: string) => new URL(text)),
);

/** A URL, where plain http is for this machine only. */
export const encryptedUrl = httpUrl.check(
	z.refine(isEncryptedOrLocal, "is plain http to another machine"),
);

/** A scheme and a host: what comes after them is added by the gateway. */
export const hostUrl = encryptedUrl.check(
	z.refine(({ href, origin }) => href === `${origin}/`, "has more than a host"),
);

/** A text that is not empty. */
export const word = z.string("is not text").check(z.minLength(1, "is empty"));

/** A credential that is sent as a header's value. */
export const headerSecret = word.check(
	z.regex(/^[\x21-\x7e]*$/, "has a character that is no visible ASCII"),
);

/** A secret for HS256. RFC 7518, section 3.2: a key of the hash's size, at least. */
export const sharedSecret = z
	.string("is not text")
	.check(z.minLength(32, "is shorter than 32 characters"));

/** A role that a caller may have. */
export const callersRole = word.check(
	z.refine(
		(role) => !RESERVED_ROLES.includes(role),
		`names a role that no caller may have (${RESERVED_ROLES.join(", ")})`,
	),
);

export const onOrOff = z.enum(["on", "off"], "is neither on nor off");

/** A list with commas. */
export const words = z
	.pipe(
		z.string("is not text"),
		z.transform((text: string) => text.split(",").map((word) => word.trim())),
	)
	.check(
		z.refine((list) => list.every((word) => word !== ""), "has an empty entry"),
	);

/** Not by `z.coerce`, which would bring dates and bigints into the Worker. */
export function wholeNumber(min: number, max: number) {
	return z.pipe(
		z.transform(Number),
		z
			.number("is not a number")
			.check(
				z.int("is not a whole number"),
				z.minimum(min, `is below ${min}`),
				z.maximum(max, `is above ${max}`),
			),
	);
}

/** A schema for a variable that holds JSON. */
export function json<Schema extends z.ZodMiniType>(schema: Schema) {
	const parsed = z.pipe(
		z.string("is not text"),
		z.transform((text: string, { issues }): unknown => {
			try {
				return JSON.parse(text);
			} catch {
				issues.push(fault("is not JSON", text));
				return z.NEVER;
			}
		}),
	);
	return z.pipe(parsed, schema);
}

/** What a transformation finds wrong. */
export function fault(
	message: string,
	input: unknown,
	path: readonly PropertyKey[] = [],
): z.core.$ZodRawIssue {
	return { code: "custom", message, input, path: [...path] };
}
