// Random histories: writers that change rows in every way, and pollers that must get each change once and not too early.
// The changes of a transaction are found by comparing the tables before and after it, without the triggers under test.
// POSTERN_HISTORY_SEED replays one; POSTERN_HISTORIES says how many.

import fc from "fast-check";
import pg from "pg";
import { describe } from "vitest";
import { Poller } from "./support/poller.ts";
import { it } from "./support/tracked.ts";

const WRITERS = 4;
const STEPS = 60;
const RUNS = Number(process.env.POSTERN_HISTORIES ?? 12);
const SEED = process.env.POSTERN_HISTORY_SEED;

const SCHEMA = `
	create table api.parents (id int primary key, value int not null default 0);
	create table api.children (id int primary key, parent int references api.parents on delete cascade on update cascade, value int not null default 0);
	create table api.pairs (a int, b text, value int not null default 0, primary key (a, b));
	create table api.parts (id int, part int, value int not null default 0, primary key (id, part)) partition by list (part);
	create table api.part_0 partition of api.parts for values in (0);
	create table api.part_1 partition of api.parts for values in (1);
	create table api.parted (id int primary key, kid int, part int, foreign key (kid, part) references api.parts on delete cascade);
	create table api.heirs (id int primary key, value int not null default 0);
	create table api.heir () inherits (api.heirs);
	create table api.keyless (value int not null default 0);
	select postern.track_schema('api')`;

/** SQLSTATE of a lock that was not available in time. */
const LOCKED = "55P03";

/** The compared tables, and the form of a row's key in a tag. */
const TABLES: Readonly<Record<string, string>> = {
	parents: "id::text",
	children: "id::text",
	pairs: "a || ',' || b",
	parts: "id || ',' || part",
	parted: "id::text",
	heirs: "id::text",
	keyless: "'*'",
};

/** The possible steps of a writer; `n` and `m` are small random numbers. */
const STATEMENTS: readonly ((n: number, m: number) => string)[] = [
	(n, m) =>
		`insert into api.parents values (${n}, ${m}) on conflict (id) do update set value = excluded.value + 1`,
	(n) =>
		`insert into api.parents select id, 1 from generate_series(${n}, ${n + 60}) as id on conflict do nothing`,
	(n) => `update api.parents set value = value + 1 where id = ${n}`,
	(_, m) => `update api.parents set value = value + 1 where id % 3 = ${m % 3}`,
	(n, m) =>
		`update api.parents set id = ${100 + m} where id = ${n} and not exists (select from api.parents where id = ${100 + m})`,
	(n) => `delete from api.parents where id = ${n}`,
	(n) => `delete from api.parents where id > ${n}`,
	(n, m) =>
		`insert into api.children select ${m}, id from api.parents where id = ${n} on conflict do nothing`,
	(n) =>
		`insert into api.children select id + 200, id from api.parents where id > ${n} on conflict do nothing`,
	() => "truncate api.parents cascade",
	() => "truncate api.children",
	(n, m) =>
		`insert into api.pairs values (${n % 5}, '${m % 2 ? "x" : "y"}') on conflict (a, b) do update set value = pairs.value + 1`,
	(n) => `update api.pairs set a = a + 10 where a = ${n % 5}`,
	(n, m) =>
		`merge into api.pairs using (values (${n % 5}, 'x'), (${m % 5}, 'x')) as new (a, b) on pairs.a = new.a and pairs.b = new.b
		when matched and new.a % 2 = 0 then delete when matched then update set value = value + 1 when not matched and ${n % 5} <> ${m % 5} then insert values (new.a, new.b)`,
	(n, m) =>
		`insert into api.parts values (${n}, ${m % 2}) on conflict do nothing`,
	(n, m) =>
		`insert into api.part_${m % 2} values (${n}, ${m % 2}) on conflict do nothing`,
	(n, m) => `update api.part_${m % 2} set value = value + 1 where id <= ${n}`,
	(n, m) =>
		`update api.parts set part = ${m % 2} where id = ${n} and not exists (select from api.parts where id = ${n} and part = ${m % 2})`,
	(n, m) => `delete from api.part_${m % 2} where id = ${n}`,
	(n, m) =>
		`insert into api.parted select ${m}, id, part from api.parts where id = ${n} limit 1 on conflict do nothing`,
	(_, m) => `truncate api.part_${m % 2} cascade`,
	(n) => `insert into api.heirs values (${n}) on conflict do nothing`,
	(n) =>
		`insert into api.heir select ${n} where not exists (select from api.heirs where id = ${n})`,
	() => "update api.heirs set value = value + 1",
	(n) => `update only api.heirs set value = value + 1 where id < ${n}`,
	(n) => `delete from api.heir where id = ${n}`,
	(n) => `insert into api.keyless select ${n} from generate_series(1, 3)`,
	(n) => `update api.keyless set value = value + 1 where value = ${n}`,
	(n) =>
		`with gone as (delete from api.heirs where id = ${n} returning id) insert into api.keyless select id from gone`,
	(n, m) =>
		`do $$ begin for i in 1..${(m % 7) + 1} loop insert into api.pairs values (i, 'z${n}') on conflict do nothing; end loop; end $$`,
	(n) => `update api.parents set value = value where false and id = ${n}`,
];

