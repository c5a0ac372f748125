// Writes the report: the section of docs/benchmarks.md and its plots. It measures nothing.
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Figures } from "../figures.ts";
import {
	plotContenders,
	plotDistances,
	plotGrowth,
	plotLatencies,
	plotRatios,
} from "./plots.ts";
import { sectionOf, withSection } from "./section.ts";

const DOCS = join(import.meta.dirname, "../../docs");

export async function writeReport(figures: Figures): Promise<void> {
	const { costs, contenders, latencies, distances, growth } = figures;
	const plots = {
		ratios: costs && plotRatios(costs),
		contenders: contenders && plotContenders(contenders),
		latency: latencies && plotLatencies(latencies),
		distance: distances && plotDistances(distances),
		growth: growth && plotGrowth(growth),
	};
	await mkdir(join(DOCS, "bench"), { recursive: true });
	for (const [name, plot] of Object.entries(plots))
		if (plot) await writeFile(join(DOCS, "bench", `${name}.svg`), await plot);
	const page = join(DOCS, "benchmarks.md");
	const text = await readFile(page, "utf8");
	await writeFile(page, withSection(text, sectionOf(figures)));
}
