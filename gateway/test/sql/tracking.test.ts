// The tags that each statement logs, in a database with the program `postern` only.

import { describe } from "vitest";
import { Poller } from "./support/poller.ts";
import { it as base } from "./support/tracked.ts";

const it = base.extend("tagsOf", ({ owner, poller }) => {
	/** The tags of one or more statements. */
	return async (statements: string) => {
		await poller.poll();
		await owner.query(statements);
		return poller.tags();
	};
});

const notes = `
	create table api.notes (id bigint primary key, body text);
	insert into api.notes select id, 'old' from generate_series(1, 100) as id;
	select postern.track('api.notes')`;

describe("a tracked table", () => {
	for (const [statement, tags] of Object.entries({
		"insert into api.notes values (101, 'new')": [
			"api.notes",
			"api.notes(101)",
		],
		"update api.notes set body = 'new' where id in (3, 20)": [
			"api.notes",
			"api.notes(20)",
			"api.notes(3)",
		],
		"delete from api.notes where id = 7": ["api.notes", "api.notes(7)"],
		"update api.notes set id = 500 where id = 5": [
			"api.notes",
			"api.notes(5)",
			"api.notes(500)",
		],
		"update api.notes set id = id + 1000 where id <= 50": [
			"api.notes",
			...Array.from({ length: 50 }, (_, index) => [
				`api.notes(${index + 1})`,
				`api.notes(${index + 1001})`,
			]).flat(),
		].sort(),
		"update api.notes set body = 'new' where id <= 51": [
			"api.notes",
			"api.notes(*)",
		],
		"insert into api.notes select id from generate_series(201, 300) as id": [
			"api.notes",
			...Array.from({ length: 100 }, (_, index) => `api.notes(${index + 201})`),
		],
		"insert into api.notes select id from generate_series(201, 301) as id": [
			"api.notes",
			"api.notes(*)",
		],
		"insert into api.notes values (101); delete from api.notes": [
			"api.notes",
			"api.notes(*)",
		],
		"truncate api.notes": ["api.notes", "api.notes(*)"],
		"insert into api.notes values (1, 'new'), (101, 'new') on conflict (id) do update set body = excluded.body":
			["api.notes", "api.notes(1)", "api.notes(101)"],
		"copy api.notes (id) from program 'echo 101'": [
			"api.notes",
			"api.notes(101)",
		],
		"create view pg_temp.seen as select id, body from api.notes; update pg_temp.seen set body = 'new' where id = 1":
			["api.notes", "api.notes(1)"],
		"merge into api.notes using (values (1), (101)) as new (id) on notes.id = new.id when matched then delete when not matched then insert values (new.id)":
			["api.notes", "api.notes(1)", "api.notes(101)"],
		"with moved as (delete from api.notes where id = 1 returning *) insert into api.notes select 101, body from moved":
			["api.notes", "api.notes(1)", "api.notes(101)"],
		"update api.notes set body = 'new' where false": [],
		"insert into api.notes select 1 where false": [],
		"insert into api.notes values (1) on conflict do nothing": [],
		"merge into api.notes using (select 1 where false) as new (id) on notes.id = new.id when matched then delete":
			[],
		"begin; delete from api.notes; rollback": [],
		"begin; savepoint one; delete from api.notes where id = 1; rollback to one; delete from api.notes where id = 2; commit":
			["api.notes", "api.notes(2)"],
		"set session_replication_role = replica; update api.notes set body = 'new' where id = 1; reset session_replication_role":
			["api.notes", "api.notes(1)"],
	})) {
		it(`logs ${statement}`, async ({ owner, tagsOf, expect }) => {
			await owner.query(notes);
			expect(await tagsOf(statement)).toEqual(tags);
		});
	}

	it("logs the writes of a caller without privileges on the outbox", async ({
		owner,
		tagsOf,
		expect,
	}) => {
		await owner.query(
			`${notes}; grant select, insert, update on api.notes to authenticated`,
		);
		expect(
			await tagsOf(
				"set role authenticated; update api.notes set body = 'new' where id = 1; reset role",
			),
		).toEqual(["api.notes", "api.notes(1)"]);
		await expect(
			owner.query(
				"set role authenticated; insert into postern.outbox (tag) values ('api.notes')",
			),
		).rejects.toMatchObject({ code: "42501" });
	});

	it("logs the rows that a foreign key deletes with others", async ({
		owner,
		tagsOf,
		expect,
	}) => {
		await owner.query(`${notes};
			create table api.remarks (id bigint primary key, note bigint references api.notes on delete cascade);
			insert into api.remarks values (70, 7), (71, 7), (80, 8);
			select postern.track('api.remarks')`);
		expect(await tagsOf("delete from api.notes where id = 7")).toEqual([
			"api.notes",
			"api.notes(7)",
			"api.remarks",
			"api.remarks(70)",
			"api.remarks(71)",
		]);
	});

	it("logs the rows that a foreign key changes with others", async ({
		owner,
		tagsOf,
		expect,
	}) => {
		await owner.query(`${notes};
			create table api.remarks (id bigint primary key, note bigint references api.notes on delete set null on update cascade);
			create table api.parts (id bigint, note bigint default 1 references api.notes on delete set default, primary key (id)) partition by range (id);
			create table api.part partition of api.parts default;
			insert into api.remarks values (70, 7), (80, 8);
			insert into api.parts values (90, 7);
			select postern.track('api.remarks'), postern.track('api.parts')`);
		expect(await tagsOf("update api.notes set id = 800 where id = 8")).toEqual([
			"api.notes",
			"api.notes(8)",
			"api.notes(800)",
			"api.remarks",
			"api.remarks(80)",
		]);
		expect(await tagsOf("delete from api.notes where id = 7")).toEqual([
			"api.notes",
			"api.notes(7)",
			"api.parts",
			"api.parts(90)",
			"api.remarks",
			"api.remarks(70)",
		]);
	});

	it("logs each change once when it is tracked twice", async ({
		owner,
		tagsOf,
		expect,
	}) => {
		await owner.query(notes);
		await owner.query("select postern.track('api.notes', '2 seconds')");
		await tagsOf("delete from api.notes where id = 1");
		const { rows } = await owner.query(
			"select rows from postern.outbox where rows is not null order by xid desc limit 2",
		);
		expect(rows[0]).toEqual({ rows: ["1"] });
		expect(rows[1]).not.toEqual({ rows: ["1"] });
		expect(
			(
				await owner.query(
					"select max_staleness::text from postern.tracked_relations",
				)
			).rows,
		).toEqual([{ max_staleness: "00:00:02" }]);
	});

	it("is no longer logged when it is untracked", async ({
		owner,
		tagsOf,
		expect,
	}) => {
		await owner.query(notes);
		expect(await tagsOf("select postern.untrack('api.notes')")).toContain(
			"catalog",
		);
		expect(await tagsOf("delete from api.notes")).toEqual([]);
	});
});

