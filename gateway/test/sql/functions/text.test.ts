// What the catalog knows of functions whose body is text: it is analysed as PostgreSQL parses it when it is called, and no longer
// trusted once the body, or what a name in it means, is another.

import { describe } from "vitest";
import { it } from "../support/functions.ts";

const f = (body: string, options = "returns text stable") =>
	`create function api.f() ${options} language sql as $f$ ${body} $f$`;

describe("a function with a body of text reads", () => {
	for (const [name, make, expected] of [
		[
			"the tables that a body with a search path of its own names",
			f(
				"select exists (select from members where member = auth.uid())",
				"returns boolean security definer set search_path = api",
			),
			{ reads: ["api.members"], claims: ["sub"] },
		],
		[
			"the tables that a body names without their schema",
			f("select count(*) from members;", "returns bigint"),
			{ reads: ["api.members"] },
		],
		[
			"what a function reads that it calls",
			`create function api.mine(org integer) returns boolean language sql as 'select exists (select from members where members.org = mine.org and member = (select auth.uid()))';
			${f("select body from docs where mine(org)")}`,
			{ reads: ["api.docs", "api.members"], claims: ["sub"] },
		],
		[
			"what it reads when it calls itself",
			`create function api.f(org integer default 0) returns bigint language sql as 'select case when org > 9 then (select count(*) from docs) else api.f(org + 1) end'`,
			{ reads: ["api.docs"] },
		],
		[
			"the defaults of its arguments",
			"create function api.f(at timestamptz default now()) returns timestamptz language sql as 'select at'",
			{ readsClock: true },
		],
		[
			"the clock by a literal, which a call parses again",
			f("select 'now'::timestamptz", "returns timestamptz immutable"),
			{ readsClock: true },
		],
		[
			"what the overload reads that is called",
			`create function api.g(text) returns text language sql as 'select body from docs';
			create function api.g(integer) returns text language sql as 'select ''x''';
			${f("select g(1)")}`,
			{ reads: [] },
		],
		[
			"the tables of a role that it takes on",
			f("select body from docs", "returns text set role = anon"),
			{ reads: ["api.docs"] },
		],
		[
			"what each of several statements reads",
			f(
				"select body from docs; -- the first\n; select member::text from members /* ; */ ; select auth.jwt() ->> 'a'",
				"returns text volatile",
			),
			{ reads: ["api.docs", "api.members"], claims: ["a"] },
		],
		[
			"what stands behind semicolons in texts, names and comments",
			f(
				`select /* ; /* ; */ */ 'a;b' || E'\\'; ' || $x$ ; ' $x$ || '\\' || body -- ; '
				from (select body as ";" from docs) as x (body)
				where case when body = ';' then true end /* ; */`,
			),
			{ reads: ["api.docs"] },
		],
		[
			"what stands behind backslashes of regular expressions",
			f(
				String.raw`select regexp_replace(body, '^(\d+);\s*\w$', '\1') from docs`,
			),
			{ reads: ["api.docs"] },
		],
		[
			"what stands behind Unicode escapes that are no letters of ASCII",
			f(
				String.raw`select U&'\00e9; \+01f600' || body from docs as U&"d\00f6cs"`,
			),
			{ reads: ["api.docs"] },
		],
		[
			"a claim whose name has a backslash, a quote or a line feed",
			f(
				String.raw`select auth.jwt() ->> 'a\b' || (auth.jwt() ->> E'c\'d') || (auth.jwt() ->> E'e\nf')`,
			),
			{ claims: ["a\\b", "c'd", "e\nf"] },
		],
		[
			"a header and a cookie",
			f(
				"select current_setting('request.headers', true)::json ->> 'x-tenant' || ((current_setting('request.cookies', true)::json) ->> 'session')",
			),
			{ headers: ["x-tenant"], cookies: ["session"] },
		],
	] as const) {
		it(name, async ({ made, expect }) => {
			expect(await made(make)).toMatchObject({ reasons: [], ...expected });
		});
	}
});

