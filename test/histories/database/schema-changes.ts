// What a run changes besides rows: policies, memberships and attributes of roles, owners, and the names of tables, columns, views
// and schemas. Names are swapped between two objects alike, so that PostgREST needs to read no schema again and every name is
// always good. Each change writes itself to the log, in its own transaction.
import { pickWeighted, type Random } from "../random.ts";
import { NOTES, OWNERS, POLICIES, SUB } from "./row-values.ts";
import type { SqlWrite } from "./transact.ts";

export const SWAPPED = 4;

/** Logged tables, with the columns of their keys. */
export const CHANGING: Readonly<Record<string, readonly string[]>> = {
	vaults: ["id"],
	swap_one: ["id"],
	swap_two: ["id"],
	columned: ["id"],
};

/** These are logged by the name that they have at the time. */
export const SWAPPED_TABLES = ["swap_one", "swap_two"];

/** Views of tables in schemas whose names are swapped. They keep their tables, which are logged by the view's name. */
export const INNER: Readonly<Record<string, string>> = {
	items_a: "inner_a.items",
	items_b: "inner_b.items",
};

/** Members of histories_vip see their own vaults as well, and the view shows what its owner may see. */
export const CHANGING_TABLES = `
create role histories_vip nologin;
create role histories_owner nologin;
create role histories_other nologin;
create table api.vaults (id int primary key, owner text not null, is_public boolean not null, value bigint not null);
create view api.opened with (security_invoker = false) as select * from api.vaults;
create table api.swap_one (id int primary key, value bigint not null);
create table api.swap_two (id int primary key, value bigint not null);
create table api.columned (id int primary key, one bigint not null, two bigint not null);
create view api.low_boards with (security_invoker = true) as select id, value from api.boards where id <= 3;
create view api.high_boards with (security_invoker = true) as select id, value from api.boards where id > 3;
create schema inner_a;
create schema inner_b;
create table inner_a.items (id int primary key, value bigint not null);
create table inner_b.items (id int primary key, value bigint not null);
create view api.items_a with (security_invoker = false) as select * from inner_a.items;
create view api.items_b with (security_invoker = false) as select * from inner_b.items;
grant usage on schema api to histories_owner, histories_other;
grant select on api.vaults to histories_owner, histories_other;
grant select on api.opened, api.low_boards, api.high_boards, api.items_a, api.items_b to anon, authenticated;
alter view api.opened owner to histories_owner;
create policy own_ones on api.vaults for select to histories_vip using (owner = ${SUB});
select postern.track('inner_a.items'), postern.track('inner_b.items');
${Object.entries(INNER)
	.map(
		([view, table]) => `
create trigger note_row after insert or update or delete on ${table} for each row execute function histories.note_row('${view}', 'id');
alter table ${table} enable always trigger note_row;`,
	)
	.join("")}
`;

export const CHANGING_ROWS = `
insert into api.vaults
select id, (array['${OWNERS.join("','")}'])[1 + id % 3], id % 4 = 0, 0 from generate_series(1, ${NOTES}) as id;
insert into api.swap_one select id, id from generate_series(1, ${SWAPPED}) as id;
insert into api.swap_two select id, -id from generate_series(1, ${SWAPPED}) as id;
insert into api.columned select id, id, -id from generate_series(1, ${SWAPPED}) as id;
insert into inner_a.items select id, id from generate_series(1, ${SWAPPED}) as id;
insert into inner_b.items select id, -id from generate_series(1, ${SWAPPED}) as id;
${["vip", "owner sees all", "owner is another", "views"].map((name) => note(name, "false")).join(";\n")};
`;

/** The state of the schema under a name. */
function note(name: string, value: "true" | "false"): string {
	return `select histories.note('schema', '${name}', '${value}')`;
}

/** The rows under a name, as the log has them from now on. */
function noteRows(relation: string): string {
	return `select histories.note('${relation}', id::text, to_json(this)) from api.${relation} as this`;
}

export const SWAP_TABLES: SqlWrite = [
	"alter table api.swap_one rename to swap_zero",
	"alter table api.swap_two rename to swap_one",
	"alter table api.swap_zero rename to swap_two",
	noteRows("swap_one"),
	noteRows("swap_two"),
];

