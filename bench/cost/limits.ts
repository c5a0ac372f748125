// What `npm run bench -- --quick` fails for: ratios that are far above the recorded ones and above their aims.
import type { Cost } from "./measure.ts";

/** How many times the recorded ratio, or the aim, a row may have. */
const TOLERANCE = 1.5;

export type Ratio = Pick<Cost, "name" | "base" | "ratio" | "aim">;

/** A row's name in sentences. */
export function titleOf({ name, base }: Pick<Ratio, "name" | "base">): string {
	return `${name} / ${base}`;
}

/** The rows that are too dear, or that no record has. */
export function tooDear<Measured extends Ratio>(
	measured: readonly Measured[],
	recorded: readonly Ratio[],
): Measured[] {
	const limits = new Map(
		recorded.map((row) => [titleOf(row), TOLERANCE * yardstickOf(row)]),
	);
	return measured.filter(
		(row) => !(row.ratio <= (limits.get(titleOf(row)) ?? 0)),
	);
}

/** By chance the record of a noisy row may be low. A row that reaches its aim is not too dear. */
function yardstickOf({ ratio, aim = 0 }: Ratio): number {
	return Math.max(ratio, aim);
}

/** One sentence for each row that is too dear. */
export function sentencesOf(
	rows: readonly Ratio[],
	recorded: readonly Ratio[],
): string[] {
	return rows.map((row) => {
		const title = titleOf(row);
		const record = recorded.find((other) => titleOf(other) === title);
		return record === undefined
			? `"${title}" is not recorded: run npm run bench.`
			: `"${title}" is ${row.ratio.toFixed(2)}, more than ${TOLERANCE} times ${yardstickOf(record).toFixed(2)}, its record or its aim.`;
	});
}

/** A row that is too dear is measured once more: something else may have met it. @returns a sentence for each that still is */
export async function twiceTooDear<Measured extends Ratio>(
	measured: readonly Measured[],
	recorded: readonly Ratio[],
	measureAgain: (suspects: ReadonlySet<string>) => Promise<readonly Measured[]>,
): Promise<string[]> {
	const suspects = new Set(tooDear(measured, recorded).map(titleOf));
	if (suspects.size === 0) return [];
	console.log(`Measured again: ${[...suspects].join("; ")}`);
	const again = (await measureAgain(suspects)).filter((row) =>
		suspects.has(titleOf(row)),
	);
	return sentencesOf(tooDear(again, recorded), recorded);
}

/** Prints them, and lets the process fail if there are any. */
export function complain(sentences: readonly string[]): void {
	for (const sentence of sentences) console.error(sentence);
	if (sentences.length > 0) process.exitCode = 1;
}
