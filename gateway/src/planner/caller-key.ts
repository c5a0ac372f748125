// The part of a caller that an answer depends on: the role, and the claims, headers and cookies that policies, views and functions
// read.

import type { CallerReads } from "../feed/catalog-shape.ts";
import type { Identity } from "../identity/identity.ts";
import { withoutOwnCookies } from "../origin/headers.ts";

export interface CallerKey {
	readonly role: string;
	/** By path. A claim that the caller does not have is absent. */
	readonly claims: Readonly<Record<string, unknown>>;
	/** Headers by name; `cookie NAME` for the parts of Cookie that may be about this cookie. */
	readonly headers: Readonly<Record<string, string>>;
}

/**
 * @param reads what the answer depends on, each list sorted
 * @param audience of the caller's origin token
 */
export function callerKeyOf(
	{ role, claims }: Identity,
	reads: CallerReads,
	headers: Headers,
	audience: unknown,
): CallerKey {
	// As the origin token has them.
	const sent = { ...claims, role, aud: audience };
	return {
		role,
		claims: known(reads.claims, (path) => valueAt(sent, path)),
		headers: {
			...known(reads.headers, (name) => headers.get(name) ?? undefined),
			...known(
				reads.cookies.map((name) => `cookie ${name}`),
				(name) => cookieParts(headers.get("cookie"), name.slice(7)),
			),
		},
	};
}

const NOTHING = Object.freeze({});

function known<Value>(
	names: readonly string[],
	valueFor: (name: string) => Value | undefined,
): Record<string, Value> {
	if (names.length === 0) return NOTHING;
	const entries = names
		.map((name) => [name, valueFor(name)] as const)
		// JSON has no undefined, so the origin token does not carry these either.
		.filter((entry): entry is [string, Value] => entry[1] !== undefined);
	return Object.fromEntries(entries);
}

/** @param path keys, with ~ and / in them written ~0 and ~1: see gateway/sql/code/functions/claims.sql */
function valueAt(claims: Record<string, unknown>, path: string): unknown {
	let value: unknown = claims;
	for (const part of path.split("/")) {
		const key = part.replaceAll("~1", "/").replaceAll("~0", "~");
		// A claim named "constructor" must not find the object's own property of that name.
		if (
			typeof value !== "object" ||
			value === null ||
			!Object.hasOwn(value, key)
		)
			return undefined;
		value = (value as Record<string, unknown>)[key];
	}
	return value;
}

/** All parts that contain the name, so that nothing depends on how PostgREST tells names from values. */
function cookieParts(header: string | null, name: string): string | undefined {
	const parts = withoutOwnCookies(header ?? "")
		.split(";")
		.filter((part) => part.includes(name));
	return parts.length === 0 ? undefined : parts.join(";");
}
