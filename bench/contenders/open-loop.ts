// Requests at a fixed rate, whether or not those before are answered: a server that stalls gets no pause.
import { Agent } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { type Asked, ask, expectOk, IDLE_MS } from "../cost/load.ts";
import { percentile } from "../freshness/statistics.ts";

/** In milliseconds. */
export interface Latencies {
	readonly mean: number;
	readonly p50: number;
	readonly p99: number;
	readonly p999: number;
}

/** As many connections as are needed. */
const agent = new Agent({ keepAlive: true, timeout: IDLE_MS });

/** @returns how long each took from its sending to the last byte of its answer, in milliseconds. @throws {Error} where an answer is not 200 */
export async function openLoop(
	perSecond: number,
	seconds: number,
	askedAt: (number: number) => Asked,
): Promise<number[]> {
	const start = performance.now();
	const underWay: Promise<number>[] = [];
	for (let number = 0; number < perSecond * seconds; number += 1) {
		const early = start + (1_000 * number) / perSecond - performance.now();
		if (early > 0) await sleep(early);
		const answered = latencyOf(askedAt(number));
		// What fails before all are sent is thrown when they are.
		answered.catch(() => {});
		underWay.push(answered);
	}
	return Promise.all(underWay);
}

async function latencyOf(asked: Asked): Promise<number> {
	const sentAt = performance.now();
	expectOk(await ask(asked, agent), asked);
	return performance.now() - sentAt;
}

export function latenciesOf(samples: readonly number[]): Latencies {
	return {
		mean: samples.reduce((sum, sample) => sum + sample, 0) / samples.length,
		p50: percentile(samples, 0.5),
		p99: percentile(samples, 0.99),
		p999: percentile(samples, 0.999),
	};
}

/** Closes the kept connections. */
export function closeOpenLoops(): void {
	agent.destroy();
}
