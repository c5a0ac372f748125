// Latency by the distance between the edge and the origin, and by the share of hits: of all series of one distance at the same time,
// at a rate that leaves the machine idle for most of it.
import { setTimeout as sleep } from "node:timers/promises";
import { startFloor } from "../cost/floor.ts";
import type { Asked } from "../cost/load.ts";
import type { Setting } from "../cost/postern.ts";
import { type Latencies, latenciesOf, openLoop } from "./open-loop.ts";
import { fromAfar } from "./relay.ts";
import { startSqlWorker } from "./sql-worker.ts";
import { again, nginx, once, startWarm } from "./start.ts";

export interface AtDistance extends Latencies {
	readonly name: string;
	readonly roundTripMs: number;
}

export const PROXY = "a one-line proxy";
const ROUND_TRIPS_MS = [20, 80, 200];
/** Of each hundred reads. */
const HITS = [0, 50, 90, 99];
const HITS_OF_NGINX = 90;
const PER_SECOND = 20;
const SECONDS = 12;
const WARMING_SECONDS = 2;
/** So that the series do not send at the same moments. */
const APART_MS = 7;

type Series = Readonly<Record<string, (number: number) => Asked>>;

export async function latenciesFromAfar(
	setting: Setting,
): Promise<AtDistance[]> {
	const measured: AtDistance[] = [];
	for (const roundTripMs of ROUND_TRIPS_MS) {
		const series = await seriesAt(roundTripMs, setting);
		const send = (seconds: number) =>
			Promise.all(
				Object.entries(series).map(async ([name, asked], index) => {
					await sleep(index * APART_MS);
					const samples = await openLoop(PER_SECOND, seconds, asked);
					return { name, roundTripMs, ...latenciesOf(samples) };
				}),
			);
		// The first requests open connections.
		await send(WARMING_SECONDS);
		measured.push(...(await send(SECONDS)));
	}
	return measured;
}

async function seriesAt(
	roundTripMs: number,
	setting: Setting,
): Promise<Series> {
	const { stack, cleanup } = setting;
	const away = (address: string) => fromAfar(address, roundTripMs, cleanup);
	const postgrestUrl = await away(stack.postgrestUrl);
	const postern = await startWarm({
		...setting,
		stack: { ...stack, postgrestUrl },
	});
	const proxy = await startFloor([], postgrestUrl);
	cleanup.push(proxy.stop);
	const sql = await startSqlWorker(await away(stack.databaseUrl), cleanup);
	const caches = await nginx(postgrestUrl, cleanup);
	const missing = (root: string) => () => once(root)("one row");
	return {
		[PROXY]: missing(proxy.proxyUrl),
		...(sql && { "a Worker that asks Postgres": missing(sql.url) }),
		...Object.fromEntries(
			caches.map(({ url }) => [
				`nginx \`proxy_cache\`, ${HITS_OF_NGINX} % hits`,
				withHits(url, HITS_OF_NGINX),
			]),
		),
		...Object.fromEntries(
			HITS.map((hits) => [
				`Postern, ${hits} % hits`,
				withHits(`${postern.url}/rest/v1`, hits),
			]),
		),
	};
}

/** The hits are spread evenly: 37 and 100 have no common divisor. */
function withHits(root: string, hits: number) {
	return (number: number) =>
		((37 * number) % 100 < hits ? again : once)(root)("one row");
}
