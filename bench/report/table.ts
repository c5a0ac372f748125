// Tables of Markdown, and how numbers stand in them. `npm run format` aligns the columns.

export function table(
	heads: readonly string[],
	rows: readonly (readonly string[])[],
): string {
	const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
	return [line(heads), line(heads.map(() => "-")), ...rows.map(line)].join(
		"\n",
	);
}

export function whole(number: number): string {
	return Math.round(number).toLocaleString("en");
}

/** Two digits. */
export function short(number: number): string {
	return Number(number.toPrecision(2)).toLocaleString("en");
}

export function range([low, high]: readonly [number, number]): string {
	return `${low.toFixed(2)} to ${high.toFixed(2)}`;
}
