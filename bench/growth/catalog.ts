// A schema of any size, and what its catalog costs: in the database, in the change feed and in an isolate.
import { readFile } from "node:fs/promises";
import { deserialize, serialize } from "node:v8";
import type { Client } from "pg";
import { migrate } from "../../gateway/cli/migrate.ts";
import { catalogParts } from "../../gateway/src/feed/catalog-parts.ts";
import { parseCatalog } from "../../gateway/src/planner/catalog.ts";
import { takenBy } from "../cost/cpu.ts";

export interface SchemaSize {
	readonly tables: number;
	readonly views: number;
	readonly functions: number;
}

export interface Cost {
	readonly ms: number;
	readonly cpuMs: number;
}

export async function measure(
	cpu: () => number | Promise<number>,
	work: () => Promise<unknown>,
): Promise<Cost> {
	const [before, began] = [await cpu(), performance.now()];
	await work();
	return { ms: performance.now() - began, cpuMs: (await cpu()) - before };
}

const ROLES = new URL("../../gateway/sql/roles.sql", import.meta.url);

/** What the tables' policies and the functions use. */
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

/** Postern's SQL, and what a schema that grows begins with. */
export async function prepare(
	client: Client,
	databaseUrl: string,
): Promise<void> {
	await client.query(
		"select set_config('postern.authenticator_password', 'bench', false)",
	);
	await client.query(await readFile(ROLES, "utf8"));
	await migrate({ databaseUrl, log: () => {} });
	await client.query(HELPERS);
}

/** The statements that let a schema grow. */
export function growSchema(from: SchemaSize, to: SchemaSize): string {
	const between = (what: keyof SchemaSize) =>
		Array.from({ length: to[what] - from[what] }, (_, n) => from[what] + n);
	return [
		...between("tables").map(tableOf),
		...between("views").map(
			(n) =>
				`create view api.v${n} with (security_invoker) as select t.id, t.title, p.title as of from api.t${n + 1} t join api.t${n} p on p.id = t.parent`,
		),
		...between("functions").map(functionOf),
	].join(";\n");
}

function tableOf(n: number): string {
	const policy = [
		"owner = (select auth.uid())",
		"api.is_member(org_id)",
		`owner = auth.uid() or auth.jwt() -> 'app_metadata' ->> 'role' = 'reader_${n % 10}'`,
		"is_open",
	][n % 4];
	return `
		create table api.t${n} (
			id bigint generated always as identity primary key, org_id integer not null, owner uuid not null, title text not null, body text,
			price numeric(12, 2), labels text[], is_open boolean not null default false, created_at timestamptz not null default now(),
			parent bigint ${n > 0 ? `references api.t${n - 1}` : ""}, cousin bigint ${n > 9 ? `references api.t${n - 10}` : ""}
		);
		alter table api.t${n} enable row level security;
		create policy readers on api.t${n} for select using (${policy});
		create policy owners on api.t${n} using (owner = (select auth.uid()));
		grant select, insert, update, delete on api.t${n} to authenticated`;
}

export function functionOf(n: number): string {
	return `create or replace function api.f${n}(wanted text default '') returns setof api.t${n} language sql stable set search_path = api as $$
		select t.* from t${n} t join members m using (org_id) where m.user_id = auth.uid() and t.title > wanted $$`;
}

/** Measured again and again: the first of each has no plans, no compiled code. */
export interface CatalogCosts {
	readonly database: Cost[];
	readonly parts: Cost[];
	readonly parsed: Cost[];
	/** What finds the relationships of a table, from the parts on. */
	readonly joined: Cost[];
	readonly kilobytes: number;
}

export async function catalogCosts(
	client: Client,
	times: number,
): Promise<CatalogCosts> {
	const database: Cost[] = [];
	const parts: Cost[] = [];
	const parsed: Cost[] = [];
	const joined: Cost[] = [];
	let text = "";
	for (let time = 0; time < times; time++) {
		const cost = await measure(
			() => backendCpuMs(client),
			async () => {
				const { rows } = await client.query(
					"select postern.catalog('{api}')::text as catalog",
				);
				text = rows[0].catalog;
			},
		);
		database.push(cost);
		let sent = Buffer.alloc(0);
		parts.push(
			await measure(ownCpuMs, async () => {
				sent = serialize(catalogParts(JSON.parse(text)));
			}),
		);
		parsed.push(
			await measure(ownCpuMs, async () => {
				parseCatalog(deserialize(sent)).relation("api", "t0");
			}),
		);
		joined.push(
			await measure(ownCpuMs, async () => {
				const catalog = parseCatalog(deserialize(sent));
				const tag = catalog.relation("api", "t0")?.tag ?? "";
				const { opaque } = catalog;
				return [
					...catalog.foreignKeysOf(tag),
					...catalog.relationsReading(tag),
					...opaque,
				];
			}),
		);
	}
	return { database, parts, parsed, joined, kilobytes: text.length / 1_000 };
}

export function ownCpuMs(): number {
	const { user, system } = process.cpuUsage();
	return (user + system) / 1_000;
}

/** The CPU time of the connection's process in the server. */
export async function backendCpuMs(client: Client): Promise<number> {
	const { rows } = await client.query("select pg_backend_pid() as pid");
	return takenBy(rows[0].pid) / 1_000;
}
