// Latency of a read of one row at fixed rates. The contenders take turns, so that what the machine does else meets all.
import { type Latencies, latenciesOf, openLoop } from "./open-loop.ts";
import type { Contender } from "./start.ts";

export interface ContenderLatency extends Latencies {
	readonly name: string;
	readonly perSecond: number;
}

const RATES = [100, 200];
const TURNS = 4;
const TURN_SECONDS = 2;
/** How long each contender is asked at each rate. */
export const SECONDS_AT_RATE = TURNS * TURN_SECONDS;
const WARMING_SECONDS = 1;

export async function latenciesAtRates(
	contenders: readonly Contender[],
): Promise<ContenderLatency[]> {
	const latencies: ContenderLatency[] = [];
	for (const perSecond of RATES) {
		const samples = new Map<string, number[]>();
		for (let turn = 0; turn < TURNS; turn += 1) {
			for (const { name, asked } of contenders) {
				const send = (seconds: number) =>
					openLoop(perSecond, seconds, () => asked("one row"));
				if (turn === 0) await send(WARMING_SECONDS);
				const before = samples.get(name) ?? [];
				samples.set(name, [...before, ...(await send(TURN_SECONDS))]);
			}
		}
		for (const [name, ofName] of samples)
			latencies.push({ name, perSecond, ...latenciesOf(ofName) });
	}
	return latencies;
}
