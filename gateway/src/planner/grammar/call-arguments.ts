// Parses the body of a call by POST: a JSON object with the arguments by name. PostgREST hands the text on to PostgreSQL, so values
// stay as they are written. Does not look into the catalog.

/** The arguments of a call by their names, as JSON text. */
export type CallArguments = ReadonlyMap<string, string>;

/** The parts of JSON that separate others, and strings, which may contain the same characters. */
const SEPARATORS = /"(?:[^"\\]|\\.)*"|[{}[\]:,]/g;

/**
 * @returns the arguments; undefined where the text is not a JSON object, or names an argument twice, because parsers disagree on
 * which of the two counts
 */
export function parseCallArguments(text: string): CallArguments | undefined {
	if (!isObject(text)) return undefined;
	const members = membersOf(text);
	const all = new Map(members);
	return all.size === members.length ? all : undefined;
}

function isObject(text: string): boolean {
	try {
		JSON.parse(text);
		return text.trimStart().startsWith("{");
	} catch {
		return false;
	}
}

/** @param text of a JSON object */
function membersOf(text: string): [name: string, value: string][] {
	const members: [string, string][] = [];
	let depth = 0;
	let name = "";
	let start = 0;
	for (const { 0: token, index } of text.matchAll(SEPARATORS)) {
		if (token === "}" || token === "]") depth -= 1;
		const isBetween = depth === 1 && (token === ":" || token === ",");
		const isOutside = depth === 0;
		if (isBetween || isOutside) {
			const part = text.slice(start, index).trim();
			if (token === ":") name = JSON.parse(part);
			else if (part !== "") members.push([name, normalized(part)]);
			start = index + 1;
		}
		if (token === "{" || token === "[") depth += 1;
	}
	return members;
}

/** A string however its characters are escaped. Of other values PostgreSQL may show blanks, the order of keys and digits. */
function normalized(value: string): string {
	return value.startsWith('"') ? JSON.stringify(JSON.parse(value)) : value;
}

/** The text that PostgreSQL makes a value of; of a list or object all texts in it. */
export function literalOf(value: string): string {
	const parsed: unknown = JSON.parse(value);
	return typeof parsed === "string" ? parsed : JSON.stringify(parsed);
}