describe("a claim is read by its path:", () => {
	for (const [expression, ...claims] of [
		["auth.jwt() ->> 'user_role'", "user_role"],
		["(select auth.jwt()) ->> 'user_role'", "user_role"],
		["auth.jwt() -> 'app_metadata' ->> 'org_id'", "app_metadata/org_id"],
		["(select auth.jwt() -> 'a') ->> 'b'", "a/b"],
		["auth.jwt() #>> '{a,b}'", "a/b"],
		["(auth.jwt() #> '{a,b}') ->> 'c'", "a/b/c"],
		["auth.jwt() #>> '{a,0,b}'", "a"],
		["(auth.jwt())['a']['b'] #>> '{}'", "a/b"],
		["(auth.jwt() -> 'roles' ? 'x')::text", "roles"],
		[
			"auth.jwt() ->> 'https://example.test/a~b'",
			"https:~1~1example.test~1a~0b",
		],
		[
			"current_setting('request.jwt.claims', true)::jsonb -> 'a' ->> 'b'",
			"a/b",
		],
		[
			"coalesce(nullif(current_setting('request.jwt.claims', true), ''), '{}')::json -> 'a' ->> 'b'",
			"a/b",
		],
		[
			"(select current_setting('request.jwt.claims', true))::jsonb ->> 'a'",
			"a",
		],
		["coalesce(auth.jwt() -> 'a', '{}') ->> 'b'", "a/b"],
		// Whether it is null decides, too.
		[`coalesce(auth.jwt() -> 'a', '{"b":1}') ->> 'b'`, "a"],
		["jsonb_build_object('a', auth.jwt() -> 'a') ->> 'b'", "a"],
		["auth.jwt() ->> 'a' || auth.uid()", "a", "sub"],
	] as const) {
		it(expression, async ({ made, expect }) => {
			expect(await made(f(`select ${expression}`))).toMatchObject({
				reasons: [],
				claims,
			});
		});
	}

	for (const expression of [
		"auth.jwt()::text",
		"jsonb_build_object('a', auth.jwt()) ->> 'a'",
		"(auth.jwt() || '{}') ->> 'a'",
		"(auth.jwt() ? 'a')::text",
		"auth.jwt() ->> body from docs",
		`coalesce(auth.jwt(), '{"a":1}') ->> 'a'`,
		"nullif(current_setting('request.jwt.claims', true), '{\"a\":1}')::jsonb ->> 'a'",
		"current_setting('request.headers', true)",
	]) {
		it(`not so by ${expression}`, async ({ made, expect }) => {
			const { reasons } = await made(f(`select ${expression}`));
			expect(reasons).toEqual([
				expect.stringContaining("reads a setting that is not a named claim"),
			]);
		});
	}
});

describe("a function with a body of text is not cacheable", () => {
	for (const [name, make, reason] of [
		["that writes", f("delete from docs returning body"), "api.f() writes"],
		["that locks rows", f("select body from docs for update"), "locks rows"],
		[
			"that sets a setting",
			f("select set_config('a.b', 'c', true)"),
			"set_config(text,text,boolean) is volatile",
		],
		[
			"that writes before it reads",
			f("update docs set body = 'x'; select body from docs", "returns text"),
			"api.f() writes",
		],
		[
			"that sets a setting before it reads",
			f("select set_config('a.b', 'c', true); select body from docs"),
			"set_config(text,text,boolean) is volatile",
		],
		[
			"with a command among its statements",
			f("notify x; select body from docs", "returns text"),
			"NOTIFY is not yet supported in unquoted SQL function body",
		],
		...[
			String.raw`select pg_catalog.to_regclass(E'do\x63s')::text, E'do\x63s'::regclass`,
			String.raw`select E'do\cs'::regclass::text`,
			String.raw`select e'\\\cs'::text`,
			String.raw`select U&'d\006fcs'::regclass::text`,
			`select body from U&"d!006fcs" uescape '!'`,
			"select 'do'\n 'cs'::regclass::text",
			"select 'do' -- x\n --\n 'cs'::regclass::text",
		].map(
			(body) =>
				[
					`with a name that is not written as it is: ${body}`,
					f(body),
					"may spell a name with escapes, or on several lines",
				] as const,
		),
		[
			"of any type",
			"create function api.f(value anyelement) returns anyelement language sql as 'select value'",
			"polymorphic",
		],
		[
			"that says it is immutable, and reads a table",
			f("select body from docs", "returns text immutable"),
			"is marked immutable, and reads tables or settings",
		],
		[
			"of which a name means something else in another search path",
			`create schema other; create table other.docs (id integer, body text);
			create function other.g() returns void language plpgsql set search_path = other as '';
			${f("select body from docs")}`,
			"its names mean other things in other search paths",
		],
		[
			"that calls a function of which nothing is known",
			`create function api.g() returns text language plpgsql as 'begin return 1; end';
			${f("select g()")}`,
			"what api.g() reads is not known: it is in PL/pgSQL",
		],
	] as const) {
		it(name, async ({ made, expect }) => {
			const { reasons } = await made(make);
			expect(reasons).toEqual([expect.stringContaining(reason)]);
		});
	}

	for (const [name, setting] of [
		["a role", "alter role anon set standard_conforming_strings = off"],
		[
			"a function",
			"create function api.g() returns void language sql set standard_conforming_strings = off as ''",
		],
	] as const) {
		it(`with a backslash, from when ${name} may call it where texts have escapes`, async ({
			owner,
			made,
			entry,
			expect,
		}) => {
			const { reasons } = await made(
				f(String.raw`select body from docs where body = 'a\b'`),
			);
			expect(reasons).toEqual([]);
			await owner.query("alter event trigger postern_after_ddl disable");
			await owner.query(setting);
			expect((await entry()).reasons).toEqual([
				expect.stringContaining("has changed since functions were analysed"),
			]);
			await owner.query("select postern.analyze_functions()");
			expect((await entry()).reasons).toEqual([
				expect.stringContaining("standard_conforming_strings may be off"),
			]);
		});
	}

	it("where PostgREST adds another search path than was guessed, until it is told", async ({
		owner,
		made,
		entry,
		expect,
	}) => {
		await made(
			`create schema other;
			create function other.docs() returns integer language sql immutable return 1;
			${f("select body from docs")}`,
		);
		const path = `"postern", "other"`;
		const { reasons } = await entry("f", path);
		expect(reasons).toEqual([
			expect.stringContaining(
				"select postern.analyze_functions('{api}', '{other}')",
			),
		]);
		await owner.query("select postern.analyze_functions('{api}', '{other}')");
		expect(await entry("f", path)).toMatchObject({
			reasons: [],
			reads: ["api.docs"],
		});
	});
});

