// What becomes dearer the more there is of something: keys, tables, changed tags, isolates. Costs are CPU time.
import { deserialize, serialize } from "node:v8";
import pg from "pg";
import { track } from "../../gateway/cli/track.ts";
import type { Change } from "../../gateway/src/feed/feed.ts";
import { LastChanges } from "../../gateway/src/feed/last-changes.ts";
import { MemoryStore } from "../../gateway/src/memory/memory-store.ts";
import type { Setting } from "../cost/postern.ts";
import { median } from "../freshness/statistics.ts";
import { startBenchPostgres } from "../postgres.ts";
import {
	backendCpuMs,
	type Cost,
	catalogCosts,
	growSchema,
	measure,
	ownCpuMs,
	prepare,
	type SchemaSize,
} from "./catalog.ts";
import { feedOfIsolates } from "./isolates.ts";
import { hitsOverKeys } from "./keys.ts";

export interface Growth {
	readonly name: string;
	/** What there is more and more of. */
	readonly of: string;
	readonly unit: string;
	/** How many there are, and the cost then. */
	readonly points: readonly (readonly [size: number, cost: number])[];
}

const MOST_KEYS = 100_000;
const KEYS = [100, 1_000, 10_000, MOST_KEYS];
const ISOLATES = [1, 4, 16, 64];

type Sized = (size: number) => Promise<Readonly<Record<string, number>>>;

export async function growth(setting: Setting): Promise<Growth[]> {
	return [
		...(await grow("keys", "µs", KEYS, await hitsOverKeys(setting, MOST_KEYS))),
		...(await grow("keys", "µs", KEYS, lookUps)),
		...(await growSchemaAndTags()),
		...(await grow(
			"isolates",
			"ms a second",
			ISOLATES,
			await feedOfIsolates(setting, Math.max(...ISOLATES)),
		)),
	];
}

async function grow(
	of: string,
	unit: string,
	sizes: readonly number[],
	costsAt: Sized,
): Promise<Growth[]> {
	const points = new Map<string, [number, number][]>();
	for (const size of sizes) {
		for (const [name, cost] of Object.entries(await costsAt(size)))
			points.set(name, [...(points.get(name) ?? []), [size, cost]]);
	}
	return [...points].map(([name, points]) => ({ name, of, unit, points }));
}

const LOOK_UPS = 200_000;

/** The isolate's memory by itself, without a bound. */
async function lookUps(keys: number) {
	const names = Array.from({ length: keys }, (_, number) => `key ${number}`);
	const store = new MemoryStore<object>(Number.POSITIVE_INFINITY, () => 1);
	for (const name of names) store.put(name, {});
	const cost = await measure(ownCpuMs, async () => {
		for (let number = 0; number < LOOK_UPS; number += 1)
			store.get(names[(7_919 * number) % keys] ?? "");
	});
	return { "a look-up in memory, in Node": (1_000 * cost.cpuMs) / LOOK_UPS };
}

/** In a Postgres of its own: no other part's PostgREST has to load the schema. */
async function growSchemaAndTags(): Promise<Growth[]> {
	const postgres = await startBenchPostgres();
	const client = new pg.Client({ connectionString: postgres.url });
	try {
		await client.connect();
		await prepare(client, postgres.url);
		const tags = await grow("changed tags", "ms", TAGS, await polls(client));
		const schema = await grow(
			"tables",
			"ms",
			TABLES,
			catalogs(client, postgres.url),
		);
		return [...schema, ...tags];
	} finally {
		await client.end();
		await postgres.stop();
	}
}

const TABLES = [1, 10, 100, 400];
const TIMES = 5;

function catalogs(client: pg.Client, databaseUrl: string): Sized {
	let built: SchemaSize = { tables: 0, views: 0, functions: 0 };
	return async (tables) => {
		const size = {
			tables,
			views: Math.floor(tables / 10),
			functions: Math.floor(tables / 4),
		};
		await client.query(growSchema(built, size));
		built = size;
		const relations: string[] = [];
		await track({ databaseUrl, relations, schemas: ["api"], log: () => {} });
		const { database, parts, parsed } = await catalogCosts(client, 1 + TIMES);
		return {
			"`postern.catalog`, in the database": laterOf(database),
			"preparing it for isolates, in the change feed": laterOf(parts),
			"what an isolate needs of it for one table": laterOf(parsed),
		};
	};
}

/** The first has no plans, no compiled code. */
function laterOf([, ...later]: readonly Cost[]): number {
	return median(later.map(({ cpuMs }) => cpuMs));
}

const TAGS = [10, 100, 1_000, 10_000];
/** A poll names at most 1,000 rows of one table. */
const CHANGED_TABLES = 10;

async function polls(client: pg.Client): Promise<Sized> {
	const all = Math.max(...TAGS) / CHANGED_TABLES;
	const tables = Array.from(
		{ length: CHANGED_TABLES },
		(_, number) => `changing.t${number}`,
	);
	await client.query(
		[
			"create schema changing",
			...tables.map(
				(name) => `
				create table ${name} (id integer primary key, n integer not null);
				insert into ${name} select id, 0 from generate_series(1, ${all}) as id;
				select postern.track('${name}')`,
			),
		].join(";"),
	);
	const poll = async (cursor?: string) => {
		const { rows } = await client.query(
			"select postern.changes_since($1) as poll",
			[cursor],
		);
		return rows[0].poll;
	};
	return async (count) => {
		const { cursor } = await poll();
		for (const name of tables)
			await client.query(
				`do $$ begin for row in 1..${count / CHANGED_TABLES} loop update ${name} set n = n + 1 where id = row; end loop; end $$`,
			);
		const costs: Record<string, Cost[]> = {};
		const note = async (
			name: string,
			cpu: () => number | Promise<number>,
			work: () => Promise<void>,
		) => {
			costs[name] = [...(costs[name] ?? []), await measure(cpu, work)];
		};
		for (let time = 0; time <= TIMES; time += 1) {
			let tags: string[] = [];
			await note(
				"a poll that finds them, in the database",
				() => backendCpuMs(client),
				async () => {
					({ tags } = await poll(cursor));
				},
			);
			if (tags.length < count)
				throw new Error(`${count} rows changed, and ${tags.length} tags.`);
			const changes = new LastChanges();
			await note("keeping them, in the change feed", ownCpuMs, async () =>
				changes.record(tags.slice(0, count).map((tag) => [tag, 2])),
			);
			let sent = Buffer.alloc(0);
			await note(
				"telling a new isolate, in the change feed",
				ownCpuMs,
				async () => {
					sent = serialize(changes.since(0));
				},
			);
			await note("learning them, in the isolate", ownCpuMs, async () => {
				const told: Change[] = deserialize(sent);
				new LastChanges().record(told);
			});
		}
		return Object.fromEntries(
			Object.entries(costs).map(([name, costs]) => [name, laterOf(costs)]),
		);
	};
}
