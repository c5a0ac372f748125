// Reads variables by their schemas, and names every bad one in one error.
import type * as z from "zod/mini";

/** What is wrong with each bad variable, by its name; never a value. */
export type Faults = Record<string, string>;

/** Names every bad variable. */
export class ConfigError extends Error {
	override readonly name = "ConfigError";
	readonly variables: Faults;

	constructor(variables: Faults) {
		const lines = Object.entries(variables).map(
			([name, fault]) => `  ${name} ${fault}`,
		);
		super(`The gateway's configuration is wrong:\n${lines.join("\n")}`);
		this.variables = variables;
	}
}

/** Parses what `env` holds. What is wrong is returned, because more may be found wrong by the caller. */
export function parseVariables<Schema extends z.ZodMiniObject>(
	schema: Schema,
	env: object,
): { data: z.infer<Schema> | undefined; faults: Faults } {
	const { data, error } = schema.safeParse(env, { jitless: true });
	const faults: Faults = {};
	for (const issue of error?.issues ?? []) {
		const name = String(issue.path[0]);
		const isMissing = issue.path.length === 1 && !(name in env);
		const field = issue.path.slice(1).join(".");
		const isInList = name === "ISSUERS" && field !== "";
		const fault = isInList ? `${field} ${issue.message}` : issue.message;
		faults[name] ??= isMissing ? "is missing" : fault;
	}
	return { data, faults };
}

/** What is wrong where one of two variables that need each other is missing. */
export function faultsOfPair(env: object, pair: [string, string]): Faults {
	const [missing, ...others] = pair.filter((name) => !(name in env));
	if (missing === undefined || others.length > 0) return {};
	const present = pair.find((name) => name !== missing);
	return { [missing]: `is missing, while ${present} is there` };
}
