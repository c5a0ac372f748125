// `npm run bench:triggers`: the cost of tracking for a writer. pgbench updates single rows of a tracked table and of one
// that is not, alternately in one run, so that other load on the machine affects both. Without a pgbench on PATH (Debian has it
// in the package of the server, `apt-get install postgresql`) it says so, and a client in this process does the updates.
// Linux only: the server's CPU time comes from /proc.
import { execFile } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import pg from "pg";
import { prepareDatabase } from "../gateway/cli/stack/database.ts";
import { takenByEndedChildren } from "./cost/cpu.ts";
import { percentile } from "./freshness/statistics.ts";
import { startBenchPostgres } from "./postgres.ts";

const ROWS = 100_000;
const CONNECTIONS = 4;
const ROUNDS = 15;
const ROUND_SECONDS = 2;

const TABLES = ["untracked", "tracked"] as const;
type Table = (typeof TABLES)[number];

interface Setting {
	/** Whether a commit waits for the disk. */
	readonly synchronousCommit: "on" | "off";
	/** simple: each update is parsed and planned again, pgbench's default; prepared: as PostgREST does. */
	readonly protocol: "simple" | "prepared";
}

interface Load {
	readonly updates: number;
	readonly updatesPerSecond: number;
}

const run = promisify(execFile);
const postgres = await startBenchPostgres();
try {
	await prepareDatabase({
		url: postgres.url,
		authenticatorPassword: "bench",
		log: () => {},
	});
	await makeTables();
	const version = await pgbenchVersion();
	console.log(
		version ??
			"There is no pgbench on PATH: a client in this process is measured in its place.",
	);
	const update = version === undefined ? updateByClient : updateByPgbench;
	const results = [];
	for (const synchronousCommit of ["on", "off"] as const) {
		for (const protocol of ["simple", "prepared"] as const) {
			results.push(await compare({ synchronousCommit, protocol }, update));
		}
	}
	console.table(results);
} finally {
	await postgres.stop();
}

async function makeTables(): Promise<void> {
	const client = new pg.Client({ connectionString: postgres.url });
	await client.connect();
	// The columns of pgbench_accounts.
	for (const name of TABLES) {
		await client.query(`
			create table public.${name} (aid int primary key, bid int, abalance int, filler char(84)) with (fillfactor = 80);
			insert into public.${name} select aid, 1, 0, '' from generate_series(1, ${ROWS}) as aid`);
	}
	await client.query("select postern.track('public.tracked')");
	await client.query("vacuum analyze");
	await client.end();
}

async function compare(
	setting: Setting,
	update: (table: Table, setting: Setting) => Promise<Load>,
) {
	const rates: Record<Table, number[]> = { untracked: [], tracked: [] };
	const cpuMicros: Record<Table, number[]> = { untracked: [], tracked: [] };
	for (let round = 0; round <= ROUNDS; round += 1) {
		// The tables alternate in being first.
		for (const table of round % 2 === 0 ? TABLES : TABLES.toReversed()) {
			const before = await serverCpuMs();
			const { updates, updatesPerSecond } = await update(table, setting);
			const cpuMs = (await serverCpuMs()) - before;
			// The first round warms up.
			if (round === 0) continue;
			rates[table].push(updatesPerSecond);
			cpuMicros[table].push((1000 * cpuMs) / updates);
		}
	}
	// Compared within a round, because the rounds differ more than the tables do.
	const fewer = rates.tracked.map(
		(tracked, round) => 100 * (1 - tracked / (rates.untracked[round] ?? 0)),
	);
	return {
		"commits wait": setting.synchronousCommit,
		protocol: setting.protocol,
		"updates/s untracked": Math.round(percentile(rates.untracked, 0.5)),
		"updates/s tracked": Math.round(percentile(rates.tracked, 0.5)),
		"fewer, %": percentile(fewer, 0.5).toFixed(1),
		"middle half": `${percentile(fewer, 0.25).toFixed(1)} to ${percentile(fewer, 0.75).toFixed(1)}`,
		"CPU µs untracked": percentile(cpuMicros.untracked, 0.5).toFixed(1),
		"CPU µs tracked": percentile(cpuMicros.tracked, 0.5).toFixed(1),
	};
}

async function pgbenchVersion(): Promise<string | undefined> {
	try {
		return (await run("pgbench", ["--version"])).stdout.trim();
	} catch {
		return undefined; // not installed
	}
}

async function updateByPgbench(
	table: Table,
	{ synchronousCommit, protocol }: Setting,
): Promise<Load> {
	const script = join(postgres.directory, `${table}.sql`);
	await writeFile(
		script,
		`\\set aid random(1, ${ROWS})\nupdate public.${table} set abalance = abalance + 1 where aid = :aid;\n`,
	);
	const { stdout } = await run(
		"pgbench",
		[
			"--no-vacuum",
			`--protocol=${protocol}`,
			`--client=${CONNECTIONS}`,
			"--jobs=2",
			`--time=${ROUND_SECONDS}`,
			`--file=${script}`,
			postgres.url,
		],
		{
			env: {
				...process.env,
				PGOPTIONS: `-c synchronous_commit=${synchronousCommit}`,
			},
		},
	);
	const figure = (pattern: RegExp) => {
		const [, found] = pattern.exec(stdout) ?? [];
		if (found === undefined) throw new Error(`pgbench said:\n${stdout}`);
		return Number(found);
	};
	return {
		updates: figure(/^number of transactions actually processed: (\d+)/m),
		updatesPerSecond: figure(/^tps = ([\d.]+) \(without/m),
	};
}

async function updateByClient(
	table: Table,
	{ synchronousCommit, protocol }: Setting,
): Promise<Load> {
	const clients = await Promise.all(
		Array.from({ length: CONNECTIONS }, async () => {
			const client = new pg.Client({ connectionString: postgres.url });
			await client.connect();
			await client.query(`set synchronous_commit = ${synchronousCommit}`);
			return client;
		}),
	);
	const start = performance.now();
	const counts = await Promise.all(
		clients.map(async (client) => {
			let count = 0;
			while (performance.now() - start < ROUND_SECONDS * 1000) {
				const aid = 1 + Math.floor(Math.random() * ROWS);
				const text = `update public.${table} set abalance = abalance + 1 where aid = `;
				await (protocol === "simple"
					? client.query(text + aid)
					: client.query({ name: table, text: `${text}$1`, values: [aid] }));
				count += 1;
			}
			return count;
		}),
	);
	const seconds = (performance.now() - start) / 1000;
	await Promise.all(clients.map((client) => client.end()));
	const updates = counts.reduce((sum, count) => sum + count, 0);
	return { updates, updatesPerSecond: updates / seconds };
}

/** The CPU time of the server's ended sessions. */
async function serverCpuMs(): Promise<number> {
	// Sessions that were just closed are still ending.
	await new Promise((resolve) => setTimeout(resolve, 100));
	return takenByEndedChildren(postgres.pid ?? 0) / 1_000;
}