it("runs no function of a temporary type that a writer made", async ({
	owner,
	connect,
	expect,
}) => {
	await owner.query(`
		create table api.notes (id text primary key);
		select postern.track_schema('api');
		grant select, insert, update, delete on api.notes to authenticated;
		grant create on schema api to authenticated`);
	const writer = await connect();
	const ran: string[] = [];
	writer.on("notice", ({ message }) => ran.push(message ?? ""));
	await writer.query(`
		set role authenticated;
		create function pg_temp.spy(value anyelement) returns boolean language plpgsql as
			$$ begin if current_user <> 'authenticated' then raise notice 'ran as %', current_user; end if; return true; end $$`);
	for (const name of ["text", "oid", "name", "regclass", "xid8", "bytea"]) {
		await writer.query(
			`create domain pg_temp.${name} as pg_catalog.${name} check (pg_temp.spy(value))`,
		);
	}
	for (const statement of [
		"insert into api.notes values ('a')",
		"update api.notes set id = 'b'",
		"delete from api.notes",
		"create table api.mine (id pg_catalog.text primary key)",
		"create table api.parts (id int) partition by range (id)",
		"create table api.part partition of api.parts default",
		"insert into api.mine values ('a')",
		"alter table api.mine rename to yours",
		"truncate api.yours",
		"drop table api.yours, api.parts",
	]) {
		await writer.query(statement);
	}
	expect(ran).toEqual([]);
});

