// The tables of the histories, and the test's own log of what every transaction did and in which
// order transactions became visible. The log has its own triggers, because tracking is the thing under test.

import {
	BOARDS,
	CROWD,
	FAMILIES,
	LATE,
	NOTES,
	OWNERS,
	PAIRS,
	POLICIES,
	SUB,
	TEAMS,
	TENANT,
	TENANTS,
} from "./row-values.ts";
import {
	CHANGING,
	CHANGING_ROWS,
	CHANGING_TABLES,
	INNER,
	SWAPPED_TABLES,
} from "./schema-changes.ts";

/** The logged relations, with the columns of their keys. */
const LOGGED: Readonly<Record<string, readonly string[]>> = {
	boards: ["id"],
	notes: ["id"],
	tenant_notes: ["id"],
	guarded: ["id"],
	members: ["user_name", "team"],
	documents: ["id"],
	parents: ["id"],
	children: ["id"],
	parts: ["id", "part"],
	left_values: ["id"],
	right_values: ["id"],
	authors: ["id"],
	books: ["id"],
	author_books: ["author_id", "book_id"],
	crowd: ["id"],
	late: ["id"],
	...CHANGING,
};

const TABLES = `
create table api.boards (id int primary key, value bigint not null);
create table api.notes (id int primary key, owner text not null, value bigint not null);
create table api.tenant_notes (id int primary key, tenant text not null, value bigint not null);
create table api.guarded (id int primary key, owner text not null, tenant text not null, level int not null, value bigint not null);
create table api.members (user_name text, team text, primary key (user_name, team));
create table api.documents (id int primary key, team text not null, value bigint not null);
create table api.parents (id int primary key, value bigint not null);
create table api.children (id int primary key, parent_id int not null references api.parents on delete cascade, value bigint not null);
create table api.parts (id int, part int, value bigint not null, primary key (id, part)) partition by list (part);
create table histories.parts_0 partition of api.parts for values in (0);
create table histories.parts_1 partition of api.parts for values in (1);
create table api.left_values (id int primary key, value bigint not null);
create table api.right_values (id int primary key, value bigint not null);
create view api.pairs with (security_invoker = true) as
select l.id, l.value as left_value, r.value as right_value
from api.left_values as l
join api.right_values as r on r.id = l.id;
create table api.authors (id int primary key, value bigint not null);
create table api.books (id int primary key, value bigint not null);
create table api.author_books (
  author_id int references api.authors on delete cascade,
  book_id int references api.books on delete cascade,
  primary key (author_id, book_id)
);
create table api.crowd (id int primary key, value bigint not null);
create table api.late (id int primary key, value bigint not null);
create materialized view api.totals as
select count(*)::int as boards, coalesce(max(boards.value), 0) as highest from api.boards;

create function api.set_pair(pair_id int, new_value bigint)
returns void
language sql volatile
set search_path = ''
begin atomic
  insert into api.left_values (id, value) values (pair_id, new_value) on conflict (id) do update set value = excluded.value;
  insert into api.right_values (id, value) values (pair_id, new_value) on conflict (id) do update set value = excluded.value;
end;
create function api.read_pair(pair_id int)
returns table (left_value bigint, right_value bigint)
language sql stable
set search_path = ''
begin atomic
  select l.value, r.value
  from api.left_values as l
  join api.right_values as r on r.id = l.id
  where l.id = read_pair.pair_id;
end;
grant execute on function api.set_pair(int, bigint), api.read_pair(int) to anon, authenticated;
grant select on api.pairs, api.totals to anon, authenticated;
`;

/** The policies of the tables; tables without one are open to all. */
const RESTRICTED: Readonly<Record<string, string>> = {
	notes: `owner = (select ${SUB})`,
	tenant_notes: `tenant = ${TENANT}`,
	members: `user_name = (select ${SUB})`,
	documents: `exists (select from api.members where members.team = documents.team and members.user_name = (select ${SUB}))`,
	guarded: POLICIES[0],
	vaults: "is_public",
};

