// Measures rows: rounds of Postern and of what it is compared with alternate, so that what the machine does else meets both.
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

/** Until the runtime has compiled what a row runs. */
const WARMING_ROUNDS = 3;

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
	const costs: Cost[][] = [];
	for (const row of rows) costs.push(await measureRow(row, posterns, rounds));
	return costs;
}

async function measureRow(
	row: Row,
	posterns: readonly Postern[],
	{ rounds, requests }: Rounds,
): Promise<Cost[]> {
	const count = Math.ceil(requests * (row.share ?? 1));
	const samples = posterns.map(() => ({
		of: [] as number[],
		against: [] as number[],
		bytes: 0,
	}));
	for (let round = -WARMING_ROUNDS; round < rounds; round += 1) {
		for (const [which, postern] of posterns.entries()) {
			await row.prepare?.(postern, count);
			const against = await costOf(row, row.against, count);
			const of = await costOf(row, row.of(postern), count, row.says);
			const sample = samples[which];
			if (round < 0 || sample === undefined) continue;
			sample.of.push(of.cost);
			sample.against.push(against.cost);
			sample.bytes = of.bytes;
		}
	}
	const { name, base, aim } = row;
	return samples.map(({ of, against, bytes }) => {
		const ratios = of.map((cost, round) => cost / (against[round] ?? 0));
		return {
			...{ name, base, ratio: median(ratios) },
			middle: [percentile(ratios, 0.25), percentile(ratios, 0.75)],
			microseconds: median(of),
			baseMicroseconds: median(against),
			bytes,
			...(aim !== undefined && { aim }),
		};
	});
}

/** How many of the answers may be others than the row is about: a poll may come in between. */
const OTHERS = 0.1;

async function costOf(
	{ name, status, concurrency }: Row,
	{ pids, asked }: Side,
	count: number,
	says = "",
): Promise<{ cost: number; bytes: number }> {
	const others: string[] = [];
	let bytes = 0;
	const check = (answer: Answered, { url }: Asked) => {
		if (answer.status !== status)
			throw new Error(
				`${url} is answered with ${answer.status}: ${answer.body}`,
			);
		bytes = answer.body.length;
		const said = answer.headers["cache-status"] ?? "";
		if (!said.includes(says)) others.push(said);
	};
	const before = await threadTimes(pids);
	await load(
		{ count, check, ...(concurrency !== undefined && { concurrency }) },
		asked,
	);
	const cost = spentBetween(before, await threadTimes(pids)) / count;
	if (others.length > OTHERS * count)
		throw new Error(
			`"${name}": of ${count} answers ${others.length} do not say "${says}" in Cache-Status, but for example "${others[0]}".`,
		);
	return { cost, bytes };
}
