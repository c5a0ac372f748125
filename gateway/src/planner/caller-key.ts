// The part of a caller that an answer depends on: the role, and the claims that policies, views and functions read.
import type { Identity } from "../identity/identity.ts";

export interface CallerKey {
	readonly role: string;
	/** A claim that the caller does not have is not there. */
	readonly claims: Readonly<Record<string, unknown>>;
}

/** What the origin's token says of these, whoever the caller is: see origin/sign.ts. */
const AUDIENCE = "postgrest";

/** @param names of claims, sorted */
export function callerKeyOf(
	{ role, claims }: Identity,
	names: readonly string[],
): CallerKey {
	const known = names
		.map((name): [string, unknown] => {
			if (name === "role") return [name, role];
			if (name === "aud") return [name, AUDIENCE];
			// Not what every object has, such as a constructor.
			return [name, Object.hasOwn(claims, name) ? claims[name] : undefined];
		})
		// JSON has no undefined, and so neither has the token.
		.filter(([, value]) => value !== undefined);
	return { role, claims: Object.fromEntries(known) };
}
