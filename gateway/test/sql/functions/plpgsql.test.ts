// What the catalog knows of functions in PL/pgSQL after `postern analyze`: every statement counts, and what cannot be told is a reason.

import { describe } from "vitest";
import { analyzeIn } from "../../../cli/analyze.ts";
import { it as base } from "../support/functions.ts";

const it = base.extend("analyzed", ({ owner, made, entry }) => {
	/** The entry for api.f after the command has run. */
	return async (statements: string) => {
		await made(statements);
		await analyzeIn(owner);
		return entry();
	};
});

const f = (body: string, options = "returns text stable") =>
	`create function api.f() ${options} language plpgsql as $f$ ${body} $f$`;

const UNQUALIFIED = "returns boolean security definer set search_path = api";

describe("a function in PL/pgSQL reads", () => {
	for (const [name, make, expected] of [
		[
			"what it returns, under a search path of its own",
			f(
				"begin return exists (select from members where member = auth.uid()); end",
				UNQUALIFIED,
			),
			{ reads: ["api.members"], claims: ["sub"] },
		],
		[
			"what any branch, loop, exception handler or initial value reads",
			f(
				`declare total bigint := (select count(*) from api.docs);
				begin
					if auth.jwt() ->> 'a' = 'x' then total := 1;
					elsif total > 2 then raise exception '%', current_setting('request.jwt.claims', true)::jsonb ->> 'b';
					else perform auth.jwt() ->> 'c'; end if;
					for i in 1 .. (auth.jwt() ->> 'd')::int loop total = total + i; end loop;
					while auth.jwt() ->> 'e' is null loop exit when auth.jwt() ->> 'f' is null; end loop;
					begin return total;
					exception when others then return (select count(*) from api.members); end;
				end`,
			),
			{
				reads: ["api.docs", "api.members"],
				claims: ["a", "b", "c", "d", "e", "f"],
			},
		],
		[
			"what it selects into variables of the types of a table and of a column",
			f(
				`declare doc api.docs%rowtype; id api.docs.id%type;
				begin
					select * into strict doc from api.docs where docs.id = 1;
					select member into id from api.members;
					return doc.body;
				end`,
			),
			{ reads: ["api.docs", "api.members"] },
		],
		[
			"what it selects into a variable of a type of the database's, and assigns to its fields",
			`create type api.mood as enum ('ok');
			${f(
				`declare doc api.docs; moods api.mood[]; mood api.mood;
				begin doc.body := (select body from api.docs limit 1); mood := 'ok'; return doc.body || mood; end`,
			)}`,
			{ reads: ["api.docs"] },
		],
		[
			"the query behind an expression",
			f("begin return count(*) from api.docs; end"),
			{ reads: ["api.docs"] },
		],
		[
			"all that it returns as rows",
			`create function api.f(org integer, out body text, out n integer) returns setof record language plpgsql as $$
			begin return query select docs.body, 1 from api.docs where docs.org = f.org; n := 2; return next; end $$`,
			{ reads: ["api.docs"] },
		],
		[
			"what a table function returns",
			`create function api.f("An Org" integer, integer default 2) returns table (line text) language plpgsql as $$
			begin return query select body from api.docs where org in ("An Org", $2); end $$`,
			{ reads: ["api.docs"] },
		],
		[
			"what a function reads that it calls, in any language",
			`create function api.g(org integer) returns boolean language plpgsql as
				'begin return exists (select from api.members where members.org = g.org); end';
			${f("begin return (select body from api.docs where api.g(org)); end")}`,
			{ reads: ["api.docs", "api.members"] },
		],
		[
			"the clock",
			f("begin return now(); end", "returns timestamptz"),
			{ readsClock: true },
		],
		[
			"nothing more although it is marked volatile",
			f("begin return 'x;\\'; -- ;\n end", "returns text volatile"),
			{ reads: [] },
		],
	] as const) {
		it(name, async ({ analyzed, expect }) => {
			expect(await analyzed(make)).toMatchObject({ reasons: [], ...expected });
		});
	}
});

