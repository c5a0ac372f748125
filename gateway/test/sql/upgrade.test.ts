// The upgrade of a database whose tracking is the migration 0016 of version 0.1.0, and a Worker and a database of different
// versions.

import { readFile } from "node:fs/promises";
import pg from "pg";
import { describe, expect } from "vitest";
import { z } from "zod";
import { migrate } from "../../cli/migrate.ts";
import { contractReason } from "../../src/feed/contract.ts";
import { parsedCatalog } from "../support/catalog.ts";
import { readCatalog } from "./support/catalog.ts";
import { it as base } from "./support/databases.ts";
import { Poller } from "./support/poller.ts";

const fixture = await readFile(
	new URL("fixtures/0.1.0/0016_tracking.sql", import.meta.url),
	"utf8",
);
const [, up = ""] = /^([\s\S]*)^-- migrate:down$/m.exec(fixture) ?? [];

const TABLES = `
	create schema api;
	create table api.notes (id int primary key, body text);
	create table api.names (name text primary key);
	create table api.parts (id int, part int, primary key (id, part)) partition by list (part);
	create table api.part_0 partition of api.parts for values in (0);
	create table api.part_1 partition of api.parts for values in (1);
	create table api.keyless (value int);
	create view api.bodies with (security_invoker = true) as select body from api.notes;
	select postern.track_schema('api');
	select postern.track('api.notes', '2 seconds');
	create function api.told() returns int language plpgsql stable as 'begin return 1; end'`;

/** Version 0.1.0 asks for no claims. */
const DECLARE = "select postern.declare_cacheable('api.told()', '{api.notes}')";

/** A database as version 0.1.0 leaves it. */
const it = base.extend("old", async ({ database }) => {
	await database.client.query(up);
	await database.client.query(TABLES);
	await database.client.query(DECLARE);
	return database;
});

const upgrade = (databaseUrl: string) =>
	migrate({ databaseUrl, log: () => {} });

/** Writes until it is stopped: each transaction changes a few tables, in an order that differs between writers. */
class Writer {
	readonly #client: pg.Client;
	readonly #number: number;
	readonly tags: string[] = [];
	readonly errors: unknown[] = [];
	#isStopped = false;
	#done: Promise<void> | undefined;

	constructor(url: string, number: number) {
		this.#client = new pg.Client({ connectionString: url });
		this.#number = number;
	}

	async start(): Promise<void> {
		await this.#client.connect();
		this.#done = this.#write();
	}

	async stop(): Promise<void> {
		this.#isStopped = true;
		await this.#done;
		await this.#client.end();
	}

	async #write(): Promise<void> {
		for (let round = 0; !this.#isStopped; round += 1) {
			const id = this.#number * 1_000_000 + round;
			const changes = [
				[`insert into api.notes values (${id})`, `api.notes(${id})`],
				[`insert into api.names values ('n ${id}')`, `api.names("n ${id}")`],
				[
					`insert into api.parts values (${id}, ${id % 2})`,
					`api.parts(${id},${id % 2})`,
				],
				["insert into api.keyless values (1)", "api.keyless(*)"],
			] as const;
			const first = (this.#number + round) % changes.length;
			const ordered = [...changes.slice(first), ...changes.slice(0, first)];
			try {
				await this.#client.query("begin");
				for (const [statement] of ordered) await this.#client.query(statement);
				await this.#client.query("commit");
				this.tags.push(...ordered.map(([, tag]) => tag));
			} catch (error) {
				this.errors.push(error);
				await this.#client.query("rollback");
			}
		}
	}
}