export const SWAP_COLUMNS: SqlWrite = [
	"alter table api.columned rename one to zero",
	"alter table api.columned rename two to one",
	"alter table api.columned rename zero to two",
	noteRows("columned"),
];

/** The views over them keep their tables. */
export const SWAP_SCHEMAS: SqlWrite = [
	"alter schema inner_a rename to inner_c",
	"alter schema inner_b rename to inner_a",
	"alter schema inner_c rename to inner_b",
	note("schemas", "true"),
];

export const SWAP_VIEWS: SqlWrite = [
	"alter view api.low_boards rename to boards_between",
	"alter view api.high_boards rename to low_boards",
	"alter view api.boards_between rename to high_boards",
	"select histories.note('schema', 'views', to_json(not contents::text::boolean)) from histories.log where relation = 'schema' and key = 'views' order by position desc limit 1",
];

/** By kind. */
export const SCHEMA_CHANGES = {
	policy: (random: Random): SqlWrite => {
		const variant = random.integer(POLICIES.length);
		const condition = String(POLICIES[variant]).replaceAll("'", "''");
		return [`select histories.change_policy(${variant}, '${condition}')`];
	},
	membership: (random: Random) =>
		random.chance(0.5) ? GRANT_MEMBERSHIP : REVOKE_MEMBERSHIP,
	attribute: (random: Random) =>
		random.chance(0.5) ? BYPASS_POLICIES : OBEY_POLICIES,
	owner: (random: Random) =>
		random.chance(0.5) ? CHANGE_OWNER : RESTORE_OWNER,
	setting: (random: Random): SqlWrite => [
		`alter role authenticated set statement_timeout = '${20 + random.integer(40)}s'`,
	],
	tables: (): SqlWrite => SWAP_TABLES,
	columns: (): SqlWrite => SWAP_COLUMNS,
	schemas: (): SqlWrite => SWAP_SCHEMAS,
	views: (): SqlWrite => SWAP_VIEWS,
} as const satisfies Record<string, (random: Random) => SqlWrite>;

export const GRANT_MEMBERSHIP: SqlWrite = [
	"grant histories_vip to authenticated with inherit true",
	note("vip", "true"),
];
export const REVOKE_MEMBERSHIP: SqlWrite = [
	"revoke histories_vip from authenticated",
	note("vip", "false"),
];
export const BYPASS_POLICIES: SqlWrite = [
	"alter role histories_owner bypassrls",
	note("owner sees all", "true"),
];
export const OBEY_POLICIES: SqlWrite = [
	"alter role histories_owner nobypassrls",
	note("owner sees all", "false"),
];
export const CHANGE_OWNER: SqlWrite = [
	"reassign owned by histories_owner to histories_other",
	note("owner is another", "true"),
];
export const RESTORE_OWNER: SqlWrite = [
	"reassign owned by histories_other to histories_owner",
	note("owner is another", "false"),
];

export function schemaChange(random: Random): SqlWrite {
	return random.pick(Object.values(SCHEMA_CHANGES))(random);
}

/** Writes in SQL to what changes. */
export function writeToChanging(random: Random, value: number): SqlWrite {
	const id = 1 + random.integer(SWAPPED);
	return pickWeighted(random, [
		{
			weight: 2,
			sql: [`update api.swap_one set value = ${value} where id = ${id}`],
		},
		{
			weight: 2,
			sql: [`update api.swap_two set value = ${value} where id = ${id}`],
		},
		{
			weight: 2,
			sql: [`update api.columned set one = ${value} where id = ${id}`],
		},
		{
			weight: 2,
			sql: [`update inner_a.items set value = ${value} where id = ${id}`],
		},
		{
			weight: 2,
			sql: [`update inner_b.items set value = ${value} where id = ${id}`],
		},
		{
			weight: 3,
			sql: [
				`update api.vaults set value = ${value}, is_public = ${random.chance(0.3)}, owner = '${random.pick(OWNERS)}' where id = ${1 + random.integer(NOTES)}`,
			],
		},
	]).sql;
}
