// Requests at one server over kept connections, and the CPU time that a process has taken for them. Linux only: the time is /proc's.
import { readdir, readFile } from "node:fs/promises";
import { Agent, type OutgoingHttpHeaders, request } from "node:http";
import { buffer } from "node:stream/consumers";

/** How many requests are under way at once. */
export const CONCURRENCY = 16;
const agent = new Agent({ keepAlive: true, maxSockets: CONCURRENCY });

export interface Asked {
	readonly url: string;
	readonly headers?: OutgoingHttpHeaders;
}

export interface Answered {
	readonly status: number;
	readonly headers: Readonly<Record<string, string>>;
	readonly body: Buffer;
}

export function ask({ url, headers = {} }: Asked): Promise<Answered> {
	return new Promise((resolve, reject) => {
		request(url, { agent, headers }, (incoming) => {
			buffer(incoming).then((body) => {
				const { statusCode: status = 0, headers } = incoming;
				const texts = Object.entries(headers).map(([name, value]) => [
					name,
					String(value),
				]);
				resolve({ status, headers: Object.fromEntries(texts), body });
			}, reject);
		})
			.on("error", reject)
			.end();
	});
}

/** Sends `count` requests, several at once. @throws {Error} where one has another status than `status` */
export async function load(
	count: number,
	status: number,
	askedAt: (index: number) => Asked,
): Promise<void> {
	let next = 0;
	const client = async () => {
		while (next < count) {
			const asked = askedAt(next);
			next += 1;
			const answer = await ask(asked);
			if (answer.status !== status)
				throw new Error(
					`${asked.url} is answered with ${answer.status}: ${answer.body}`,
				);
		}
	};
	await Promise.all(Array.from({ length: CONCURRENCY }, client));
}

/** Closes the kept connections. */
export function closeConnections(): void {
	agent.destroy();
}

/** The CPU time of a process so far, in microseconds: the first number of each thread's schedstat, in nanoseconds. */
export async function cpuMicroseconds(pid: number): Promise<number> {
	const threads = await readdir(`/proc/${pid}/task`);
	const times = await Promise.all(
		threads.map(async (thread) => {
			const stat = await readFile(
				`/proc/${pid}/task/${thread}/schedstat`,
				"utf8",
			);
			return Number(stat.split(" ")[0]) / 1_000;
		}),
	);
	return times.reduce((sum, time) => sum + time, 0);
}
