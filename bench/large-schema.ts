// `npm run bench:schema`: what a large schema costs. 400 tables with policies, foreign keys, views and functions: tracking them, the
// catalog in the database and in an isolate, and what event triggers and the analysis of functions add to DDL.
// Linux only: the server's CPU time comes from /proc.
import { readFile } from "node:fs/promises";
import { deserialize, serialize } from "node:v8";
import pg from "pg";
import { migrate } from "../gateway/cli/migrate.ts";
import { track } from "../gateway/cli/track.ts";
import { catalogParts } from "../gateway/src/feed/catalog-parts.ts";
import { parseCatalog } from "../gateway/src/planner/catalog.ts";
import { takenBy } from "./cost/cpu.ts";
import { median } from "./freshness/statistics.ts";
import { startBenchPostgres } from "./postgres.ts";

const TABLES = 400;
const VIEWS = 40;
const FUNCTIONS = 100;
const ROUNDS = 7;
/** How many functions each round of DDL creates. */
const CREATED = 20;

const ROLES = new URL("../gateway/sql/roles.sql", import.meta.url);

const HELPERS = `
	create schema auth;
	create schema api;
	grant usage on schema api, auth to anon, authenticated;
	create function auth.uid() returns uuid language sql stable as $$
		select (nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub')::uuid $$;
	create function auth.jwt() returns jsonb language sql stable as $$
		select nullif(current_setting('request.jwt.claims', true), '')::jsonb $$;
	create table api.members (org_id integer, user_id uuid, primary key (org_id, user_id));
	create function api.is_member(org integer) returns boolean language sql stable security definer set search_path = api as $$
		select exists (select from members where org_id = org and user_id = auth.uid()) $$;
`;

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
	await client.query(
		"select set_config('postern.authenticator_password', 'bench', false)",
	);
	await client.query(await readFile(ROLES, "utf8"));
	await migrate({ databaseUrl: postgres.url, log: () => {} });
	await client.query(HELPERS);
	await client.query(largeSchema());
	await client.query("vacuum analyze");
	console.table(await tracking());
	console.table(await catalogs());
	console.table(await definitions());
} finally {
	await client.end();
	await postgres.stop();
}

function largeSchema(): string {
	const numbers = (count: number) => Array.from({ length: count }, (_, n) => n);
	const policy = (n: number) =>
		[
			"owner = (select auth.uid())",
			"api.is_member(org_id)",
			`owner = auth.uid() or auth.jwt() -> 'app_metadata' ->> 'role' = 'reader_${n % 10}'`,
			"is_open",
		][n % 4];
	return [
		...numbers(TABLES).map(
			(n) => `
			create table api.t${n} (
				id bigint generated always as identity primary key, org_id integer not null, owner uuid not null, title text not null, body text,
				price numeric(12, 2), labels text[], is_open boolean not null default false, created_at timestamptz not null default now(),
				parent bigint ${n > 0 ? `references api.t${n - 1}` : ""}, cousin bigint ${n > 9 ? `references api.t${n - 10}` : ""}
			);
			alter table api.t${n} enable row level security;
			create policy readers on api.t${n} for select using (${policy(n)});
			create policy owners on api.t${n} using (owner = (select auth.uid()));
			grant select, insert, update, delete on api.t${n} to authenticated`,
		),
		...numbers(VIEWS).map(
			(n) =>
				`create view api.v${n} with (security_invoker) as select t.id, t.title, p.title as of from api.t${n + 1} t join api.t${n} p on p.id = t.parent`,
		),
		...numbers(FUNCTIONS).map(functionOf),
	].join(";\n");
}

function functionOf(n: number): string {
	return `create or replace function api.f${n}(wanted text default '') returns setof api.t${n} language sql stable set search_path = api as $$
		select t.* from t${n} t join members m using (org_id) where m.user_id = auth.uid() and t.title > wanted $$`;
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
	const database: Cost[] = [];
	const parts: Cost[] = [];
	const parsed: Cost[] = [];
	let text = "";
	// The first of each has no plans, no compiled code.
	for (let round = 0; round <= ROUNDS; round++) {
		const cost = await measure(backendCpuMs, async () => {
			const { rows } = await client.query(
				"select postern.catalog('{api}')::text as catalog",
			);
			text = rows[0].catalog;
		});
		database.push(cost);
		let sent = Buffer.alloc(0);
		parts.push(
			await measure(ownCpuMs, async () => {
				sent = serialize(catalogParts(JSON.parse(text)));
			}),
		);
		parsed.push(
			await measure(ownCpuMs, async () => {
				parseCatalog(deserialize(sent)).relation("api", "t1");
			}),
		);
	}
	return {
		"postern.catalog": summary(database),
		"its parts, in the change feed": summary(parts),
		"what an isolate needs of them for one table": summary(parsed),
		"size, kB": { first: Math.round(text.length / 1_000) },
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
				const cost = await measure(backendCpuMs, async () => {
					for (let n = 0; n < CREATED; n++)
						for (const statement of statements(n, round))
							await client.query(statement);
				});
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

interface Cost {
	readonly ms: number;
	readonly cpuMs: number;
}

async function measure(
	cpu: () => number | Promise<number>,
	work: () => Promise<void>,
): Promise<Cost> {
	const [before, began] = [await cpu(), performance.now()];
	await work();
	return { ms: performance.now() - began, cpuMs: (await cpu()) - before };
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

function ownCpuMs(): number {
	const { user, system } = process.cpuUsage();
	return (user + system) / 1_000;
}

/** The CPU time of this connection's process in the server. */
async function backendCpuMs(): Promise<number> {
	const { rows } = await client.query("select pg_backend_pid() as pid");
	return (await takenBy(rows[0].pid)) / 1_000;
}
