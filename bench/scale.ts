// npm run bench:scale
// Prints the tables of docs/scale.md: what 330 data centres ask of the change feed, simulated, and what a million requests cost.
import { costs, RATES, type Simulated } from "./scale/costs.ts";
import { simulate } from "./scale/simulation.ts";

const DATA_CENTRES = 330;
const READS_PER_SECOND = 1_000_000;
const ISOLATES = [1, 4, 16];
/** The table of costs is for these. */
const PRICED_BOUNDS = [1, 5];
const PRICED_ISOLATES = 16;
/** The object wakes itself each second. An alarm is billed as a call. */
const ALARMS_PER_SECOND = 1;
const BOUNDS_SECONDS = [1, 2, 5, 60];

const percent = (share: number) => `${(100 * share).toFixed(1)} %`;
const whole = (number: number) => Math.round(number).toLocaleString("en");

console.log(
	"| Maximum staleness | Isolates a data centre | Relays | Calls of the object a second (worst second) | Calls of a relay | Polls a second | Reads that wait | Mean age of a view |\n| - | - | - | - | - | - | - | - |",
);
const simulated: Simulated[] = [];
for (const bound of BOUNDS_SECONDS) {
	for (const isolatesPerDataCentre of ISOLATES) {
		for (const hasRelays of [false, true]) {
			const outcome = await simulate({
				dataCentres: DATA_CENTRES,
				isolatesPerDataCentre,
				readsPerSecond: READS_PER_SECOND,
				maxStalenessMs: 1_000 * bound,
				hasRelays,
				seconds: Math.max(5, bound),
				seed: 1,
			});
			const { calls, peakCalls, relayCalls, polls, waiting, viewAgeMs } =
				outcome;
			const cells = [
				`${bound} s`,
				isolatesPerDataCentre,
				hasRelays ? "on" : "off",
				`${whole(calls)} (${whole(peakCalls)})`,
				hasRelays ? relayCalls.toFixed(1) : "",
				polls.toFixed(1),
				percent(waiting),
				`${(viewAgeMs / 1_000).toFixed(1)} s`,
			];
			console.log(`| ${cells.join(" | ")} |`);
			if (
				hasRelays &&
				isolatesPerDataCentre === PRICED_ISOLATES &&
				PRICED_BOUNDS.includes(bound)
			)
				simulated.push({
					name: `Postern with relays, maximum staleness ${bound} s`,
					readsPerSecond: READS_PER_SECOND,
					callsPerSecond: calls + DATA_CENTRES * relayCalls,
					objects: 1 + DATA_CENTRES,
				});
		}
	}
}
simulated.push(await small());

/** An application of usual size. */
async function small(): Promise<Simulated> {
	const { calls } = await simulate({
		dataCentres: 10,
		isolatesPerDataCentre: 1,
		readsPerSecond: 100,
		maxStalenessMs: 5_000,
		hasRelays: false,
		seconds: 20,
		seed: 1,
	});
	return {
		name: "Postern, 5 s, 100 requests a second in 10 data centres",
		readsPerSecond: 100,
		callsPerSecond: calls + ALARMS_PER_SECOND,
		objects: 1,
	};
}

console.log(
	"\n| A million requests | Hits | Workers | Durable Objects | KV | Sum | Reach PostgREST or the database |\n| - | - | - | - | - | - | - |",
);
for (const { name, hits, workers, objects, kv, atOrigin } of costs(
	RATES,
	simulated,
)) {
	const dollars = [workers, objects, kv, workers + objects + kv];
	const cells = [
		name,
		percent(hits),
		...dollars.map((sum) => `$${sum.toFixed(3)}`),
		whole(atOrigin),
	];
	console.log(`| ${cells.join(" | ")} |`);
}
