// The deployments that docs/scale.md has, and their rows in its tables.
import { whole } from "../report/table.ts";
import type { Cost, Simulated } from "./costs.ts";
import type { Deployment, Outcome } from "./simulation.ts";

const DATA_CENTRES = 330;
const READS_PER_SECOND = 1_000_000;
const BOUNDS_SECONDS = [1, 2, 5, 60];
const ISOLATES = [1, 4, 16];
/** The table of costs is for these. */
const PRICED_BOUNDS_MS = [1_000, 5_000];
const PRICED_ISOLATES = 16;
/** The object wakes itself each second. An alarm is billed as a call. */
const ALARMS_PER_SECOND = 1;

export const DEPLOYMENTS: readonly Deployment[] = BOUNDS_SECONDS.flatMap(
	(bound) =>
		ISOLATES.flatMap((isolatesPerDataCentre) =>
			[false, true].map((hasRelays) => ({
				dataCentres: DATA_CENTRES,
				isolatesPerDataCentre,
				readsPerSecond: READS_PER_SECOND,
				maxStalenessMs: 1_000 * bound,
				hasRelays,
				seconds: Math.max(5, bound),
				seed: 1,
			})),
		),
);

/** An application of usual size. */
export const SMALL: Deployment = {
	dataCentres: 10,
	isolatesPerDataCentre: 1,
	readsPerSecond: 100,
	maxStalenessMs: 5_000,
	hasRelays: false,
	seconds: 20,
	seed: 1,
};

const WRITES_PER_SECOND = [100, 1_000, 10_000];

/** Those that are written in as well. */
export const WRITTEN: readonly Deployment[] = WRITES_PER_SECOND.flatMap(
	(writesPerSecond) =>
		[false, true].map((hasRelays) => ({
			...{ dataCentres: DATA_CENTRES, isolatesPerDataCentre: 4 },
			...{ readsPerSecond: READS_PER_SECOND, writesPerSecond },
			...{ maxStalenessMs: 5_000, hasRelays, seconds: 5, seed: 1 },
		})),
);

export const WRITTEN_HEADS = [
	...["Writes a second", "Relays"],
	"Calls of the object a second (worst second)",
	"Polls a second",
];

export function writtenRow(
	{ writesPerSecond = 0, hasRelays }: Deployment,
	{ calls, peakCalls, polls }: Outcome,
): string[] {
	return [
		...[whole(writesPerSecond), hasRelays ? "on" : "off"],
		...[`${whole(calls)} (${whole(peakCalls)})`, polls.toFixed(1)],
	];
}

export const OUTCOME_HEADS = [
	...["Maximum staleness", "Isolates a data centre", "Relays"],
	"Calls of the object a second (worst second)",
	...["Calls of a relay", "Polls a second"],
	...["Reads that wait", "Mean age of a view"],
];

export function outcomeRow(
	{ maxStalenessMs, isolatesPerDataCentre, hasRelays }: Deployment,
	outcome: Outcome,
): string[] {
	const { calls, peakCalls, mostRelayCalls, polls } = outcome;
	return [
		`${maxStalenessMs / 1_000} s`,
		String(isolatesPerDataCentre),
		hasRelays ? "on" : "off",
		`${whole(calls)} (${whole(peakCalls)})`,
		hasRelays ? mostRelayCalls.toFixed(1) : "",
		polls.toFixed(1),
		percent(outcome.waiting),
		`${(outcome.viewAgeMs / 1_000).toFixed(1)} s`,
	];
}

export function isPriced(deployment: Deployment): boolean {
	const { hasRelays, isolatesPerDataCentre, maxStalenessMs } = deployment;
	return (
		hasRelays &&
		isolatesPerDataCentre === PRICED_ISOLATES &&
		PRICED_BOUNDS_MS.includes(maxStalenessMs)
	);
}

/** What the deployment is billed for. */
export function billed(
	{ dataCentres, readsPerSecond, maxStalenessMs, hasRelays }: Deployment,
	{ calls, relayCalls }: Outcome,
): Simulated {
	const bound = maxStalenessMs / 1_000;
	return {
		name: hasRelays
			? `Postern with relays, maximum staleness ${bound} s`
			: `Postern, ${bound} s, ${readsPerSecond} requests a second in ${dataCentres} data centres`,
		readsPerSecond,
		callsPerSecond: calls + relayCalls + ALARMS_PER_SECOND,
		objects: hasRelays ? 1 + dataCentres : 1,
	};
}

export const COST_HEADS = [
	...["A million requests", "Hits", "Workers", "Durable Objects", "KV", "Sum"],
	"Reach PostgREST or the database",
];

export function costRow(cost: Cost): string[] {
	const { name, hits, workers, objects, kv, atOrigin } = cost;
	const dollars = [workers, objects, kv, workers + objects + kv];
	return [
		name,
		percent(hits),
		...dollars.map((sum) => `$${sum.toFixed(3)}`),
		whole(atOrigin),
	];
}

export function line(cells: readonly string[]): string {
	return `| ${cells.join(" | ")} |`;
}

function percent(share: number): string {
	return `${(100 * share).toFixed(1)} %`;
}
