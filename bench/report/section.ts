// The part of docs/benchmarks.md that `npm run bench` writes, from the figures.
import type { Cost } from "../cost/measure.ts";
import type { Size } from "../cost/sizes.ts";
import type { Figures } from "../figures.ts";
import { contenderSection, latencySection } from "./contenders.ts";
import { distanceSection } from "./distances.ts";
import { growthSection } from "./growth.ts";
import { startSection } from "./starts.ts";
import { range, table, whole } from "./table.ts";

const BEGIN = "<!-- npm run bench writes from here -->";
const END = "<!-- to here -->";

/** @throws {Error} where the text has no place for the section */
export function withSection(text: string, section: string): string {
	const [begin, end] = [text.indexOf(BEGIN), text.indexOf(END)];
	if (begin === -1 || end < begin)
		throw new Error(`The text does not have "${BEGIN}" and "${END}" after it.`);
	return `${text.slice(0, begin)}${BEGIN}\n\n${section}\n\n${text.slice(end)}`;
}

/** Parts that were not measured yet are left out. */
export function sectionOf(figures: Figures): string {
	const {
		measuredOn,
		machine,
		costs,
		sizes,
		starts,
		contenders,
		latencies,
		distances,
		growth,
		memory,
	} = figures;
	return [
		`Measured on ${measuredOn}: ${machine}, shared, on a virtual machine; Postgres, PostgREST and workerd as \`npm start\` runs them.`,
		...(costs
			? [
					"![Each ratio, the middle half of its rounds, and its aim](bench/ratios.svg)",
					costTable(costs),
				]
			: []),
		...(sizes || memory
			? [sizeTable([...(sizes ?? []), ...(memory ?? [])])]
			: []),
		...(starts ? [startSection(starts)] : []),
		...(contenders ? [contenderSection(contenders)] : []),
		...(latencies ? [latencySection(latencies)] : []),
		...(distances ? [distanceSection(distances)] : []),
		...(growth ? [growthSection(growth)] : []),
	].join("\n\n");
}

function costTable(costs: readonly Cost[]): string {
	return table(
		[
			...["Request", "Bytes", "Compared with", "Ratio"],
			...["Middle half of the rounds", "Aim", "CPU, µs a request"],
		],
		costs.map((cost) => [
			cost.name,
			whole(cost.bytes),
			cost.base,
			verdict(cost),
			range(cost.middle),
			String(cost.aim ?? ""),
			`${whole(cost.microseconds)}, ${whole(cost.baseMicroseconds)}`,
		]),
	);
}

function sizeTable(sizes: readonly Size[]): string {
	return table(
		["Besides CPU", "Compared with", "Ratio", "Aim", "Measured"],
		sizes.map((size) => [
			size.name,
			size.base,
			verdict(size),
			size.atLeast === undefined
				? String(size.aim)
				: `${size.atLeast} to ${size.aim}`,
			size.value,
		]),
	);
}

/** A ratio that misses its aim stands out. */
export function verdict({
	ratio,
	aim = Number.POSITIVE_INFINITY,
	atLeast = 0,
}: Pick<Cost, "ratio" | "aim"> & Pick<Size, "atLeast">): string {
	const text = ratio.toFixed(2);
	return ratio > aim || ratio < atLeast ? `**${text}**` : text;
}
