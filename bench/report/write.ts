// Writes the report: the section of docs/benchmarks.md and its plots. It measures nothing.
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Figures } from "../figures.ts";
import { plotRatios } from "./plots.ts";
import { sectionOf, withSection } from "./section.ts";

const DOCS = join(import.meta.dirname, "../../docs");

export async function writeReport(figures: Figures): Promise<void> {
	await mkdir(join(DOCS, "bench"), { recursive: true });
	if (figures.costs)
		await writeFile(
			join(DOCS, "bench", "ratios.svg"),
			await plotRatios(figures.costs),
		);
	const page = join(DOCS, "benchmarks.md");
	const text = await readFile(page, "utf8");
	await writeFile(page, withSection(text, sectionOf(figures)));
}
