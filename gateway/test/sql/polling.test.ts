// A poll reports every change once, after its commit, with any other transactions running, or says that it cannot tell the changes.

import { describe } from "vitest";
import { Poller } from "./support/poller.ts";
import { actors, it as session } from "./support/session.ts";
import { it } from "./support/tracked.ts";

const notes =
	"create table api.notes (id bigint primary key); select postern.track('api.notes')";

describe("a poll reports", () => {
	it("nothing before the commit, and everything once after it", async ({
		owner,
		poller,
		connect,
		expect,
	}) => {
		await owner.query(notes);
		await poller.poll();
		const writer = await connect();
		await writer.query("begin; insert into api.notes values (1)");
		expect(await poller.tags()).toEqual([]);
		await writer.query("commit");
		expect(await poller.tags()).toEqual(["api.notes", "api.notes(1)"]);
		expect(await poller.tags()).toEqual([]);
	});

	it("a late commit together with the commits that overtook it", async ({
		owner,
		poller,
		connect,
		expect,
	}) => {
		await owner.query(notes);
		await poller.poll();
		const [late, early] = [await connect(), await connect()];
		await late.query("begin; insert into api.notes values (1)");
		await early.query("insert into api.notes values (2)");
		expect(await poller.tags()).toContain("api.notes(2)");
		await late.query("commit");
		expect(await poller.tags()).toEqual(["api.notes", "api.notes(1)"]);
	});

	it("a late commit that a cursor of ids would lose", async ({
		owner,
		poller,
		connect,
		expect,
	}) => {
		await owner.query(notes);
		await owner.query(`
			alter table postern.outbox add column id bigint generated always as identity;
			create function api.since_id(cursor text) returns jsonb language sql stable security definer return (
				select jsonb_build_object('reset', false, 'cursor', coalesce(max(id), cursor::bigint)::text,
					'tags', coalesce(jsonb_agg(tag || '(' || rows[1] || ')'), '[]'))
				from postern.outbox where id > cursor::bigint and rows is not null);
			grant usage on schema api to postern`);
		const byId = new Poller(await connect(), { source: "api.since_id" });
		byId.cursor = "0";
		await Promise.all([poller.poll(), byId.poll()]);
		const [late, early] = [await connect(), await connect()];
		await late.query("begin; insert into api.notes values (1)");
		await early.query("insert into api.notes values (2)");
		await Promise.all([poller.poll(), byId.poll()]);
		await late.query("commit");
		expect(await poller.tags()).toContain("api.notes(1)");
		expect(await byId.tags()).toEqual([]);
	});

	it("a change in a savepoint, and none that was rolled back", async ({
		owner,
		poller,
		connect,
		expect,
	}) => {
		await owner.query(notes);
		await poller.poll();
		const writer = await connect();
		await writer.query(`begin; savepoint a; insert into api.notes values (1); savepoint b; insert into api.notes values (2);
			release b; rollback to a; savepoint c; insert into api.notes values (3); release c`);
		expect(await poller.tags()).toEqual([]);
		await owner.query("insert into api.notes values (4)");
		expect(await poller.tags()).toEqual(["api.notes", "api.notes(4)"]);
		await writer.query("commit");
		expect(await poller.tags()).toEqual(["api.notes", "api.notes(3)"]);
	});

	it("other changes at once while a transaction runs, and that one's at its end", async ({
		owner,
		poller,
		connect,
		expect,
	}) => {
		await owner.query(notes);
		await poller.poll();
		const long = await connect();
		await long.query("begin; insert into api.notes values (0)");
		for (const id of [1, 2, 3]) {
			await owner.query("insert into api.notes values ($1)", [id]);
			expect(await poller.tags()).toEqual(["api.notes", `api.notes(${id})`]);
		}
		await long.query("commit");
		expect(await poller.tags()).toEqual(["api.notes", "api.notes(0)"]);
	});

	it("PostgreSQL's major, and what the session calls itself", async ({
		owner,
		expect,
	}) => {
		await owner.query("set application_name = 'PostgREST 12.0.2 (a4e00ff)'");
		const { rows } = await owner.query(
			"select postern.changes_since() as poll, postern.status() as status, version()",
		);
		const [{ poll, status, version }] = rows;
		const [, major] = /^PostgreSQL (\d+)\./.exec(version) ?? [];
		const versions = {
			postgres: Number(major),
			application: "PostgREST 12.0.2 (a4e00ff)",
		};
		expect(poll).toMatchObject(versions);
		expect(status).toMatchObject(versions);
	});

	it("nothing of its own transaction", async ({ owner, expect }) => {
		await owner.query(notes);
		const { rows } = await owner.query(
			"select postern.changes_since() ->> 'cursor' as cursor",
		);
		await owner.query("begin; insert into api.notes values (1)");
		const own = await owner.query(
			"select postern.changes_since($1) -> 'tags' as tags",
			[rows[0].cursor],
		);
		await owner.query("rollback");
		expect(own.rows).toEqual([{ tags: [] }]);
	});
});

