// Callers who ask for hits and misses in turn, in a process of their own, which nothing else holds up: `node honest.ts http://…`
// Begin at once, end with the input. Print what they waited, as Waits.
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { read, WARM_READS } from "../../test/faults/traffic.ts";

export interface Waits {
	/** In milliseconds. */
	readonly hits: number[];
	readonly misses: number[];
	/** Answers other than 200. */
	failed: number;
}

const CALLERS = 6;
/** Requests of a caller that are not counted. */
const WARMING = 6;
/** Random, so that the callers do not fall into step: they would wait for one another. */
const pauseMs = () => 50 + Math.random() * 100;

if (import.meta.main)
	console.log(JSON.stringify(await ask(process.argv[2] ?? "")));

async function ask(gatewayUrl: string): Promise<Waits> {
	const waits: Waits = { hits: [], misses: [], failed: 0 };
	let ending = false;
	void once(process.stdin.resume(), "end").then(() => {
		ending = true;
	});
	// Another process asks other questions.
	let asked = Math.floor(Math.random() * 1e9);
	const loops = Array.from({ length: CALLERS }, async (_, caller) => {
		const headers = { "CF-Connecting-IP": `203.0.113.${caller + 1}` };
		for (let turn = caller; !ending; turn++) {
			const isMiss = turn % 3 === 0;
			const path = isMiss
				? `/rest/v1/products?select=id&id=gt.${asked++}`
				: (WARM_READS[turn % 3] ?? "");
			const { status, tookMs } = await read(gatewayUrl, path, headers);
			// The first requests of a process take longer.
			if (turn >= caller + WARMING)
				waits[isMiss ? "misses" : "hits"].push(tookMs);
			if (status !== 200) waits.failed++;
			await sleep(pauseMs());
		}
	});
	await Promise.all(loops);
	return waits;
}
