// What tracking costs a writer: single-row updates a second on a table that is tracked and on one that is not, side by side
// in one run. The rounds alternate, so that whatever else the machine does meets both.
import { chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import { prepareDatabase } from "../stack/database.ts";
import { freePort } from "../stack/ports.ts";
import { startPostgres } from "../stack/postgres.ts";

const ROWS = 100_000;
const CONNECTIONS = 4;
const ROUNDS = 15;
const ROUND_MS = 1_000;

const directory = await mkdtemp(join(tmpdir(), "postern-bench-"));
// Where root runs this, Postgres runs as another user.
await chmod(directory, 0o755);
const postgres = await startPostgres({
	dataDirectory: join(directory, "postgres"),
	port: await freePort(),
	password: "bench",
	log: () => {},
});
try {
	await prepareDatabase({
		url: postgres.url,
		authenticatorPassword: "bench",
		log: () => {},
	});
	const pool = new pg.Pool({
		connectionString: postgres.url,
		max: CONNECTIONS,
	});
	// The server is stopped while the last connection closes.
	pool.on("error", () => {});
	// The columns of pgbench_accounts.
	for (const name of ["untracked", "tracked"]) {
		await pool.query(`
			create table public.${name} (aid int primary key, bid int, abalance int, filler char(84)) with (fillfactor = 80);
			insert into public.${name} select aid, 1, 0, '' from generate_series(1, ${ROWS}) as aid`);
	}
	await pool.query("select postern.track('public.tracked')");
	await pool.query("vacuum analyze");
	console.table([
		await compare(pool, "commits that wait for the disk", "on"),
		await compare(
			pool,
			"commits that do not (synchronous_commit = off)",
			"off",
		),
	]);
	await pool.end();
} finally {
	await postgres.stop();
	await rm(directory, { recursive: true, force: true });
}

async function compare(
	pool: pg.Pool,
	name: string,
	synchronousCommit: "on" | "off",
) {
	const rates = { untracked: [] as number[], tracked: [] as number[] };
	for (let round = 0; round <= ROUNDS; round += 1) {
		for (const table of ["untracked", "tracked"] as const) {
			const rate = await updatesPerSecond(pool, table, synchronousCommit);
			// The first round warms up.
			if (round > 0) rates[table].push(rate);
		}
	}
	const untracked = median(rates.untracked);
	const tracked = median(rates.tracked);
	return {
		name,
		"updates/s untracked": Math.round(untracked),
		"updates/s tracked": Math.round(tracked),
		fewer: `${(100 * (1 - tracked / untracked)).toFixed(1)} %`,
	};
}

async function updatesPerSecond(
	pool: pg.Pool,
	table: string,
	synchronousCommit: string,
): Promise<number> {
	const start = performance.now();
	const counts = await Promise.all(
		Array.from({ length: CONNECTIONS }, async () => {
			const client = await pool.connect();
			await client.query(`set synchronous_commit = ${synchronousCommit}`);
			let count = 0;
			while (performance.now() - start < ROUND_MS) {
				await client.query({
					name: table,
					text: `update public.${table} set abalance = abalance + $1 where aid = $2`,
					values: [1, 1 + Math.floor(Math.random() * ROWS)],
				});
				count += 1;
			}
			client.release();
			return count;
		}),
	);
	const seconds = (performance.now() - start) / 1000;
	return counts.reduce((sum, count) => sum + count, 0) / seconds;
}

function median(samples: number[]): number {
	const sorted = samples.toSorted((a, b) => a - b);
	return sorted[Math.floor(sorted.length / 2)] ?? 0;
}