describe("a row's tag", () => {
	for (const [name, { table, insert, tags }] of Object.entries({
		"has the values of a composite key in the key's order": {
			table: "(a int, b uuid, c text, primary key (b, a))",
			insert: "(-1, '0B5C6A52-5D0A-4F0E-9D43-00000000000A', 'x')",
			tags: ["(0b5c6a52-5d0a-4f0e-9d43-00000000000a,-1)"],
		},
		"quotes what is not a plain word": {
			table: "(a text, b varchar(9), primary key (a, b))",
			insert: `('a,b', 'c'), ('a', 'b,c'), ('', '*'), ('"', '(é)'), ('a b', E'x\\n')`,
			tags: [
				`("""","(é)")`,
				`("","*")`,
				`("a b","x\n")`,
				`("a,b",c)`,
				`(a,"b,c")`,
			],
		},
		"is that of any row where the key is long": {
			table: "(a text, b int, primary key (a, b))",
			insert: "(repeat('x', 201), 1)",
			tags: ["(*)"],
		},
		"is that of any row where there is no key": {
			table: "(a int)",
			insert: "(1), (2)",
			tags: ["(*)"],
		},
		"is that of any row where the key's type has several texts for one value": {
			table: "(a numeric primary key)",
			insert: "(1.0)",
			tags: ["(*)"],
		},
		"is that of any row where two texts can be equal": {
			table: "(a text collate api.insensitive primary key)",
			insert: "('A')",
			tags: ["(*)"],
		},
	})) {
		it(name, async ({ owner, tagsOf, expect }) => {
			await owner.query(
				"create collation api.insensitive (provider = icu, locale = 'und-u-ks-level2', deterministic = false)",
			);
			await owner.query(
				`create table api.keyed ${table}; select postern.track('api.keyed')`,
			);
			const logged = await tagsOf(`insert into api.keyed values ${insert}`);
			expect(logged.toSorted()).toEqual(
				["api.keyed", ...tags.map((tag) => `api.keyed${tag}`)].toSorted(),
			);
		});
	}

	it("may be of columns with the names of variables in a trigger", async ({
		owner,
		tagsOf,
		expect,
	}) => {
		const names = ["found", "new", "old", "tg_relid", "tg_op", "this", "key"];
		const columns = names.map((name) => `"${name}"`);
		await owner.query(
			`create table api.keyed (${columns.map((column) => `${column} text`)}, primary key (${columns})); select postern.track('api.keyed')`,
		);
		const tags = (row: string) => ["api.keyed", `api.keyed(${row})`];
		expect(
			await tagsOf("insert into api.keyed values (1, 2, 3, 4, 5, 6, 7)"),
		).toEqual(tags("1,2,3,4,5,6,7"));
		expect(await tagsOf("update api.keyed set found = 1")).toEqual(
			tags("1,2,3,4,5,6,7"),
		);
		expect(await tagsOf("delete from api.keyed")).toEqual(
			tags("1,2,3,4,5,6,7"),
		);
	});

	it("is the text of a filter, even with a user-defined cast", async ({
		owner,
		tagsOf,
		expect,
	}) => {
		await owner.query(`
			create function api.told(bigint) returns text language sql immutable return 'no. ' || int8out($1)::text;
			create cast (bigint as text) with function api.told(bigint) as assignment;
			create table api.things (id bigint primary key);
			select postern.track('api.things')`);
		expect(await tagsOf("insert into api.things values (1)")).toEqual([
			"api.things",
			"api.things(1)",
		]);
	});

	it("quotes names of schemas and tables", async ({
		owner,
		tagsOf,
		expect,
	}) => {
		await owner.query(`create schema "my.api"; create table "my.api"."No""tes" ("the id" int primary key);
			select postern.track('"my.api"."No""tes"')`);
		expect(await tagsOf(`insert into "my.api"."No""tes" values (1)`)).toEqual([
			`"my.api"."No""tes"`,
			`"my.api"."No""tes"(1)`,
		]);
	});

	it("is one of a bounded number in a poll", async ({
		owner,
		tagsOf,
		expect,
	}) => {
		await owner.query(notes);
		const insert = (from: number, to: number) =>
			`do $$ begin for id in ${from}..${to} loop insert into api.notes values (id); end loop; end $$`;
		expect(await tagsOf(insert(1001, 2000))).toHaveLength(1001);
		expect(await tagsOf(insert(2001, 3001))).toEqual([
			"api.notes",
			"api.notes(*)",
		]);
	});
});

