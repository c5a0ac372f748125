// postern.pre_request() before a write with If-Match: the row is locked as the caller, and the write is refused where the outbox holds a
// change since the gateway's cursor, or where that cannot be told.
import { setTimeout as sleep } from "node:timers/promises";
import type pg from "pg";
import { describe } from "vitest";
import { trackedWith } from "../support/tracked.ts";

const TABLES = `
	create table api.notes (id bigint primary key, owner text, n integer not null default 0);
	alter table api.notes enable row level security;
	create policy visible on api.notes using (owner <> 'hidden');
	create table api.words (language text, word varchar, n integer not null default 0, primary key (word, language));
	create table api.readings (region text, id integer, n integer not null default 0, primary key (id, region)) partition by list (region);
	create table api.readings_north partition of api.readings for values in ('north');
	create table api.readings_south partition of api.readings for values in ('south');
	create table api.dropped (id integer primary key);
	insert into api.dropped values (1);
	create table api.loose (id integer primary key);
	insert into api.loose values (1);
	create table api.days (day date primary key);
	insert into api.days values ('2026-01-01');
	create view api.seen as select * from api.notes;
	create function api.is_small(n integer) returns boolean language plpgsql stable as $$ begin return n < (select max from limits); end $$;
	create table api.limits (max integer);
	insert into api.limits values (10);
	create table api.small (id integer primary key, n integer not null default 0);
	insert into api.small (id) values (1);
	alter table api.small enable row level security;
	create policy small on api.small using (api.is_small(n));
	select postern.track(relation) from unnest(array['api.notes', 'api.words', 'api.readings', 'api.dropped', 'api.days', 'api.small']::regclass[]) as relation;
	grant select, insert, update, delete on all tables in schema api to authenticated;
	revoke update on api.dropped from authenticated;
	grant select (id), update (n) on api.notes to anon`;

/** What a test may have changed. */
const SEED = `
	truncate api.notes, api.words, api.readings;
	insert into api.notes (id, owner) values (1, 'ada'), (2, 'bob'), (3, 'hidden');
	insert into api.words values ('en', 'a "b", (c)'), ('de', 'ü*'), ('de', 'x');
	insert into api.readings values ('north', 1), ('south', 2)`;

const it = trackedWith(TABLES)
	.extend("owner", async ({ database: { client } }) => {
		await client.query(SEED);
		return client;
	})
	/** The cursor of a poll. */
	.extend("cursor", ({ owner }) => cursorOf(owner));

async function cursorOf(client: pg.Client): Promise<string> {
	const { rows } = await client.query(
		"select postern.changes_since() ->> 'cursor' as cursor",
	);
	return rows[0].cursor;
}

interface Condition {
	relation?: string;
	key?: Readonly<Record<string, string>>;
	since: string | null;
	role?: string;
	method?: string;
	path?: string;
	claim?: string;
	isolation?: string;
}

const NOTE = { relation: "notes", key: { id: "1" } };

/** Begins a transaction as PostgREST does. Its pre-request function is next. */
async function begin(
	client: pg.Client,
	{
		relation = NOTE.relation,
		key = NOTE.key,
		since,
		role = "authenticated",
		method = "PATCH",
		path = "api, public",
		claim,
		isolation = "read committed",
	}: Condition,
): Promise<void> {
	const match = {
		relation: ["api", relation],
		columns: Object.keys(key),
		key: Object.values(key),
		since,
	};
	const headers = {
		"postern-match": JSON.stringify(match),
		...(claim === undefined ? {} : { "postern-claim": claim }),
	};
	await client.query(`begin isolation level ${isolation} read write`);
	await client.query(
		"select set_config('search_path', $1, true), set_config('role', $2, true), set_config('request.method', $3, true), set_config('request.jwt.claims', '{}', true), set_config('request.headers', $4, true)",
		[path, role, method, JSON.stringify(headers)],
	);
}

