// Replaces text by other text. A text that does not occur is an error, so every mutation changes something.

export interface Change {
	/** The text to replace, which has to occur once. Any whitespace equals any other. */
	readonly from: string;
	readonly to: string;
}

/** @throws {Error} if the text does not occur exactly once */
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
