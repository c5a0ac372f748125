// Schema changes at unusual moments: no statement fails because of tracking, and no table loses its tracking.

import { chmod, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type pg from "pg";
import { describe, onTestFinished } from "vitest";
import { it } from "./support/tracked.ts";

async function reasons(owner: pg.Client): Promise<unknown[]> {
	const { rows } = await owner.query(
		"select reason from jsonb_to_recordset(postern.status() -> 'tracked') as one (reason text) where reason is not null",
	);
	return rows;
}

/** Waits until the query finds a row, or none. */
async function waitFor(
	owner: pg.Client,
	query: string,
	isThere = true,
): Promise<void> {
	for (;;) {
		const { rows } = await owner.query(query);
		if (rows.length > 0 === isThere) return;
		await new Promise((resolve) => setTimeout(resolve, 10));
	}
}

describe("tracking does not break", () => {
	it("a transaction whose snapshot is older than another's schema change", async ({
		owner,
		connect,
		expect,
	}) => {
		await owner.query(
			"create table api.notes (id int primary key); select postern.track('api.notes'); create materialized view api.copied as select * from api.notes",
		);
		const old = await connect();
		await old.query("begin isolation level repeatable read; select");
		await owner.query(
			"refresh materialized view api.copied; truncate api.notes",
		);
		await expect(
			old.query(
				"refresh materialized view api.copied; alter table api.notes add column body text; commit",
			),
		).resolves.toBeDefined();
		expect(await reasons(owner)).toEqual([]);
	});

	it("a detached partition that has lost its key by another drop", async ({
		owner,
		expect,
	}) => {
		await owner.query(`create function api.next(int) returns int language sql immutable return $1 + 1;
			create table api.parts (id int, following int generated always as (api.next(id)) stored, primary key (id, following)) partition by list (id);
			create table api.part partition of api.parts for values in (1);
			select postern.track('api.parts'); alter table api.parts detach partition api.part; drop function api.next cascade`);
		await expect(
			owner.query("insert into api.part values (1)"),
		).resolves.toBeDefined();
	});

	it("a detached partition in a transaction with an older snapshot", async ({
		owner,
		connect,
		expect,
	}) => {
		await owner.query(`create table api.parts (id int primary key) partition by list (id); create table api.part partition of api.parts for values in (1);
			select postern.track('api.parts'); alter table api.parts detach partition api.part`);
		const old = await connect();
		await old.query("begin isolation level repeatable read; select");
		await owner.query("alter table api.part add column a int");
		await expect(
			old.query("alter table api.part add column b int; commit"),
		).resolves.toBeDefined();
	});

	it("the drop of an extension with a table", async ({
		owner,
		skip,
		expect,
	}) => {
		const { rows } = await owner.query("show server_version_num");
		skip(rows[0].server_version_num < 180_000, "PostgreSQL 18 is needed");
		const directory = await mkdtemp(join(tmpdir(), "postern-extension-"));
		onTestFinished(() => rm(directory, { recursive: true }));
		await chmod(directory, 0o755);
		await mkdir(`${directory}/extension`);
		await writeFile(
			`${directory}/extension/brings_table.control`,
			"default_version = '1'\n",
		);
		await writeFile(
			`${directory}/extension/brings_table--1.sql`,
			"create table api.brought (its_key int primary key);",
		);
		await owner.query(`select postern.track_schema('api'); set extension_control_path = '${directory}:$system'; create extension brings_table;
			create table api.mine (its_key int primary key)`);
		await expect(
			owner.query("drop extension brings_table"),
		).resolves.toBeDefined();
	});
});

describe("tracking is not lost", () => {
	it("by one of two tables that are created at once with a key of a new shape", async ({
		owner,
		connect,
		expect,
	}) => {
		await owner.query("select postern.track_schema('api')");
		const [one, other] = [await connect(), await connect()];
		await one.query("begin; create table api.one (new_shape int primary key)");
		const making = other.query(
			"create table api.other (new_shape int primary key)",
		);
		await waitFor(owner, "select from pg_locks where not granted");
		await one.query("commit");
		await making;
		const { rows } = await owner.query(
			"select relation::text from postern.tracked_relations order by 1",
		);
		expect(rows).toEqual([{ relation: "api.one" }, { relation: "api.other" }]);
	});

	for (const [name, statements] of Object.entries({
		"when the index of a partition makes the key of all whole": `
			create table api.parts (id int not null) partition by list (id); create table api.part partition of api.parts for values in (1); select postern.track('api.parts');
			alter table only api.parts add primary key (id); alter table api.part add constraint part_key primary key (id); alter index api.parts_pkey attach partition api.part_key`,
		"when a table was a partition for a while": `
			create table api.parts (id int primary key) partition by list (id); create table api.part (id int primary key); select postern.track_schema('api');
			alter table api.parts attach partition api.part for values in (1); alter table api.parts detach partition api.part`,
		"when a type changes, and a partition was tracked before it was one": `
			create type api.mood as enum ('a'); create table api.parts (id int not null) partition by list (id); create table api.part (id int primary key); select postern.track_schema('api');
			alter table api.parts attach partition api.part for values in (1); alter type api.mood add value 'b'`,
		"when a table with events to come is renamed": `
			create table api.one (id int primary key); insert into api.one values (1); select postern.track_schema('api');
			create table api.other (id int primary key, one int references api.one deferrable initially deferred);
			begin; insert into api.other values (1, 1); alter table api.other rename to another; commit;
			alter table api.another add column body text`,
		"where strings are written as they were long ago": `
			create table api.parts (id int primary key) partition by list (id); select postern.track('api.parts');
			set standard_conforming_strings = off; discard plans; create table api.part partition of api.parts for values in (1); reset standard_conforming_strings`,
	})) {
		it(name, async ({ owner, expect }) => {
			for (const statement of statements.split(";"))
				await owner.query(statement);
			expect(await reasons(owner)).toEqual([]);
		});
	}

	it("by tables next to one that cannot be tracked", async ({
		owner,
		expect,
	}) => {
		await owner.query(
			`create foreign data wrapper elsewhere; create server far foreign data wrapper elsewhere;
			create table api.a (id int primary key); create table api.c (id int primary key);
			create table api.b (id int) partition by list (id); create foreign table api.b1 partition of api.b for values in (1) server far;
			select postern.track_schema('api')`,
		);
		const { rows } = await owner.query(
			"select relation::text from postern.tracked_relations order by 1",
		);
		expect(rows).toEqual([{ relation: "api.a" }, { relation: "api.c" }]);
	});

	it("when a session has a temporary child of a table", async ({
		owner,
		connect,
		expect,
	}) => {
		await owner.query(
			"create table api.notes (id int primary key); select postern.track('api.notes')",
		);
		await (await connect()).query(
			"create temporary table child () inherits (api.notes)",
		);
		expect(await reasons(owner)).toEqual([]);
		await owner.query("alter table api.notes rename to papers");
		expect(await reasons(owner)).toEqual([]);
	});
});

describe("a write that is under way is reported by the new name", () => {
	const made = `create table api.notes (id int primary key); insert into api.notes values (1);
		create table api.parts (id int primary key) partition by list (id);
		create table api.part partition of api.parts for values in (1);
		create materialized view api.copied as select * from api.notes; create unique index on api.copied (id);
		select postern.track('api.notes'), postern.track('api.parts')`;

	for (const [write, tag] of Object.entries({
		"refresh materialized view concurrently api.copied": "other.copied(*)",
		"refresh materialized view api.copied": "other.copied(*)",
		"insert into api.notes values (2)": "other.notes(2)",
		"truncate api.notes": "other.notes(*)",
		"insert into api.part values (1)": "other.parts(1)",
	})) {
		it(`when the schema is renamed: ${write}`, async ({
			owner,
			poller,
			connect,
			expect,
		}) => {
			await owner.query(made);
			const writer = await connect();
			await writer.query(`begin; ${write}`);
			await owner.query(
				"set lock_timeout = '5s'; alter schema api rename to other",
			);
			expect(await poller.tags()).toContain("catalog");
			await writer.query("commit");
			expect(await poller.tags()).toContain(tag);
			expect(await reasons(owner)).toEqual([]);
		});
	}

	for (const rename of [
		"alter materialized view api.copied rename to renamed",
		"alter materialized view api.copied set schema other",
		"alter table api.notes rename to renamed",
		"alter table api.notes set schema other",
	]) {
		it(`in the transaction that renames: ${rename}`, async ({
			owner,
			poller,
			expect,
		}) => {
			const [, name = ""] = /(copied|notes)/.exec(rename) ?? [];
			const write = {
				copied: "refresh materialized view api.copied",
				notes: "insert into api.notes values (2)",
			}[name];
			await owner.query(`${made}; create schema other`);
			await poller.poll();
			await owner.query(`begin; ${write}; ${rename}; commit`);
			const renamed = rename.endsWith("other")
				? `other.${name}`
				: "api.renamed";
			expect(await poller.tags()).toEqual(
				expect.arrayContaining(["catalog", renamed]),
			);
			expect(await reasons(owner)).toEqual([]);
		});
	}

	it("when the table had deferred events at its rename", async ({
		owner,
		poller,
		expect,
	}) => {
		await owner.query(`${made};
			create table api.remarks (id int primary key, note int references api.notes deferrable initially deferred);
			select postern.track('api.remarks')`);
		await owner.query(
			"begin; insert into api.remarks values (1, 1); alter table api.remarks rename to comments; commit",
		);
		await poller.poll();
		await owner.query("insert into api.comments values (2, 1)");
		expect(await poller.tags()).toEqual(["api.comments", "api.comments(2)"]);
	});
});