describe("a partitioned table", () => {
	const measurements = `
		create table api.measurements (id int, day int, value int, primary key (id, day)) partition by range (day);
		create table api.first partition of api.measurements for values from (0) to (10);
		create table api.second partition of api.measurements for values from (10) to (20);
		insert into api.measurements values (1, 1), (2, 12);
		select postern.track('api.measurements')`;
	const all = (...keys: string[]) => [
		"api.measurements",
		...keys.map((key) => `api.measurements(${key})`),
	];

	for (const [statement, tags] of Object.entries({
		"update api.measurements set value = 1": all("1,1", "2,12"),
		"update api.first set value = 1": all("1,1"),
		"insert into api.second values (3, 13)": all("3,13"),
		"update api.measurements set day = 15 where id = 1": all("1,1", "1,15"),
		"truncate api.second": all("*"),
		"truncate api.measurements": all("*"),
	})) {
		it(`logs ${statement} under its own name`, async ({
			owner,
			tagsOf,
			expect,
		}) => {
			await owner.query(measurements);
			expect(await tagsOf(statement)).toEqual(tags);
		});
	}

	it("tracks partitions that are made, attached and made below others", async ({
		owner,
		tagsOf,
		expect,
	}) => {
		await owner.query(measurements);
		await owner.query(`
			create table api.third partition of api.measurements for values from (20) to (30) partition by range (day);
			create table api.deep partition of api.third for values from (20) to (25);
			create table api.loose (value int, day int not null, id int not null);
			insert into api.loose values (0, 31, 9);
			alter table api.measurements attach partition api.loose for values from (30) to (40)`);
		expect(await tagsOf("insert into api.deep values (4, 21)")).toEqual(
			all("4,21"),
		);
		expect(await tagsOf("insert into api.loose values (0, 32, 5)")).toEqual(
			all("5,32"),
		);
		expect(
			await tagsOf("alter table api.measurements detach partition api.loose"),
		).toContain("catalog");
	});

	it("reports a partition that is detached concurrently when its rows are gone, before the command ends", async ({
		owner,
		connect,
		expect,
	}) => {
		await owner.query(measurements);
		const poller = new Poller(await connect(), { seesDigest: true });
		await poller.poll();
		const reader = await connect();
		await reader.query(
			"begin isolation level repeatable read; select from api.measurements",
		);
		const detaching = connect().then((client) =>
			client.query(
				"alter table api.measurements detach partition api.second concurrently",
			),
		);
		for (;;) {
			const { rows } = await owner.query(
				"select count(*)::int as count from api.measurements",
			);
			if (rows[0].count === 1) break;
			await new Promise((resolve) => setTimeout(resolve, 10));
		}
		expect(await poller.tags()).toContain("catalog");
		await reader.query("commit");
		await detaching;
		expect(await poller.tags()).toContain("catalog");
	});

	it("can be written when a partition that was detached has lost its key", async ({
		owner,
		tagsOf,
		expect,
	}) => {
		await owner.query(
			`${measurements}; alter table api.measurements detach partition api.first; alter table api.first rename column id to number`,
		);
		expect(await tagsOf("update api.first set value = 1")).toEqual([]);
	});

	it("is tracked by any of its partitions", async ({
		owner,
		tagsOf,
		expect,
	}) => {
		await owner.query(measurements);
		await owner.query(
			"select postern.untrack('api.first'); select postern.track('api.second')",
		);
		expect(await tagsOf("update api.first set value = 1")).toEqual(all("1,1"));
	});
});

it("logs inheritance children under their parent's name", async ({
	owner,
	tagsOf,
	expect,
}) => {
	await owner.query(`
		create table api.parent (id int primary key, name text);
		create table api.child (extra int) inherits (api.parent);
		select postern.track('api.parent');
		create table api.late () inherits (api.child)`);
	expect(await tagsOf("insert into api.child values (1), (2)")).toEqual([
		"api.parent",
		"api.parent(1)",
		"api.parent(2)",
	]);
	expect(await tagsOf("insert into api.late values (3)")).toEqual([
		"api.parent",
		"api.parent(3)",
	]);
	expect(await tagsOf("update api.parent set name = 'x' where id = 3")).toEqual(
		["api.parent", "api.parent(3)"],
	);
});

