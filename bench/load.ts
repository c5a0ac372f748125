// `npm run bench:load -- --minutes 10`: hits, misses and writes as fast as they are answered, for minutes, with the memory of workerd
// and of the isolate. First the same requests at a Worker that is a proxy of one line: what workerd itself takes.
// Exits with 1 for an answer that is no success and no honest 429 or 503, and where the isolate's memory grows after the warm-up.
import { Agent, request } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { freePort } from "../gateway/cli/stack/ports.ts";
import { issueCallerToken } from "../gateway/cli/stack/tokens.ts";
import { workerVariables } from "../gateway/cli/stack/wrangler.ts";
import { pickWeighted, randomOf } from "../test/histories/random.ts";
import { bundleWorker } from "../test/support/workerd/bundle.ts";
import { startWorkerd } from "../test/support/workerd/workerd.ts";
import { startFloor } from "./cost/floor.ts";
import { heldMb, residentMb } from "./cost/memory.ts";
import { type Cleanup, startStack } from "./freshness/stack.ts";
import { percentile } from "./freshness/statistics.ts";

const { values } = parseArgs({
	options: {
		minutes: { type: "string", default: "10" },
		/** Connections at once. */
		concurrency: { type: "string", default: "32" },
		seed: { type: "string", default: "1" },
	},
});

const MINUTE_MS = 60_000;
/** The isolate's memory of answers and plans is full after as many minutes. */
const WARM_UP_MINUTES = 5;
/** How much more the isolate may hold at the end than after the warm-up. */
const MAX_GROWTH = 1.1;
/** What an isolate may hold on Cloudflare. */
const MAX_HELD_MB = 128;
/** Reads with different answers, so that the isolate's memory and KV fill up. */
const MANY = 100_000;
const USERS = 100;

interface Load {
	readonly weight: number;
	readonly method: "GET" | "POST";
	readonly path: () => string;
	readonly body?: string;
}

const random = randomOf(values.seed).stream("load");

const LOADS: readonly Load[] = [
	{
		weight: 80,
		method: "GET",
		path: () => `/products?select=id,title&id=eq.${random.integer(7)}`,
	},
	{
		weight: 10,
		method: "GET",
		path: () => `/users?select=id,fullname&limit=${random.integer(130)}`,
	},
	{
		weight: 6,
		method: "GET",
		path: () => `/users?select=*&followers=gte.${random.integer(MANY)}`,
	},
	{ weight: 2, method: "GET", path: () => "/todos?select=id,name" },
	{
		weight: 2,
		method: "POST",
		path: () => "/rescues",
		body: JSON.stringify({ name: "Rex", age: 1, species: "dog" }),
	},
];

const cleanup: Cleanup = [];
const agent = new Agent({ keepAlive: true });
cleanup.push(async () => agent.destroy());
try {
	const { credentials, postgrestUrl } = await startStack(cleanup);
	const key = credentials.tokenSigningKey;
	const newToken = (number: number) => {
		const sub = `5eed0000-0000-4000-8000-${String(number + 1).padStart(12, "0")}`;
		return issueCallerToken(key, { role: "authenticated", sub });
	};
	const tokens = await Promise.all(
		Array.from({ length: USERS }, (_, number) => newToken(number)),
	);

	const proxy = await startFloor([], postgrestUrl);
	cleanup.push(proxy.stop);
	const atProxy = startLoad(proxy.proxyUrl, () => ({}));
	await sleep(MINUTE_MS);
	const { tooks } = await atProxy.stop();
	console.log(
		`a proxy of one line: ${tooks.length} requests a minute, workerd ${(await residentMb(proxy.pid ?? 0)).toFixed(0)} MB`,
	);
	await proxy.stop();

	const inspectorPort = await freePort();
	const worker = await startWorkerd({
		bundle: await bundleWorker(),
		port: await freePort(),
		variables: workerVariables(postgrestUrl, credentials),
		inspectorPort,
		log: () => {},
	});
	cleanup.push(worker.stop);
	const atPostern = startLoad(`${worker.url}/rest/v1`, () => ({
		Authorization: `Bearer ${random.pick(tokens)}`,
	}));
	const held: number[] = [];
	for (let minute = 1; minute <= Number(values.minutes); minute++) {
		await sleep(MINUTE_MS);
		const { tooks } = atPostern.take();
		const resident = await residentMb(worker.pid ?? 0);
		held.push(await heldMb(inspectorPort));
		console.log(
			`minute ${minute}: ${tooks.length} requests, p99 ${percentile(tooks, 0.99).toFixed(1)} ms, workerd ${resident.toFixed(0)} MB, the isolate ${held.at(-1)?.toFixed(1)} MB`,
		);
	}
	const { answers } = await atPostern.stop();
	console.log(Object.fromEntries(answers));
	const isHonest = (status: string) => /^(2..|304|429|503)$/.test(status);
	const warm = held[WARM_UP_MINUTES - 1] ?? Number.POSITIVE_INFINITY;
	const last = held.at(-1) ?? 0;
	if (
		![...answers.keys()].every(isHonest) ||
		last > warm * MAX_GROWTH ||
		Math.max(...held) > MAX_HELD_MB
	)
		process.exitCode = 1;
} finally {
	for (const end of cleanup.reverse()) await end();
}

function startLoad(root: string, headers: () => Record<string, string>) {
	const answers = new Map<string, number>();
	let tooks: number[] = [];
	let isOver = false;
	const send = ({ method, path, body }: Load) =>
		new Promise<void>((resolve) => {
			const at = performance.now();
			const note = (answer: string) => {
				answers.set(answer, 1 + (answers.get(answer) ?? 0));
				tooks.push(performance.now() - at);
				resolve();
			};
			const sent = {
				...headers(),
				...(body && { "Content-Type": "application/json" }),
			};
			request(root + path(), { agent, method, headers: sent }, (answer) => {
				answer.resume();
				answer.on("end", () => note(String(answer.statusCode)));
				answer.on("error", ({ message }) => note(message));
			})
				.on("error", ({ message }) => note(message))
				.end(body);
		});
	const clients = Array.from(
		{ length: Number(values.concurrency) },
		async () => {
			while (!isOver) await send(pickWeighted(random, LOADS));
		},
	);
	const take = () => {
		const taken = tooks;
		tooks = [];
		return { tooks: taken, answers };
	};
	return {
		take,
		async stop() {
			isOver = true;
			await Promise.all(clients);
			return take();
		},
	};
}
