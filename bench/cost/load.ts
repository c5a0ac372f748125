// Requests at one server over kept connections.
import { Agent, type OutgoingHttpHeaders, request } from "node:http";
import { buffer } from "node:stream/consumers";

/** How many requests are under way at once. */
export const CONCURRENCY = 16;
/** Shorter than any of the servers keeps an idle connection, so none is closed while a request is on its way. */
export const IDLE_MS = 10_000;
const agent = new Agent({
	keepAlive: true,
	maxSockets: CONCURRENCY,
	timeout: IDLE_MS,
});

export interface Asked {
	readonly url: string;
	readonly method?: string;
	readonly headers?: OutgoingHttpHeaders;
	readonly body?: string;
}

export interface Answered {
	readonly status: number;
	readonly headers: Readonly<Record<string, string>>;
	readonly body: Buffer;
}

export function ask(
	{ url, method = "GET", headers = {}, body = "" }: Asked,
	by = agent,
): Promise<Answered> {
	return new Promise((resolve, reject) => {
		request(url, { agent: by, method, headers }, (incoming) => {
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
			.end(body);
	});
}

interface Load {
	readonly count: number;
	readonly concurrency?: number;
	/** @throws {Error} if the answer is not what was meant to be measured */
	check(answer: Answered, asked: Asked): void;
}

/** Sends `count` requests, several at once. */
export async function load(
	{ count, concurrency = CONCURRENCY, check }: Load,
	askedAt: (index: number) => Asked,
): Promise<void> {
	let next = 0;
	const client = async () => {
		while (next < count) {
			const asked = askedAt(next);
			next += 1;
			check(await ask(asked), asked);
		}
	};
	await Promise.all(Array.from({ length: concurrency }, client));
}

/** @throws {Error} for any other status */
export function expectOk({ status, body }: Answered, { url }: Asked): void {
	if (status !== 200)
		throw new Error(`${url} is answered with ${status}: ${body}`);
}

/** Closes the kept connections. */
export function closeConnections(): void {
	agent.destroy();
}
