// Promise 2, bounded staleness, while the schema changes: a PostgREST that is slow to load it, a write that is under way while what it
// writes is renamed, and tables that come and go without emptying the cache.
import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import { beforeAll, expect, it, onTestFinished, vi } from "vitest";
import { stack } from "./support/client.ts";
import { anonymous } from "./support/isolation/archive.ts";
import {
	askDatabase,
	askGateway,
	type Sides,
} from "./support/isolation/ask.ts";
import {
	makeDatabase,
	type TestDatabase,
} from "./support/isolation/database.ts";
import { get, type Read } from "./support/isolation/reads.ts";
import { startSides } from "./support/isolation/sides.ts";

const MAX_STALENESS_SECONDS = 1;

const MAKE_TABLES = `
	create domain api.colour as text;
	create table api.isolation_shades (id integer primary key, colour api.colour);
	insert into api.isolation_shades values (1, 'red');
	create function api.to_json(api.colour) returns json language sql immutable return pg_catalog.to_json('#' || $1);
	grant execute on function api.to_json(api.colour) to public;
	create schema archive;
	create table archive.counts (id integer primary key, count integer);
	insert into archive.counts values (1, 0);
	create materialized view archive.copies as select * from archive.counts;
	create unique index on archive.copies (id);
	create view api.isolation_copies as select * from archive.copies;
	create schema scratch;
	select postern.track('api.isolation_shades');
	grant select on api.isolation_shades, api.isolation_copies to anon;
	grant usage on schema api to anon;
`;

let database: TestDatabase;
let sides: Sides;

beforeAll(async () => {
	database = await makeDatabase([MAKE_TABLES], {
		name: "postern_freshness_under_ddl",
		makeRoles: "",
		dropRoles: "",
	});
	const started = await startSides(database, MAX_STALENESS_SECONDS);
	sides = started;
	return started.stop;
}, 120_000);

const ask = (read: Read) => askGateway(sides, read, anonymous);

async function untilHit(read: Read): Promise<void> {
	await vi.waitFor(
		async () => {
			const { cacheStatus } = await ask(read);
			expect(cacheStatus).toContain("; hit");
		},
		{ timeout: 60_000, interval: 100 },
	);
}

async function connect(): Promise<pg.Client> {
	const url = new URL(stack.databaseUrl);
	url.pathname = "postern_freshness_under_ddl";
	const client = new pg.Client(url.href);
	await client.connect();
	onTestFinished(() => client.end());
	return client;
}

it("nothing is stored by a schema that PostgREST is about to replace, however long it takes to load the new one", async () => {
	const shades = get("shades?select=id,colour");
	await untilHit(shades);
	const locker = await connect();
	// PostgREST reads the tables' comments when it loads the schema.
	await locker.query(
		"begin; lock table pg_catalog.pg_description in access exclusive mode",
	);
	await database.client.query(
		"create cast (api.colour as json) with function api.to_json(api.colour) as implicit; notify pgrst, 'reload schema'",
	);
	// Longer than any wait for a fixed time that would be bearable.
	const until = Date.now() + 15_000;
	await sleep(MAX_STALENESS_SECONDS * 1_000);
	const seen: string[] = [];
	while (Date.now() < until) {
		const { answer, cacheStatus } = await ask(shades);
		expect(answer.body).toBe('[{"id":1,"colour":"red"}]');
		seen.push(cacheStatus);
		await sleep(500);
	}
	expect(seen.filter((status) => /hit|stored/.test(status))).toEqual([]);
	expect(seen.at(-1)).toContain("PostgREST has not loaded the changed schema");
	await locker.query("rollback");
	await vi.waitFor(
		async () => {
			const { body } = await askDatabase(sides, shades, anonymous);
			expect(body).toBe('[{"id":1,"colour":"#red"}]');
		},
		{ timeout: 40_000, interval: 100 },
	);
	const { answer } = await ask(shades);
	expect(answer.body).toBe('[{"id":1,"colour":"#red"}]');
	await untilHit(shades);
	expect((await ask(shades)).answer.body).toBe('[{"id":1,"colour":"#red"}]');
}, 120_000);

it("a REFRESH that is under way while its schema is renamed is seen within the maximum staleness", async () => {
	const copies = get("copies?select=count");
	await untilHit(copies);
	const writer = await connect();
	await writer.query(
		"begin; update archive.counts set count = 1; refresh materialized view concurrently archive.copies",
	);
	await database.client.query("alter schema archive rename to renamed");
	await sleep(MAX_STALENESS_SECONDS * 1_000);
	await untilHit(copies);
	await writer.query("commit");
	await sleep(MAX_STALENESS_SECONDS * 1_000);
	expect((await ask(copies)).answer.body).toBe('[{"count":1}]');
}, 120_000);

it("tables that come and go in a schema that nothing reads leave the rate of hits as it is", async () => {
	const shades = get("shades?select=id");
	await untilHit(shades);
	let hits = 0;
	for (let round = 0; round < 100; round++) {
		await database.client.query(
			"create table scratch.passing (id serial primary key, body text); insert into scratch.passing (body) values ('x'); drop table scratch.passing",
		);
		const { cacheStatus } = await ask(shades);
		if (cacheStatus.includes("; hit")) hits++;
		await sleep(50);
	}
	expect(hits).toBe(100);
}, 60_000);
