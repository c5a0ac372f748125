// Runs shell commands as a person does in a terminal: what they leave in the background goes on until the terminal is closed.
import { spawn } from "node:child_process";
import { once } from "node:events";

export interface Terminal {
	/** What the commands printed, with the errors. */
	readonly output: () => string;
	/** Ends what runs in the background. */
	close(): Promise<void>;
}

interface Place {
	folder: string;
	environment: NodeJS.ProcessEnv;
}

const CLOSE_LIMIT_MS = 20_000;

/** @throws {Error} with all that was printed, where a command fails */
export async function runInTerminal(
	commands: string,
	{ folder, environment }: Place,
): Promise<Terminal> {
	const shell = spawn("bash", ["-ec", commands], {
		cwd: folder,
		env: environment,
		// A process group of its own: the shell with all that it starts.
		detached: true,
		stdio: ["ignore", "pipe", "pipe"],
	});
	let printed = "";
	for (const stream of [shell.stdout, shell.stderr])
		stream.on("data", (chunk) => {
			printed += chunk;
		});
	const terminal = { output: () => printed, close };
	const [code] = await once(shell, "exit");
	if (code === 0) return terminal;
	await close();
	throw new Error(`The commands end with ${code}:\n${printed}`);

	async function close(): Promise<void> {
		const giveUpAt = Date.now() + CLOSE_LIMIT_MS;
		signal("SIGTERM");
		while (signal(0)) {
			if (Date.now() > giveUpAt) {
				signal("SIGKILL");
				throw new Error(`The commands do not end:\n${printed}`);
			}
			await new Promise((resolve) => setTimeout(resolve, 100));
		}
	}

	/** @returns whether a process of the terminal is left */
	function signal(name: NodeJS.Signals | 0): boolean {
		try {
			return shell.pid !== undefined && process.kill(-shell.pid, name);
		} catch {
			return false;
		}
	}
}
