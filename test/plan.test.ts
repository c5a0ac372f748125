// Compares the plans of the read cache with a real PostgREST and PostgreSQL: what is read for an answer, what
// changes it, and which other requests get the same bytes.
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import type { Identity } from "../gateway/src/identity/identity.ts";
import type { Catalog } from "../gateway/src/planner/catalog.ts";
import { parseCallArguments } from "../gateway/src/planner/grammar/call-arguments.ts";
import type { CacheablePlan, Plan } from "../gateway/src/planner/plan.ts";
import { createPlanner } from "../gateway/src/planner/planner.ts";
import { HARD_READS } from "./support/planning/hard-reads.ts";
import {
	mutate,
	overwrite,
	randomChange,
	readTables,
	tableOf,
} from "./support/planning/mutations.ts";
import {
	type Ask,
	type Facts,
	type PlanningOrigin,
	SCHEMAS,
	startPlanningOrigin,
} from "./support/planning/origin.ts";
import {
	type Read,
	randomIdentity,
	randomRead,
	type Samples,
} from "./support/planning/random-reads.ts";
import { READS } from "./support/transparency/requests.ts";

/** PLAN_RUNS=20 makes twenty times as many runs. */
const RUNS = Number(process.env.PLAN_RUNS ?? 1);
const TIMEOUT_MS = 120_000 * RUNS;

/** Longer runs print figures. */
const report: typeof console.log = RUNS > 1 ? console.log : () => {};

/** Reads, some of which are cacheable and answered. */
const READS_PER_RUN = 700;

const planner = createPlanner({
	schemas: SCHEMAS,
	maxStalenessMs: 5_000,
	audienceOf: () => "postgrest",
});

let origin: PlanningOrigin;
let catalog: Catalog;
let facts: Facts;
let samples: Samples;
let tagOf: ReadonlyMap<string, string>;

beforeAll(async () => {
	origin = await startPlanningOrigin();
	({ catalog, facts } = await origin.catalog());
	samples = await readSamples();
	tagOf = await readTags();
	return () => origin.stop();
});

describe("the planner's tags cover what PostgreSQL reads", () => {
	it("for the reads that PostgREST is known to answer, few of which are bypassed", async () => {
		const cacheable: string[] = [];
		const bypassed: string[] = [];
		for (const { method, path, headers = {}, as, status } of Object.values(
			READS,
		).flat()) {
			if (status > 206 || !["GET", "HEAD"].includes(method)) continue;
			const role = as === "ada" ? "authenticated" : "anon";
			const identity = { role, claims: { sub: as } };
			const fields = Object.entries(headers).map(
				([name, value]): [string, string] => [name, String(value)],
			);
			const ask = { method, path, headers: Object.fromEntries(fields) };
			const planned = plan(ask, identity);
			(planned.kind === "bypass" ? bypassed : cacheable).push(path);
			if (planned.kind === "bypass") continue;
			const read = await tagsRead(ask, identity);
			expect(uncovered(read ?? [], planned), path).toEqual([]);
		}
		report("known reads:", cacheable.length, bypassed.length);
		expect(cacheable.length).toBeGreaterThan(3 * bypassed.length);
	});

	it("for random reads", { timeout: TIMEOUT_MS }, async () => {
		const seen = { cacheable: 0, bypassed: 0, refused: 0 };
		await fc.assert(
			fc.asyncProperty(
				randomRead(facts, samples),
				async ({ ask, identity }) => {
					const planned = plan(ask, identity);
					if (planned.kind === "bypass") {
						seen.bypassed++;
						return;
					}
					const read = await tagsRead(ask, identity);
					if (read === undefined) seen.refused++;
					else seen.cacheable++;
					expect(uncovered(read ?? [], planned)).toEqual([]);
				},
			),
			{ numRuns: 600 * RUNS },
		);
		report("what is read:", seen);
		expect(seen.cacheable).toBeGreaterThan(100 * RUNS);
	});
});

