// `postern track`: one table a transaction, so that no lock is held while another table is waited for.
import pg from "pg";
import { describe, expect } from "vitest";
import { track } from "../../cli/track.ts";
import { it as base } from "./support/databases.ts";

const it = base.extend("world", async ({ database }, { onCleanup }) => {
	await database.applyPrograms();
	const { client, url } = database;
	await client.query(`
		create schema shop;
		create table shop.alpha (id integer primary key);
		create table shop.beta (id integer primary key);
		create table shop.gamma (id integer primary key);
		create view shop.all_of_them as select id from shop.alpha;
	`);
	const other = new pg.Client({ connectionString: url });
	await other.connect();
	onCleanup(() => other.end());
	const lines: string[] = [];
	const run = (options: Partial<Parameters<typeof track>[0]>) =>
		track({
			databaseUrl: url,
			relations: [],
			schemas: [],
			patienceMs: 1_000,
			log: (line) => lines.push(line),
			...options,
		});
	const tracked = async () => {
		const { rows } = await client.query(
			"select relation::text, extract(epoch from max_staleness)::integer as seconds from postern.tracked_relations order by 1",
		);
		return rows.map(({ relation, seconds }) => [relation, seconds]);
	};
	return { client, other, lines, run, tracked };
});

describe("a schema", () => {
	it("is tracked table by table with progress, and again without a change", async ({
		world,
	}) => {
		const { run, lines, tracked, client } = world;
		await run({ relations: ["shop.beta"], maxStaleness: "2 seconds" });
		lines.length = 0;
		await run({ schemas: ["shop"] });
		expect(lines).toEqual([
			"1 of 4: shop.alpha",
			"2 of 4: shop.beta",
			"3 of 4: shop.gamma",
			"4 of 4: schema shop",
		]);
		const all = [
			["shop.alpha", null],
			["shop.beta", 2],
			["shop.gamma", null],
		];
		expect(await tracked()).toEqual(all);
		await run({ schemas: ["shop"] });
		expect(await tracked()).toEqual(all);
		// Also what is created later.
		await client.query("create table shop.delta (id integer primary key)");
		expect(await tracked()).toContainEqual(["shop.delta", null]);
		await run({ schemas: ["shop"], untrack: true });
		expect(await tracked()).toEqual([]);
		await client.query("create table shop.epsilon (id integer primary key)");
		expect(await tracked()).toEqual([]);
	});

	it("is tracked without the tables that cannot be", async ({ world }) => {
		const { run, lines, tracked, client } = world;
		await client.query(
			"create table shop.child (id integer primary key) inherits (shop.alpha, shop.beta)",
		);
		await client.query(`
			create foreign data wrapper nowhere;
			create server nowhere foreign data wrapper nowhere;
			create table shop.parted (id integer) partition by list (id);
			create foreign table shop.part partition of shop.parted for values in (1) server nowhere;
		`);
		await run({ schemas: ["shop"] });
		expect(lines).toContain(
			"4 of 5: shop.parted is left out: shop.parted has a partition that is a foreign table",
		);
		expect(await tracked()).toHaveLength(3);
	});
});

describe("a table that another transaction holds", () => {
	it("is waited for while no other table is locked", async ({ world }) => {
		const { run, lines, tracked, other, client } = world;
		await other.query("begin; lock table shop.beta in row exclusive mode");
		const running = run({ schemas: ["shop"], patienceMs: 30_000 });
		await expect
			.poll(() => lines)
			.toContain("waiting for transactions that hold shop.beta");
		await client.query("insert into shop.alpha values (1)");
		expect(await tracked()).toEqual([["shop.alpha", null]]);
		await other.query("commit");
		await running;
		expect(await tracked()).toHaveLength(3);
	});

	it("is named when patience ends, and what was tracked stays tracked", async ({
		world,
	}) => {
		const { run, tracked, other } = world;
		await other.query("begin; lock table shop.beta in row exclusive mode");
		await expect(run({ schemas: ["shop"] })).rejects.toThrow(
			"Other transactions hold shop.beta: run the command again later. What is done stays done.",
		);
		expect(await tracked()).toEqual([["shop.alpha", null]]);
		await other.query("rollback");
	});
});

it("refuses a view by name, and a table that does not exist", async ({
	world,
}) => {
	const { run } = world;
	await expect(run({ relations: ["shop.all_of_them"] })).rejects.toThrow(
		"shop.all_of_them is a view",
	);
	await expect(run({ relations: ["shop.omega"] })).rejects.toThrow(
		'relation "shop.omega" does not exist',
	);
});
