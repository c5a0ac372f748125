// Keys as JWKs (RFC 7517; RFC 7518, section 6): what a variable that holds one may look like.
import type { JWK } from "jose";
import * as z from "zod/mini";
import { fault } from "./variables.ts";

/** 32 bytes in base64url. */
const number256 = (error: string) =>
	z.string(error).check(z.regex(/^[\w-]{43}$/, error));

const publicKey = z
	.looseObject(
		{
			kty: z.literal("EC", "has a key that is not an EC key"),
			crv: z.literal("P-256", "has a key that is not on P-256"),
			kid: z.string("has a key without kid"),
			x: number256("has a key without a valid x"),
			y: number256("has a key without a valid y"),
		},
		"has a key that is not an object",
	)
	.check(
		z.refine(
			(key) => !("d" in key),
			"holds a private key; give the public one",
		),
	);
/** With `d`, to sign with. */
export const privateKey = z.looseObject(
	{
		kty: z.literal("EC", "is not an EC key"),
		crv: z.literal("P-256", "is not on P-256"),
		kid: z.string("has no kid"),
		x: number256("has no valid x"),
		y: number256("has no valid y"),
		d: number256("is not a private key"),
	},
	"is not a key",
);

const rsaKey = z.lazy(() =>
	z.looseObject({
		kty: z.literal("RSA"),
		kid: z.string("has no kid"),
		...Object.fromEntries(
			["n", "e", "d", "p", "q", "dp", "dq", "qi"].map((name) => [
				name,
				z
					.string(`has no valid ${name}`)
					.check(z.regex(/^[\w-]+$/, `has no valid ${name}`)),
			]),
		),
	}),
);

/** What origin tokens may be signed with: ES256, or RS256. */
export const originKey = z.pipe(
	z.looseObject({}, "is not a key"),
	z.transform((key: Record<string, unknown>, { issues }): JWK => {
		const schema = key.kty === "RSA" ? rsaKey : privateKey;
		const { data, error } = schema.safeParse(key, { jitless: true });
		if (data !== undefined) return data;
		for (const { message, path } of error.issues)
			issues.push(fault(message, key, path));
		return z.NEVER;
	}),
);

/** Public keys only. */
export const keySet = z.object(
	{
		keys: z.array(publicKey, "has no keys").check(z.minLength(1, "has no key")),
	},
	"is not a key set",
);

/** What no one but the gateway and PostgREST may know of the key that signs origin tokens. */
export function secretOf({ d, k }: JWK): string {
	const secret = d ?? k;
	if (secret === undefined) throw new Error("The origin's key is not private");
	return secret;
}
