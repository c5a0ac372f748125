// Measures rows: Postern and what it is compared with take short turns, so that what the machine does else meets both.
import { median, percentile } from "../freshness/statistics.ts";
import { spentBetween, threadTimes } from "./cpu.ts";
import { type Answered, type Asked, load } from "./load.ts";
import type { Postern } from "./postern.ts";
import type { Row, Side } from "./rows.ts";

export interface Rounds {
	readonly rounds: number;
	/** Of each row, in each round. */
	readonly requests: number;
}

/** Of each row and side, by the row's share, before anything is counted: V8 compiles what a request runs in steps. */
export const WARMING_REQUESTS = 4_000;
/** Of one side. The shorter the turns, the more alike are the moments that the two sides meet. */
const REQUESTS_OF_A_TURN = 50;

export interface Cost {
	readonly name: string;
	readonly base: string;
	/** Medians of the rounds. */
	readonly ratio: number;
	/** The middle half of the rounds' ratios. */
	readonly middle: readonly [number, number];
	readonly microseconds: number;
	readonly baseMicroseconds: number;
	readonly bytes: number;
	readonly aim?: number;
}

/** @returns the costs of each row with each Postern, in their order */
export async function measure(
	rows: readonly Row[],
	posterns: readonly Postern[],
	rounds: Rounds,
): Promise<Cost[][]> {
	for (const row of rows)
		for (const postern of posterns)
			await roundOf(
				row,
				postern,
				Math.ceil(WARMING_REQUESTS * Math.min(1, row.share ?? 1)),
			);
	const costs: Cost[][] = [];
	for (const row of rows) {
		const samples = await roundsOf(row, posterns, rounds);
		costs.push(samples.map((ofPostern) => costOf(row, ofPostern)));
	}
	return costs;
}

/** What a round took, in microseconds a request. */
interface Sample {
	readonly of: number;
	readonly against: number;
	/** Of an answer. */
	readonly bytes: number;
}

function costOf({ name, base, aim }: Row, samples: readonly Sample[]): Cost {
	const ratios = samples.map(({ of, against }) => of / against);
	return {
		...{ name, base, ratio: median(ratios) },
		middle: [percentile(ratios, 0.25), percentile(ratios, 0.75)],
		microseconds: median(samples.map(({ of }) => of)),
		baseMicroseconds: median(samples.map(({ against }) => against)),
		bytes: samples.at(-1)?.bytes ?? 0,
		...(aim !== undefined && { aim }),
	};
}

/** @returns the samples of each Postern */
async function roundsOf(
	row: Row,
	posterns: readonly Postern[],
	{ rounds, requests }: Rounds,
): Promise<Sample[][]> {
	const count = Math.ceil(requests * (row.share ?? 1));
	const samples = posterns.map((): Sample[] => []);
	for (let round = 0; round < rounds; round += 1)
		for (const [which, postern] of posterns.entries())
			samples[which]?.push(await roundOf(row, postern, count));
	return samples;
}

/** The two sides take turns, and turns at being first. */
async function roundOf(
	row: Row,
	postern: Postern,
	count: number,
): Promise<Sample> {
	await row.prepare?.(postern, count);
	const of = meterOf(row, row.of(postern), row.says);
	const against = meterOf(row, row.against);
	let order = [against, of];
	for (let first = 0; first < count; first += REQUESTS_OF_A_TURN) {
		const requests = Math.min(REQUESTS_OF_A_TURN, count - first);
		for (const side of order) await side.ask(first, requests);
		order = order.toReversed();
	}
	of.expectAnswers(count);
	return {
		of: of.microseconds / count,
		against: against.microseconds / count,
		bytes: of.bytes,
	};
}

/** How many of the answers may be others than the row is about: a poll may come in between. */
const OTHERS = 0.1;

/** Sends requests to a side, and adds up what they take. */
function meterOf(
	{ name, status, concurrency }: Row,
	{ pids, asked }: Side,
	says = "",
) {
	const others: string[] = [];
	const meter = { microseconds: 0, bytes: 0, ask, expectAnswers };
	return meter;

	async function ask(first: number, count: number): Promise<void> {
		const options = { count, check, ...(concurrency && { concurrency }) };
		const before = threadTimes(pids);
		await load(options, (number) => asked(first + number));
		meter.microseconds += spentBetween(before, threadTimes(pids));
	}

	function check(answer: Answered, { url }: Asked): void {
		if (answer.status !== status)
			throw new Error(
				`${url} is answered with ${answer.status}: ${answer.body}`,
			);
		meter.bytes = answer.body.length;
		const said = answer.headers["cache-status"] ?? "";
		if (!said.includes(says)) others.push(said);
	}

	/** @throws {Error} where too many were others */
	function expectAnswers(count: number): void {
		if (others.length > OTHERS * count)
			throw new Error(
				`"${name}": of ${count} answers ${others.length} do not say "${says}" in Cache-Status, but for example "${others[0]}".`,
			);
	}
}
