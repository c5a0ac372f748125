// `postern`, and other programs of Node's, run to their end.
import { execFile } from "node:child_process";
import { join } from "node:path";
import { PROJECT } from "./project.ts";

export const COMMAND = join(PROJECT, "gateway", "cli", "postern.ts");

export interface Outcome {
	code: number | null;
	output: string;
	error: string;
}

interface Place {
	cwd: string;
	env: NodeJS.ProcessEnv;
}

/** Runs a script by this Node. */
export function runScript(
	script: string,
	args: readonly string[],
	place: Place,
): Promise<Outcome> {
	return runProgram(process.execPath, [script, ...args], place);
}

/** @param input what is typed */
export function runProgram(
	program: string,
	args: readonly string[],
	place: Place,
	input = "",
): Promise<Outcome> {
	return new Promise((resolve) => {
		const child = execFile(program, args, place, (_, output, error) =>
			resolve({ code: child.exitCode, output, error }),
		);
		if (input !== "") child.stdin?.write(input);
	});
}

/** The environment without the variables of another stack. */
export function ownEnvironment(
	variables: Readonly<Record<string, string>> = {},
): NodeJS.ProcessEnv {
	const { PATH, HOME, NODE_COMPILE_CACHE } = process.env;
	return { PATH, HOME, NODE_COMPILE_CACHE, ...variables };
}
