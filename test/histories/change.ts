// Text in place of other text. One that does not fit is an error: no mutation can come to change nothing.

export interface Change {
	/** Has to be there once. Blanks are as good as each other. */
	readonly from: string;
	readonly to: string;
}

/** @throws {Error} where the text to change is not there, or more than once */
export function changed(text: string, { from, to }: Change): string {
	const pattern = RegExp(
		from.trim().split(/\s+/).map(literal).join("\\s+"),
		"g",
	);
	const count = text.match(pattern)?.length ?? 0;
	if (count !== 1) throw new Error(`It is there ${count} times: ${from}`);
	return text.replace(pattern, () => to);
}

function literal(text: string): string {
	return text.replace(/[$()*+.?[\\\]^{|}]/g, "\\$&");
}