describe("an upgrade from 0016", () => {
	it("loses no change and fails no writer, while writers run", async ({
		old: { client, url },
	}) => {
		const poller = new Poller(client);
		await poller.poll();
		const writers = [1, 2, 3].map((number) => new Writer(url, number));
		for (const writer of writers) await writer.start();
		const written = () => Math.min(...writers.map(({ tags }) => tags.length));
		const more = async () => {
			const before = written();
			while (written() < before + 20)
				await new Promise((resolve) => setTimeout(resolve, 10));
		};
		const reported = new Set<string>();
		const poll = async () => {
			for (const tag of await poller.tags()) reported.add(tag);
		};
		await more();
		await poll();
		await more();
		await upgrade(url);
		await more();
		// The second run drops the view that writers of the old code needed.
		await upgrade(url);
		await more();
		for (const writer of writers) await writer.stop();
		await poll();

		expect(writers.flatMap(({ errors }) => errors)).toEqual([]);
		// A poll names at most 1,000 rows of a table one by one.
		const missed = writers
			.flatMap(({ tags }) => tags)
			.filter(
				(tag) =>
					!reported.has(tag) &&
					!reported.has(`${tag.slice(0, tag.indexOf("("))}(*)`),
			);
		expect(missed).toEqual([]);
	});

	it("leaves what the new version makes in an empty database", async ({
		old,
	}) => {
		await upgrade(old.url);
		await upgrade(old.url);
		// Triggers of 0.1.0 keep the argument that they had. Their functions do not read it.
		const upgraded = (await readCatalog(old.client)).map((line) =>
			line.replace(/(^trigger .*)\('[^']*'\)$/, "$1()"),
		);
		const { rows: before } = await old.client.query(
			"select relation::text, max_staleness::text from postern.tracked_relations order by 1",
		);
		await old.client.query("drop schema postern, api cascade");
		await upgrade(old.url);
		await old.client.query(TABLES);
		expect(await readCatalog(old.client)).toEqual(upgraded);
		const { rows: after } = await old.client.query(
			"select relation::text, max_staleness::text from postern.tracked_relations order by 1",
		);
		expect(before).toEqual(after);
	});

	it("repairs a trigger that is missing, and leaves one that was disabled", async ({
		old: { client, url },
	}) => {
		await client.query(
			"drop trigger postern_delete on api.notes; alter table api.names disable trigger postern_insert",
		);
		await upgrade(url);
		const { rows } = await client.query(
			"select relation, reason from jsonb_to_recordset(postern.status() -> 'tracked') as one (relation text, reason text) where relation in ('api.notes', 'api.names') order by 1",
		);
		expect(rows).toEqual([
			{
				relation: "api.names",
				reason:
					"api.names has a trigger postern_insert that is not ENABLE ALWAYS",
			},
			{ relation: "api.notes", reason: null },
		]);
	});

	it("waits for a transaction that holds the outbox, and fails no writer", async ({
		old: { client, url },
	}) => {
		await client.query("begin; insert into api.notes values (1)");
		const lines: string[] = [];
		const upgrading = migrate({
			databaseUrl: url,
			log: (line) => lines.push(line),
		});
		while (lines.length === 0)
			await new Promise((resolve) => setTimeout(resolve, 20));
		await client.query("insert into api.notes values (2); commit");
		await upgrading;
		expect(lines[0]).toBe(
			"waiting for transactions that hold tables of the gateway",
		);
	});

	it("gives up after its patience, and leaves the database as it was", async ({
		old: { client, url },
	}) => {
		await client.query("begin; insert into api.notes values (1)");
		await expect(
			migrate({ databaseUrl: url, log: () => {}, patienceMs: 0 }),
		).rejects.toThrow(/^migrations\/0001_tracking.sql: .*lock timeout/);
		await client.query("commit");
		const { rows } = await client.query(
			"select to_regclass('postern.outbox') as outbox, to_regclass('postern.migrations') as migrations",
		);
		expect(rows).toEqual([{ outbox: null, migrations: null }]);
	});
});

/** The fields that a Worker of 0.1.0 requires in a catalog, of the database and of each relation. */
const oldDependence = z.object({
	reads: z.array(z.string()),
	claims: z.array(z.string()),
	reasons: z.array(z.string()),
	stalenessSeconds: z.number().positive().nullable(),
});
const oldCatalog = z.object({
	version: z.string(),
	relations: z.array(
		oldDependence.extend({
			keys: z.array(z.object({ isPrimary: z.boolean() })),
		}),
	),
	functions: z.array(oldDependence),
	hasOwnCasts: z.boolean(),
});
const oldPoll = z.object({
	cursor: z.string().min(1),
	reset: z.boolean(),
	tags: z.array(z.string().min(1)),
});

async function ask(client: pg.Client, call: string): Promise<unknown> {
	const { rows } = await client.query(`select ${call} as answer`);
	return rows[0].answer;
}

describe("a Worker of 0.1.0", () => {
	it("plans with the catalog of its own database", async ({
		old: { client },
	}) => {
		const catalog = await ask(client, "postern.catalog('{api}')");
		expect(oldCatalog.safeParse(catalog).success).toBe(true);
	});

	it("learns from a poll that its database was upgraded, and refuses the new catalog", async ({
		old: { client, url },
	}) => {
		const { cursor } = oldPoll.parse(
			await ask(client, "postern.changes_since()"),
		);
		await upgrade(url);
		await client.query("insert into api.notes values (1)");
		const poll = oldPoll.parse(
			await ask(client, `postern.changes_since('${cursor}')`),
		);
		expect(poll).toMatchObject({
			reset: false,
			tags: expect.arrayContaining(["catalog", "api.notes", "api.notes(1)"]),
		});
		const catalog = await ask(client, "postern.catalog('{api}')");
		expect(oldCatalog.safeParse(catalog).success).toBe(false);
		expect(
			oldCatalog.safeParse({
				...(catalog as object),
				relations: [],
				functions: [],
			}).success,
		).toBe(false);
	});
});

describe("this Worker", () => {
	const calls = ["postern.changes_since()", "postern.catalog('{api}')"];

	it("uses nothing of a database of 0.1.0, and says why", async ({
		old: { client },
	}) => {
		for (const call of calls) {
			expect(contractReason(await ask(client, call))).toBe(
				"database contract 0, this Worker speaks 1",
			);
		}
	});

	it("uses the database after the upgrade, and status() names the same contract", async ({
		old: { client, url },
	}) => {
		await upgrade(url);
		for (const call of [...calls, "postern.status()"]) {
			expect(contractReason(await ask(client, call))).toBeUndefined();
		}
		const catalog = parsedCatalog(
			await ask(client, "postern.catalog('{api}')"),
		);
		expect(catalog.relation("api", "notes")).toMatchObject({
			primaryKey: ["id"],
			reasons: [],
			maxStalenessSeconds: 2,
		});
		// Version 0.1.0 took a declaration that named nothing for one of a function that reads nothing.
		expect(catalog.routines("api", "told")[0]?.reasons).toEqual([
			expect.stringContaining("was declared cacheable before 0.2.0"),
		]);
	});

	it("uses nothing of a database of a later contract", async ({
		old: { client, url },
	}) => {
		await upgrade(url);
		await client.query(
			"create or replace function postern.contract() returns integer language sql immutable return 2",
		);
		for (const call of [...calls, "postern.status()"]) {
			expect(contractReason(await ask(client, call))).toBe(
				"database contract 2, this Worker speaks 1",
			);
		}
	});
});
