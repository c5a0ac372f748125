// The part of a caller that an answer depends on: the role, and the claims that policies, views and functions read.
import type { Identity } from "../identity/identity.ts";

export interface CallerKey {
	readonly role: string;
	/** A claim that the caller does not have is absent. */
	readonly claims: Readonly<Record<string, unknown>>;
}

/**
 * @param names of the claims that the answer depends on, sorted
 * @param audience of the caller's origin token
 */
export function callerKeyOf(
	{ role, claims }: Identity,
	names: readonly string[],
	audience: unknown,
): CallerKey {
	const known = names
		.map((name): [string, unknown] => {
			if (name === "role") return [name, role];
			if (name === "aud") return [name, audience];
			// A claim named "constructor" must not find the object's own property of that name.
			return [name, Object.hasOwn(claims, name) ? claims[name] : undefined];
		})
		// JSON has no undefined, so the origin token does not carry these either.
		.filter(([, value]) => value !== undefined);
	return { role, claims: Object.fromEntries(known) };
}
