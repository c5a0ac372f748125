// The part of docs/benchmarks.md that `npm run bench` writes, from the figures.
import type { Cost } from "../cost/measure.ts";
import type { Size } from "../cost/sizes.ts";
import type { Standing } from "../edge/contenders.ts";
import type { AtDistance } from "../edge/distances.ts";
import type { Figures } from "../figures.ts";

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
	const { measuredOn, machine, costs, sizes, memory, contenders, distances } =
		figures;
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
		...(contenders
			? [
					"### What else may stand before the same Postgres",
					"![Latencies at fixed rates](bench/latency.svg)",
					contenderTable(contenders),
				]
			: []),
		...(distances
			? [
					"### Far from the origin",
					"![The mean latency by distance and share of hits](bench/distance.svg)",
					distanceTable(distances),
				]
			: []),
	].join("\n\n");
}

function costTable(costs: readonly Cost[]): string {
	const whole = (number: number) => Math.round(number).toLocaleString("en");
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
			cost.middle.map((edge) => edge.toFixed(2)).join(" to "),
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
			String(size.aim),
			size.value,
		]),
	);
}

/** A ratio that misses its aim stands out. */
export function verdict({ ratio, aim }: Pick<Cost, "ratio" | "aim">): string {
	const text = ratio.toFixed(2);
	return aim !== undefined && ratio > aim ? `**${text}**` : text;
}

function contenderTable(contenders: readonly Standing[]): string {
	const [floor] = contenders;
	const direct = contenders.find(({ name }) => name === "PostgREST itself");
	const ratio = (cost: number, base = Number.NaN) => (cost / base).toFixed(2);
	const rates = floor?.latencies.map(({ perSecond }) => perSecond) ?? [];
	return table(
		[
			"One row, of 100",
			"CPU before the origin / an empty route",
			"CPU of the origin / PostgREST itself",
			...rates.map((rate) => `p50, p99, p99.9 at ${rate} a second, ms`),
		],
		contenders.map(({ name, microseconds, originMicroseconds, latencies }) => [
			name,
			ratio(microseconds, floor?.microseconds),
			ratio(originMicroseconds, direct?.originMicroseconds),
			...latencies.map(({ p50, p99, p999 }) =>
				[p50, p99, p999].map((ms) => ms.toFixed(1)).join(", "),
			),
		]),
	);
}

function distanceTable(distances: readonly AtDistance[]): string {
	const roundTrips = [...new Set(distances.map((one) => one.roundTripMs))];
	const rows = new Map<string, AtDistance[]>();
	for (const one of distances) {
		const title =
			one.name === "Postern" ? `Postern, ${one.hits} % hits` : one.name;
		rows.set(title, [...(rows.get(title) ?? []), one]);
	}
	return table(
		["", ...roundTrips.map((ms) => `mean, p50, p99 at ${ms} ms`)],
		[...rows].map(([title, ofTitle]) => [
			title,
			...ofTitle.map(({ mean, p50, p99 }) =>
				[mean, p50, p99].map((ms) => ms.toFixed(0)).join(", "),
			),
		]),
	);
}

function table(
	heads: readonly string[],
	rows: readonly (readonly string[])[],
): string {
	const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
	return [line(heads), line(heads.map(() => "-")), ...rows.map(line)].join(
		"\n",
	);
}
