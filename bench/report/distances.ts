// The report's part on the distance between the edge and the origin.
import { type AtDistance, PROXY } from "../contenders/distance.ts";
import { table } from "./table.ts";

export function distanceSection(distances: readonly AtDistance[]): string {
	const roundTrips = [
		...new Set(distances.map(({ roundTripMs }) => roundTripMs)),
	];
	const names = [...new Set(distances.map(({ name }) => name))];
	const find = (wanted: string, far: number) =>
		distances.find(
			({ name, roundTripMs }) => name === wanted && roundTripMs === far,
		);
	const ratio = (name: string, far: number) =>
		(
			(find(name, far)?.mean ?? Number.NaN) /
			(find(PROXY, far)?.mean ?? Number.NaN)
		).toFixed(2);
	const milliseconds = (name: string, far: number) => {
		const { mean, p50, p99 } = find(name, far) ?? {};
		return [mean, p50, p99].map((ms) => ms?.toFixed(0)).join(", ");
	};
	return [
		"### Far from the origin",
		`This is what a hit is for: it takes no round trip to the origin, and next to one its CPU time hardly counts. A miss takes one, as through a proxy.
A relay of TCP before PostgREST and Postgres holds back each byte for half of the round trip, the change feed's too. Connections are open already. The Worker that asks Postgres has PgBouncer beside it, as Hyperdrive's is, and the package \`postgres\` takes two round trips for a query with parameters.
The ratio is that of the mean to the proxy's over the same distance. The share of hits is given here: what it is depends on what is read and written, see [How fresh answers are](#how-fresh-answers-are-and-what-that-costs-the-origin).`,
		"![The mean latency by distance and share of hits](bench/distance.svg)",
		table(
			[
				"One row, through",
				...roundTrips.map((far) => `Ratio at ${far} ms`),
				...roundTrips.map((far) => `mean, p50, p99 at ${far} ms, ms`),
			],
			names.map((name) => [
				name,
				...roundTrips.map((far) => ratio(name, far)),
				...roundTrips.map((far) => milliseconds(name, far)),
			]),
		),
	].join("\n\n");
}
