// The CPU time that processes have taken, with the processes that they started. Linux only: the time is /proc's.
import { readdirSync, readFileSync } from "node:fs";

/** The CPU time so far of each thread, in microseconds, by process and thread. */
export type ThreadTimes = ReadonlyMap<string, number>;

export function threadTimes(pids: readonly number[]): ThreadTimes {
	const times = new Map<string, number>();
	for (const pid of withChildren(pids)) {
		for (const thread of entriesOf(`/proc/${pid}/task`)) {
			// The first number of schedstat is in nanoseconds.
			const path = `/proc/${pid}/task/${thread}`;
			const stat = textOf(`${path}/schedstat`);
			times.set(path, Number(stat.split(" ")[0]) / 1_000);
		}
	}
	return times;
}

/** A thread that has ended is not counted. */
export function spentBetween(before: ThreadTimes, after: ThreadTimes): number {
	let sum = 0;
	for (const [thread, time] of after) sum += time - (before.get(thread) ?? 0);
	return sum;
}

/** What the processes have taken so far, in microseconds. */
export function takenBy(...pids: number[]): number {
	return spentBetween(new Map(), threadTimes(pids));
}

/** Clock ticks of /proc/PID/stat: 100 a second on Linux. */
const MICROSECONDS_PER_TICK = 10_000;

/** What those children of a process have taken that have ended, in microseconds. */
export function takenByEndedChildren(pid: number): number {
	const fields = fieldsIn(textOf(`/proc/${pid}/stat`));
	return (Number(fields[13]) + Number(fields[14])) * MICROSECONDS_PER_TICK;
}

function withChildren(pids: readonly number[]): Set<number> {
	const family = new Set(pids);
	const running = entriesOf("/proc").map(Number).filter(Boolean);
	// A child's number may be lower than its parent's, but no process here has grandchildren.
	for (const pid of running) {
		if (family.has(parentIn(textOf(`/proc/${pid}/stat`)))) family.add(pid);
	}
	return family;
}

/** The second field after the name. */
export function parentIn(stat: string): number {
	return Number(fieldsIn(stat)[1]);
}

/** The fields after the name, which may have spaces and brackets. */
function fieldsIn(stat: string): string[] {
	return stat.slice(stat.lastIndexOf(")") + 2).split(" ");
}

/** Empty for what has ended. */
function entriesOf(path: string): string[] {
	try {
		return readdirSync(path);
	} catch {
		return [];
	}
}

function textOf(path: string): string {
	try {
		return readFileSync(path, "utf8");
	} catch {
		return "";
	}
}
