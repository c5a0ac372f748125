// `npm run bench:schema`: what a large schema costs. 400 tables with policies, foreign keys, views and functions: tracking them, the
// catalog in the database and in an isolate, and what event triggers and the analysis of functions add to DDL.
// Linux only: the server's CPU time comes from /proc.
import pg from "pg";
import { track } from "../gateway/cli/track.ts";
import { median } from "./freshness/statistics.ts";
import {
	backendCpuMs,
	type Cost,
	catalogCosts,
	functionOf,
	growSchema,
	measure,
	prepare,
} from "./growth/catalog.ts";
import { startBenchPostgres } from "./postgres.ts";

const SIZE = { tables: 400, views: 40, functions: 100 };
const ROUNDS = 7;
/** How many functions each round of DDL creates. */
const CREATED = 20;

const DDL: Readonly<
	Record<string, (n: number, round: number) => readonly string[]>
> = {
	"create or replace function": (n, round) => [
		functionOf(n).replace("$$ ", `$$ -- ${round}\n`),
	],
	"alter table … add column, drop column": (n) => [
		`alter table api.t${n} add column more text`,
		`alter table api.t${n} drop column more`,
	],
	"alter policy": (n) => [`alter policy readers on api.t${n} using (is_open)`],
};

const postgres = await startBenchPostgres();
const client = new pg.Client({ connectionString: postgres.url });
try {
	await client.connect();
	await prepare(client, postgres.url);
	await client.query(growSchema({ tables: 0, views: 0, functions: 0 }, SIZE));
	await client.query("vacuum analyze");
	console.table(await tracking());
	console.table(await catalogs());
	console.table(await definitions());
} finally {
	await client.end();
	await postgres.stop();
}

/** `postern track` of the schema: the longest transaction is how long a lock is held at most. */
async function tracking() {
	const steps: number[] = [];
	let last = performance.now();
	const began = last;
	await track({
		databaseUrl: postgres.url,
		relations: [],
		schemas: ["api"],
		log: () => {
			steps.push(performance.now() - last);
			last = performance.now();
		},
	});
	return {
		"postern track": {
			tables: steps.length - 1,
			seconds: ((last - began) / 1_000).toFixed(1),
			"median transaction, ms": Math.round(median(steps)),
			"longest, ms": Math.round(Math.max(...steps)),
		},
	};
}

async function catalogs() {
	const { database, parts, parsed, joined, kilobytes } = await catalogCosts(
		client,
		1 + ROUNDS,
	);
	return {
		"postern.catalog": summary(database),
		"its parts, in the change feed": summary(parts),
		"what an isolate needs of them for one table": summary(parsed),
		"and for a join": summary(joined),
		"size, kB": { first: Math.round(kilobytes) },
	};
}

/** The same statements with the event triggers and without. */
async function definitions() {
	const costs: Record<string, { on: Cost[]; off: Cost[] }> = {};
	for (let round = 0; round < ROUNDS; round++) {
		for (const state of ["enable always", "disable"]) {
			await client.query(
				`alter event trigger postern_after_ddl ${state}; alter event trigger postern_after_drop ${state}`,
			);
			for (const [name, statements] of Object.entries(DDL)) {
				const cost = await measure(
					() => backendCpuMs(client),
					async () => {
						for (let n = 0; n < CREATED; n++)
							for (const statement of statements(n, round))
								await client.query(statement);
					},
				);
				costs[name] ??= { on: [], off: [] };
				costs[name][state === "disable" ? "off" : "on"].push(cost);
			}
			await client.query("select postern.analyze_functions()");
		}
	}
	return Object.fromEntries(
		Object.entries(costs).map(([name, { on, off }]) => [
			name,
			{
				"ms each": eachMs(on),
				"without event triggers": eachMs(off),
			},
		]),
	);
}

function summary([first, ...others]: Cost[]) {
	return {
		first: Math.round(first?.ms ?? 0),
		"first, CPU": Math.round(first?.cpuMs ?? 0),
		median: Math.round(median(others.map(({ ms }) => ms))),
		"median, CPU": Math.round(median(others.map(({ cpuMs }) => cpuMs))),
	};
}

function eachMs(costs: Cost[]): string {
	return (median(costs.map(({ ms }) => ms)) / CREATED).toFixed(1);
}
