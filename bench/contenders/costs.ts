// The CPU time of a read with each contender, in each process. Rounds of all of them alternate.
import { spentBetween, threadTimes } from "../cost/cpu.ts";
import { expectOk, load } from "../cost/load.ts";
import { type Rounds, WARMING_REQUESTS } from "../cost/measure.ts";
import { median, percentile } from "../freshness/statistics.ts";
import { type Contender, DIRECT, READS, type Read } from "./start.ts";

export interface ContenderCost {
	readonly name: string;
	readonly read: Read;
	/** Of all processes, to those of PostgREST itself: the median of the rounds, and their middle half. */
	readonly ratio: number;
	readonly middle: readonly [number, number];
	/** Medians by process. */
	readonly microseconds: Readonly<Record<string, number>>;
}

/** Of a round's requests, each contender gets as many. */
const SHARE = 0.5;

type Sample = Readonly<Record<string, number>>;

export async function costsOf(
	contenders: readonly Contender[],
	rounds: Rounds,
): Promise<ContenderCost[]> {
	const costs: ContenderCost[] = [];
	for (const read of Object.keys(READS) as Read[])
		costs.push(...(await costsOfRead(contenders, read, rounds)));
	return costs;
}

async function costsOfRead(
	contenders: readonly Contender[],
	read: Read,
	{ rounds, requests }: Rounds,
): Promise<ContenderCost[]> {
	const samples = new Map<string, Sample[]>();
	for (const contender of contenders)
		await sampleOf(contender, read, WARMING_REQUESTS);
	for (let round = 0; round < rounds; round += 1) {
		for (const contender of contenders) {
			const sample = await sampleOf(contender, read, SHARE * requests);
			const before = samples.get(contender.name) ?? [];
			samples.set(contender.name, [...before, sample]);
		}
	}
	const direct = samples.get(DIRECT)?.map(sumOf) ?? [];
	return contenders.map(({ name, processes }) => {
		const ofName = samples.get(name) ?? [];
		const ratios = ofName.map(
			(sample, round) => sumOf(sample) / (direct[round] ?? 0),
		);
		return {
			...{ name, read, ratio: median(ratios) },
			middle: [percentile(ratios, 0.25), percentile(ratios, 0.75)],
			microseconds: Object.fromEntries(
				Object.keys(processes).map((program) => [
					program,
					median(ofName.map((sample) => sample[program] ?? 0)),
				]),
			),
		};
	});
}

async function sampleOf(
	{ processes, asked }: Contender,
	read: Read,
	count: number,
): Promise<Sample> {
	const times = () => Object.values(processes).map((pid) => threadTimes([pid]));
	const before = times();
	await load({ count, check: expectOk }, () => asked(read));
	const after = times();
	return Object.fromEntries(
		Object.keys(processes).map((program, index) => {
			const [from, to] = [before[index], after[index]];
			return [program, from && to ? spentBetween(from, to) / count : 0];
		}),
	);
}

function sumOf(sample: Sample): number {
	return Object.values(sample).reduce((sum, one) => sum + one, 0);
}