describe("tracking refuses", () => {
	for (const [relation, { make, message, hint }] of Object.entries({
		"api.seen": {
			make: "create view api.seen as select 1 as one",
			message: "api.seen is a view",
			hint: /Track the tables that it reads/,
		},
		"api.copied": {
			make: "create materialized view api.copied as select 1 as one",
			message: "api.copied is a materialized view",
			hint: /an event trigger sees REFRESH MATERIALIZED VIEW/,
		},
		"api.far": {
			make: "create foreign data wrapper nothing; create server nowhere foreign data wrapper nothing; create foreign table api.far (id int) server nowhere",
			message: "api.far is a foreign table",
			hint: /Its changes happen elsewhere/,
		},
		"api.parts": {
			make: "create foreign data wrapper nothing; create server nowhere foreign data wrapper nothing; create table api.parts (id int) partition by range (id); create foreign table api.part partition of api.parts for values from (0) to (9) server nowhere",
			message: "api.parts has a partition that is a foreign table",
			hint: /Detach it/,
		},
		"api.mixed": {
			make: "create table api.one (id int); create table api.other (id int); create table api.mixed () inherits (api.one, api.other)",
			message: "api.mixed inherits from several tables",
			hint: /Leave it untracked/,
		},
		"pg_temp.passing": {
			make: "create temporary table passing (id int)",
			message: "passing is a temporary table",
			hint: undefined,
		},
		"pg_catalog.pg_class": {
			make: "select",
			message: "pg_class belongs to the system or to postern",
			hint: undefined,
		},
	})) {
		it(relation, async ({ owner, expect }) => {
			await owner.query(make);
			await expect(
				owner.query("select postern.track($1)", [relation]),
			).rejects.toMatchObject({
				code: expect.stringMatching(/^(42809|0A000)$/),
				message: expect.stringContaining(message),
				hint: hint ? expect.stringMatching(hint) : undefined,
			});
		});
	}
});

describe("a tracked schema", () => {
	it("tracks existing and new tables", async ({ owner, tagsOf, expect }) => {
		await owner.query(`
			create table api.early (id int primary key);
			select postern.track_schema('api', '2 seconds');
			create table api.late (id int primary key);
			create table api.copy as select 1 as id`);
		expect(await tagsOf("insert into api.early values (1)")).toHaveLength(2);
		expect(await tagsOf("insert into api.late values (1)")).toHaveLength(2);
		expect(await tagsOf("insert into api.copy values (1)")).toHaveLength(2);
		const { rows } = await owner.query(
			"select count(*)::int from postern.tracked_relations where max_staleness = '2 seconds'",
		);
		expect(rows).toEqual([{ count: 3 }]);
	});

	it("tracks tables of every role that may create them", async ({
		owner,
		tagsOf,
		expect,
	}) => {
		await owner.query(`
			select postern.track_schema('api');
			grant usage, create on schema api to service;
			set role service;
			create table api.theirs (id int primary key);
			reset role`);
		expect(await tagsOf("insert into api.theirs values (1)")).toHaveLength(2);
	});

	it("leaves new tables alone when it is untracked", async ({
		owner,
		tagsOf,
		expect,
	}) => {
		await owner.query(`
			create table api.early (id int);
			select postern.track_schema('api');
			select postern.untrack_schema('api');
			create table api.late (id int)`);
		expect(
			await tagsOf(
				"insert into api.early values (1); insert into api.late values (1)",
			),
		).toEqual([]);
	});
});

