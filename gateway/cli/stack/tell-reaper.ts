// Tells reaper.ts, a process of its own, which process groups to end when this process dies. It is started when needed, and
// again when it was killed.
import { type ChildProcess, spawn } from "node:child_process";
import { extname } from "node:path";
import { fileURLToPath } from "node:url";

/** TypeScript in the repository, JavaScript in the package. */
const SCRIPT = fileURLToPath(
	new URL(`./reaper${extname(import.meta.url)}`, import.meta.url),
);

/** The signal that ends each group, by the process id of its leader. */
const groups = new Map<number, NodeJS.Signals>();
let reaper: ChildProcess | undefined;

export function start(pid: number, signal: NodeJS.Signals): void {
	groups.set(pid, signal);
	if (reaper === undefined) startReaper();
	else tell(`start ${pid} ${signal}`);
}

export function forget(pid: number): void {
	groups.delete(pid);
	tell(`end ${pid}`);
}

function startReaper(): void {
	const child = spawn(process.execPath, [SCRIPT], {
		detached: true,
		stdio: ["pipe", "ignore", "ignore"],
	});
	reaper = child;
	// Neither the pipe nor the reaper keeps this process alive; the end of this process closes the pipe.
	child.unref();
	const { stdin } = child as {
		stdin: NodeJS.WritableStream & { unref?(): void };
	};
	stdin.unref?.();
	// What cannot be written was for a reaper that has ended.
	stdin.on("error", () => {});
	child.once("exit", () => {
		reaper = undefined;
		if (groups.size > 0) startReaper();
	});
	for (const [pid, signal] of groups) tell(`start ${pid} ${signal}`);
}

function tell(line: string): void {
	reaper?.stdin?.write(`${line}\n`);
}
