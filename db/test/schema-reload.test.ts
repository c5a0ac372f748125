// A running PostgREST is told to reload its schema cache exactly when the schema changed.

import { randomBytes } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { describe } from "vitest";
import { makeTemplate } from "../../gateway/test/sql/support/databases.ts";
import { it as base, ExampleDatabase } from "./support/databases.ts";

const TEMPLATE = `postern_reload_${randomBytes(4).toString("hex")}`;

const it = base
	.extend("template", async ({ ownerUrl }) => {
		await makeTemplate(ownerUrl, TEMPLATE, async ({ url, client }) => {
			const database = new ExampleDatabase(url, client);
			await database.applyPrograms();
			await database.migrate();
			await client.query(`
				create table api.notes (id bigint);
				create materialized view api.copied as select 1 as one`);
		});
		return TEMPLATE;
	})
	.extend("notified", async ({ database }) => {
		await database.client.query("listen pgrst");
		return (statement: string) => notificationsOf(database, statement);
	});

async function notificationsOf(
	{ client }: ExampleDatabase,
	statement: string,
): Promise<unknown[]> {
	const received: unknown[] = [];
	const receive = (message: { payload?: string | undefined }) =>
		received.push(message.payload);
	client.on("notification", receive);
	await client.query(statement);
	// A session's own notifications arrive before the answer to its next statement at the latest.
	await client.query("select");
	await delay(0);
	client.off("notification", receive);
	return received;
}

describe("PostgREST is told to reload", () => {
	for (const statement of [
		"create table api.more (id bigint)",
		"alter table api.notes add column title text",
		"comment on table api.notes is 'Notes'",
		"create view api.seen with (security_invoker) as select id from api.notes",
		"create function api.one() returns integer language sql immutable return 1",
		"drop table api.notes",
		"drop function api.add_quantity(bigint, integer)",
		"drop schema extensions cascade",
	]) {
		it(`after ${statement}`, async ({ notified, expect }) => {
			expect(await notified(statement)).toEqual(["reload schema"]);
		});
	}
});

describe("PostgREST is not told to reload", () => {
	for (const statement of [
		"create temporary table passing (id bigint); drop table pg_temp.passing",
		"refresh materialized view api.copied",
		"insert into api.notes (id) values (1)",
		"truncate api.notes",
	]) {
		it(`after ${statement}`, async ({ notified, expect }) => {
			expect(await notified(statement)).toEqual([]);
		});
	}
});
