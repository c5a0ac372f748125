// What `npm run bench -- --quick` fails for: ratios that are far above the recorded ones.
import type { Cost } from "./measure.ts";

/** How many times the recorded ratio a row may have. */
const TOLERANCE = 1.5;

export type Ratio = Pick<Cost, "name" | "base" | "ratio">;

/** A row's name in sentences. */
export function titleOf({ name, base }: Omit<Ratio, "ratio">): string {
	return `${name} / ${base}`;
}

/** The rows that are too dear, or that no record has. */
export function tooDear<Measured extends Ratio>(
	measured: readonly Measured[],
	recorded: readonly Ratio[],
): Measured[] {
	const limits = new Map(
		recorded.map((row) => [titleOf(row), TOLERANCE * row.ratio]),
	);
	return measured.filter(
		(row) => !(row.ratio <= (limits.get(titleOf(row)) ?? 0)),
	);
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
			: `"${title}" is ${row.ratio.toFixed(2)}, more than ${TOLERANCE} times the recorded ${record.ratio.toFixed(2)}.`;
	});
}