it("reads that differ in Accept are planned alike only if PostgREST answers them alike", {
	timeout: TIMEOUT_MS,
}, async () => {
	const type = fc.constantFrom(
		...["application/json", "text/csv", "*/*", "text/plain", "text/html"],
		...["application/*", "application/json;charset=utf-8", "image/png"],
		...["application/vnd.pgrst.array+json", "APPLICATION/JSON", "Text/CSV"],
		"application/vnd.pgrst.array+json;nulls=stripped",
		"application/vnd.pgrst.object+json",
	);
	const quality = fc.constantFrom(
		...["", "", "", ";q=1", ";q=0.5", "; q=0.25", " ; q=0", ";q=0.500"],
		...[";q=.5", ";Q=0.1", ";q=2", ";q=0.5;a=b"],
	);
	const accepts = fc.array(
		fc.tuple(type, quality).map((parts) => parts.join("")),
		{ minLength: 1, maxLength: 4 },
	);
	const identity = { role: "anon", claims: {} };
	const answers = new Map<string, string>();
	const seen = { planned: 0, bypassed: 0 };
	const compare = async (accept: string) => {
		const headers = { accept };
		const ask = { method: "GET", path: "/films?order=id&limit=3", headers };
		const planned = plan(ask, identity);
		if (planned.kind === "bypass") {
			seen.bypassed++;
			return;
		}
		seen.planned++;
		const [answer = ""] = await answersTo([{ ask, identity }]);
		const known = answers.get(planned.key) ?? answer;
		answers.set(planned.key, known);
		expect(answer, accept).toBe(known);
	};
	// The default of axios, and nearly that of browsers, whose text/html a function of this database makes, mean JSON.
	for (const accept of [
		"application/json",
		"application/json, text/plain, */*",
		"application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8",
	])
		await compare(accept);
	expect([seen, answers.size]).toEqual([{ planned: 3, bypassed: 0 }, 1]);
	await fc.assert(
		fc.asyncProperty(accepts, (all) => compare(all.join(", "))),
		{ numRuns: 400 * RUNS },
	);
	report("Accept:", seen, answers.size);
	expect(seen.planned).toBeGreaterThan(50 * RUNS);
	expect(answers.size).toBeGreaterThan(4);
});

it("calls by POST share a key only if PostgREST answers them alike", {
	timeout: TIMEOUT_MS,
}, async () => {
	const blank = fc.constantFrom("", "", " ", "\n\t");
	const name = fc.constantFrom("a", "a", "b", "c", "n", "\\u0061", "other");
	const value = fc.constantFrom(
		...["1", "1.0", "1e0", "10e-1", "-0", "0", '"1"', '"\\u0031"', "true"],
		...[
			"null",
			'"null"',
			'""',
			"[1,2]",
			"[1, 2]",
			'"[1,2]"',
			'"A"',
			'"\\u0041"',
		],
		...['{"x":1,"y":2}', '{"y":2,"x":1}', '{"x":1,"x":2}', '{"x":"\\u0041"}'],
	);
	const bodies = fc
		.array(fc.tuple(blank, name, blank, blank, value), { maxLength: 3 })
		.map((members) => {
			const texts = members.map(
				([before, key, after, between, text]) =>
					`${before}"${key}"${after}:${between}${text}`,
			);
			return `{${texts.join()}}`;
		});
	const identity = { role: "anon", claims: {} };
	const answers = new Map<string, string>();
	const seen = { cacheable: 0, shared: 0 };
	await fc.assert(
		fc.asyncProperty(bodies, async (body) => {
			const headers = { "content-type": "application/json" };
			const ask = { method: "POST", path: "/rpc/shown", headers, body };
			const [one] = await answered(asPlanned({ ask, identity }));
			if (one === undefined) return;
			seen.cacheable++;
			const { key } = one.read.plan;
			const known = answers.get(key);
			if (known !== undefined) seen.shared++;
			answers.set(key, known ?? one.answer);
			expect(one.answer).toBe(known ?? one.answer);
		}),
		{ numRuns: 1_000 * RUNS },
	);
	report("bodies:", seen, answers.size, new Set(answers.values()).size);
	expect(seen.shared).toBeGreaterThan(100 * RUNS);
	expect(new Set(answers.values()).size).toBeGreaterThan(100);
});

