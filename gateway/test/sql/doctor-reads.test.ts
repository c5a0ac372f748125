// The order in which `postern doctor` lists what is not cacheable: by how often PostgreSQL has read it.
import { openDatabase } from "../../cli/doctor/database.ts";
import { Report } from "../../cli/doctor/finding.ts";
import { checkCatalog } from "../../cli/doctor/not-cacheable.ts";
import { asText } from "../../cli/doctor/print.ts";
import { it as base } from "./support/databases.ts";

const SCHEMA = `
	create schema api;
	create table api.popular (id integer primary key);
	create function api.busy() returns integer language plpgsql volatile as 'begin return 1; end';
	create function api.idle() returns integer language plpgsql volatile as 'begin return 1; end';
	set track_functions = 'all';
	set enable_seqscan = off`;

const CATALOG = {
	preRequest: null,
	relations: [
		{ schema: "api", name: "absent", reasons: ["two relations"] },
		{ schema: "api", name: "view", reasons: ["two relations"] },
		{ schema: "api", name: "popular", reasons: ["one relation"] },
	],
	functions: [
		{ signature: "api.idle()", reasons: ["an idle function"] },
		{ signature: "api.busy()", reasons: ["a busy function"] },
	],
};

const it = base.extend("world", async ({ database }) => {
	const { client, url } = database;
	await client.query(SCHEMA);
	const read = async (statement: string, times: number) => {
		for (let time = 0; time < times; time++) await client.query(statement);
		// Else PostgreSQL shows them up to a second later.
		await client.query("select pg_stat_force_next_flush()");
	};
	const list = async (isAsked: boolean) => {
		const report = new Report();
		const asked = isAsked ? await openDatabase(url, report) : undefined;
		await checkCatalog(CATALOG, { mends: {}, database: asked }, report);
		await asked?.end();
		return report;
	};
	return { read, list };
});

it("has what is read more often first, although it concerns fewer relations", async ({
	world: { read, list },
	expect,
}) => {
	await read("select from api.popular", 3);
	await read("select from api.popular where id = 1", 4);
	await read("select api.busy()", 50);
	const report = await list(true);
	const reads = report.notCacheable.map(({ reason, reads }) => [reason, reads]);
	// PostgreSQL itself reads a table once to make its index.
	expect(reads).toEqual([
		["a busy function", 50],
		["one relation", expect.toSatisfy((count) => count === 7 || count === 8)],
		["two relations", 0],
		["an idle function", 0],
	]);
	expect(asText(report)).toContain("  concerns: api.busy()\n  reads: 50\n");
});

it("has what concerns most relations first where the database cannot be asked", async ({
	world: { read, list },
	expect,
}) => {
	await read("select from api.popular", 3);
	const report = await list(false);
	expect(
		report.notCacheable.map(({ reason, reads }) => [reason, reads]),
	).toEqual([
		["two relations", undefined],
		["one relation", undefined],
		["an idle function", undefined],
		["a busy function", undefined],
	]);
	expect(asText(report)).not.toContain("reads:");
});
