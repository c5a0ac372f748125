// The report's part on what else may stand before the same Postgres.
import type { ContenderCost } from "../contenders/costs.ts";
import {
	type ContenderLatency,
	SECONDS_AT_RATE,
} from "../contenders/latency.ts";
import { DIRECT } from "../contenders/start.ts";
import { range, table, whole } from "./table.ts";

export function contenderSection(costs: readonly ContenderCost[]): string {
	const byRatio = costs
		.filter(({ read }) => read === "one row")
		.toSorted((one, other) => one.ratio - other.ratio);
	const [cheapest, dearest] = [byRatio[0], byRatio.at(-1)];
	return [
		"### What else may stand before the same Postgres",
		`CPU time of a read, 16 at once, of all processes that take part, compared with that of ${DIRECT}. A hit asks for the same URL each time, everything else for a new one. KV's own process is not counted.
The proxy is one line in workerd; the Worker that asks Postgres uses the package \`postgres\`, a new client for each request, and PgBouncer in the place of Hyperdrive.
The answers of nginx and of the tutorial's cache are the same for all callers, and as old as their time to live allows. Of all reads of one row ${cheapest?.name} costs least, and ${dearest?.name} most.`,
		"![CPU of a read by process](bench/contenders.svg)",
		table(
			[
				...["Read", "Through", "Ratio", "Middle half of the rounds"],
				"CPU of each process, µs a read",
			],
			costs.map(({ read, name, ratio, middle, microseconds }) => [
				...[read, name, ratio.toFixed(2), range(middle)],
				Object.entries(microseconds)
					.map(([program, taken]) => `${program} ${whole(taken)}`)
					.join(", "),
			]),
		),
	].join("\n\n");
}

export function latencySection(latencies: readonly ContenderLatency[]): string {
	const rates = [...new Set(latencies.map(({ perSecond }) => perSecond))];
	const names = [...new Set(latencies.map(({ name }) => name))];
	const find = (wanted: string, rate: number) =>
		latencies.find(
			({ name, perSecond }) => name === wanted && perSecond === rate,
		);
	const ratio = (name: string, rate: number) =>
		(
			(find(name, rate)?.p50 ?? Number.NaN) /
			(find(DIRECT, rate)?.p50 ?? Number.NaN)
		).toFixed(2);
	const milliseconds = (name: string, rate: number) => {
		const { p50, p99, p999 } = find(name, rate) ?? {};
		return [p50, p99, p999].map((ms) => ms?.toFixed(1)).join(", ");
	};
	return [
		"### Latency at fixed rates",
		`One row, asked for at a fixed rate whether or not the requests before are answered. Everything is on one machine: no distance is in these figures. The generator of the requests shares its cores. Each is asked for ${SECONDS_AT_RATE} s at each rate, so that p99.9 is the slowest one or two of its requests.
The ratio is that of p50 to ${DIRECT} at the same rate.`,
		"![Latency at fixed rates](bench/latency.svg)",
		table(
			[
				"Through",
				...rates.map((rate) => `Ratio at ${rate} a second`),
				...rates.map((rate) => `p50, p99, p99.9 at ${rate} a second, ms`),
			],
			names.map((name) => [
				name,
				...rates.map((rate) => ratio(name, rate)),
				...rates.map((rate) => milliseconds(name, rate)),
			]),
		),
	].join("\n\n");
}
