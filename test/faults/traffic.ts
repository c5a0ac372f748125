// Readers and a writer, who go on during a fault, and what they saw.
import { setTimeout as sleep } from "node:timers/promises";
import { exactlyOnce } from "../../gateway/client/index.ts";
import type { FaultyStack } from "./origin.ts";

/** Reads that are answered before each fault: PostgREST's, and a resource route's. */
export const WARM_READS = [
	"/rest/v1/products?select=title,weight_lbs&order=title",
	"/rest/v1/products?select=title&title=eq.Desk%20lamp",
	"/rest/v1/users?select=id&limit=3",
	"/products/1",
];

/** How long a client waits before it counts its request as unanswered. */
const CLIENT_LIMIT_MS = 35_000;
const READ_PAUSE_MS = 100;
const WRITE_PAUSE_MS = 200;

export interface Seen {
	readonly at: number;
	readonly tookMs: number;
	/** 0 where there was no answer. */
	readonly status: number;
	readonly cacheStatus: string;
	readonly ageSeconds: number;
	readonly body: string;
	readonly path: string;
}

export interface Written {
	readonly name: string;
	readonly at: number;
	readonly status: number;
	readonly tookMs: number;
}

export interface Traffic {
	readonly reads: Seen[];
	readonly writes: Written[];
	/** How often a write with a key was sent again. */
	repeats(): number;
	/** Resolves when the last answers are there. */
	stop(): Promise<void>;
}

export async function read(
	gatewayUrl: string,
	path: string,
	headers: Record<string, string> = {},
): Promise<Seen> {
	const at = performance.now();
	const signal = AbortSignal.timeout(CLIENT_LIMIT_MS);
	const answer = await fetch(gatewayUrl + path, { headers, signal })
		.then(async (response) => ({
			status: response.status,
			headers: response.headers,
			body: await response.text(),
		}))
		.catch((error) => ({
			status: 0,
			headers: new Headers(),
			body: String(error),
		}));
	return {
		at,
		path,
		tookMs: performance.now() - at,
		status: answer.status,
		cacheStatus: answer.headers.get("cache-status") ?? "",
		ageSeconds: Number(answer.headers.get("age") ?? 0),
		body: answer.body,
	};
}

/** Whether the answer is marked as one that was given because the origin is away. */
export function isMarked({ status, cacheStatus }: Seen): boolean {
	return status === 200 && /detail="origin-/.test(cacheStatus);
}

let writes = 0;

export async function write(
	{ gatewayUrl }: FaultyStack,
	token: string,
	send = fetch,
): Promise<Written> {
	const name = `Rex ${++writes}`;
	const at = performance.now();
	const status = await send(`${gatewayUrl}/rest/v1/rescues`, {
		method: "POST",
		headers: {
			"Content-Type": "application/json",
			Authorization: `Bearer ${token}`,
		},
		body: JSON.stringify({ name, age: 1, species: "dog" }),
		signal: AbortSignal.timeout(CLIENT_LIMIT_MS),
	}).then(
		async (response) => {
			await response.text();
			return response.status;
		},
		() => 0,
	);
	return { name, at, status, tookMs: performance.now() - at };
}

/** @param keyedWriters how many send each write with a key, and again where its answer is lost; one more sends each once, without */
export function startTraffic(
	stack: FaultyStack,
	token: string,
	keyedWriters: number,
): Traffic {
	const ending = new AbortController();
	const reads: Seen[] = [];
	const written: Written[] = [];
	const goOn = () => !ending.signal.aborted;
	const callers = [{}, { Authorization: `Bearer ${token}` }];
	const loops = WARM_READS.flatMap((path) =>
		callers.map(async (headers) => {
			while (goOn()) {
				reads.push(await read(stack.gatewayUrl, path, headers));
				await sleep(READ_PAUSE_MS);
			}
		}),
	);
	const writer = async (send?: typeof fetch) => {
		while (goOn()) {
			written.push(await write(stack, token, send));
			await sleep(WRITE_PAUSE_MS);
		}
	};
	let sent = 0;
	let keyed = 0;
	const counting: typeof fetch = (input, init) => {
		sent += 1;
		return fetch(input, init);
	};
	const once = exactlyOnce(counting);
	const keyedSend: typeof fetch = (input, init) => {
		keyed += 1;
		return once(input, init);
	};
	loops.push(writer());
	for (let count = 0; count < keyedWriters; count += 1)
		loops.push(writer(keyedSend));
	return {
		reads,
		writes: written,
		repeats: () => sent - keyed,
		async stop() {
			ending.abort();
			await Promise.all(loops);
		},
	};
}