const LOG = `
create schema histories;
-- number: the order in which transactions became visible. at: when that began.
create table histories.commits (xid xid8 primary key, operation text, number bigint, at timestamptz);
create table histories.log (
  position bigint generated always as identity primary key,
  xid xid8 not null default pg_current_xact_id(),
  relation text not null,
  key text not null,
  contents json
);
comment on table histories.log is 'What became of a row: its contents, or null where it was deleted.';
create sequence histories.numbers;

create function histories.operation()
returns text
language sql stable
set search_path = ''
return coalesce(
  nullif(current_setting('histories.operation', true), ''),
  nullif(current_setting('request.headers', true), '')::json ->> 'x-operation'
);

create function histories.note(relation text, key text, contents json)
returns void
language sql volatile security definer
set search_path = ''
as $$
  insert into histories.commits (xid, operation) values (pg_current_xact_id(), histories.operation()) on conflict (xid) do nothing;
  insert into histories.log (relation, key, contents) values (note.relation, note.key, note.contents);
$$;

-- An AFTER trigger: it holds the row's lock, so that the entries of one row are in the order of its commits.
create function histories.note_row()
returns trigger
language plpgsql volatile security definer
set search_path = ''
as $$
declare
  -- A table whose name is swapped is logged by the name that it has.
  relation text := coalesce(nullif(tg_argv[0], ''), tg_table_name);
  columns text[] := tg_argv[1:];
  old_key text;
  new_key text;
begin
  if tg_op <> 'INSERT' then
    select string_agg(to_jsonb(old) ->> name, ',' order by position) into old_key from unnest(columns) with ordinality as key (name, position);
  end if;
  if tg_op <> 'DELETE' then
    select string_agg(to_jsonb(new) ->> name, ',' order by position) into new_key from unnest(columns) with ordinality as key (name, position);
  end if;
  if old_key is distinct from new_key and old_key is not null then
    perform histories.note(relation, old_key, null);
  end if;
  if new_key is not null then
    perform histories.note(relation, new_key, to_json(new));
  end if;
  return null;
end
$$;

create function histories.note_truncate()
returns trigger
language plpgsql volatile security definer
set search_path = ''
as $$
begin
  execute format(
    $q$select histories.note(%L, (select string_agg(to_jsonb(row) ->> name, ',' order by position) from unnest(%L::text[]) with ordinality as key (name, position)), null) from %I.%I as row$q$,
    tg_argv[0], tg_argv[1:], tg_table_schema, tg_table_name
  );
  return null;
end
$$;

create function histories.number_commit()
returns trigger
language plpgsql volatile security definer
set search_path = ''
as $$
begin
  -- Given back only when this transaction is visible to everybody: every snapshot has all commits up to some number, and none beyond.
  perform pg_advisory_xact_lock(4711);
  update histories.commits set number = nextval('histories.numbers'), at = clock_timestamp() where xid = new.xid;
  return null;
end
$$;
create constraint trigger number_commit after insert on histories.commits
deferrable initially deferred for each row execute function histories.number_commit();
alter table histories.commits enable always trigger number_commit;

create function histories.change_policy(variant int, condition text)
returns void
language plpgsql volatile
set search_path = ''
as $$
begin
  execute 'alter policy readable on api.guarded using (' || condition || ')';
  perform histories.note('schema', 'policy', to_json(variant));
end
$$;

create function histories.refresh()
returns void
language plpgsql volatile
set search_path = ''
as $$
begin
  refresh materialized view api.totals;
  perform histories.note('totals', '', (select to_json(totals) from api.totals));
end
$$;
`;

/** Empties the log, and logs the present state as one transaction. */
const BEGIN_ANEW = `
create function histories.begin_anew()
returns void
language plpgsql volatile
set search_path = ''
as $$
declare
  states json := (
    select json_object_agg(key, contents)
    from (select distinct on (key) key, contents from histories.log where relation = 'schema' order by key, position desc) as state
  );
begin
  delete from histories.log;
  delete from histories.commits;
  perform histories.note('schema', state.key, state.value) from json_each(states) as state;
  perform histories.note('totals', '', to_json(totals)) from api.totals;
  ${[
		...Object.entries(LOGGED),
		...Object.keys(INNER).map((view) => [view, ["id"]] as const),
	]
		.map(
			([relation, key]) =>
				`perform histories.note('${relation}', concat_ws(',', ${key.join(", ")}), to_json(${relation})) from api.${relation};`,
		)
		.join("\n  ")}
end
$$;
`;