describe("a poll cannot tell", () => {
	for (const [name, { before, cursor, reason }] of Object.entries({
		"without a cursor": {
			before: "select",
			cursor: () => null,
			reason: "there is no cursor",
		},
		"by a cursor that the function did not make": {
			before: "select",
			cursor: () => "1:1:",
			reason: "the cursor was not made by this function",
		},
		"by a cursor of another incarnation": {
			before: "select",
			cursor: (own: string) => `0123456789abcdef@${own.split("@")[1]}`,
			reason:
				"the server or the database is another, or was restarted or restored",
		},
		"after a crash, a restart or a restore of the outbox": {
			before:
				"alter event trigger postern_after_ddl disable; alter event trigger postern_after_drop disable; create table postern.again (like postern.outbox including all); drop table postern.outbox; alter table postern.again rename to outbox",
			cursor: (own: string) => own,
			reason:
				"the server or the database is another, or was restarted or restored",
		},
		"after the server's statistics were lost, as in a crash": {
			before: "select pg_stat_reset_shared('bgwriter')",
			cursor: (own: string) => own,
			reason:
				"the server or the database is another, or was restarted or restored",
		},
		"by a cursor from the future": {
			before: "select",
			cursor: (own: string) => `${own.split("@")[0]}@9000000000:9000000000:`,
			reason: "the cursor is ahead of the database",
		},
		"after the changes since the cursor were pruned": {
			before:
				"select postern.flush(); select postern.prune('0'); select postern.prune('0')",
			cursor: (own: string) => own,
			reason: "changes since the cursor have been pruned",
		},
	})) {
		it(name, async ({ owner, poller, expect }) => {
			const own = poller.cursor ?? "";
			for (const statement of before.split(";")) await owner.query(statement);
			const poll = await poller.since(cursor(own));
			expect(poll).toMatchObject({ reset: true, reason, tags: [] });
			// The next poll can tell.
			expect(await poller.since(poll.cursor)).toMatchObject({ reset: false });
		});
	}
});