describe("the schema", () => {
	const made = `${notes};
		create materialized view api.copied as select * from api.notes;
		create unique index on api.copied (id);
		create view api.seen as select * from api.notes;
		alter table api.notes enable row level security;
		create domain api.label as text;
		create domain api."text/csv" as text;
		create function api.told(api.label) returns json language sql stable return null::json;
		create function api.text(api.label) returns text language sql stable return null;
		create cast (api.label as text) with function api.text(api.label)`;

	for (const [statement, tags] of Object.entries({
		"alter table api.notes add column title text": ["catalog"],
		"create policy everyone on api.notes using (true)": ["catalog"],
		"grant select on api.notes to anon": ["catalog"],
		"create or replace view api.seen as select id, body from api.notes where id > 1":
			["catalog"],
		"create function api.f() returns int language sql return 1": ["catalog"],
		"create cast (api.label as json) with function api.told(api.label)": [
			"catalog",
		],
		"drop cast (api.label as text)": ["catalog"],
		"drop owned by anon": ["catalog"],
		'create domain api."text/html" as text': ["catalog"],
		'drop domain api."text/csv"': ["catalog"],
		"drop view api.seen": ["catalog"],
		"refresh materialized view api.copied": ["api.copied", "api.copied(*)"],
		"refresh materialized view concurrently api.copied": [
			"api.copied",
			"api.copied(*)",
		],
		"create index on api.notes (body)": [],
		"comment on table api.notes is 'Notes'": [],
		"create temporary table passing (id int); drop table passing": [],
		"begin; alter table api.notes add column title text; rollback": [],
	})) {
		it(`is logged: ${statement}`, async ({ owner, tagsOf, expect }) => {
			await owner.query(made);
			expect(await tagsOf(statement)).toEqual(tags);
		});
	}

	for (const [statement, tag] of Object.entries({
		"alter table api.notes rename to papers": "api.papers",
		"alter schema api rename to other": "other.notes",
		"create schema other; alter table api.notes set schema other":
			"other.notes",
	})) {
		it(`keeps tags true: ${statement}`, async ({ owner, tagsOf, expect }) => {
			await owner.query(notes);
			await owner.query(statement);
			expect(await tagsOf(`delete from ${tag} where id = 1`)).toEqual([
				tag,
				`${tag}(1)`,
			]);
		});
	}

	it("still names rows by their keys when the primary key changes", async ({
		owner,
		tagsOf,
		expect,
	}) => {
		await owner.query(notes);
		await owner.query(
			"alter table api.notes rename column id to number; alter table api.notes add column code text not null default 'a'",
		);
		expect(await tagsOf("delete from api.notes where number = 1")).toContain(
			"api.notes(1)",
		);
		await owner.query(
			"alter table api.notes drop constraint notes_pkey, add primary key (code, number)",
		);
		expect(await tagsOf("delete from api.notes where number = 2")).toContain(
			"api.notes(a,2)",
		);
	});

	it("still names rows by their keys when the type of a table changes", async ({
		owner,
		tagsOf,
		expect,
	}) => {
		await owner.query(
			`create type api.thing as (id bigint); create table api.things of api.thing (primary key (id));
			select postern.track('api.things'); alter type api.thing rename attribute id to number cascade`,
		);
		expect(await tagsOf("insert into api.things values (1)")).toEqual([
			"api.things",
			"api.things(1)",
		]);
	});

	it("names no rows of a table whose primary key was dropped with another object", async ({
		owner,
		tagsOf,
		expect,
	}) => {
		await owner.query(
			`create function api.lowered(text) returns text language sql immutable return lower($1);
			create table api.things (name text, key text generated always as (api.lowered(name)) stored primary key);
			select postern.track('api.things'); drop function api.lowered cascade`,
		);
		expect(await tagsOf("insert into api.things values ('x')")).toEqual([
			"api.things",
			"api.things(*)",
		]);
	});

	it("logs that a role is gone from policies that name others", async ({
		owner,
		tagsOf,
		expect,
	}) => {
		await owner.query(
			`${notes}; alter table api.notes enable row level security; create role postern_reviewers;
			create policy few on api.notes as restrictive to postern_reviewers, anon using (id < 3)`,
		);
		const tags = await tagsOf("drop owned by postern_reviewers");
		await owner.query("drop role postern_reviewers");
		expect(tags).toEqual(["catalog"]);
	});

	it("forgets dropped objects", async ({ owner, expect }) => {
		await owner.query(
			`${notes}; select postern.track_schema('api'); create function api.f() returns int language sql stable return 1;
			select postern.declare_cacheable('api.f()', '{}', '{}'); drop schema api cascade`,
		);
		const { rows } = await owner.query(
			"table postern.tracked_relations union all select schema::oid::regclass, null from postern.tracked_schemas union all select function::oid::regclass, null from postern.cacheable_functions",
		);
		expect(rows).toEqual([]);
	});
});
