// The plots of docs/benchmarks.md, as SVG by Vega-Lite: it needs no browser.
import { parse, View } from "vega";
import { compile, type TopLevelSpec } from "vega-lite";
import type { ContenderCost } from "../contenders/costs.ts";
import type { AtDistance } from "../contenders/distance.ts";
import type { ContenderLatency } from "../contenders/latency.ts";
import { titleOf } from "../cost/limits.ts";
import type { Cost } from "../cost/measure.ts";
import type { Growth } from "../growth/growth.ts";

const COMMON = {
	$schema: "https://vega.github.io/schema/vega-lite/v6.json",
	background: "white",
	config: {
		font: "sans-serif",
		axis: { labelLimit: 420 },
		legend: { labelLimit: 420 },
	},
} as const;

/** Ratios, with the middle half of their rounds, and a tick where they should be. */
export function plotRatios(costs: readonly Cost[]): Promise<string> {
	const y = {
		field: "title",
		type: "nominal",
		sort: null,
		title: null,
	} as const;
	const x = (field: string) =>
		({
			field,
			type: "quantitative",
			scale: { type: "log" },
			title: "ratio of CPU (logarithmic; less is better)",
		}) as const;
	return svgOf({
		...COMMON,
		width: 420,
		data: {
			values: costs.map((cost) => ({
				title: titleOf(cost),
				ratio: cost.ratio,
				low: cost.middle[0],
				high: cost.middle[1],
				aim: cost.aim,
				kind:
					(cost.aim ?? Number.POSITIVE_INFINITY) < cost.ratio
						? "missed"
						: "met, or none",
			})),
		},
		layer: [
			{
				mark: { type: "rule", color: "#999" },
				encoding: { y, x: x("low"), x2: { field: "high" } },
			},
			{
				transform: [{ filter: "isValid(datum.aim)" }],
				mark: { type: "tick", color: "black", thickness: 2 },
				encoding: { y, x: x("aim") },
			},
			{
				mark: { type: "point", filled: true, size: 70, opacity: 1 },
				encoding: {
					y,
					x: x("ratio"),
					color: {
						field: "kind",
						type: "nominal",
						title: "aim (tick)",
						scale: {
							domain: ["met, or none", "missed"],
							range: ["#1f77b4", "#d62728"],
						},
					},
				},
			},
		],
	});
}

/** Bars of all processes' CPU. */
export function plotContenders(
	costs: readonly ContenderCost[],
): Promise<string> {
	return svgOf({
		...COMMON,
		data: {
			values: costs.flatMap(({ name, read, microseconds }) =>
				Object.entries(microseconds).map(([process, taken]) => ({
					...{ name: plain(name), read, process, taken },
				})),
			),
		},
		facet: {
			row: {
				...{ field: "read", type: "nominal", title: null },
				sort: [...new Set(costs.map(({ read }) => read))],
			},
		},
		spec: {
			width: 420,
			mark: "bar",
			encoding: {
				y: { field: "name", type: "nominal", sort: null, title: null },
				x: {
					field: "taken",
					type: "quantitative",
					title: "CPU, µs a read (less is better)",
				},
				color: { field: "process", type: "nominal", sort: null, title: null },
			},
		},
	});
}

/** Three points for each contender and rate. */
export function plotLatencies(
	latencies: readonly ContenderLatency[],
): Promise<string> {
	return svgOf({
		...COMMON,
		data: {
			values: latencies.flatMap(({ name, perSecond, p50, p99, p999 }) =>
				Object.entries({ p50, p99, "p99.9": p999 }).map(([share, ms]) => ({
					...{ name: plain(name), share, ms },
					rate: `${perSecond} a second`,
				})),
			),
		},
		facet: { row: { field: "rate", type: "nominal", title: null, sort: null } },
		spec: {
			width: 420,
			mark: { type: "point", filled: true, size: 70, opacity: 1 },
			encoding: {
				y: { field: "name", type: "nominal", sort: null, title: null },
				x: {
					field: "ms",
					type: "quantitative",
					scale: { type: "log" },
					title: "latency, ms (logarithmic; less is better)",
				},
				color: { field: "share", type: "nominal", sort: null, title: null },
			},
		},
	});
}

/** A line for each way to read. */
export function plotDistances(
	distances: readonly AtDistance[],
): Promise<string> {
	return svgOf({
		...COMMON,
		...{ width: 420, height: 260 },
		data: {
			values: distances.map((one) => ({ ...one, name: plain(one.name) })),
		},
		mark: { type: "line", point: true },
		encoding: {
			x: {
				field: "roundTripMs",
				type: "quantitative",
				title: "round trip between edge and origin, ms",
			},
			y: {
				field: "mean",
				type: "quantitative",
				title: "mean latency, ms (less is better)",
			},
			color: { field: "name", type: "nominal", sort: null, title: null },
		},
	});
}

/** A plot for each thing that there is more and more of. */
export function plotGrowth(growths: readonly Growth[]): Promise<string> {
	const kinds = [...new Set(growths.map(({ of }) => of))];
	return svgOf({
		...COMMON,
		resolve: { scale: { color: "independent" } },
		vconcat: kinds.map((kind) => ({
			...{ width: 420, height: 160 },
			data: {
				values: growths
					.filter(({ of }) => of === kind)
					.flatMap(({ name, unit, points }) =>
						points.map(([size, cost]) => ({
							...{ size, cost, name: `${plain(name)} (${unit})` },
						})),
					),
			},
			mark: { type: "line", point: true },
			encoding: {
				x: {
					field: "size",
					type: "quantitative",
					scale: { type: "log" },
					title: `number of ${kind} (logarithmic)`,
				},
				y: {
					field: "cost",
					type: "quantitative",
					scale: { type: "log" },
					title: "CPU (logarithmic)",
				},
				color: { field: "name", type: "nominal", sort: null, title: null },
			},
		})),
	});
}

/** Without Markdown. */
function plain(name: string): string {
	return name.replaceAll("`", "");
}

function svgOf(spec: TopLevelSpec): Promise<string> {
	return new View(parse(compile(spec).spec), { renderer: "none" }).toSVG();
}
