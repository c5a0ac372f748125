// The report's part on what grows with keys, tables, changed tags and isolates.
import type { Growth } from "../growth/growth.ts";
import { short, table, whole } from "./table.ts";

export function growthSection(growths: readonly Growth[]): string {
	return [
		"### What grows",
		`CPU time by how much there is of something, and how many times as much the most costs as the least. Hits and the object are workerd's, polls and the catalog Postgres's. A look-up, and what the change feed and an isolate do with the catalog and with tags, is the gateway's code in Node.
Hits are those of one isolate that is asked for any of the keys at random. Its memory holds about 4,700 of these answers that were read again, and several times as many that were read once: of 10,000 keys most were found there, of 100,000 most came from KV. KV was filled with copies of one answer under all keys, by the gateway's own code, since to ask for each would take minutes.
Isolates are Workers of the same bundle in one workerd process, each read twice a second, and the object is in another process, which they call through a Worker that passes calls on over HTTP; at Cloudflare they are on many machines. The object polls each second, however many ask. An isolate remembers no more than 10,000 changed tags.`,
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
