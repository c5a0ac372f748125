// The report's part on what grows with keys, tables, changed tags and isolates.
import type { Growth } from "../growth/growth.ts";
import { short, table, whole } from "./table.ts";

export function growthSection(growths: readonly Growth[]): string {
	return [
		"### What grows",
		`CPU time by how much there is of something, and how many times as much the most costs as the least. Isolates are represented by their calls of one real object, every 2.5 s each; it polls each second, however many ask.
Hits are workerd's, polls and the catalog Postgres's. A look-up, and what the change feed and an isolate do with the catalog and with tags, is the gateway's code in Node. An isolate's memory holds about 5,500 small answers that were read again: the rest of a hundred thousand is left to KV. It remembers no more than 10,000 changed tags.`,
		"![What grows, by how much there is](bench/growth.svg)",
		table(
			["With the number of", "What", "Times as much", "CPU, by that number"],
			growths.map(({ of, name, unit, points }) => [
				...[of, name, timesOf(points)],
				`${points.map(([size, cost]) => `${whole(size)}: ${short(cost)}`).join(", ")} ${unit}`,
			]),
		),
	].join("\n\n");
}

function timesOf(points: Growth["points"]): string {
	const [least, most] = [points[0], points.at(-1)];
	if (least === undefined || most === undefined) return "";
	return `${short(most[1] / least[1])} for ${short(most[0] / least[0])}`;
}
