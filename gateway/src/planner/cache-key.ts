// The text of a cache key. Two requests share it if and only if they ask the same question with the same caller key.
// It is JSON of nested lists, so no part can be mistaken for two.
import type { CallerKey } from "./caller-key.ts";
import type { CallArguments } from "./grammar/call-arguments.ts";
import type { Parameter } from "./grammar/parameters.ts";

interface QuestionParts {
	readonly method: string;
	readonly schema: string;
	readonly kind: "relation" | "function";
	readonly name: string;
	readonly parameters: readonly Parameter[];
	readonly accept: string;
	readonly preferences: readonly string[];
	readonly range: string | null;
	readonly rangeUnit: string | null;
	/** Of a call by POST. */
	readonly body: {
		readonly type: string | null;
		readonly callArguments: CallArguments;
	} | null;
}

/** The part of a key that is the same for all callers. */
export function questionKey(parts: QuestionParts): string {
	const { method, schema, kind, name, accept, preferences } = parts;
	const { range, rangeUnit, body } = parts;
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
		body && [
			body.type,
			[...body.callArguments].toSorted(([one], [other]) => compare(one, other)),
		],
	]);
}

export function cacheKey(
	question: string,
	{ role, claims, headers }: CallerKey,
): string {
	const caller = [role, Object.entries(claims), Object.entries(headers)];
	return `[${question},${JSON.stringify(caller)}]`;
}

/**
 * Sorts parameters about the root by name, and keeps the order among equal names, which may matter.
 * Parameters about embeds keep their order: PostgREST gives one to the first embed whose alias or relation has its name,
 * so their order may decide the answer.
 */
function inOrder(parameters: readonly Parameter[]): readonly Parameter[] {
	const isAboutEmbed = ([name]: Parameter) => name.includes(".");
	return [
		...parameters
			.filter((parameter) => !isAboutEmbed(parameter))
			.toSorted(([one], [other]) => compare(one, other)),
		...parameters.filter(isAboutEmbed),
	];
}

/** Compares by UTF-16 units, independent of any locale. */
function compare(one: string, other: string): number {
	if (one === other) return 0;
	return one < other ? -1 : 1;
}
