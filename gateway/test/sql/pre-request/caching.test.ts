// PostgREST's pre-request function is part of every answer: wherever it is named, the catalog judges it like any function.

import type pg from "pg";
import { it } from "../support/tracked.ts";

const FUNCTIONS = `
	create schema private;
	create table api.notes (id bigint primary key, body text);
	select postern.track('api.notes');
	create function private.harmless() returns void language sql stable
	begin atomic; select from api.notes where body = current_setting('request.jwt.claims')::json ->> 'org'; end;
	create function private.set_role() returns void language sql stable begin atomic; select set_config('role', 'service', true); end;
	create function private.opaque() returns void language plpgsql stable as 'begin end'`;

async function preRequestOf(owner: pg.Client, name: string | null) {
	const { rows } = await owner.query(
		"select postern.catalog('{api}', $1) -> 'preRequest' as found",
		[name],
	);
	return rows[0].found;
}

it("is judged by what it reads and sets", async ({ owner, expect }) => {
	await owner.query(FUNCTIONS);
	expect(await preRequestOf(owner, null)).toBeNull();
	expect(await preRequestOf(owner, "private.harmless")).toMatchObject({
		reads: ["api.notes"],
		claims: ["org"],
		reasons: [],
	});
	for (const [name, reason] of [
		["private.set_role", "set_config(text,text,boolean)"],
		["private.opaque", "private.opaque()"],
		["opaque", "private.opaque()"],
		["private.missing", "does not exist"],
	] as const) {
		expect((await preRequestOf(owner, name)).reasons.join()).toContain(reason);
	}
	await owner.query(
		"select postern.declare_cacheable('private.opaque()', '{}', '{}')",
	);
	expect((await preRequestOf(owner, "private.opaque")).reasons).toEqual([]);
});

it("is found in the settings of the database, and among the session's prepared statements", async ({
	owner,
	expect,
}) => {
	await owner.query(FUNCTIONS);
	const setting = (change: string) =>
		owner.query(
			`do $$ begin execute format('alter database %I ${change}', current_database()); end $$`,
		);
	await setting("set pgrst.db_pre_request = ''private.set_role''");
	expect((await preRequestOf(owner, null)).reasons.join()).toContain(
		"set_config",
	);
	await setting("reset pgrst.db_pre_request");
	expect(await preRequestOf(owner, null)).toBeNull();
	await owner.query({ name: "another", text: "select 1" });
	expect(await preRequestOf(owner, null)).toBeNull();
	await owner.query({
		name: "pre-request",
		text: 'select "private"."set_role"()',
	});
	expect((await preRequestOf(owner, null)).reasons.join()).toContain(
		"set_config",
	);
});