type Step =
	| { kind: "write"; writer: number; statement: number; n: number; m: number }
	| { kind: "savepoint" | "rollback to" | "release"; writer: number }
	| { kind: "commit" | "rollback" | "replica"; writer: number }
	| { kind: "poll" };

const writer = fc.nat({ max: WRITERS - 1 });
const step: fc.Arbitrary<Step> = fc.oneof(
	{
		weight: 12,
		arbitrary: fc.record({
			kind: fc.constant("write" as const),
			writer,
			statement: fc.nat({ max: STATEMENTS.length - 1 }),
			n: fc.nat({ max: 30 }),
			m: fc.nat({ max: 30 }),
		}),
	},
	{
		weight: 3,
		arbitrary: fc.record({
			kind: fc.constantFrom(
				"savepoint" as const,
				"rollback to" as const,
				"release" as const,
			),
			writer,
		}),
	},
	{
		weight: 5,
		arbitrary: fc.record({
			kind: fc.constantFrom(
				"commit" as const,
				"commit" as const,
				"commit" as const,
				"rollback" as const,
				"replica" as const,
			),
			writer,
		}),
	},
	{ weight: 5, arbitrary: fc.record({ kind: fc.constant("poll" as const) }) },
);

/** Every committed row: table, key and contents. */
class Observer {
	readonly #client: pg.Client;
	#rows = new Map<string, string>();

	constructor(client: pg.Client) {
		this.#client = client;
	}

	/**
	 * The tags of the changes since the last comparison: at least one of each group has to be reported.
	 * @returns undefined if a writer's TRUNCATE locks a table
	 */
	async changed(): Promise<readonly (readonly string[])[] | undefined> {
		let rows: { name: string; key: string; contents: string }[];
		try {
			({ rows } = await this.#look());
		} catch (error) {
			if (error instanceof pg.DatabaseError && error.code === LOCKED) return;
			throw error;
		}
		const now = new Map(
			rows.map(({ name, key, contents }) => [`${name}(${key})`, contents]),
		);
		const changed = new Set<string>();
		for (const [row, contents] of now) {
			if (this.#rows.get(row) !== contents) changed.add(row);
		}
		for (const row of this.#rows.keys()) if (!now.has(row)) changed.add(row);
		this.#rows = now;
		return [...changed].flatMap((row) => {
			const table = `api.${row.slice(0, row.indexOf("("))}`;
			return [[table], [`api.${row}`, `${table}(*)`]];
		});
	}

	#look() {
		return this.#client.query(
			Object.entries(TABLES)
				.map(
					([name, key]) =>
						`select '${name}' as name, ${key} as key, string_agg(r::text || tableoid::regclass, ';' order by r::text, tableoid) as contents from api.${name} as r group by 1, 2`,
				)
				.join(" union all "),
		);
	}
}

/** A connection with or without a transaction, whose savepoints have numbers. */
class Writer {
	readonly #client: pg.Client;
	#savepoints = 0;
	isBusy = false;

	constructor(client: pg.Client) {
		this.#client = client;
	}

	async run(sql: string): Promise<void> {
		if (!this.isBusy) {
			await this.#client.query("begin; set local lock_timeout = '50ms'");
			this.isBusy = true;
			this.#savepoints = 0;
		}
		await this.#client.query("savepoint attempt");
		try {
			await this.#client.query(sql);
			await this.#client.query("release savepoint attempt");
		} catch {
			// Another writer's lock or a constraint refused the step, which then counts as not tried.
			await this.#client.query("rollback to savepoint attempt");
		}
	}

	async nest(kind: "savepoint" | "rollback to" | "release"): Promise<void> {
		if (!this.isBusy) return;
		if (kind === "savepoint") {
			this.#savepoints += 1;
			await this.#client.query(`savepoint s${this.#savepoints}`);
		} else if (this.#savepoints > 0) {
			await this.#client.query(`${kind} savepoint s${this.#savepoints}`);
			if (kind === "release") this.#savepoints -= 1;
		}
	}

