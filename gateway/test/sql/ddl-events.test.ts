// What the event triggers make of a schema change: tables that nothing reads come and go without emptying the cache, no text that
// a table's owner chooses decides what is logged, and a failure is found in status().

import { describe } from "vitest";
import { it as base } from "./support/tracked.ts";

const it = base.extend("world", async ({ owner, poller }) => {
	await owner.query(`
		create schema scratch;
		create table api.notes (id int primary key, body text);
		create table api.parts (id int primary key) partition by list (id);
		create view api.bodies as select body from api.notes;
		create table scratch.kept (id int primary key, body text);
		create table scratch.read (id int primary key);
		create view api.reads as select id from scratch.read;
		create table scratch.ordered (number serial primary key);
		create table scratch.base (id int);
		create table scratch.derived () inherits (scratch.base);
		create table scratch.typed (id int);
		create table api.of_type (value scratch.typed);
		create table scratch.linked (id int primary key, note int references api.notes);
		create table scratch.target (id int primary key);
		create table api.pointing (target int references scratch.target);
		create table scratch.notes (id int);
		create schema watched;
		create table watched.early (id int);
		select postern.track('api.notes'), postern.track('api.parts'), postern.track_schema('watched')`);
	await poller.poll();
	return owner;
});

/** They change no answer. */
const APART = [
	"create table scratch.passing (id int)",
	"create table scratch.passing (id serial primary key, body text unique default 'x', check (id > 0))",
	"create unlogged table scratch.passing (like scratch.kept including all)",
	"create table scratch.passing as select * from api.notes",
	"select * into scratch.passing from api.notes",
	"create table api.passing (id int)",
	"create table scratch.passing (id int primary key, parent int references scratch.passing)",
	"create table scratch.passing (id int) partition by list (id)",
	"create table if not exists scratch.kept (id int)",
	"drop table scratch.kept",
	"drop table scratch.ordered, scratch.kept",
	"drop table if exists scratch.absent",
	"drop table scratch.derived",
	"drop table scratch.base cascade",
	"create index passing_index on scratch.kept (body)",
	"drop index if exists scratch.absent",
	"create temporary table notes (id int); drop table pg_temp.notes",
];

/** They may change an answer, or what is tracked. */
const COUNTING = [
	"create table watched.passing (id int)",
	"create table scratch.passing partition of api.parts for values in (1)",
	"create table scratch.passing () inherits (api.notes)",
	"create table scratch.passing () inherits (scratch.base)",
	"create table scratch.passing (id int references api.notes)",
	"create table scratch.bodies (id int)",
	"create table scratch.text (id int)",
	"create type scratch.mood as enum ('a'); drop type scratch.mood",
	"create view scratch.seen as select 1 as one",
	"create function scratch.f() returns int language sql return 1",
	"alter table scratch.kept rename to bodies",
	"alter table scratch.kept add column note text",
	"drop table scratch.read cascade",
	"drop table scratch.typed cascade",
	"drop table scratch.linked",
	"drop table scratch.target cascade",
	"drop table scratch.notes",
	"drop table api.notes cascade",
	"drop table watched.early",
	"drop schema watched cascade",
	"grant select on scratch.kept to anon",
	"create policy everyone on scratch.kept using (true)",
];

describe("a change of the schema", () => {
	it("that no answer can depend on is not reported", async ({
		world,
		poller,
		expect,
	}) => {
		for (const statement of APART) {
			await world.query("begin");
			await world.query("delete from postern.outbox");
			await world.query(statement);
			const { rows } = await world.query("select tag from postern.outbox");
			await world.query("rollback");
			expect(rows, statement).toEqual([]);
		}
		await world.query(
			"create table scratch.passing (id int); drop table scratch.passing",
		);
		expect(await poller.tags()).toEqual([]);
	});

	it("that an answer may depend on is reported", async ({ world, expect }) => {
		for (const statement of COUNTING) {
			await world.query("begin");
			await world.query("delete from postern.outbox");
			await world.query(statement);
			const { rows } = await world.query("select tag from postern.outbox");
			await world.query("rollback");
			expect(rows, statement).toContainEqual({ tag: "catalog" });
		}
	});
});

const status = "select postern.status() as status";

