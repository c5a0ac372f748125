// npm runs a script by a shell, and forwards a signal to the shell only. If npm or the shell is killed, this process
// only notices by looking.
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { basename } from "node:path";

const LOOK_EVERY_MS = 500;
const SHELLS = ["sh", "dash", "bash", "ash", "zsh"];

/** Calls back once, when the npm that started this process has ended. Never, when npm did not start it. */
export function onEndOfNpm(callBack: () => void): void {
	if (process.env.npm_lifecycle_event === undefined) return;
	const parents = npmParents();
	const timer = setInterval(() => {
		if (process.ppid === parents[0] && parents.every(isAlive)) return;
		clearInterval(timer);
		callBack();
	}, LOOK_EVERY_MS);
	timer.unref();
}

/** npm itself, and the shell between npm and this process, which some shells replace by the process. */
function npmParents(): number[] {
	const { ppid } = process;
	const { command, parent } = describe(ppid);
	return SHELLS.includes(command) ? [ppid, parent] : [ppid];
}

function describe(pid: number): { command: string; parent: number } {
	const [parent = "", command = ""] = (
		process.platform === "linux" ? fromProc(pid) : fromPs(pid)
	).split(/\s+(.*)/s);
	return { command: basename(command.trim()), parent: Number(parent) };
}

/** Parent and command. A small Linux has no ps. */
function fromProc(pid: number): string {
	const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
	const [, command, parent] = /^\d+ \((.*)\) \S (\d+)/s.exec(stat) ?? [];
	return `${parent} ${command}`;
}

function fromPs(pid: number): string {
	const args = ["-o", "ppid=,comm=", "-p", String(pid)];
	return execFileSync("ps", args, { encoding: "utf8" }).trim();
}

function isAlive(pid: number): boolean {
	try {
		process.kill(pid, 0);
		return true;
	} catch (error) {
		// EPERM: it belongs to another user.
		return (error as NodeJS.ErrnoException).code === "EPERM";
	}
}
