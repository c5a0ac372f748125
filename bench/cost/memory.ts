// What a workerd process and its isolate hold in memory, in MB. Linux only.
import { readFile } from "node:fs/promises";
import { LOOPBACK } from "../../gateway/cli/stack/ports.ts";

const MB = 1_048_576;

/** The resident memory of a process: what V8 and the allocator have not given back to the system is in it. */
export function residentMb(pid: number): Promise<number> {
	return statusMb(pid, "VmRSS");
}

/** The most that it was. */
export function peakMb(pid: number): Promise<number> {
	return statusMb(pid, "VmHWM");
}

async function statusMb(pid: number, field: string): Promise<number> {
	const status = await readFile(`/proc/${pid}/status`, "utf8");
	const kib = new RegExp(`${field}:\\s+(\\d+)`).exec(status)?.[1];
	return (Number(kib) * 1_024) / MB;
}

/**
 * What the isolate holds once garbage has been collected: JavaScript's heap, native objects and buffers.
 * @param port of workerd's inspector
 */
export async function heldMb(port: number): Promise<number> {
	const targets = await fetch(`http://${LOOPBACK}:${port}/json`);
	const [target] = JSON.parse(await targets.text());
	const socket = new WebSocket(target.webSocketDebuggerUrl);
	await new Promise((opened) => socket.addEventListener("open", opened));
	const call = (id: number, method: string) =>
		new Promise<Record<string, number>>((resolve) => {
			socket.addEventListener("message", ({ data }) => {
				const told = JSON.parse(data);
				if (told.id === id) resolve(told.result);
			});
			socket.send(JSON.stringify({ id, method }));
		});
	await call(1, "HeapProfiler.collectGarbage");
	const {
		usedSize = 0,
		embedderHeapUsedSize = 0,
		backingStorageSize = 0,
	} = await call(2, "Runtime.getHeapUsage");
	socket.close();
	return (usedSize + embedderHeapUsedSize + backingStorageSize) / MB;
}