describe("an analysis ends", () => {
	const unwatched = "alter event trigger postern_after_ddl disable;";
	for (const [name, change] of [
		[
			"when the function is replaced",
			"create or replace function api.f() returns text language sql stable as 'select current_user::text'",
		],
		[
			"when its search path changes",
			"create schema other; alter function api.f() set search_path = other, api",
		],
		[
			"when a table of a name in it is made",
			"create table public.docs (body text)",
		],
		[
			"when an operator is made",
			"create function api.eq(integer, integer) returns boolean language sql immutable return true; create operator api.== (function = api.eq, leftarg = integer, rightarg = integer)",
		],
		["when a column changes", "alter table api.docs add column more text"],
		[
			"when a function of a name in it is made",
			"create function public.length(integer) returns integer language sql immutable return 1",
		],
	] as const) {
		it(`${name}, also where no event trigger tells`, async ({
			owner,
			made,
			entry,
			expect,
		}) => {
			const before = await made(
				f("select body from docs where length(body) = 1"),
			);
			expect(before.reasons).toEqual([]);
			await owner.query(unwatched + change);
			const { reasons } = await entry();
			expect(reasons).toEqual([
				expect.stringContaining("has changed since functions were analysed"),
			]);
			await owner.query("select postern.analyze_functions()");
			expect((await entry()).reasons).not.toEqual(reasons);
		});
	}

	it("and the event trigger makes another", async ({
		owner,
		made,
		entry,
		expect,
	}) => {
		expect(await made(f("select body from docs"))).toMatchObject({
			reads: ["api.docs"],
		});
		await owner.query(
			"create or replace function api.f() returns text language sql stable as 'select auth.uid()::text'",
		);
		expect(await entry()).toMatchObject({
			reads: [],
			claims: ["sub"],
			reasons: [],
		});
	});

	it("without a trace of what it made", async ({ owner, made, expect }) => {
		await made(f("select body from docs"));
		const { rows } = await owner.query(
			"select pronamespace::regnamespace::text as schema from pg_proc where proname = 'f'",
		);
		expect(rows).toEqual([{ schema: "api" }]);
	});
});

describe("what follows the end of a body is not run by the analysis:", () => {
	// No rollback takes the value of a sequence back.
	const evil = "select nextval('public.runs')";
	for (const body of [
		`select 'x'; end; ${evil}; select 'x'`,
		`select 'x';end;${evil}; select 'x'`,
		`select 'x'; EnD; ${evil}; begin; select 'x'`,
		`select 'x'; /* end */ end; ${evil}; select 'x'`,
		`select 'x'; /* /* */ select */ end/**/; ${evil}; select 'x'`,
		`select 'x'; -- a\n -- b\n\tend; ${evil}; select 'x'`,
		`select 'x'; -- a\r/**/end -- c\n; ${evil}; select 'x'`,
		`end; ${evil}; select 'x'`,
		`-- a\nend; ${evil}; select 'x'`,
		`select '; ' || $$'$$; end; ${evil}; select ''`,
		`select '\\'; end; ${evil}; select '\\'`,
		`select E'\\''; end; ${evil}; select ''`,
		`select U&'\\005c'; end; ${evil}; select ''`,
		`select 'x'; ;; end ; end; ${evil}; select 'x'`,
		`create function api.g() returns text language sql begin atomic select 'x'; end; end; ${evil}; select 'x'`,
		`select case when true then 'x' end; end; ${evil}; select 'x'`,
	]) {
		it(JSON.stringify(body), async ({ owner, made, expect }) => {
			await owner.query("create sequence public.runs");
			const { reasons } = await made(f(body));
			expect(reasons).toHaveLength(1);
			const { rows } = await owner.query("select is_called from public.runs");
			expect(rows).toEqual([{ is_called: false }]);
		});
	}
});
