// The report's part on what an isolate takes at first.
import type { Start } from "../starts/starts.ts";
import { range, short, table } from "./table.ts";

export function startSection(starts: readonly Start[]): string {
	return [
		"### A fresh isolate",
		`CPU time of what happens once. Each sample is of a workerd process of its own, in turn with one of an empty Worker, which is a proxy of one line as well; medians.
The start is the process from its beginning to the answer of the first \`/health\`, for which the settings and the routes are made; its aim is for what is beyond the empty Worker. A first read is the first request after that, of one row, in an isolate that knows nothing: it asks the change feed, loads the catalog, plans, asks PostgREST and keeps the answer.
At a first read the change feed's object is in use already, in another process. At a first read of all it is new as well, as after a deployment in which nothing else asks: it polls, reads the catalog and lets PostgREST load its schema again, so that it knows which one that answers by. The aim for the origin is for the first kind: isolates begin often, and the object seldom.`,
		table(
			[
				...["At first", "Compared with", "Ratio"],
				...["Middle half of the rounds", "CPU, ms", "For the aim", "Aim, ms"],
			],
			starts.map((start) => [
				...[start.name, start.base, start.ratio.toFixed(2)],
				range(start.middle),
				`${short(start.milliseconds)}, ${short(start.baseMilliseconds)}`,
				verdict(start),
				String(start.aimMs ?? ""),
			]),
		),
	].join("\n\n");
}

/** What misses its aim stands out. */
function verdict({ judgedMs, aimMs }: Start): string {
	if (aimMs === undefined) return "";
	return judgedMs > aimMs ? `**${short(judgedMs)}**` : short(judgedMs);
}
