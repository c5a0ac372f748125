// Child processes that end when they are told to, and also when this process is killed.
import {
	type ChildProcess,
	type SpawnOptions,
	spawn,
} from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import * as reaper from "./tell-reaper.ts";

/** A running part of the stack. */
export interface Service {
	/** Process id; undefined when it could not be started. */
	readonly pid: number | undefined;
	/** Resolves when the process has ended, by itself or not, with what it said last. */
	readonly exited: Promise<Exit>;
	/** Ends the process and all that it started. May be called again. */
	stop(): Promise<void>;
}

export interface Exit {
	/** Such as `exit code 1` or `SIGKILL`. */
	readonly reason: string;
	/** The last lines of its output. */
	readonly lastLines: readonly string[];
}

/** Takes one line of what a part of the stack prints. */
export type Log = (line: string) => void;

interface ServiceOptions {
	command: string;
	args: readonly string[];
	env?: NodeJS.ProcessEnv;
	cwd?: string;
	/** System user to run as, where the caller is root. */
	user?: { uid: number; gid: number } | undefined;
	/** How this process is asked to end. */
	stopSignal: NodeJS.Signals;
	log: Log;
}

/** A process that does not end when asked is killed after this long. */
const STOP_TIMEOUT_MS = 10_000;
const REMEMBERED_LINES = 5;

/** Starts a process in a process group of its own, so that a Ctrl-C in the terminal does not reach it before its turn. */
export function startService(options: ServiceOptions): Service {
	const {
		command,
		args,
		env = process.env,
		cwd,
		user,
		stopSignal,
		log,
	} = options;
	const spawnOptions: SpawnOptions = {
		env,
		detached: true,
		stdio: ["ignore", "pipe", "pipe"],
		...user,
	};
	if (cwd !== undefined) spawnOptions.cwd = cwd;
	const child = spawn(command, args, spawnOptions);
	const lastLines: string[] = [];
	for (const stream of [child.stdout, child.stderr]) {
		if (stream === null) continue;
		createInterface({ input: stream }).on("line", (line) => {
			lastLines.push(line);
			if (lastLines.length > REMEMBERED_LINES) lastLines.shift();
			log(line);
		});
	}
	if (child.pid !== undefined) reaper.start(child.pid, stopSignal);
	const exited = ending(child, (): void => {
		// The processes that it started end with it.
		signalGroup(child, "SIGKILL");
		if (child.pid !== undefined) reaper.forget(child.pid);
	}).then((reason) => ({ reason, lastLines }));

	return {
		pid: child.pid,
		exited,
		async stop() {
			signalGroup(child, stopSignal);
			const timer = setTimeout(
				() => signalGroup(child, "SIGKILL"),
				STOP_TIMEOUT_MS,
			);
			await exited;
			clearTimeout(timer);
		},
	};
}

/** Waits for `isReady`, asked again every 50 ms; throws with the process's last words when it ends first, or after `timeoutMs`. */
export async function untilReady(
	name: string,
	service: Service,
	isReady: () => Promise<boolean>,
	timeoutMs = 60_000,
): Promise<void> {
	let exit: Exit | undefined;
	service.exited.then((seen) => {
		exit = seen;
	});
	const giveUpAt = Date.now() + timeoutMs;
	while (!(await isReady())) {
		if (exit !== undefined) throw new Error(describeExit(name, exit));
		if (Date.now() > giveUpAt) {
			await service.stop();
			throw new Error(`${name} was not ready within ${timeoutMs / 1000} s.`);
		}
		await new Promise((resolve) => setTimeout(resolve, 50));
	}
}

export function describeExit(
	name: string,
	{ reason, lastLines }: Exit,
): string {
	const said = lastLines.length === 0 ? "" : `: ${lastLines.join(" | ")}`;
	return `${name} ended (${reason})${said}`;
}

/** Resolves with the reason when all output has been read. Processes of the child's may hold that open: `onExit` ends them. */
async function ending(
	child: ChildProcess,
	onExit: () => void,
): Promise<string> {
	child.once("exit", onExit);
	try {
		const [code, signal] = await once(child, "close");
		return signal ?? `exit code ${code}`;
	} catch (error) {
		return error instanceof Error ? error.message : String(error);
	}
}

function signalGroup(child: ChildProcess, signal: NodeJS.Signals) {
	if (child.pid === undefined) return;
	try {
		process.kill(-child.pid, signal);
	} catch {
		// The group is gone already.
	}
}
