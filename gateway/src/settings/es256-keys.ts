// ES256 keys as JWKs (RFC 7517; RFC 7518, section 6.2): what a variable that holds one may look like.
import { z } from "zod";

/** 32 bytes in base64url. */
const number256 = (error: string) =>
	z.string(error).regex(/^[\w-]{43}$/, error);

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
	.refine((key) => !("d" in key), "holds a private key; give the public one");
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

/** Public keys only. */
export const keySet = z.object(
	{ keys: z.array(publicKey, "has no keys").min(1, "has no key") },
	"is not a key set",
);