it("a changed row has a tag of each hard read whose answer it changed", {
	timeout: TIMEOUT_MS,
}, async () => {
	const { client } = origin;
	const seen = { changes: 0, pairs: 0, changed: 0, ofRows: 0 };
	const hard = await answered(HARD_READS.flatMap(asPlanned));
	expect(hard).toHaveLength(HARD_READS.length);
	const read = await Promise.all(
		hard.map(({ read: { ask, identity } }) => tagsRead(ask, identity)),
	);
	for (const table of await readTables(client)) {
		const tag = tagOf.get(table.id) ?? "";
		const readers = hard.filter(
			({ read: { ask } }, index) =>
				// The reads of functions do not show in the plan.
				isCalling(ask.path) || read[index]?.includes(tag),
		);
		for (let row = 0; row < 5; row++) {
			const { cursor } = await poll(null);
			const mutation = await overwrite(client, table, row);
			if (mutation === undefined) continue;
			const { tags } = await poll(cursor);
			const after = await answersTo(readers.map((one) => one.read));
			await mutation.undo();
			seen.changes++;
			readers.forEach(({ read: { ask, plan: own }, answer }, index) => {
				seen.pairs++;
				if (after[index] === answer) return;
				seen.changed++;
				if (own.tags.some((one) => one.endsWith(")"))) seen.ofRows++;
				const told = own.tags.filter((one) => tags.includes(one));
				expect(told, `${mutation.statement}: ${ask.path}`).not.toEqual([]);
			});
		}
	}
	report("what changes hard reads:", seen);
	expect(seen.changed).toBeGreaterThan(150);
	expect(seen.ofRows).toBeGreaterThan(10);
});

it("an answer that a random change alters has a tag of the change", {
	timeout: TIMEOUT_MS,
}, async () => {
	const { client } = origin;
	const tables = await readTables(client);
	const seen = { changes: 0, pairs: 0, changed: 0, ofRows: 0, spared: 0 };
	await fc.assert(
		fc.asyncProperty(
			fc.integer(),
			fc.array(randomChange, { minLength: 20, maxLength: 20 }),
			async (seed, changes) => {
				const reads = fc.sample(randomRead(facts, samples), {
					seed,
					numRuns: READS_PER_RUN,
				});
				const planned = reads.flatMap(asPlanned);
				const read = tables.filter(
					({ id }) => readersOf(planned, tagOf.get(id) ?? "").length >= 4,
				);
				for (const change of changes) {
					const table = tableOf(read, change);
					const before = await answered(
						chosen(planned, tagOf.get(table.id) ?? "", change.value),
					);
					const { cursor } = await poll(null);
					const mutation = await mutate(client, table, change);
					if (mutation === undefined) continue;
					const { tags } = await poll(cursor);
					const after = await answersTo(before.map((one) => one.read));
					await mutation.undo();
					seen.changes++;
					before.forEach(({ read: one, answer }, index) => {
						const own = one.plan.tags;
						const isTold = own.some((tag) => tags.includes(tag));
						const isOfRow = own.some((tag) => tag.endsWith(")"));
						seen.pairs++;
						if (after[index] === answer) {
							if (!isTold) seen.spared++;
							return;
						}
						seen.changed++;
						if (isOfRow) seen.ofRows++;
						// What reads the clock may alter by itself, so it is kept for a bounded time.
						if (isTold || one.plan.readsClock) return;
						throw new Error(
							[
								mutation.statement,
								`changed ${JSON.stringify(tags)} and the answer to`,
								JSON.stringify(one),
							].join("\n"),
						);
					});
				}
			},
		),
		{ numRuns: 4 * RUNS, endOnFailure: true },
	);
	report("what changes answers:", seen);
	expect(seen.pairs).toBeGreaterThan(1_000 * RUNS);
	expect(seen.changed).toBeGreaterThan(50 * RUNS);
	expect(seen.ofRows).toBeGreaterThan(0);
});

it("callers with the same key get the same bytes", {
	timeout: TIMEOUT_MS,
}, async () => {
	const seen = { pairs: 0, shared: 0 };
	await fc.assert(
		fc.asyncProperty(
			randomRead(facts, samples),
			fc.array(randomIdentity, { minLength: 4, maxLength: 4 }),
			async ({ ask, identity }, others) => {
				const [mine] = await answered(asPlanned({ ask, identity }));
				if (mine === undefined || mine.read.plan.readsClock) return;
				const theirs = others
					.flatMap((other) => asPlanned({ ask, identity: other }))
					.filter(({ plan: { key } }) => key === mine.read.plan.key);
				seen.pairs += others.length;
				seen.shared += theirs.length;
				for (const answer of await answersTo(theirs))
					expect(answer).toBe(mine.answer);
			},
		),
		{ numRuns: 500 * RUNS },
	);
	report("who shares answers:", seen);
	expect(seen.shared).toBeGreaterThan(40 * RUNS);
});

