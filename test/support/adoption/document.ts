// The commands of docs/adoption.md, as a reader finds them: the blocks of shell commands below a heading.

/** @throws {Error} where the page has no such heading, or other than this number of blocks below it */
export function shellBlocks(
	page: string,
	heading: string,
	count: number,
): string[] {
	const [, section] = page.split(`\n${heading}\n`);
	const [text = ""] = section?.split(/^##/m) ?? [];
	const blocks = [...text.matchAll(/^```sh\n(.*?)^```$/gms)];
	if (blocks.length !== count)
		throw new Error(
			`docs/adoption.md has ${blocks.length} blocks of commands, not ${count}, below: ${heading}`,
		);
	return blocks.map(([, block = ""]) => block);
}

/** The single commands of a block. One may go on over several lines, or have a document below it. */
export function commandsOf(block: string): string[] {
	return block
		.replace(/(<<(\w+)\n)[\s\S]*?^\2\n/gm, "$1")
		.replaceAll("\\\n", " ")
		.split("\n")
		.map((line) => line.replace(/<<\w+$/, "").trim())
		.filter((line) => line !== "" && !line.startsWith("#"));
}

/** The variables that a block sets, in its order. */
export function variablesOf(block: string): string[] {
	return commandsOf(block).map((line) => {
		const [, name] = /^export (\w+)=/.exec(line) ?? [];
		if (name === undefined) throw new Error(`This sets no variable: ${line}`);
		return name;
	});
}