describe("a function in PL/pgSQL is not cacheable", () => {
	for (const [name, make, reason] of [
		["that writes", f("begin delete from api.docs; return 1; end"), "writes"],
		[
			"that locks rows",
			f("begin perform 1 from api.docs for share; return 1; end"),
			"locks rows",
		],
		[
			"that sets a setting",
			f("begin perform set_config('a.b', 'c', true); return 1; end"),
			"set_config(text,text,boolean) is volatile",
		],
		[
			"that computes a statement",
			f("begin execute 'select 1'; return 1; end"),
			"EXECUTE",
		],
		[
			"that returns the rows of a statement that it computes",
			f(
				"begin return query execute 'select body from api.docs'; end",
				"returns setof text",
			),
			"EXECUTE",
		],
		[
			"that loops over a statement that it computes",
			f(
				"declare x int; begin for x in execute 'select 1' loop end loop; end",
				"returns void",
			),
			"EXECUTE",
		],
		[
			"with a record",
			f(
				"declare r record; begin for r in select * from api.docs loop return r.body; end loop; end",
			),
			"a variable of type record, r",
		],
		[
			"that assigns to an element of an array",
			f("declare a text[]; begin a[1] := 'x'; return a[1]; end"),
			"assigns to an element",
		],
		[
			"with CASE and a value",
			f("begin case 1 when 1 then return 1; end case; end"),
			"CASE with a value",
		],
		[
			"with a cursor",
			f("declare c cursor for select 1; begin return 1; end"),
			"cursor",
		],
		[
			"that reads its own progress",
			f("declare n int; begin get diagnostics n = row_count; return n; end"),
			"GETDIAG",
		],
		[
			"that prefers variables where a column has the same name",
			f("\n#variable_conflict use_variable\nbegin return 1; end"),
			"variable_conflict",
		],
		[
			"with two variables of a name and different types",
			f("declare x int; begin declare x text; begin return x; end; end"),
			"several variables named x",
		],
		[
			"that says it is immutable, and reads a table",
			f(
				"begin return (select body from api.docs); end",
				"returns text immutable",
			),
			"is marked immutable",
		],
		[
			"of any type",
			`create function api.f(value anyelement) returns anyelement language plpgsql as 'begin return value; end'`,
			"polymorphic",
		],
		[
			"of which a name means something else in another search path",
			`create schema other; create table other.docs (id integer, body text);
			create function other.g() returns void language sql set search_path = other as '';
			${f("begin return (select body from docs); end")}`,
			"its names mean other things in other search paths",
		],
		[
			"with a variable whose type is found by the search path",
			`create type api.mood as enum ('ok');
			${f("declare m mood; begin return m; end", "returns text set search_path = api")}`,
			"the type of a variable has to be named with its schema",
		],
		[
			"with a statement that PostgreSQL refuses",
			f("begin return (select nothing from api.docs); end"),
			`column "nothing" does not exist`,
		],
		[
			"where a cast of a user's may take part",
			`create type api.flag as (on_ boolean);
			create function api.is_on(api.flag) returns boolean language sql immutable as 'select true';
			create cast (api.flag as boolean) with function api.is_on(api.flag) as assignment;
			${f("begin return 1; end")}`,
			"user-defined cast",
		],
	] as const) {
		it(name, async ({ analyzed, expect }) => {
			const { reasons } = await analyzed(make);
			expect(reasons).toEqual([expect.stringContaining(reason)]);
		});
	}

	it("until the command has run", async ({ made, expect }) => {
		const { reasons } = await made(f("begin return 1; end"));
		expect(reasons).toEqual([
			expect.stringContaining(
				"it is in PL/pgSQL: run `postern analyze`, or run what select postern.declaration_of('api.f()'::regprocedure) gives",
			),
		]);
	});

	it("with the statement that declares it, once the command has run", async ({
		owner,
		analyzed,
		entry,
		expect,
	}) => {
		await analyzed(
			`create function api.mine() returns bigint language sql as 'select count(*) from api.members where member = auth.uid()';
			${f("begin execute 'select 1'; return (select body from api.docs where org = api.mine()); end", "returns text")}`,
		);
		const { reasons } = await entry();
		const statement =
			"alter function api.f() stable; select postern.declare_cacheable('api.f()', reads => '{api.docs,api.members}', claims => '{sub}')";
		expect(reasons).toEqual([
			`what api.f() reads is not known: it runs a statement that it computes (EXECUTE), or, if it reads nothing else, run: ${statement}`,
		]);
		await analyzeIn(owner);
		expect((await entry()).reasons).toEqual(reasons);
		// Another analysis, by an event trigger, keeps it.
		await owner.query("create table public.docs (body text)");
		expect((await entry()).reasons).toEqual(reasons);
		await owner.query(statement);
		expect((await entry()).reasons).toEqual([]);
	});

	it("without a statement that is long", async ({ analyzed, expect }) => {
		const tables = Array.from(
			{ length: 30 },
			(_, n) => `${"t".repeat(30)}${n}`,
		);
		const { reasons } = await analyzed(
			`${tables.map((name) => `create table api.${name} ();`).join("")}
			${f(`begin execute 'select 1'; ${tables.map((name) => `perform from api.${name};`).join("")} end`)}`,
		);
		expect(reasons).toEqual([
			"what api.f() reads is not known: it runs a statement that it computes (EXECUTE), or run what select postern.declaration_of('api.f()'::regprocedure) gives",
		]);
	});

	it("where a statement fails under one search path and its neighbour means something else there", async ({
		analyzed,
		expect,
	}) => {
		const { reasons } = await analyzed(
			`create schema other; create table other.docs (id integer, body text);
			create function other.g() returns void language sql set search_path = other as '';
			${f("begin perform 1 from members; return (select body from docs); end")}`,
		);
		expect(reasons).toEqual([
			expect.stringContaining("mean other things in other search paths"),
		]);
	});
});

describe("after the command has run, an analysis", () => {
	it("ends when the function is replaced", async ({
		owner,
		analyzed,
		entry,
		expect,
	}) => {
		const known = await analyzed(f("begin return 1; end"));
		expect(known.reasons).toEqual([]);
		await owner.query(
			f("begin return (select body from api.docs); end").replace(
				"create",
				"create or replace",
			),
		);
		expect((await entry()).reasons).toEqual([
			expect.stringContaining("postern analyze"),
		]);
		await analyzeIn(owner);
		expect(await entry()).toMatchObject({ reasons: [], reads: ["api.docs"] });
	});

	it("follows, without the command, what a name in it means", async ({
		owner,
		analyzed,
		entry,
		expect,
	}) => {
		await analyzed(
			f("begin return exists (select from members); end", UNQUALIFIED),
		);
		await owner.query(
			"alter table api.members rename to past_members; create view api.members as select body from api.docs",
		);
		expect(await entry()).toMatchObject({ reasons: [], reads: ["api.docs"] });
	});

	it("leaves nothing of what it made", async ({ owner, analyzed, expect }) => {
		await analyzed(f("begin return 1; end"));
		const { rows } = await owner.query(
			"select pronamespace::regnamespace::text as schema from pg_proc where proname = 'f'",
		);
		expect(rows).toEqual([{ schema: "api" }]);
	});
});
