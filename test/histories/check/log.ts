// Reads the database's own log of its transactions (see schema.ts), with times converted to the test's clock.
import type pg from "pg";
import { type Change, type Commit, now } from "./history.ts";

/** Readings of the database's clock and the test's at one moment, in milliseconds. */
export interface ClockReading {
	readonly own: number;
	readonly database: number;
}

const READINGS = 5;

/** The fastest of several readings: its error is at most half of its duration. */
export async function readClock(client: pg.Client): Promise<ClockReading> {
	let best: (ClockReading & { took: number }) | undefined;
	for (let count = 0; count < READINGS; count += 1) {
		const asked = now();
		const { rows } = await client.query(
			"select extract(epoch from clock_timestamp())::float8 * 1000 as time",
		);
		const took = now() - asked;
		if (best === undefined || took < best.took)
			best = { own: asked + took / 2, database: rows[0].time, took };
	}
	if (best === undefined) throw new Error("The clock was not read.");
	return best;
}

interface LoggedCommit {
	xid: string;
	operation: string | null;
	time: number;
}

interface LoggedChange extends Change {
	xid: string;
}

/** All transactions since the log began, in the order in which they became visible. */
export async function readCommits(
	client: pg.Client,
	before: ClockReading,
	after: ClockReading,
): Promise<Commit[]> {
	const commits = await client.query<LoggedCommit>(
		"select xid::text, operation, extract(epoch from at)::float8 * 1000 as time from histories.commits order by number",
	);
	const log = await client.query<LoggedChange>(
		"select xid::text, relation, key, contents from histories.log order by position",
	);
	const changes = Map.groupBy(log.rows, ({ xid }) => xid);
	const rate =
		(after.own - before.own) / (after.database - before.database || 1);
	return commits.rows.map(({ xid, operation, time }) => ({
		operation: operation ?? undefined,
		at: before.own + (time - before.database) * rate,
		changes: changes.get(xid) ?? [],
	}));
}

/** Empties the log. No transaction may be running. */
export async function beginAnew(client: pg.Client): Promise<void> {
	await client.query("select histories.begin_anew()");
}