it("reads with the same key, however they are spelled, get the same bytes", {
	timeout: TIMEOUT_MS,
}, async () => {
	const seen = { spelled: 0 };
	await fc.assert(
		fc.asyncProperty(
			randomRead(facts, samples),
			fc.infiniteStream(fc.nat(5)),
			async ({ ask, identity }, numbers) => {
				const [mine] = await answered(asPlanned({ ask, identity }));
				if (mine === undefined || mine.read.plan.readsClock) return;
				const path = spelled(ask.path, numbers);
				const [other] = asPlanned({ ask: { ...ask, path }, identity });
				if (other === undefined) throw new Error(`${path} is bypassed`);
				expect(other.plan.key).toBe(mine.read.plan.key);
				expect(await answersTo([other])).toEqual([mine.answer]);
				seen.spelled++;
			},
		),
		{ numRuns: 400 * RUNS },
	);
	report("spelled otherwise:", seen);
	expect(seen.spelled).toBeGreaterThan(50 * RUNS);
});

it.each([
	[
		"/studios?select=id,x:films(id)&order=id",
		"x.order=id.asc",
		"films.order=id.desc",
	],
	[
		"/studios?select=id,x:films(id),y:films(id)&order=id",
		"films.id=gt.1",
		"y.id=lt.4",
	],
	[
		"/films?select=id,studios(name),premieres(city)&order=id",
		"studios.name=neq.x",
		"premieres.city=neq.y",
	],
])(
	"reads whose answer depends on the order of parameters about embeds have different keys: %s",
	async (path, one, other) => {
		const reads = [`${path}&${one}&${other}`, `${path}&${other}&${one}`].map(
			(path): Read => ({
				ask: { method: "GET", path, headers: {} },
				identity: { role: "anon", claims: {} },
			}),
		);
		const [first, second] = reads.flatMap(asPlanned);
		if (first === undefined || second === undefined)
			throw new Error("bypassed");
		const [mine, others] = await answersTo([first, second]);
		expect(mine).not.toEqual(others);
		expect(first.plan.key).not.toBe(second.plan.key);
	},
);

it("an embed by a column with the name of a table reads the table that the column references", async () => {
	await origin.client.query(`
		create table api.firms (id integer primary key, name text);
		create table api.staff (
			id integer primary key,
			successor integer unique references api.staff,
			staff integer references api.firms
		);
		insert into api.firms values (1, 'before');
		insert into api.staff values (1, null, 1);
		grant select on api.firms, api.staff to service;
		select postern.track('api.firms'), postern.track('api.staff');
		notify pgrst, 'reload schema'`);
	const ask = { method: "GET", path: "/staff?select=staff(name)", headers: {} };
	const service = { role: "service", claims: {} };
	await expect
		.poll(async () => (await origin.ask(ask, service)).body.toString(), {
			timeout: 30_000,
		})
		.toBe('[{"staff":{"name": "before"}}]');
	const request = new Request(`http://postgrest${ask.path}`);
	const planned = planner.plan(
		(await origin.catalog()).catalog,
		request,
		service,
	);
	expect(planned.kind === "bypass" || planned.tags.includes("api.firms")).toBe(
		true,
	);
});

/** A cacheable read. */
interface Planned extends Read {
	readonly plan: CacheablePlan;
}

function plan({ method, path, headers, body }: Ask, identity: Identity): Plan {
	const request = new Request(`http://postgrest${path}`, { method, headers });
	const callArguments =
		body === undefined ? undefined : parseCallArguments(body);
	return planner.plan(catalog, request, identity, callArguments);
}

function asPlanned(read: Read): Planned[] {
	const planned = plan(read.ask, read.identity);
	return planned.kind === "cacheable" ? [{ ...read, plan: planned }] : [];
}

