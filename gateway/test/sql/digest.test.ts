// Changes without an event: of roles, of owners, and of everything where event triggers are not allowed. The next poll reports
// each as a change of the catalog. While only rows change it reports none.

import { randomBytes } from "node:crypto";
import type pg from "pg";
import { describe } from "vitest";
import { Poller } from "./support/poller.ts";
import { it as base } from "./support/tracked.ts";

/** Roles belong to the whole server, so their names are the test's own. */
const it = base
	.extend("role", async ({ owner }, { onCleanup }) => {
		const role = `vip_${randomBytes(4).toString("hex")}`;
		await owner.query(`create role ${role}; create role ${role}_2`);
		onCleanup(async () => {
			await owner.query(
				`drop owned by ${role}, ${role}_2 cascade; drop role ${role}, ${role}_2`,
			);
		});
		return role;
	})
	.extend("world", async ({ owner, role }) => {
		await owner.query(`create schema private;
			create table private.secrets (id bigint primary key, note bigint);
			create table api.notes (id bigint primary key, body text);
			select postern.track('api.notes'), postern.track('private.secrets');
			create policy everyone on private.secrets using (true);
			create policy vip_only on private.secrets to ${role} using (true);
			create function private.f() returns int language sql stable as 'select 1';
			create domain private."text/csv" as text;
			create domain private.label as text;
			create view api.bodies with (security_invoker = true) as select body from api.notes;
			create materialized view api.counted as select count(*) from api.notes;
			create function private.told(private.label) returns json language sql stable return null::json;
			create function private.text(private.label) returns text language sql stable return null;
			create cast (private.label as text) with function private.text(private.label);
			grant ${role} to ${role}_2`);
		return owner;
	});

async function poll(poller: Poller, statement: string, owner: pg.Client) {
	await poller.poll();
	for (const one of statement.split("; ")) await owner.query(one);
	return poller.tags();
}

/** The role is called vip here. */
const ROLES = [
	"grant vip to anon",
	"revoke vip from vip_2",
	"grant vip to vip_2 with admin option",
	"alter role vip bypassrls",
	"alter role vip superuser",
	"alter role vip noinherit",
	"alter role vip rename to vip_3",
	"alter role vip set statement_timeout = '9s'",
	// The owner of the database is the member of pg_database_owner.
	"do $$ begin execute format('alter database %I owner to vip', current_database()); end $$",
];

/** What vip owns. */
const OWNED = [
	"table api.notes",
	"view api.bodies",
	"materialized view api.counted",
	"function private.f()",
	"schema private",
];

const SCHEMA = [
	"alter table api.notes add column more int",
	"alter table api.notes disable trigger postern_insert",
	"alter table api.notes rename to papers",
	"alter table api.notes set schema private",
	"alter table api.notes enable row level security",
	"alter table api.notes force row level security",
	"alter view api.bodies set (security_invoker = false)",
	"alter view api.bodies reset (security_invoker)",
	"create or replace view api.bodies as select body || '!' as body from api.notes",
	"create policy everyone on api.notes using (true)",
	"alter policy everyone on private.secrets using (false)",
	"drop policy everyone on private.secrets",
	"grant select on api.notes to anon",
	"grant select (id) on api.notes to anon",
	"grant usage on schema private to anon",
	"revoke execute on function private.f() from public",
	"create or replace function private.f() returns int language sql stable as 'select 2'",
	"create type api.mood as enum ('good')",
	'create domain api."text/html" as text',
	'drop domain private."text/csv"',
	'alter domain private."text/csv" rename to "text/tab"',
	"create cast (private.label as json) with function private.told(private.label)",
	"drop cast (private.label as text)",
	"alter table api.notes alter column body set default 'none'; alter table api.notes alter column body set default 'nothing'",
	"create text search configuration private.plain (copy = simple); alter text search configuration private.plain drop mapping for word",
	"drop owned by vip",
	"select postern.untrack('api.notes')",
	"select postern.track('api.notes', '1 second')",
	"select postern.declare_cacheable('private.f()', '{}', '{}')",
];

const ROWS = [
	"insert into api.notes values (1)",
	"create temporary table passing (id int)",
	"create temporary view passing_view as select 1 as one",
	"vacuum analyze api.notes",
	"select postern.mark_schema()",
];

