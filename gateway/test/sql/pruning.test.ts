// The outbox does not grow without end: it is pruned also where a publication is made for all tables, and status() says when it
// is not pruned.

import type pg from "pg";
import { describe } from "vitest";
import { it } from "./support/tracked.ts";

const notes =
	"create table api.notes (id bigint primary key); select postern.track('api.notes')";

describe("with a publication for all tables", () => {
	it("the outbox is pruned", async ({ owner, expect }) => {
		await owner.query(notes);
		// At this wal_level it publishes nothing, and checks replica identities all the same.
		await owner.query("create publication everything for all tables");
		const rows = async () =>
			(await owner.query("select tag from postern.outbox")).rows;
		await owner.query("insert into api.notes values (1)");
		expect(await rows()).not.toEqual([]);
		await owner.query("select postern.prune('0'); select postern.prune('0')");
		await owner.query("select postern.prune('0')");
		expect(await rows()).toEqual([]);
	});

	it("no table of schema postern refuses to be changed", async ({
		owner,
		expect,
	}) => {
		const { rows } = await owner.query(`
			select pg_class.oid::regclass::text as name
			from pg_catalog.pg_class
			where pg_class.relnamespace = 'postern'::regnamespace and pg_class.relkind in ('r', 'p') and pg_class.relreplident <> 'f'
				and not exists (
					select from pg_catalog.pg_index where pg_index.indrelid = pg_class.oid and (pg_index.indisprimary or pg_index.indisreplident)
				)`);
		expect(rows).toEqual([]);
	});
});

describe("status()", () => {
	const pruning = "select postern.status() -> 'pruning' as pruning";

	async function wrong(owner: pg.Client): Promise<unknown> {
		const { rows } = await owner.query(
			"select postern.status() -> 'wrong' as wrong",
		);
		return rows[0].wrong;
	}

	it("says when the outbox was pruned, and that it is in time", async ({
		owner,
		expect,
	}) => {
		await owner.query("select postern.prune()");
		const { rows } = await owner.query(pruning);
		expect(rows).toEqual([
			{ pruning: { notedAt: expect.any(String), isLate: false } },
		]);
	});

	it("says that pruning is late where it fails", async ({ owner, expect }) => {
		await owner.query(notes);
		await owner.query(`
			update postern.horizon set noted_at = clock_timestamp() - interval '4 hours';
			alter table postern.outbox replica identity nothing;
			create publication everything for all tables`);
		await expect(owner.query("select postern.prune()")).rejects.toThrow(
			"does not have a replica identity",
		);
		expect((await owner.query(pruning)).rows[0].pruning.isLate).toBe(true);
		expect(await wrong(owner)).toEqual([
			expect.stringMatching(/^the outbox was last pruned at /),
		]);
		await owner.query("alter table postern.outbox replica identity full");
		await owner.query("select postern.prune()");
		expect((await owner.query(pruning)).rows[0].pruning.isLate).toBe(false);
		expect(await wrong(owner)).toEqual([]);
	});
});
