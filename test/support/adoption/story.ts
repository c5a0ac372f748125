// One path of docs/adoption.md, run as it is written in an empty folder, to the first hit; and the way back.
import { cp, mkdir } from "node:fs/promises";
import { join } from "node:path";
import { commandsOf, shellBlocks, variablesOf } from "./document.ts";
import { runInTerminal, type Terminal } from "./shell.ts";
import { makeTools } from "./tools.ts";

interface StoryOptions {
	/** docs/adoption.md. */
	page: string;
	/** The path's heading in it. */
	heading: string;
	/** In place of those that the path's first block sets. */
	variables: Readonly<Record<string, string>>;
	/** Has folders of the story's own below it. */
	folder: string;
	/** A folder where the package is installed already, so that `npm install` has less to do. */
	installed?: string | undefined;
}

export interface Story {
	/** How many commands lead to the first answer. */
	readonly length: number;
	/** Where the package is installed now. */
	readonly folder: string;
	/** Runs the commands that say whether anything is wrong. */
	check(): Promise<string>;
	/** Runs the last command again: head and body of the answer. */
	ask(): Promise<[head: string, body: string]>;
	end(): Promise<void>;
	/** Runs commands that the document gives for the way back. */
	run(commands: string): Promise<void>;
}

/** @throws {Error} where the document sets other variables, or a command fails */
export async function beginStory(options: StoryOptions): Promise<Story> {
	const { page, heading, variables, installed } = options;
	const [settings = "", block = "", check = ""] = shellBlocks(page, heading, 3);
	const [documented, given] = [variablesOf(settings), Object.keys(variables)];
	if (documented.sort().join() !== given.sort().join())
		throw new Error(`${heading} sets ${documented}, the test ${given}`);
	const folder = join(options.folder, "application");
	const tools = join(options.folder, "tools");
	await mkdir(folder, { recursive: true });
	if (installed !== undefined)
		for (const name of ["node_modules", "package.json", "package-lock.json"])
			await cp(join(installed, name), join(folder, name), {
				recursive: true,
				verbatimSymlinks: true,
				filter: (path) => !path.endsWith(join("node_modules", "wrangler")),
			});
	const environment = {
		...process.env,
		...variables,
		PATH: await makeTools(tools),
	};
	const open = (commands: string): Promise<Terminal> =>
		runInTerminal(commands, { folder, environment });
	const commands = commandsOf(block);
	const terminal = await open(block);
	return {
		length: commands.length,
		folder,
		async ask() {
			const { output } = await open(commands.at(-1) ?? "");
			const [head = "", body = ""] = output().split("\r\n\r\n");
			return [head, body];
		},
		async check() {
			const checking = await open(check);
			await checking.close();
			return checking.output();
		},
		end: terminal.close,
		async run(text) {
			await (await open(text)).close();
		},
	};
}
