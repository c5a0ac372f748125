// Requests at a fixed rate, whether or not those before are answered. Latencies count from when a request was due, so that a server
// that stalls is charged with all who would have waited.
import { setTimeout as sleep } from "node:timers/promises";
import type { Asked } from "../cost/load.ts";
import { get } from "../freshness/http.ts";
import { percentile } from "../freshness/statistics.ts";

export interface Latencies {
	readonly mean: number;
	readonly p50: number;
	readonly p99: number;
	readonly p999: number;
}

/** @returns in milliseconds. @throws {Error} where an answer is not 200 */
export async function openLoop(
	perSecond: number,
	seconds: number,
	askedAt: (number: number) => Asked,
): Promise<Latencies> {
	const start = performance.now();
	const underWay: Promise<number>[] = [];
	for (let number = 0; number < perSecond * seconds; number += 1) {
		const due = start + (1_000 * number) / perSecond;
		const early = due - performance.now();
		if (early > 0) await sleep(early);
		underWay.push(latencyOf(askedAt(number), due));
	}
	return latenciesOf(await Promise.all(underWay));
}

async function latencyOf({ url, headers }: Asked, due: number) {
	const { status, body } = await get(url, headers);
	if (status !== 200)
		throw new Error(`${url} is answered with ${status}: ${body}`);
	return performance.now() - due;
}

export function latenciesOf(samples: readonly number[]): Latencies {
	return {
		mean: samples.reduce((sum, sample) => sum + sample, 0) / samples.length,
		p50: percentile(samples, 0.5),
		p99: percentile(samples, 0.99),
		p999: percentile(samples, 0.999),
	};
}
