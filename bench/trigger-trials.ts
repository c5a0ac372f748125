// `npm run bench:trigger-trials`: what other ways to write the outbox would cost a writer. One session updates single rows, each in a
// transaction of its own, of a table for each way in turn. The CPU time is its server process's, from /proc: Linux only.
// Turns are short and many, and all is within the server, so that what the machine does else hardly counts.
import { parseArgs } from "node:util";
import pg from "pg";
import { prepareDatabase } from "../gateway/cli/stack/database.ts";
import { percentile } from "./freshness/statistics.ts";
import { backendCpuMs } from "./growth/catalog.ts";
import { startBenchPostgres } from "./postgres.ts";
import { TRIALS } from "./triggers/trials.ts";

const { values } = parseArgs({
	options: { rounds: { type: "string", default: "60" } },
});
const ROWS = 10_000;
const UPDATES = 400;
const WARMING_ROUNDS = 5;
const UNTRACKED = "untracked";

const ways = [
	{ name: UNTRACKED, table: UNTRACKED, sql: () => "" },
	{
		name: "postern.track",
		table: "tracked",
		sql: (table: string) => `select postern.track('public.${table}')`,
	},
	...TRIALS.map((trial, index) => ({ ...trial, table: `trial_${index}` })),
];

const postgres = await startBenchPostgres();
const client = new pg.Client({ connectionString: postgres.url });
try {
	await prepareDatabase({
		url: postgres.url,
		authenticatorPassword: "bench",
		log: () => {},
	});
	await client.connect();
	await client.query("create schema trial; set synchronous_commit = off");
	for (const { table, sql } of ways) {
		// The columns of pgbench_accounts.
		await client.query(`
			create table public.${table} (aid int primary key, bid int, abalance int, filler char(84)) with (fillfactor = 80);
			insert into public.${table} select aid, 1, 0, '' from generate_series(1, ${ROWS}) as aid;
			create procedure trial.update_${table}() language plpgsql as $$
				declare
					changed int;
				begin
					for number in 1..${UPDATES} loop
						changed := 1 + floor(random() * ${ROWS});
						update public.${table} set abalance = abalance + 1 where aid = changed;
						commit;
					end loop;
				end
			$$`);
		await client.query(sql(table));
	}
	await client.query("vacuum analyze");
	const samples = new Map(ways.map(({ name }) => [name, [] as number[]]));
	const rounds = Number(values.rounds);
	for (let round = -WARMING_ROUNDS; round < rounds; round += 1) {
		for (const { name, table } of round % 2 === 0 ? ways : ways.toReversed()) {
			const before = await backendCpuMs(client);
			await client.query(`call trial.update_${table}()`);
			const after = await backendCpuMs(client);
			if (round >= 0)
				samples.get(name)?.push((1_000 * (after - before)) / UPDATES);
		}
	}
	const untracked = samples.get(UNTRACKED) ?? [];
	console.table(
		ways.map(({ name }) => {
			// Within a round, because the rounds differ more than the tables do.
			const more = (samples.get(name) ?? []).map(
				(cpu, round) => cpu - (untracked[round] ?? 0),
			);
			return {
				trial: name,
				"CPU µs an update": percentile(samples.get(name) ?? [], 0.5).toFixed(1),
				"more than untracked": percentile(more, 0.5).toFixed(1),
				"middle half": `${percentile(more, 0.25).toFixed(1)} to ${percentile(more, 0.75).toFixed(1)}`,
			};
		}),
	);
} finally {
	await client.end();
	await postgres.stop();
}
