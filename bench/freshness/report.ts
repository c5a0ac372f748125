// Prints the figures as tables, and whether the promises and the target were met.
import type { Group, Result } from "./mix.ts";
import { median, percentile } from "./statistics.ts";
import type { Sighting } from "./visibility.ts";

/** Requests sent later than this miss the requested rate. */
const LATE_MS = 50;

/** Where the writes were made, and how they became visible. */
export type Sightings = Readonly<
	Record<"gateway" | "sql" | "token", readonly Sighting[]>
>;

/** @returns whether the promises were kept */
export function reportVisibility(
	sightings: Sightings,
	maxStalenessMs: number,
): boolean {
	const { gateway, sql, token } = sightings;
	console.log("\nFrom commit to visibility in another isolate");
	console.table([
		visibility("through the gateway", gateway),
		visibility("straight in SQL", sql),
		visibility("through the gateway, read with its token", token),
	]);
	const worst = percentile([...gateway, ...sql].map(missedFor), 1);
	const missed = token.filter(({ missedForMs }) => missedForMs !== undefined);
	return verdict(worst <= maxStalenessMs && missed.length === 0, [
		`a read missed a write by ${ms(worst)} ms at most, of ${maxStalenessMs} allowed`,
		`of ${token.length} reads with the write's token ${missed.length} missed it, of 0 allowed`,
	]);
}

function visibility(writes: string, sightings: readonly Sighting[]) {
	const visible = sightings.map(({ visibleAfterMs }) => visibleAfterMs);
	const latencies = sightings.map(({ latencyMs }) => latencyMs);
	return {
		writes,
		samples: sightings.length,
		"p50, ms": ms(median(visible)),
		"p99, ms": ms(percentile(visible, 0.99)),
		"max, ms": ms(percentile(visible, 1)),
		"last read without it, ms": ms(percentile(sightings.map(missedFor), 1)),
		"first read with it took, median ms": ms(median(latencies)),
	};
}

function missedFor({ missedForMs = 0 }: Sighting): number {
	return missedForMs;
}

export function reportMix(title: string, results: readonly Result[]): void {
	console.log(`\n${title}`);
	console.table(results.map(mix));
	for (const { name, failures, lateness99Ms, groups } of results) {
		if (failures.length > 0) {
			console.log(`${name}: ${failures.length} failed, first: ${failures[0]}`);
		}
		if (lateness99Ms > LATE_MS) {
			console.log(
				`${name}: one request of a hundred was sent ${ms(lateness99Ms)} ms late or more. The machine is too small for the rate.`,
			);
		}
		if (groups.length > 0) {
			console.log(`What ${name} said of its answers (Cache-Status)`);
			console.table(groups.map(group));
		}
	}
}

function mix(result: Result) {
	const { name, reads, asked } = result;
	return {
		name,
		reads,
		"hit ratio": `${(100 * result.hitRatio).toFixed(1)} %`,
		"origin reads": asked.reads,
		polls: asked.polls,
		"catalog, pruning": asked.catalog + asked.pruning,
		sum: originRequests(result),
		"worst staleness, ms": ms(result.worstStalenessMs),
		"p99 staleness, ms": ms(result.staleness99Ms),
		"median latency, ms": ms(result.medianMs),
		"p99 latency, ms": ms(result.latency99Ms),
	};
}

function group({
	question,
	status,
	answers,
	medianMs,
	latency99Ms,
}: Group): Record<string, string | number> {
	return {
		"asked for": question,
		status,
		answers,
		"median latency, ms": ms(medianMs),
		"p99 latency, ms": ms(latency99Ms),
	};
}

/** Whether a cache that hears of commits asked the origin less than half as often as one that lets answers expire, and no answer was older than the maximum staleness. */
export function judge(
	own: Result,
	expiring: Result,
	maxStalenessMs: number,
): boolean {
	const share = originRequests(own) / originRequests(expiring);
	const { worstStalenessMs } = own;
	return verdict(share < 0.5 && worstStalenessMs <= maxStalenessMs, [
		`${own.name} sent ${Math.round(100 * share)} % of the origin requests of ${expiring.name}, where less than 50 % is the target`,
		`its oldest answer was ${ms(worstStalenessMs)} ms behind, of ${maxStalenessMs} allowed`,
	]);
}

/** All requests except the writes, which are the same for every contender. */
function originRequests({ asked }: Result): number {
	return asked.reads + asked.polls + asked.catalog + asked.pruning;
}

function verdict(isMet: boolean, reasons: readonly string[]): boolean {
	console.log(`${isMet ? "Met" : "MISSED"}: ${reasons.join("; ")}.`);
	return isMet;
}

function ms(value: number): number {
	return Math.round(10 * value) / 10;
}
