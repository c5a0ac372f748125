// The text that two requests share if and only if they ask the same: lists in lists, so that no text in it can pass for two.

import type { CallerKey } from "./caller-key.ts";
import type { Parameter } from "./query.ts";

export interface KeyParts {
	readonly method: string;
	readonly schema: string;
	readonly kind: "relation" | "function";
	readonly name: string;
	readonly parameters: readonly Parameter[];
	readonly accept: string;
	readonly preferences: readonly string[];
	readonly range: string | null;
	readonly rangeUnit: string | null;
	readonly callerKey: CallerKey;
}

export function keyOf(parts: KeyParts): string {
	const { method, schema, kind, name, accept, preferences } = parts;
	const { range, rangeUnit, callerKey } = parts;
	return JSON.stringify([
		method,
		schema,
		kind,
		name,
		inOrder(parts.parameters).map(([name, value]) => [name, value ?? null]),
		accept,
		preferences,
		range,
		rangeUnit,
		callerKey.role,
		Object.entries(callerKey.claims),
	]);
}

/**
 * Those about the root by their names; those of one name stay in their order, which may matter. So may that of all that are
 * about embeds: PostgREST takes an alias or a relation's name, for the first embed that it fits, which then is the first of all.
 */
function inOrder(parameters: readonly Parameter[]): readonly Parameter[] {
	const isPlaced = ([name]: Parameter) => name.includes(".");
	return [
		...parameters
			.filter((parameter) => !isPlaced(parameter))
			.toSorted(([one], [other]) => compare(one, other)),
		...parameters.filter(isPlaced),
	];
}

/** By UTF-16 units, wherever this runs. */
function compare(one: string, other: string): number {
	if (one === other) return 0;
	return one < other ? -1 : 1;
}
