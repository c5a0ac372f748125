// The costs of requests, and what Postern takes besides: starts what they need, measures, prints, and compares with the record.
import { readFile } from "node:fs/promises";
import { type Figures, readFigures } from "../figures.ts";
import { startFloor } from "./floor.ts";
import { warm } from "./hits.ts";
import {
	complain,
	sentencesOf,
	titleOf,
	tooDear,
	twiceTooDear,
} from "./limits.ts";
import type { Answered } from "./load.ts";
import { type Cost, measure, type Rounds } from "./measure.ts";
import { type Postern, type Setting, startPostern } from "./postern.ts";
import { type Row, rowsOf } from "./rows.ts";
import { sizeOfBundle, writesIntoKv } from "./sizes.ts";
import { startTutorial } from "./tutorial.ts";

export interface CostOptions extends Rounds {
	/** A part of the names of the rows that are measured. */
	readonly named: string;
	/** The file of another version's bundle. */
	readonly beside: string | undefined;
	/** Whether ratios are compared with the recorded ones. */
	readonly isJudged: boolean;
}

export async function measureCosts(
	{ stack, bundle, hits, cleanup }: Setting,
	options: CostOptions,
): Promise<Pick<Figures, "costs" | "sizes">> {
	const bundles = [bundle];
	if (options.beside !== undefined)
		bundles.push(await readFile(options.beside, "utf8"));
	const posterns: Postern[] = [];
	const answers: Answered[] = [];
	for (const bundle of bundles) {
		const postern = await startPostern(bundle, stack, cleanup);
		posterns.push(postern);
		for (const hit of hits) answers.push(await warm(hit, postern.whole));
		const [first] = hits;
		for (const server of [postern.filler, postern.isolate])
			if (first !== undefined) await warm(first, server);
	}
	const [postern] = posterns;
	if (postern === undefined) throw new Error("There is no Postern.");
	const floor = await startFloor(answers, stack.postgrestUrl);
	cleanup.push(floor.stop);
	const tutorial = await startTutorial(stack.postgrestUrl, cleanup);
	const sizes = [sizeOfBundle(bundle), await writesIntoKv(postern)];
	console.table(sizes);
	const all = await rowsOf({ ...stack, hits, floor, tutorial, postern });
	const rows = all.filter((row) => titleOf(row).includes(options.named));
	const costs = await measureAndPrint(rows, posterns, options);
	if (options.isJudged) {
		const recorded = { costs: [], sizes: [], ...(await readFigures()) };
		complain([
			...sentencesOf(tooDear(sizes, recorded.sizes), recorded.sizes),
			...(await twiceTooDear(costs, recorded.costs, (suspects) =>
				measureAndPrint(
					rows.filter((row) => suspects.has(titleOf(row))),
					posterns,
					options,
				),
			)),
		]);
	}
	return { costs, sizes };
}

/** @returns the costs with the first Postern */
async function measureAndPrint(
	rows: readonly Row[],
	posterns: readonly Postern[],
	options: CostOptions,
): Promise<Cost[]> {
	const costs = await measure(rows, posterns, options);
	for (const index of posterns.keys()) print(costs, index);
	return costs.flatMap(([cost]) => cost ?? []);
}

function print(costs: readonly Cost[][], which: number): void {
	console.table(
		costs.map((ofRow) => {
			const { name, base, ratio, middle, ...cost } = ofRow[which] as Cost;
			return {
				request: name,
				"compared with": base,
				ratio: ratio.toFixed(2),
				"middle half": middle.map((edge) => edge.toFixed(2)).join(" to "),
				µs: Math.round(cost.microseconds),
				"µs of the other": Math.round(cost.baseMicroseconds),
			};
		}),
	);
}