describe("what a table's owner writes", () => {
	it("does not choose the trigger function of another table", async ({
		owner,
		poller,
		expect,
	}) => {
		// The names of these keys shared 48 bits of MD5, by which functions were once called.
		await owner.query(
			"create table api.one (k1043962 int primary key); create table api.other (k12877335 int primary key)",
		);
		await owner.query(
			"select postern.track('api.one'), postern.track('api.other')",
		);
		await poller.poll();
		await owner.query("insert into api.one values (1)");
		await owner.query("insert into api.other values (2)");
		expect(await poller.tags()).toEqual([
			"api.one",
			"api.one(1)",
			"api.other",
			"api.other(2)",
		]);
	});

	it("does not name a function that has another source", async ({
		owner,
		poller,
		expect,
	}) => {
		await owner.query(
			"create table api.notes (id int primary key); select postern.track('api.notes')",
		);
		await owner.query(`do $do$ begin
			execute format('create or replace function postern.%I() returns trigger language plpgsql as %L',
				postern.outbox_writer_of(postern.key_expression('api.notes'::regclass), 'insert'), 'begin return null; end');
		end $do$`);
		const { rows } = await owner.query(status);
		expect(rows[0].status.wrong).toEqual([
			"api.notes has a trigger postern_delete that is out of date",
		]);
		await owner.query("select postern.track('api.notes')");
		await poller.poll();
		await owner.query("insert into api.notes values (1)");
		expect(await poller.tags()).toContain("api.notes(1)");
		expect((await owner.query(status)).rows[0].status.wrong).toEqual([]);
	});

	it("sets nothing that lets a change of a key go unseen", async ({
		owner,
		expect,
	}) => {
		await owner.query(
			"create table api.notes (id int primary key, code text not null); select postern.track('api.notes')",
		);
		await owner.query(`set postern.is_tracking = 'on';
			alter table api.notes drop constraint notes_pkey, add primary key (code)`);
		const { rows } = await owner.query(status);
		expect(rows[0].status.wrong).toEqual([
			"api.notes has a trigger postern_delete that is out of date",
		]);
	});
});

it("a session's quote_all_identifiers chooses no other trigger function", async ({
	owner,
	expect,
}) => {
	await owner.query(
		"create table api.notes (id int primary key); select postern.track('api.notes'); set quote_all_identifiers = on",
	);
	const { rows } = await owner.query(status);
	expect(rows[0].status.wrong).toEqual([]);
});

describe("a failure of an event trigger", () => {
	it("is in status() until tracking is mended, and fails no command", async ({
		owner,
		expect,
	}) => {
		await owner.query(`
			create table api.parts (id int primary key) partition by list (id);
			select postern.track('api.parts');
			create table api.part (id int primary key);
			create function api.nothing() returns trigger language plpgsql as 'begin return null; end';
			create constraint trigger postern_insert after insert on api.part for each row execute function api.nothing();
			alter table api.parts attach partition api.part for values in (1)`);
		const { rows } = await owner.query(status);
		expect(rows[0].status.failures).toMatchObject([
			{
				relation: "api.parts",
				reason:
					'trigger "postern_insert" for relation "part" is a constraint trigger',
			},
		]);
		expect(rows[0].status.wrong).toContain(
			'tracking of api.parts failed: trigger "postern_insert" for relation "part" is a constraint trigger',
		);
		await owner.query(
			"drop trigger postern_insert on api.part; select postern.track('api.parts')",
		);
		const { status: mended } = (await owner.query(status)).rows[0];
		expect(mended).toMatchObject({ failures: [], wrong: [] });
	});

	it("is forgotten with its table", async ({ owner, expect }) => {
		await owner.query(
			"create table api.notes (id int); select postern.note_failure('api.notes'::regclass, 'why'); drop table api.notes",
		);
		const { rows } = await owner.query(status);
		expect(rows[0].status).toMatchObject({ failures: [], wrong: [] });
	});
});

it("status() lists the tables of a tracked schema that are not tracked", async ({
	owner,
	expect,
}) => {
	await owner.query(
		"select postern.track_schema('api'); create table api.notes (id int); create table api.papers (id int); select postern.untrack('api.notes')",
	);
	const { rows } = await owner.query(status);
	expect(rows[0].status).toMatchObject({
		untracked: ["api.notes"],
		failures: [],
		wrong: [],
	});
});
