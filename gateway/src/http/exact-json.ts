// JSON whose numbers stay as they are written, on the way in and out: bodies, tokens and the database's answers are parsed by it.

/** What TypeScript's library does not describe yet (ECMAScript, JSON.parse source text access). */
interface RawJson {
	/** An object that `JSON.stringify` writes as this text. */
	rawJSON(text: string): unknown;
	isRawJSON(value: unknown): boolean;
}

const { rawJSON, isRawJSON } = JSON as unknown as RawJson;

/** The strings and numbers of JSON. */
const SCALARS =
	/"(?:[^"\\]|\\.)*"|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/g;

/**
 * Parses JSON. A number that JavaScript would write in another way, such as 2^53 + 1, 1.0 or 1e400, becomes an object that
 * `JSON.stringify` writes as it was. Not by a reviver, which recurses: the depth of a token's claims would be limited.
 * @throws {SyntaxError} for what is not JSON
 */
export function parseExactJson(text: string): unknown {
	const parsed: unknown = JSON.parse(text);
	// Made now, so that no string of the text begins with it.
	const mark = crypto.randomUUID();
	const marked = text.replace(SCALARS, (scalar) =>
		scalar.startsWith('"') || String(Number(scalar)) === scalar
			? scalar
			: `"${mark}${scalar}"`,
	);
	if (marked === text) return parsed;
	const root: Record<string, unknown> = { value: JSON.parse(marked) };
	const open = [root];
	for (let object = open.pop(); object !== undefined; object = open.pop()) {
		for (const [name, value] of Object.entries(object)) {
			if (typeof value === "string" && value.startsWith(mark)) {
				object[name] = rawJSON(value.slice(mark.length));
			} else if (typeof value === "object" && value !== null) {
				// An array has its entries by index.
				open.push(value as Record<string, unknown>);
			}
		}
	}
	return root.value;
}

/** Whether a parsed value is a JSON object. */
export function isJsonObject(value: unknown): value is Record<string, unknown> {
	return (
		typeof value === "object" &&
		value !== null &&
		!Array.isArray(value) &&
		!isRawJSON(value)
	);
}