/** The tables that TRUNCATE empties: a partitioned table's are its partitions. */
const TRUNCATED: Readonly<Record<string, readonly string[]>> = {
	parts: ["histories.parts_0", "histories.parts_1"],
};

function logged(relation: string, key: readonly string[]): string {
	const name = SWAPPED_TABLES.includes(relation) ? "" : relation;
	const args = [name, ...key].map((one) => `'${one}'`).join(", ");
	const truncated = TRUNCATED[relation] ?? [`api.${relation}`];
	return [
		`create trigger note_row after insert or update or delete on api.${relation} for each row execute function histories.note_row(${args})`,
		`alter table api.${relation} enable always trigger note_row`,
		...truncated.flatMap((table) => [
			`create trigger note_truncate before truncate on ${table} for each statement execute function histories.note_truncate(${args})`,
			`alter table ${table} enable always trigger note_truncate`,
		]),
	].join(";\n");
}

function secured(relation: string): string {
	const condition = RESTRICTED[relation];
	const table = `api.${relation}`;
	return [
		`alter table ${table} enable row level security`,
		`grant select on ${table} to anon`,
		`grant select, insert, update, delete on ${table} to authenticated`,
		`create policy readable on ${table} for select using (${condition ?? "true"})`,
		`create policy writable on ${table} for all to authenticated using (${condition ?? "true"}) with check (true)`,
	].join(";\n");
}

const ROWS = `
insert into api.boards select id, 0 from generate_series(1, ${BOARDS}) as id;
insert into api.notes select id, (array['${OWNERS.join("','")}'])[1 + id % 3], 0 from generate_series(1, ${NOTES}) as id;
insert into api.tenant_notes select id, (array['${TENANTS.join("','")}'])[1 + id % 2], 0 from generate_series(1, ${NOTES}) as id;
insert into api.guarded
select id, (array['${OWNERS.join("','")}'])[1 + id % 3], (array['${TENANTS.join("','")}'])[1 + id % 2], id % 2, 0 from generate_series(1, ${NOTES}) as id;
insert into api.members values ('ada', 'north'), ('bob', 'north'), ('cyd', 'south');
insert into api.documents select id, (array['${TEAMS.join("','")}'])[1 + id % 2], 0 from generate_series(1, ${NOTES}) as id;
insert into api.parents select id, 0 from generate_series(1, ${FAMILIES}) as id;
insert into api.children select id, 1 + id % ${FAMILIES}, 0 from generate_series(1, ${2 * FAMILIES}) as id;
insert into api.parts select id, id % 2, 0 from generate_series(1, ${BOARDS}) as id;
select api.set_pair(id, 0) from generate_series(1, ${PAIRS}) as id;
insert into api.authors select id, 0 from generate_series(1, ${PAIRS}) as id;
insert into api.books select id, 0 from generate_series(1, ${PAIRS}) as id;
insert into api.author_books select id, 1 + (id + shift) % ${PAIRS} from generate_series(1, ${PAIRS}) as id, generate_series(0, 1) as shift;
insert into api.crowd select id, 0 from generate_series(1, ${CROWD}) as id;
insert into api.late select id, 0 from generate_series(1, ${LATE}) as id;
select histories.refresh();
select histories.note('schema', 'policy', '0');
`;

/** The whole SQL, for a database with the migrations applied. */
export const SCHEMA = [
	LOG,
	TABLES,
	CHANGING_TABLES,
	...Object.entries(LOGGED).map(([relation, key]) => logged(relation, key)),
	...Object.keys(LOGGED).map(secured),
	// For users only: the remaining policies are `to authenticated`.
	"drop policy readable on api.late",
	// A policy `for all` would let a reader past the policy that a run changes.
	"drop policy writable on api.guarded",
	BEGIN_ANEW,
	ROWS,
	CHANGING_ROWS,
	"select postern.track_schema('api')",
].join(";\n");