for (const [where, isWatched] of [
	["where event triggers tell of the schema", true],
	["where there are no event triggers", false],
] as const) {
	describe(where, () => {
		it("a poll reports every change that an answer may depend on", async ({
			world,
			role,
			expect,
		}) => {
			if (!isWatched) await unwatch(world);
			const untold: string[] = [];
			for (const statement of [...ROLES, ...SCHEMA]) {
				const command = statement.replaceAll(/\bvip/g, role);
				if (!(await isTold(world, command))) untold.push(statement);
			}
			expect(untold).toEqual([]);
		});

		it("a poll reports a new owner, and the return of the former owner", async ({
			world,
			role,
			expect,
		}) => {
			if (!isWatched) await unwatch(world);
			const there = `reassign owned by ${role} to ${role}_2`;
			const back = `reassign owned by ${role}_2 to ${role}`;
			const untold: string[] = [];
			for (const owned of OWNED) {
				await world.query(`alter ${owned} owner to ${role}`);
				for (const command of [there, `${there}; ${back}`])
					if (!(await isTold(world, command)))
						untold.push(`${command}: ${owned}`);
				await world.query(`alter ${owned} owner to current_user`);
			}
			expect(untold).toEqual([]);
		});

		it("the next poll reports a granted membership", async ({
			world,
			role,
			expect,
		}) => {
			if (!isWatched) await unwatch(world);
			const poller = new Poller(world, { seesDigest: true });
			for (const statement of [
				`grant ${role} to anon`,
				`revoke ${role} from anon`,
			]) {
				expect(await poll(poller, statement, world)).toEqual(["catalog"]);
			}
		});

		it("a poll reports a setting of the server that changes how values are written", async ({
			world,
			expect,
		}) => {
			if (!isWatched) await unwatch(world);
			for (const statement of [
				"set bytea_output = 'escape'",
				"set quote_all_identifiers = on",
				"set timezone = 'Asia/Tokyo'",
			]) {
				const tags = await poll(
					new Poller(world, { seesDigest: true }),
					statement,
					world,
				);
				expect(tags, statement).toEqual(["catalog"]);
			}
		});

		it("a poll reports no change of the catalog while only rows change", async ({
			world,
			expect,
		}) => {
			if (!isWatched) await unwatch(world);
			// PostgreSQL may count earlier changes only now.
			await world.query("select pg_stat_force_next_flush()");
			const poller = new Poller(world, { seesDigest: true });
			for (const statement of [
				...ROWS,
				// Without event triggers these look like changes of the schema.
				...(isWatched
					? ["truncate api.notes", "refresh materialized view api.counted"]
					: []),
			]) {
				const tags = await poll(poller, statement, world);
				expect(tags, statement).not.toContain("catalog");
			}
		});

		it("a later poll reports a membership that was granted and revoked between two polls", async ({
			world,
			role,
			expect,
		}) => {
			if (!isWatched) await unwatch(world);
			const poller = new Poller(world, { seesDigest: true });
			await poller.poll();
			await world.query(`grant ${role} to anon`);
			await world.query(`revoke ${role} from anon`);
			await world.query("select pg_stat_force_next_flush()");
			expect(await poller.tags()).toEqual(["catalog"]);
			expect(await poller.tags()).toEqual([]);
		});
	});
}

it("a poll reports that an event trigger was disabled, and what changes while it is disabled", async ({
	world,
	expect,
}) => {
	const poller = new Poller(world, { seesDigest: true });
	for (const statement of [
		"alter event trigger postern_after_ddl disable",
		"create policy unseen on api.notes using (true)",
		"alter event trigger postern_after_ddl enable always",
	]) {
		expect(await poll(poller, statement, world), statement).toContain(
			"catalog",
		);
	}
});

it("without event triggers, a later poll reports a policy that was made and dropped between two polls", async ({
	world,
	expect,
}) => {
	await unwatch(world);
	const poller = new Poller(world, { seesDigest: true });
	await poller.poll();
	await world.query("create policy passing on private.secrets using (false)");
	await world.query("drop policy passing on private.secrets");
	await world.query("select pg_stat_force_next_flush()");
	expect(await poller.tags()).toEqual(["catalog"]);
});

it("a scratch table that nothing tracks does not change the digest, with any owner", async ({
	world,
	role,
	expect,
}) => {
	await world.query("begin");
	const before = await digestOf(world);
	await world.query(
		`create table api.passing (id int); alter table api.passing owner to ${role}`,
	);
	expect(await digestOf(world)).toBe(before);
	await world.query("rollback");
});

async function unwatch(owner: pg.Client): Promise<void> {
	await owner.query(
		"drop event trigger postern_after_ddl; drop event trigger postern_after_drop",
	);
}

/** Whether the statement changes the digest or writes to the outbox that the catalog changed. It is undone. */
async function isTold(owner: pg.Client, statement: string): Promise<boolean> {
	await owner.query("begin; delete from postern.outbox");
	const before = await digestOf(owner);
	await owner.query(statement);
	const { rowCount } = await owner.query(
		"select from postern.outbox where tag = 'catalog'",
	);
	const isOther = (await digestOf(owner)) !== before;
	await owner.query("rollback");
	return rowCount !== 0 || isOther;
}

async function digestOf(owner: pg.Client): Promise<unknown> {
	const { rows } = await owner.query("select postern.digest() as digest");
	return rows[0].digest;
}
