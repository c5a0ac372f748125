// The tables, views, functions and roles that duels are about, as each story finds them: SQL that brings everything back to that.
// Names stay the same for ever, so PostgREST has no schema to read again.

/** Roles belong to the server. duel_vip and duel_staff are granted to others by moves, duel_owner and duel_other own a view. */
export const MAKE_ROLES = `
create role duel_vip nologin;
create role duel_staff nologin;
create role duel_owner nologin;
create role duel_other nologin;
grant duel_vip, duel_staff to authenticator;
`;

export const CALLED_ROLES = ["anon", "authenticated", "duel_staff"] as const;

/** The roles that moves change. */
const ROLES = ["anon", "authenticated", "duel_vip", "duel_staff"] as const;

export const SUB =
	"current_setting('request.jwt.claims', true)::json ->> 'sub'";
export const TENANT =
	"current_setting('request.jwt.claims', true)::json ->> 'tenant'";
const HEADERS = "current_setting('request.headers', true)::json";

/** What PostgREST calls before each request: one that reads only, and those that decide what an answer is. */
export const HOOKS = {
	// It reads no claim, which would set all callers apart.
	harmless: "select from api.members;",
	role: `select set_config('role', ${HEADERS} ->> 'x-role', true) where ${HEADERS} ->> 'x-role' is not null;`,
	claims: `select set_config('request.jwt.claims', json_build_object('sub', ${HEADERS} ->> 'x-sub', 'role', 'authenticated')::text, true)
		where ${HEADERS} ->> 'x-sub' is not null;`,
	zone: `select set_config('timezone', ${HEADERS} ->> 'x-zone', true) where ${HEADERS} ->> 'x-zone' is not null;`,
} as const;

export function hook(name: string, body: string): string {
	return `create or replace function hooks.${name}() returns void language sql stable set search_path = '' begin atomic ${body} end`;
}

export function maySee(condition: string, rights = "security invoker"): string {
	return `create or replace function api.may_see(owner text, tenant text) returns boolean language sql stable ${rights} set search_path = '' return ${condition}`;
}

export function found(condition: string, rights: string): string {
	return `create or replace function api.found() returns setof api.vaults language sql stable ${rights} set search_path = '' begin atomic select vault.* from api.vaults as vault where ${condition}; end`;
}

export function view(name: string, condition: string, options: string): string {
	return `create or replace view api.${name} with (${options}) as select vault.* from api.vaults as vault where ${condition}`;
}

export const TABLES = ["vaults", "drawers", "papers"] as const;

/** What is asked, by its path. */
export const QUESTIONS = [...TABLES, "opened", "invoked", "rpc/found"] as const;

/** Rows of two tenants and three owners; the time is there to be written in a time zone. */
const ROWS = `
select id, (array['ada', 'bob', 'cyd'])[1 + id % 3], (array['red', 'blue'])[1 + id % 2], id % 4 = 0, '2026-01-01T00:00Z'::timestamptz + id * interval '1 hour'
from generate_series(1, 12) as id`;

/** Once for a database. */
export const MAKE_WORLD = [
	"create schema hooks",
	"grant usage on schema hooks to public",
	"create table api.members (member text, tenant text, primary key (member, tenant))",
	"insert into api.members values ('ada', 'red'), ('bob', 'blue')",
	...TABLES.flatMap((table) => [
		`create table api.${table} (id int primary key, owner text not null, tenant text not null, is_public boolean not null, at timestamptz not null)`,
		`insert into api.${table} ${ROWS}`,
		`select postern.track('api.${table}')`,
	]),
	"select postern.track('api.members')",
	"grant usage on schema api to duel_owner, duel_other, duel_staff, duel_vip",
	// The gateway's own questions call the pre-request function as well.
	"grant usage on schema api to postern",
	`grant select on api.members to ${ROLES}, duel_owner, duel_other, postern`,
];

/** Before each story. */
export const RESET_WORLD = [
	...["duel_vip", "duel_staff"].flatMap((role) =>
		ROLES.filter((other) => other !== role).map(
			(other) => `revoke ${role} from ${other}`,
		),
	),
	...[...ROLES, "duel_owner", "duel_other"].flatMap((role) => [
		`alter role ${role} nobypassrls inherit`,
		`alter role ${role} reset all`,
	]),
	"alter role authenticator reset all",
	"do $$ begin execute format('alter database %I reset all', current_database()); end $$",
	"do $$ declare gone record; begin for gone in select polname, polrelid::regclass as relation from pg_policy where polrelid::regclass::text ~ '^api\\.(vaults|drawers|papers)$' loop execute format('drop policy %I on %s', gone.polname, gone.relation); end loop; end $$",
	maySee(`owner = ${SUB}`),
	view("opened", "true", "security_invoker = off"),
	view("invoked", "true", "security_invoker = on"),
	"alter view api.opened owner to duel_owner",
	found("true", "security invoker"),
	hook("check", HOOKS.harmless),
	hook("other", HOOKS.harmless),
	"grant execute on function hooks.check(), hooks.other() to public",
	...TABLES.flatMap((table) => [
		`alter table api.${table} enable row level security`,
		`alter table api.${table} no force row level security`,
		`revoke all on api.${table} from ${ROLES}`,
		`grant select on api.${table} to ${ROLES}, duel_owner, duel_other`,
	]),
	`grant select on api.opened, api.invoked to ${ROLES}`,
	`grant execute on function api.found(), api.may_see(text, text) to ${ROLES}, duel_owner, duel_other`,
	"create policy first on api.vaults using (is_public)",
	`create policy second on api.vaults to duel_vip using (owner = ${SUB})`,
	"create policy first on api.drawers using (is_public)",
	"create policy first on api.papers using (is_public or api.may_see(owner, tenant))",
];

/** Event triggers tell of the schema, or nothing does, as on many managed databases. */
export function watch(isWatched: boolean): string[] {
	return ["postern_after_ddl", "postern_after_drop"].map(
		(name) =>
			`alter event trigger ${name} ${isWatched ? "enable always" : "disable"}`,
	);
}