function isCalling(path: string): boolean {
	return /rpc|studio_name|sequels|same_year|is_mine|team\(|teams/.test(path);
}

/** Some tables that a read names, and more that it does not. */
function chosen(
	planned: readonly Planned[],
	tag: string,
	offset: number,
): readonly Planned[] {
	const own = readersOf(planned, tag);
	const others = planned.filter((one) => !own.includes(one));
	return [
		...rotated(own, offset).slice(0, 20),
		...rotated(others, offset).slice(0, 20),
	];
}

function readersOf(
	planned: readonly Planned[],
	tag: string,
): readonly Planned[] {
	return planned.filter(({ plan: { tags } }) =>
		tags.some((one) => one === tag || one.startsWith(`${tag}(`)),
	);
}

/** The same read with its parameters, except those about embeds, in another order, and some characters escaped. */
function spelled(path: string, numbers: Iterator<number>): string {
	const number = () => numbers.next().value ?? 0;
	const { pathname, searchParams } = new URL(path, "http://postgrest");
	const isPlaced = ([name]: readonly [string, string]) => name.includes(".");
	const placed = [...searchParams].filter(isPlaced);
	const parameters = [
		...Map.groupBy(
			[...searchParams].filter((one) => !isPlaced(one)),
			([name]) => name,
		).values(),
	]
		.toSorted(() => number() - 2)
		.flat()
		.flatMap((one) => (number() > 2 ? [...placed.splice(0, 1), one] : [one]));
	const escaped = (text: string) =>
		[...text]
			.map((character) => {
				if (character === " ") return number() > 2 ? "+" : "%20";
				const isPlain = /[\w.(),*:!-]/.test(character) && number() > 0;
				return isPlain ? character : percents(character);
			})
			.join("");
	const query = [...parameters, ...placed].map(
		([name, value]) => `${escaped(name)}=${escaped(value)}`,
	);
	return query.length === 0 ? pathname : `${pathname}?${query.join("&")}`;
}

function percents(character: string): string {
	return [...Buffer.from(character)]
		.map((byte) => `%${byte.toString(16).padStart(2, "0")}`)
		.join("");
}

function rotated<T>(values: readonly T[], offset: number): readonly T[] {
	const start = offset % Math.max(values.length, 1);
	return [...values.slice(start), ...values.slice(0, start)];
}

/** The reads whose answers may be stored. */
async function answered(
	planned: readonly Planned[],
): Promise<{ read: Planned; answer: string }[]> {
	const answers = await answersTo(planned);
	return planned
		.map((read, index) => ({ read, answer: answers[index] ?? "" }))
		.filter(({ answer }) => /^\[20[06],/.test(answer));
}

/** The texts of the answers. */
function answersTo(reads: readonly Read[]): Promise<string[]> {
	return Promise.all(
		reads.map(async ({ ask, identity }) => {
			const { status, headers, body } = await origin.ask(ask, identity);
			const kept = headers.filter(
				([name]) => !/^(date|connection|transfer-encoding)$/i.test(name),
			);
			return JSON.stringify([status, kept, body.toString("base64")]);
		}),
	);
}

/** The tags of the tables that PostgreSQL would read; undefined if PostgREST refuses. */
async function tagsRead(
	ask: Ask,
	identity: Identity,
): Promise<string[] | undefined> {
	const accept = "application/vnd.pgrst.plan+json; options=verbose";
	const { status, body } = await origin.ask(
		{
			...ask,
			method: ask.method === "HEAD" ? "GET" : ask.method,
			headers: { ...ask.headers, accept },
		},
		identity,
	);
	if (status !== 200) return undefined;
	const tags = new Set<string>();
	JSON.parse(body.toString(), (_, node) => {
		const name = node?.["Relation Name"];
		if (name !== undefined) {
			const tag = tagOf.get(JSON.stringify([node.Schema, name]));
			if (tag === undefined)
				throw new Error(`${node.Schema}.${name} has no tag`);
			tags.add(tag);
		}
		return node;
	});
	return [...tags];
}

function uncovered(read: readonly string[], { tags }: CacheablePlan): string[] {
	return read.filter(
		(tag) => !tags.includes(tag) && !tags.includes(`${tag}(*)`),
	);
}

async function poll(
	cursor: string | null,
): Promise<{ cursor: string; tags: string[] }> {
	const { rows } = await origin.client.query(
		"select postern.changes_since($1) as poll",
		[cursor],
	);
	return rows[0].poll;
}

async function readTags(): Promise<ReadonlyMap<string, string>> {
	const { rows } = await origin.client.query<{ name: string[]; tag: string }>(`
		select array[nspname, relname]::text[] as name, postern.tag_of(pg_class.oid) as tag
		from pg_class
		join pg_namespace on pg_namespace.oid = relnamespace
		where relkind in ('r', 'p', 'm')`);
	return new Map(rows.map(({ name, tag }) => [JSON.stringify(name), tag]));
}

async function readSamples(): Promise<Samples> {
	const all = new Map<string, Record<string, string | null>[]>();
	for (const { schema, name, columns } of facts.relations) {
		const texts = columns.map(
			(column) => `${quoted(column.name)}::text as ${quoted(column.name)}`,
		);
		const { rows } = await origin.client.query(
			`select ${texts.join()} from ${quoted(schema)}.${quoted(name)} limit 8`,
		);
		all.set(`${schema}.${name}`, rows);
	}
	return all;
}

function quoted(name: string): string {
	return `"${name.replaceAll('"', '""')}"`;
}