	async end(kind: "commit" | "rollback"): Promise<void> {
		if (this.isBusy) await this.#client.query(kind);
		this.isBusy = false;
	}
}

/** Runs one history. @returns the tags that should have been reported and were not, or that were reported for nothing */
async function play(
	steps: readonly Step[],
	writers: readonly Writer[],
	poller: Poller,
	observer: Observer,
): Promise<readonly string[]> {
	const faults: string[] = [];
	let reported = new Set<string>();
	const poll = async () => {
		// No transaction commits in between, so both see the same.
		const changed = await observer.changed();
		for (const tag of await poller.tags()) reported.add(tag);
		for (const group of changed ?? []) {
			if (!group.some((tag) => reported.has(tag))) {
				faults.push(`${group.join(" or ")} was changed and not reported`);
			}
		}
		if (changed) reported = new Set();
		const again = await poller.tags();
		if (again.length > 0) faults.push(`${again} was reported twice`);
	};
	await poll();
	for (const step of steps) {
		if (step.kind === "poll") await poll();
		else {
			const writer = writers[step.writer];
			if (!writer) continue;
			switch (step.kind) {
				case "write":
					await writer.run(STATEMENTS[step.statement]?.(step.n, step.m) ?? "");
					break;
				case "replica":
					await writer.run("set local session_replication_role = replica");
					break;
				case "commit":
				case "rollback":
					await writer.end(step.kind);
					break;
				default:
					await writer.nest(step.kind);
			}
		}
	}
	for (const writer of writers) await writer.end("commit");
	await poll();
	return faults;
}

const parameters = {
	numRuns: RUNS,
	endOnFailure: true,
	...(SEED === undefined ? {} : { seed: Number(SEED) }),
};

const histories = it.extend("faultsOf", async ({ owner, connect }) => {
	await owner.query(SCHEMA);
	const writers: Writer[] = [];
	for (let count = 0; count < WRITERS; count += 1) {
		writers.push(new Writer(await connect()));
	}
	const observing = await connect();
	await observing.query("set lock_timeout = '20ms'");
	const observer = new Observer(observing);
	const client = await connect();
	return async (steps: readonly Step[], source?: string) => {
		const poller = new Poller(client, { source });
		if (source) poller.cursor = "0";
		await poller.poll();
		await observer.changed();
		return play(steps, writers, poller, observer);
	};
});

const history = fc.array(step, { minLength: STEPS, maxLength: STEPS });

/** The faults of the first of many histories that shows any. */
async function searchFaults(
	faultsOf: (steps: readonly Step[]) => Promise<readonly string[]>,
): Promise<readonly string[]> {
	for (const steps of fc.sample(history, { numRuns: 40, seed: 7 })) {
		const faults = await faultsOf(steps);
		if (faults.length > 0) return faults;
	}
	return [];
}

describe("a random history", () => {
	histories(
		"is reported whole, once, and not before it is committed",
		{ timeout: 600_000 },
		async ({ faultsOf, expect }) => {
			await fc.assert(
				fc.asyncProperty(history, async (steps) => {
					expect(await faultsOf(steps)).toEqual([]);
				}),
				parameters,
			);
		},
	);

	histories(
		"is not reported whole by a cursor of ids",
		{ timeout: 120_000 },
		async ({ owner, faultsOf, expect }) => {
			await owner.query(`
				alter table postern.outbox add column id bigint generated always as identity;
				create function postern.since_id(cursor text) returns jsonb language sql stable security definer set search_path = pg_catalog, pg_temp return (
					select jsonb_build_object('reset', false, 'cursor', coalesce(max(id), cursor::bigint)::text,
						'tags', coalesce(jsonb_agg(tag) || jsonb_agg(tag || '(' || key || ')'), '[]'))
					from postern.outbox left join unnest(rows) as key on true where id > cursor::bigint);
				grant execute on function postern.since_id(text) to postern`);
			expect(
				await searchFaults((steps) => faultsOf(steps, "postern.since_id")),
			).not.toEqual([]);
		},
	);

	for (const [name, mutation] of Object.entries({
		"without the truncate triggers":
			"drop trigger postern_truncate on api.children; drop trigger postern_truncate on api.parents",
		"without the triggers of partitions":
			"drop trigger postern_update on api.part_0; drop trigger postern_update on api.part_1",
		"with triggers that replicas do not fire":
			"alter table api.parents enable trigger postern_update; alter table api.pairs enable trigger postern_insert",
		"without the trigger of a child":
			"drop trigger postern_delete on api.children",
	})) {
		histories(
			`is not reported whole ${name}`,
			{ timeout: 120_000 },
			async ({ owner, faultsOf, expect }) => {
				await owner.query(mutation);
				expect(await searchFaults(faultsOf)).not.toEqual([]);
			},
		);
	}
});