/** A whole write. @returns how it was refused, or that it was done */
async function write(
	client: pg.Client,
	condition: Condition,
	sql = "select",
	preRequest = "postern.pre_request()",
) {
	try {
		await begin(client, condition);
		await client.query(`select ${preRequest}`);
		await client.query(sql);
		await client.query("commit");
		return "done";
	} catch (error) {
		await client.query("rollback");
		const { code, message } = error as pg.DatabaseError;
		return code?.startsWith("PT") ? `${code} ${message}` : code;
	}
}

const FAILED = "PT412 precondition_failed";
const UNSUPPORTED = "PT400 precondition_unsupported";

const EN = { word: 'a "b", (c)', language: "en" };
const NORTH = { id: "1", region: "north" };

describe("a row", () => {
	it.for<[string, string, Partial<Condition>]>([
		["is updated", "update api.notes set n = 1 where id = 1", {}],
		["is updated to what it was", "update api.notes set n = n", {}],
		["is deleted", "delete from api.notes where id = 1", {}],
		[
			"is deleted and inserted again",
			"delete from api.notes where id = 1; insert into api.notes (id, owner) values (1, 'ada')",
			{},
		],
		["gets another key", "update api.notes set id = 9 where id = 1", {}],
		["is truncated", "truncate api.notes", {}],
		[
			"is any that may have changed",
			"insert into postern.outbox (tag, rows) values ('api.notes'::regclass::oid::text, '{*}')",
			{},
		],
		[
			"is changed among more rows than tags name",
			"insert into api.notes (id, owner) select n, '' from generate_series(10, 200) as n",
			{},
		],
		[
			"gets another policy",
			"create policy more on api.notes using (true); drop policy more on api.notes",
			{},
		],
		[
			"has a key of two columns that need quotes",
			"update api.words set n = 1 where language = 'en'",
			{ relation: "words", key: EN },
		],
		[
			"is written through its partition",
			"update api.readings_north set n = 1",
			{ relation: "readings", key: NORTH },
		],
		[
			"is named by its partition, and written through the root",
			"update api.readings set n = 1 where id = 1",
			{ relation: "readings_north", key: NORTH },
		],
		[
			"moves to another partition",
			"update api.readings set region = 'south' where id = 1",
			{ relation: "readings", key: NORTH },
		],
	])(
		"is not as it was when it %s",
		async ([, change, named], { owner, client, cursor, expect }) => {
			const condition = { ...named, since: cursor };
			expect(await write(client, condition)).toBe("done");
			await owner.query(change);
			expect(await write(client, condition)).toBe(FAILED);
		},
	);

	it.for<[string, string, Partial<Condition>]>([
		["another row changes", "update api.notes set n = 1 where id = 2", {}],
		["another table changes", "update api.words set n = 1", {}],
		[
			"a row of a similar key changes",
			"update api.words set n = 1 where word in ('ü*', 'x')",
			{ relation: "words", key: EN },
		],
		[
			"a row of another partition changes",
			"update api.readings set n = 1 where region = 'south'",
			{ relation: "readings", key: NORTH },
		],
		[
			"a change is rolled back",
			"begin; update api.notes set n = 1; rollback",
			{},
		],
		["a statement finds no row", "update api.notes set n = 1 where id = 7", {}],
	])(
		"is as it was when %s",
		async ([, change, named], { owner, client, cursor, expect }) => {
			await owner.query(change);
			expect(await write(client, { ...named, since: cursor })).toBe("done");
		},
	);

	it("that is named by its quoted key is the one that is locked", async ({
		client,
		connect,
		cursor,
		expect,
	}) => {
		await begin(client, { relation: "words", key: EN, since: cursor });
		await client.query("select postern.pre_request()");
		const other = await connect();
		const { rows } = await other.query(
			"select language from api.words for update skip locked",
		);
		expect(rows.map(({ language }) => language)).toEqual(["de", "de"]);
		await client.query("rollback");
	});
});

