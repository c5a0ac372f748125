// What else may stand before the same Postgres: the CPU of a read, here and at the origin, and its latency at fixed rates.
import { spentBetween, threadTimes } from "../cost/cpu.ts";
import { startFloor } from "../cost/floor.ts";
import { type Hit, warm } from "../cost/hits.ts";
import { ask, load } from "../cost/load.ts";
import { type Server, startWhole } from "../cost/postern.ts";
import { startTutorial } from "../cost/tutorial.ts";
import { findNginx, startNginx } from "../freshness/nginx.ts";
import type { BenchStack, Cleanup } from "../freshness/stack.ts";
import { type Latencies, openLoop } from "./open-loop.ts";
import { startSqlWorker } from "./sql-worker.ts";

export interface Contender extends Server {
	readonly name: string;
}

export interface Standing {
	readonly name: string;
	/** CPU of a read in what stands before the origin, and in PostgREST and Postgres. */
	readonly microseconds: number;
	readonly originMicroseconds: number;
	readonly latencies: readonly (Latencies & { readonly perSecond: number })[];
}

export const RATES = [100, 300];
const SECONDS = 5;
const KEYS = 100;
const TTL_SECONDS = 300;
const CPU_READS = 1_000;

export const rowPath = (number: number) =>
	`/articles?id=eq.${1 + (number % KEYS)}&select=id,title,author_id,version,body`;

export async function compareContenders(
	stack: BenchStack,
	bundle: string,
	hits: readonly Hit[],
	cleanup: Cleanup,
): Promise<Standing[]> {
	const contenders = await startContenders(stack, bundle, hits, cleanup);
	const standings: Standing[] = [];
	for (const contender of contenders)
		standings.push(await standingOf(contender, stack.originPids));
	return standings;
}

async function standingOf(
	{ name, url, pids }: Contender,
	originPids: readonly number[],
): Promise<Standing> {
	const asked = (number: number) => ({ url: url + rowPath(number) });
	const read = () =>
		load({ count: CPU_READS, check: expectOk }, asked).then(() =>
			Promise.all([threadTimes(pids), threadTimes(originPids)]),
		);
	// The first reads fill caches and have the runtime compile.
	const [before, originBefore] = await read();
	const [after, originAfter] = await read();
	const latencies: Standing["latencies"][number][] = [];
	for (const perSecond of RATES)
		latencies.push({
			perSecond,
			...(await openLoop(perSecond, SECONDS, asked)),
		});
	return {
		name,
		microseconds: spentBetween(before, after) / CPU_READS,
		originMicroseconds: spentBetween(originBefore, originAfter) / CPU_READS,
		latencies,
	};
}

async function startContenders(
	stack: BenchStack,
	bundle: string,
	[hit]: readonly Hit[],
	cleanup: Cleanup,
): Promise<Contender[]> {
	const { postgrestUrl, databaseUrl } = stack;
	const answer = await ask({ url: postgrestUrl + rowPath(0) });
	const floor = await startFloor([answer], postgrestUrl);
	cleanup.push(floor.stop);
	const pids = [floor.pid ?? 0];
	const postern = await startWhole(bundle, stack, cleanup);
	if (hit !== undefined) await warm(hit, postern);
	const tutorial = await startTutorial(postgrestUrl, cleanup);
	const sqlWorker = await startSqlWorker(databaseUrl, cleanup);
	return [
		{ name: "an empty route", url: `${floor.answerUrl(0)}?`, pids },
		{ ...postern, name: "Postern", url: `${postern.url}/rest/v1` },
		...(await nginxOf(postgrestUrl, cleanup)),
		{ ...tutorial, name: "a tutorial's KV cache" },
		{ name: "a one-line proxy", url: floor.proxyUrl, pids },
		{ name: "PostgREST itself", url: postgrestUrl, pids: [] },
		{ ...sqlWorker, name: "a Worker that asks Postgres" },
	];
}

async function nginxOf(
	postgrestUrl: string,
	cleanup: Cleanup,
): Promise<Contender[]> {
	const command = await findNginx();
	if (command === undefined) {
		console.log("There is no nginx here (Debian: nginx-light): left out.");
		return [];
	}
	const { url, pid, stop } = await startNginx(
		command,
		postgrestUrl,
		TTL_SECONDS,
	);
	cleanup.push(stop);
	return [{ name: "nginx, proxy_cache", url, pids: [pid ?? 0] }];
}

function expectOk({ status, body }: Awaited<ReturnType<typeof ask>>): void {
	if (status !== 200) throw new Error(`${status} in place of 200: ${body}`);
}
