// postern.pre_request() names the transaction of a write, and the gateway tells by the cursor of a poll whether the poll shows it.
import type pg from "pg";
import { describe } from "vitest";
import {
	covers,
	takeTransactionToken,
} from "../../../src/consistency/consistency-token.ts";
import { trackedWith } from "../support/tracked.ts";

const it = trackedWith(`
	create table api.notes (id bigint primary key, n integer not null default 0);
	select postern.track('api.notes');
	grant select, insert on api.notes to authenticated`).extend(
	"owner",
	({ database: { client } }) => client,
);

const ASKS = { "postern-transaction": "name" };

/** Begins a transaction as PostgREST does, up to the write. @returns the headers that the database asks for */
async function begin(
	client: pg.Client,
	{ headers = ASKS as object, mode = "read write", set = "" } = {},
): Promise<Headers> {
	await client.query(`begin ${mode}`);
	await client.query(
		"select set_config('role', 'authenticated', true), set_config('request.headers', $1, true), set_config('response.headers', $2, true)",
		[JSON.stringify(headers), set],
	);
	await client.query("select postern.pre_request()");
	const { rows } = await client.query(
		"select current_setting('response.headers') as headers",
	);
	const asked: Record<string, string>[] = JSON.parse(rows[0].headers || "[]");
	return new Headers(asked.flatMap((one) => Object.entries(one)));
}

/** The token of a write that has begun. */
async function tokenOf(client: pg.Client): Promise<string> {
	return takeTransactionToken(await begin(client)) ?? "";
}

const WRITE =
	"insert into api.notes (id) select coalesce(max(id), 0) + 1 from api.notes";

/** Whether a poll that begins now covers the token. */
async function isCovered(owner: pg.Client, token: string): Promise<boolean> {
	const { rows } = await owner.query(
		"select postern.changes_since() ->> 'cursor' as cursor",
	);
	const { cursor } = rows[0];
	return covers({ feedEpoch: "", objectRun: "", asOf: 0, cursor }, token);
}

describe("the transaction of a write", () => {
	it("is named by the id that its changes are logged with, and the incarnation of the database", async ({
		client,
		owner,
		expect,
	}) => {
		const token = await tokenOf(client);
		await client.query(WRITE);
		await client.query("commit");
		const { rows } = await owner.query(
			"select concat_ws('.', postern.database_incarnation(), max(outbox.xid::text::bigint)) as name from postern.outbox",
		);
		expect(token).toBe(rows[0].name);
	});

	it("is shown by a poll after its end, and by none before", async ({
		client,
		connect,
		owner,
		expect,
	}) => {
		const token = await tokenOf(client);
		const shown = [await isCovered(owner, token)];
		await client.query(WRITE);
		shown.push(await isCovered(owner, token));
		// A later transaction ends before it.
		const other = await connect();
		const later = await tokenOf(other);
		await other.query(`${WRITE}; commit`.replace("+ 1", "+ 1000"));
		shown.push(await isCovered(owner, later), await isCovered(owner, token));
		await client.query("commit");
		shown.push(await isCovered(owner, token));
		expect(shown).toEqual([false, false, true, false, true]);
	});

	it("is shown after it was rolled back: nothing is left to see", async ({
		client,
		owner,
		expect,
	}) => {
		const token = await tokenOf(client);
		await client.query("rollback");
		expect(await isCovered(owner, token)).toBe(true);
	});

	it("has another name each time", async ({ client, expect }) => {
		const first = await tokenOf(client);
		await client.query("commit");
		const second = await tokenOf(client);
		await client.query("commit");
		expect(second).not.toBe(first);
	});

	it("is named beside the headers that others set", async ({
		client,
		expect,
	}) => {
		const headers = await begin(client, { set: '[{"X-Region": "north"}]' });
		await client.query("rollback");
		expect(headers.get("X-Region")).toBe("north");
		expect(takeTransactionToken(headers)).toBeDefined();
	});

	it.for<[string, Parameters<typeof begin>[1]]>([
		["unless the gateway asks", { headers: { accept: "*/*" } }],
		["of a read", { mode: "read only" }],
	])("is not named %s", async ([, options], { client, expect }) => {
		const headers = await begin(client, options);
		const { rows } = await client.query(
			"select pg_current_xact_id_if_assigned() as id",
		);
		await client.query("rollback");
		expect([[...headers], rows[0].id]).toEqual([[], null]);
	});

	it("is never covered where its session has the name of an incarnation that has ended", async ({
		client,
		owner,
		expect,
	}) => {
		await tokenOf(client);
		await client.query("commit");
		// Counts as a crash, which might have given ids out again.
		await owner.query("select pg_stat_reset_shared('bgwriter')");
		const token = await tokenOf(client);
		await client.query("commit");
		expect(await isCovered(owner, token)).toBe(false);
	});
});