describe("a writer that is not done", () => {
	it("is waited for, and its change is seen though the cursor is newer than its beginning", async ({
		owner,
		connect,
		client,
		expect,
	}) => {
		const other = await connect();
		await other.query("begin; update api.notes set n = 1 where id = 1");
		// A later transaction that has ended makes it one that the cursor names.
		await owner.query("update api.words set n = 1");
		const since = await cursorOf(owner);
		const waiting = write(client, { since });
		await expect.poll(() => isWaiting(owner)).toBe(true);
		await other.query("commit");
		expect(await waiting).toBe(FAILED);
	});

	it("and rolls back has changed nothing", async ({
		owner,
		connect,
		client,
		cursor,
		expect,
	}) => {
		const other = await connect();
		await other.query("begin; update api.notes set n = 1 where id = 1");
		const waiting = write(client, { since: cursor });
		await expect.poll(() => isWaiting(owner)).toBe(true);
		await other.query("rollback");
		expect(await waiting).toBe("done");
	});

	it("that deletes the row leaves none", async ({
		owner,
		connect,
		client,
		expect,
	}) => {
		const other = await connect();
		await other.query("begin; delete from api.notes where id = 1");
		const waiting = write(client, { since: "*" });
		await expect.poll(() => isWaiting(owner)).toBe(true);
		await other.query("commit");
		expect(await waiting).toBe(FAILED);
	});

	it("that moves the row to another partition leaves none", async ({
		owner,
		connect,
		client,
		cursor,
		expect,
	}) => {
		const other = await connect();
		await other.query(
			"begin; update api.readings set region = 'south' where id = 1",
		);
		const condition = { relation: "readings", key: NORTH, since: cursor };
		const waiting = write(client, condition);
		await expect.poll(() => isWaiting(owner)).toBe(true);
		await other.query("commit");
		expect(await waiting).toBe(FAILED);
	});

	it("waits for the write whose condition was checked", async ({
		owner,
		connect,
		client,
		cursor,
		expect,
	}) => {
		await begin(client, { since: cursor });
		await client.query("select postern.pre_request()");
		const other = await connect();
		const waiting = other.query("update api.notes set n = n + 1 where id = 1");
		await expect.poll(() => isWaiting(owner)).toBe(true);
		await client.query("update api.notes set n = 10 where id = 1; commit");
		await waiting;
		const { rows } = await owner.query("select n from api.notes where id = 1");
		expect(rows).toEqual([{ n: 11 }]);
	});

	it("and that the snapshot of a repeatable read does not show counts as well", async ({
		owner,
		client,
		cursor,
		expect,
	}) => {
		await begin(client, { since: cursor, isolation: "repeatable read" });
		await owner.query("update api.notes set n = 1 where id = 1");
		await expect(
			client.query("select postern.pre_request()"),
		).rejects.toMatchObject({ code: "PT412" });
		await client.query("rollback");
	});
});

async function isWaiting(owner: pg.Client): Promise<boolean> {
	await sleep(5);
	const { rowCount } = await owner.query(
		"select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'",
	);
	return rowCount === 1;
}

describe("what cannot be told counts as a change", () => {
	it.for<[string, (cursor: string) => string | null]>([
		["a change that the gateway knows", () => null],
		[
			"another incarnation",
			(cursor) => cursor.replace(/^[^@]+/, "0123456789abcdef"),
		],
	])("%s", async ([, since], { client, cursor, expect }) => {
		expect(await write(client, { since: since(cursor) })).toBe(FAILED);
	});

	it("a cursor older than the pruned outbox", async ({
		owner,
		client,
		cursor,
		expect,
	}) => {
		await owner.query("update api.words set n = 1");
		await owner.query("select postern.prune('0')");
		expect(await write(client, { since: cursor })).toBe("done");
		await owner.query("select postern.prune('0')");
		expect(await write(client, { since: cursor })).toBe(FAILED);
		expect(await write(client, { since: await cursorOf(owner) })).toBe("done");
	});
});

