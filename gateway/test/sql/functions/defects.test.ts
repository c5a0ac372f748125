// Defects of the analysis, each put into the database: the catalog then lets an answer be kept, and does not name what the answer
// changes with. Without the defect it names that, or says why the answer cannot be kept.

import { describe } from "vitest";
import { it } from "../support/functions.ts";

interface Call {
	/** PostgREST's search path. */
	readonly path: string;
	/** Changes what the call answers. */
	readonly change: string;
	/** What was changed, as the catalog names it. */
	readonly of: string;
}

interface Defect {
	readonly name: string;
	/** The function of schema postern that has it. */
	readonly in: string;
	readonly from: string;
	readonly to: string;
	/** Makes api.f(). */
	readonly make: string;
	readonly calls: readonly Call[];
}

const f = (body: string) =>
	`create or replace function api.f() returns text language sql stable as $f$ ${body} $f$;`;
const claims = (json: string) =>
	`select set_config('request.jwt.claims', '${json}', true)`;

const OTHER_DOCS = `
	create schema other;
	create table other.docs (id integer, body text);
	select postern.track('other.docs');
	create function other.g() returns void language plpgsql set search_path = other as '';`;

const DEFECTS: readonly Defect[] = [
	{
		name: "a claim that is read as text is dropped",
		in: "setting_reads",
		from: String.raw`'\u0001c[JV]([^\u0002]+)\u0002'`,
		to: String.raw`'\u0001c[J]([^\u0002]+)\u0002'`,
		make: f("select auth.jwt() ->> 'org'"),
		calls: [{ path: "api", change: claims('{"org":"b"}'), of: "org" }],
	},
	{
		name: "what a name means in one search path counts for all",
		in: "analyze_function",
		from: "parsed.tree is not null and trees[number] <> parsed.tree",
		to: "false",
		make: OTHER_DOCS + f("select string_agg(body, ',') from docs"),
		calls: [
			{
				path: "api, public",
				change: "insert into api.docs (id, body) values (1, 'x')",
				of: "api.docs",
			},
			{
				path: "other, public",
				change: "insert into other.docs (id, body) values (1, 'x')",
				of: "other.docs",
			},
		],
	},
	{
		name: "an analysis is kept after create or replace",
		in: "is_current",
		from: "((analysis).definition = definition) AND",
		to: "",
		make: f("select auth.jwt() ->> 'org'") + f("select auth.jwt() ->> 'team'"),
		calls: [{ path: "api", change: claims('{"team":"b"}'), of: "team" }],
	},
];

describe("where there is the defect that", () => {
	const test = it.extend("unnamed", ({ owner, made }) => {
		/** What the answers of api.f() change with, of which the catalog does not tell. */
		return async ({ make, calls }: Defect): Promise<string[]> => {
			const { reasons, reads, claims } = await made(make);
			const changing: string[] = [];
			for (const { path, change, of } of calls) {
				await owner.query("select set_config('search_path', $1, true)", [path]);
				const ask = async () => (await owner.query("select api.f()")).rows[0].f;
				const before = await ask();
				await owner.query(change);
				if ((await ask()) !== before) changing.push(of);
			}
			if (changing.length < calls.length)
				throw new Error(`only ${changing} changes what is answered`);
			if (reasons.length > 0) return [];
			return changing.filter((of) => ![...reads, ...claims].includes(of));
		};
	});

	for (const defect of DEFECTS) {
		test(`${defect.name}, the catalog names too little`, async ({
			owner,
			unnamed,
			expect,
		}) => {
			await owner.query("savepoint sound");
			expect(await unnamed(defect)).toEqual([]);
			await owner.query("rollback to savepoint sound");
			const { rows } = await owner.query(
				"select pg_get_functiondef(oid) as definition from pg_proc where pronamespace = 'postern'::regnamespace and proname = $1",
				[defect.in],
			);
			const [sound, ...others] = rows[0].definition.split(defect.from);
			expect(others).toHaveLength(1);
			await owner.query(sound + defect.to + others[0]);
			expect(await unnamed(defect)).not.toEqual([]);
		});
	}
});
