// The plots of docs/benchmarks.md, as SVG by Vega-Lite: it needs no browser.
import { parse, View } from "vega";
import { compile, type TopLevelSpec } from "vega-lite";
import { titleOf } from "../cost/limits.ts";
import type { Cost } from "../cost/measure.ts";

const COMMON = {
	$schema: "https://vega.github.io/schema/vega-lite/v6.json",
	background: "white",
	config: { font: "sans-serif", axis: { labelLimit: 420 } },
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

function svgOf(spec: TopLevelSpec): Promise<string> {
	return new View(parse(compile(spec).spec), { renderer: "none" }).toSVG();
}
