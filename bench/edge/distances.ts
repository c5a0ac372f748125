// Latency by the distance between the edge and the origin, and by the share of hits.
import { startFloor } from "../cost/floor.ts";
import { type Hit, warm } from "../cost/hits.ts";
import type { Asked } from "../cost/load.ts";
import { startWhole } from "../cost/postern.ts";
import type { BenchStack, Cleanup } from "../freshness/stack.ts";
import { rowPath } from "./contenders.ts";
import { distant } from "./distance.ts";
import { type Latencies, openLoop } from "./open-loop.ts";
import { startSqlWorker } from "./sql-worker.ts";

export interface AtDistance extends Latencies {
	readonly name: string;
	readonly roundTripMs: number;
	/** Of each hundred reads. */
	readonly hits: number;
}

const ROUND_TRIPS_MS = [20, 80, 200];
const HITS = [0, 50, 90, 99];
const PER_SECOND = 40;
const SECONDS = 3;
const NOT_STORED = { "cache-control": "no-store" };

export async function measureDistances(
	stack: BenchStack,
	bundle: string,
	[hit]: readonly Hit[],
	cleanup: Cleanup,
): Promise<AtDistance[]> {
	const measured: AtDistance[] = [];
	for (const roundTripMs of ROUND_TRIPS_MS) {
		const away = async (address: string) => {
			const url = new URL(address);
			const port = await distant(Number(url.port), roundTripMs, cleanup);
			return address.replace(`:${url.port}`, `:${port}`);
		};
		const postgrestUrl = await away(stack.postgrestUrl);
		const postern = await startWhole(
			bundle,
			{ ...stack, postgrestUrl },
			cleanup,
		);
		if (hit !== undefined) await warm(hit, postern);
		const proxy = await startFloor([], postgrestUrl);
		cleanup.push(proxy.stop);
		const sql = await startSqlWorker(await away(stack.databaseUrl), cleanup);
		const add = async (
			name: string,
			hits: number,
			asked: (number: number) => Asked,
		) => {
			// The first requests open connections.
			await openLoop(PER_SECOND, 1, asked);
			const latencies = await openLoop(PER_SECOND, SECONDS, asked);
			measured.push({ name, roundTripMs, hits, ...latencies });
		};
		const root = `${postern.url}/rest/v1`;
		for (const hits of HITS)
			await add("Postern", hits, (number) => ({
				url: root + rowPath(0),
				// Spread evenly: 37 and 100 have no common divisor.
				headers: (37 * number) % 100 < hits ? {} : NOT_STORED,
			}));
		await add("a one-line proxy", 0, (number) => ({
			url: proxy.proxyUrl + rowPath(number),
		}));
		await add("a Worker that asks Postgres", 0, (number) => ({
			url: sql.url + rowPath(number),
		}));
	}
	return measured;
}
