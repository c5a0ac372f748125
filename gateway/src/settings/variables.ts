// What single variables may hold: the schemas that the settings are made of. Never repeats the value of a secret in an error.
import { z } from "zod";

/** Roles that no credential of a caller may name: they are the database's own. */
const RESERVED_ROLES = ["authenticator", "postern", "postgres"];

const LOOPBACK = new Set(["localhost", "127.0.0.1", "[::1]"]);

/** Whether plain http to this URL stays on this machine. */
export function isEncryptedOrLocal({ protocol, hostname }: URL): boolean {
	return protocol === "https:" || LOOPBACK.has(hostname);
}

/** Any http(s) URL. */
export const httpUrl = z
	.url({ protocol: /^https?$/, error: "is not an http(s) URL" })
	.transform((text) => new URL(text));

/** A URL, where plain http is for this machine only. */
export const encryptedUrl = httpUrl.refine(
	isEncryptedOrLocal,
	"is plain http to another machine",
);

/** A scheme and a host: what comes after them is added by the gateway. */
export const hostUrl = encryptedUrl.refine(
	({ href, origin }) => href === `${origin}/`,
	"has more than a host",
);

/** A text that is not empty. */
export const word = z.string("is not text").min(1, "is empty");

/** A credential that is sent as a header's value. */
export const headerSecret = word.regex(
	/^[\x21-\x7e]*$/,
	"has a character that is no visible ASCII",
);

/** A secret for HS256. RFC 7518, section 3.2: a key of the hash's size, at least. */
export const sharedSecret = z
	.string("is not text")
	.min(32, "is shorter than 32 characters");

/** A role that a caller may have. */
export const callersRole = word.refine(
	(role) => !RESERVED_ROLES.includes(role),
	`names a role that no caller may have (${RESERVED_ROLES.join(", ")})`,
);

export const onOrOff = z.enum(["on", "off"], "is neither on nor off");

/** A list with commas. */
export const words = z
	.string("is not text")
	.transform((text) => text.split(",").map((word) => word.trim()))
	.refine((list) => list.every((word) => word !== ""), "has an empty entry");

export function wholeNumber(min: number, max: number) {
	return z.coerce
		.number("is not a number")
		.int("is not a whole number")
		.min(min, `is below ${min}`)
		.max(max, `is above ${max}`);
}

/** A schema for a variable that holds JSON. */
export function json<Schema extends z.ZodType>(schema: Schema) {
	return z
		.string("is not text")
		.transform((text, context): unknown => {
			try {
				return JSON.parse(text);
			} catch {
				context.addIssue("is not JSON");
				return z.NEVER;
			}
		})
		.pipe(schema);
}