describe("a caller", () => {
	it("who does not see the row learns no more than that", async ({
		owner,
		client,
		cursor,
		expect,
	}) => {
		for (const since of [cursor, null, "*"])
			expect(await write(client, { key: { id: "3" }, since })).toBe(FAILED);
		await owner.query("update api.notes set n = 1 where id = 3");
		expect(await write(client, { key: { id: "3" }, since: cursor })).toBe(
			FAILED,
		);
	});

	it("needs no right but on a column to update, and on the key", async ({
		client,
		cursor,
		expect,
	}) => {
		const condition = { role: "anon", since: cursor };
		expect(
			await write(client, condition, "update api.notes set n = 2 where id = 1"),
		).toBe("done");
	});

	it("without the right to write gets PostgreSQL's own refusal", async ({
		client,
		cursor,
		expect,
	}) => {
		const words = { relation: "words", key: EN, role: "anon", since: cursor };
		expect(await write(client, words)).toBe("42501");
		const dropped = { relation: "dropped", key: { id: "1" }, since: cursor };
		expect(await write(client, dropped)).toBe("42501");
		expect(
			await write(client, { ...dropped, role: "anon", method: "DELETE" }),
		).toBe("42501");
	});

	it("who may delete and not update cannot lock the row", async ({
		client,
		cursor,
		expect,
	}) => {
		const condition = { relation: "dropped", key: { id: "1" }, since: cursor };
		expect(await write(client, { ...condition, method: "DELETE" })).toBe(
			UNSUPPORTED,
		);
	});

	it("has policies that run in the search path of the request", async ({
		client,
		cursor,
		expect,
	}) => {
		const condition = { relation: "small", key: { id: "1" }, since: cursor };
		expect(await write(client, condition)).toBe("done");
		expect(await write(client, { ...condition, path: "public" })).toBe("42P01");
	});
});

describe("a condition is refused", () => {
	it.for<[string, Partial<Condition>]>([
		["of a table that is not tracked", { relation: "loose", key: { id: "1" } }],
		["of a view", { relation: "seen" }],
		["of no table", { relation: "missing" }],
		[
			"of a key whose texts have several forms",
			{ relation: "days", key: { day: "2026-01-01" } },
		],
		["of another key", { key: { n: "1" } }],
		["of a part of the key", { relation: "words", key: { word: "x" } }],
		[
			"of a key in another order",
			{ relation: "words", key: { language: "en", word: "x" } },
		],
	])("%s", async ([, named], { client, cursor, expect }) => {
		for (const since of [cursor, "*", null])
			expect(await write(client, { ...named, since })).toBe(UNSUPPORTED);
	});

	it("where a trigger is off", async ({ owner, client, expect }) => {
		const set = (state: string) =>
			owner.query(`alter table api.notes ${state} trigger postern_update`);
		await set("disable");
		expect(await write(client, { since: await cursorOf(owner) })).toBe(
			UNSUPPORTED,
		);
		await set("enable always");
		expect(await write(client, { since: await cursorOf(owner) })).toBe("done");
	});
});

it("lets any version of a row pass for *, and no row that is not there", async ({
	owner,
	client,
	expect,
}) => {
	await owner.query("update api.notes set n = 1 where id = 1");
	expect(await write(client, { since: "*" })).toBe("done");
	expect(await write(client, { since: "*", key: { id: "7" } })).toBe(FAILED);
});

it("does not count what the same transaction has written before", async ({
	owner,
	client,
	cursor,
	expect,
}) => {
	await owner.query(`
		create or replace function public.touched() returns void language plpgsql volatile
		as $$ begin update api.notes set n = n + 1 where id = 1; perform postern.pre_request(); end $$`);
	// The function is a change of the schema.
	const since = await cursorOf(owner);
	expect(cursor).not.toBe(since);
	expect(await write(client, { since }, "select", "public.touched()")).toBe(
		"done",
	);
	expect(await write(client, { since }, "select", "public.touched()")).toBe(
		FAILED,
	);
});

it("is checked after the key of the write: a repeat is told that it was done", async ({
	client,
	cursor,
	expect,
}) => {
	const claim = (n: number) =>
		`00000000-0000-4000-8000-00000000000${n} key request`;
	const update = "update api.notes set n = 5 where id = 1";
	const first = { since: cursor, claim: claim(1) };
	expect(await write(client, first, update)).toBe("done");
	expect(await write(client, { since: null, claim: claim(2) }, update)).toBe(
		"PT409 idempotency_done",
	);
	const other = {
		since: cursor,
		claim: "00000000-0000-4000-8000-000000000003 other request",
	};
	expect(await write(client, other, update)).toBe(FAILED);
	expect(await write(client, { ...other, since: "*" }, update)).toBe("done");
});
