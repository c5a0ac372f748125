// Who may do what, as a table: one line for each request, one column for each actor.
// A test replaces placeholders such as `{todo}`. An outcome is a status, then the code of a refusal or
// the number of rows if the answer is a list.

export const ACTORS = ["owner", "other", "anonymous", "service"] as const;
export type Actor = (typeof ACTORS)[number];

export interface Case {
	/** The request as the table writes it. */
	readonly request: string;
	readonly method: string;
	readonly path: string;
	/** JSON. */
	readonly body: string | undefined;
	readonly outcomes: Record<Actor, string>;
}

/** Parses a table whose columns are at least two spaces apart. */
export function casesOf(table: string): Case[] {
	return table
		.split("\n")
		.map((line) => line.trim())
		.filter((line) => line !== "" && !line.startsWith("#"))
		.map(caseOf);
}

function caseOf(line: string): Case {
	const columns = line.split(/ {2,}/);
	const request = columns.pop() ?? "";
	const [method = "", path = "", ...body] = request.split(" ");
	if (columns.length !== ACTORS.length) {
		throw new Error(`Not ${ACTORS.length} outcomes: ${line}`);
	}
	const outcomes = ACTORS.map((actor, index) => [actor, columns[index]]);
	return {
		request,
		method,
		path,
		body: body.length === 0 ? undefined : body.join(" "),
		outcomes: Object.fromEntries(outcomes),
	};
}

/** The text with its placeholders replaced. */
export function filled(text: string, values: Record<string, string>): string {
	return text.replace(/\{(\w+)\}/g, (placeholder, name) => {
		return values[name] ?? placeholder;
	});
}

export async function outcomeOf(response: Response): Promise<string> {
	const text = await response.text();
	const answer: unknown = text === "" ? undefined : JSON.parse(text);
	// Only PostgREST's own lists: the lists of the routes include other tests' rows.
	const isList = Array.isArray(answer) && response.headers.has("content-range");
	if (isList) return `${response.status} ${answer.length}`;
	const code = response.ok ? undefined : (answer as { code?: string })?.code;
	return code === undefined
		? `${response.status}`
		: `${response.status} ${code}`;
}
