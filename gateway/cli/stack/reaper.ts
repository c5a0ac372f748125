// Waits for its standard input to close, which happens when the process that started it dies by whatever means, and then
// ends the process groups it was told of: kindly at first. Told nothing, or told that all have ended, it does nothing.
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
