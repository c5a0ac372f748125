// A process of its own. It waits for its standard input to close, which happens when the process that started it dies, even by
// SIGKILL. Then it ends the process groups that tell-reaper.ts named: by their own signal first, by SIGKILL 5 s later.
import { createInterface } from "node:readline";

const KILL_AFTER_MS = 5_000;

const groups = new Map<number, string>();

// Ctrl-C reaches everything in the terminal; this has to outlive it.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
	process.on(signal, () => {});

for await (const line of createInterface({ input: process.stdin })) {
	const [verb, pid, signal = "SIGTERM"] = line.split(" ");
	if (verb === "start") groups.set(Number(pid), signal);
	else groups.delete(Number(pid));
}

for (const [pid, signal] of groups) send(pid, signal);
if (groups.size > 0) {
	await new Promise((resolve) => setTimeout(resolve, KILL_AFTER_MS));
	for (const pid of groups.keys()) send(pid, "SIGKILL");
}

function send(pid: number, signal: string) {
	try {
		process.kill(-pid, signal);
	} catch {
		// It ended by itself.
	}
}
