// `npm run bench:verification`: the cost of verifying a caller, as workerd's CPU time for each request, side by side in one run.
// Linux only: the CPU time comes from /proc. The origin answers at once, so that only the gateway is measured.
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { makeCredentials } from "../gateway/cli/stack/credentials.ts";
import { freePort, LOOPBACK } from "../gateway/cli/stack/ports.ts";
import { issueCallerToken } from "../gateway/cli/stack/tokens.ts";
import { workerVariables } from "../gateway/cli/stack/wrangler.ts";
import { bundleWorker } from "../test/support/workerd/bundle.ts";
import { startWorkerd } from "../test/support/workerd/workerd.ts";
import { spentBetween, threadTimes } from "./cost/cpu.ts";
import { closeConnections, expectOk, load } from "./cost/load.ts";
import { median } from "./freshness/statistics.ts";

const REQUESTS = 4_000;
const ROUNDS = 3;

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
const workerd = [worker.pid ?? 0];

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
		const before = threadTimes(workerd);
		await load({ count: REQUESTS, check: expectOk }, (index) => {
			const bearer = tokenOf(index);
			return {
				url: `${worker.url}/rest/v1/things`,
				headers: bearer ? { authorization: `Bearer ${bearer}` } : {},
			};
		});
		const spent = spentBetween(before, threadTimes(workerd));
		// The first round warms up.
		if (round > 0) costs.get(name)?.push(spent / 1_000);
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

closeConnections();
await worker.stop();
origin.close();

function token(sub: string): Promise<string> {
	return issueCallerToken(credentials.tokenSigningKey, {
		role: "authenticated",
		sub,
	});
}