describe("pruning", () => {
	it("removes changes that no cursor within the retention needs", async ({
		owner,
		poller,
		expect,
	}) => {
		await owner.query(notes);
		await owner.query("insert into api.notes values (1)");
		const prune = async (...args: unknown[]) => {
			const { rows } = await owner.query(
				`select postern.prune(${args.map((_, index) => `$${index + 1}`)}) as pruned`,
				args,
			);
			return rows[0].pruned;
		};
		expect(await prune()).toEqual({ pruned: 0, isDone: true });
		await owner.query(
			"update postern.horizon set noted_at = noted_at - interval '1 hour'",
		);
		// Each call removes the changes that had ended by the call before, and notes which have ended now.
		await prune();
		await poller.poll();
		await owner.query("insert into api.notes values (2)");
		await owner.query(
			"update postern.horizon set noted_at = noted_at - interval '1 hour'",
		);
		const count = async () =>
			(await owner.query("select count(*)::int from postern.outbox")).rows[0]
				.count;
		const before = await count();
		expect(await prune("1 hour", 2)).toEqual({ pruned: 2, isDone: false });
		await prune();
		expect(await count()).toBe(1);
		expect(before).toBeGreaterThan(3);
		expect(await poller.tags()).toEqual(["api.notes", "api.notes(2)"]);
	});

	it("keeps changes that a running transaction may still add to", async ({
		owner,
		poller,
		connect,
		expect,
	}) => {
		await owner.query(notes);
		const long = await connect();
		await long.query("begin; insert into api.notes values (0)");
		await poller.poll();
		for (let round = 0; round < 3; round += 1) {
			await owner.query("insert into api.notes values ($1)", [round + 1]);
			await owner.query("select postern.prune('0')");
		}
		await long.query("commit");
		await owner.query("select postern.prune('0')");
		expect(await poller.tags()).toEqual([
			"api.notes",
			"api.notes(0)",
			"api.notes(1)",
			"api.notes(2)",
			"api.notes(3)",
		]);
	});

	it("is done by one session at a time", async ({ owner, connect, expect }) => {
		const other = await connect();
		await other.query("begin; select postern.prune()");
		await other.query("select from postern.horizon for update");
		const { rows } = await owner.query("select postern.prune() as pruned");
		expect(rows).toEqual([{ pruned: { pruned: 0, isDone: false } }]);
		await other.query("rollback");
	});

	it("by two sessions at once keeps its progress", async ({
		owner,
		poller,
		connect,
		expect,
	}) => {
		const slow = await connect();
		await slow.query("select postern.prune()");
		await owner.query(
			"create table api.notes (id int primary key); select postern.track('api.notes')",
		);
		await poller.poll();
		await owner.query("insert into api.notes values (1)");
		// It waits for this after it has looked which transactions there are.
		const fast = await connect();
		await fast.query("begin; lock table postern.horizon in exclusive mode");
		const pruning = slow.query("select postern.prune()");
		await expect
			.poll(async () => {
				const { rows } = await owner.query(
					"select from pg_locks where not granted and relation = 'postern.horizon'::regclass",
				);
				return rows;
			})
			.toHaveLength(1);
		await owner.query("insert into api.notes values (2)");
		await owner.query("insert into api.notes values (3)");
		await fast.query("select postern.prune('0')");
		await fast.query("select postern.prune('0')");
		await fast.query("commit");
		await pruning;
		expect(await poller.poll()).toMatchObject({
			reset: true,
			reason: "changes since the cursor have been pruned",
		});
	});

	it("removes changes that a dump brought from another server", async ({
		owner,
		poller,
		expect,
	}) => {
		await owner.query(
			"insert into postern.outbox (tag, xid) values ('api.ghost', '9000000000'); update postern.horizon set prune_next = '9000000000'",
		);
		expect(await poller.tags()).not.toContain("api.ghost");
		await owner.query("select postern.prune()");
		const { rows } = await owner.query(
			"select from postern.outbox where tag = 'api.ghost'",
		);
		expect(rows).toEqual([]);
	});
});

describe("pruning after a dump was loaded", () => {
	it("keeps changes that are committed while it runs", async ({
		owner,
		poller,
		connect,
		expect,
	}) => {
		const pruner = await connect();
		// So that it knows the table when it has to wait for it.
		await pruner.query("select postern.prune()");
		await owner.query(
			`${notes}; update postern.horizon set prune_next = '9000000000'`,
		);
		await poller.poll();
		// It waits for this after it has looked which transactions there are.
		const writer = await connect();
		await writer.query(
			"begin; lock table postern.horizon in access exclusive mode",
		);
		const pruning = pruner.query("select postern.prune()");
		for (;;) {
			const { rows } = await owner.query(
				"select from pg_locks where not granted and relation = 'postern.horizon'::regclass",
			);
			if (rows.length > 0) break;
			await new Promise((resolve) => setTimeout(resolve, 10));
		}
		await owner.query("insert into api.notes values (1)");
		await writer.query("commit");
		await pruning;
		expect(await poller.tags()).toContain("api.notes(1)");
	});
});

describe("of the functions of the gateway", () => {
	for (const call of [
		"postern.changes_since()",
		"postern.prune()",
		"postern.catalog('{api}')",
		"postern.status()",
	]) {
		session(`${call} is for postern`, async ({ db, expect }) => {
			await db.as(actors.postern, `select ${call}`);
			for (const actor of [
				actors.ada,
				actors.service,
				actors.anon,
				actors.authenticator,
			]) {
				await expect(db.as(actor, `select ${call}`)).rejects.toMatchObject({
					code: "42501",
				});
			}
		});
	}

	for (const call of [
		"postern.track('api.notes')",
		"postern.untrack('api.notes')",
		"postern.track_schema('api')",
		"postern.declare_cacheable('auth.user_id()', '{}', '{sub}')",
		"postern.flush()",
	]) {
		session(`${call} is the owner's`, async ({ db, expect }) => {
			await db.query("create schema api");
			await db.query("create table api.notes (id bigint primary key)");
			await db.query(`select ${call}`);
			for (const actor of Object.values(actors)) {
				await expect(db.as(actor, `select ${call}`)).rejects.toMatchObject({
					code: "42501",
				});
			}
		});
	}
});
