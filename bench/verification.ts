// `npm run bench:verification`: the cost of verifying a caller, as workerd's CPU time for each request, side by side in one run.
// Linux only: the CPU time comes from /proc. The origin answers at once, so that only the gateway is measured.
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { Agent, createServer, request } from "node:http";
import type { AddressInfo } from "node:net";
import { makeCredentials } from "../gateway/cli/stack/credentials.ts";
import { freePort, LOOPBACK } from "../gateway/cli/stack/ports.ts";
import { issueCallerToken } from "../gateway/cli/stack/tokens.ts";
import { workerVariables } from "../gateway/cli/stack/wrangler.ts";
import { bundleWorker } from "../test/support/workerd/bundle.ts";
import { startWorkerd } from "../test/support/workerd/workerd.ts";

const REQUESTS = 4_000;
const ROUNDS = 3;
const CONCURRENCY = 16;
/** Clock ticks of /proc/PID/stat: 100 a second on Linux. */
const MS_PER_TICK = 10;

const credentials = await makeCredentials();
const origin = createServer((_, response) => {
	response.setHeader("server", "postgrest/12.0.2");
	response.setHeader("content-type", "application/json");
	response.end("[]");
}).listen(0, LOOPBACK);
await once(origin, "listening");
const originPort = (origin.address() as AddressInfo).port;
const worker = await startWorkerd({
	bundle: await bundleWorker(),
	port: await freePort(),
	variables: workerVariables(`http://${LOOPBACK}:${originPort}`, credentials),
	log: () => {},
});
const agent = new Agent({ keepAlive: true, maxSockets: CONCURRENCY });

const one = await token("ada");
const many = await Promise.all(
	Array.from({ length: REQUESTS }, (_, index) => token(`user-${index}`)),
);
const cases: Record<string, (index: number) => string | undefined> = {
	"no token": () => undefined,
	"one caller, one token": () => one,
	"a caller each, new to the gateway": (index) => many[index],
};

const costs = new Map(Object.keys(cases).map((name) => [name, [] as number[]]));
for (let round = 0; round <= ROUNDS; round += 1) {
	for (const [name, tokenOf] of Object.entries(cases)) {
		const before = await cpuMs();
		await load(tokenOf);
		// The first round warms up.
		if (round > 0) costs.get(name)?.push((await cpuMs()) - before);
	}
}

const rows = [...costs].map(([name, samples]) => {
	const msPerRequest = median(samples) / REQUESTS;
	return { name, msPerRequest };
});
const baseline = rows[0]?.msPerRequest ?? 0;
console.table(
	rows.map(({ name, msPerRequest }) => ({
		caller: name,
		"CPU, ms a request": msPerRequest.toFixed(3),
		"beyond no token": `${(100 * (1 - baseline / msPerRequest)).toFixed(0)} %`,
	})),
);

agent.destroy();
await worker.stop();
origin.close();

function token(sub: string): Promise<string> {
	return issueCallerToken(credentials.tokenSigningKey, {
		role: "authenticated",
		sub,
	});
}

async function load(tokenOf: (index: number) => string | undefined) {
	let next = 0;
	const client = async () => {
		while (next < REQUESTS) {
			const bearer = tokenOf(next);
			next += 1;
			await get(bearer);
		}
	};
	await Promise.all(Array.from({ length: CONCURRENCY }, client));
}

function get(bearer: string | undefined): Promise<void> {
	const headers =
		bearer === undefined ? {} : { authorization: `Bearer ${bearer}` };
	return new Promise((resolve, reject) => {
		request(`${worker.url}/rest/v1/things`, { agent, headers }, (response) => {
			response.resume();
			response.on("end", () =>
				response.statusCode === 200
					? resolve()
					: reject(new Error(`status ${response.statusCode}`)),
			);
		})
			.on("error", reject)
			.end();
	});
}

/** The CPU time of workerd so far, user and system. */
async function cpuMs(): Promise<number> {
	const stat = await readFile(`/proc/${worker.pid}/stat`, "utf8");
	const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
	return (Number(fields[11]) + Number(fields[12])) * MS_PER_TICK;
}

function median(samples: number[]): number {
	const sorted = samples.toSorted((a, b) => a - b);
	return sorted[Math.floor(sorted.length / 2)] ?? 0;
}
