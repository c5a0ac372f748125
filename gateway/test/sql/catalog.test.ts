// The catalog's entries for relations: on which tables their answers depend, and why some are never cached.

import { describe } from "vitest";
import { it as committed, rolledBack } from "./support/tracked.ts";

interface Dependence {
	readonly reasons: readonly string[];
	readonly reads: readonly string[];
	readonly claims: readonly string[];
	readonly headers: readonly string[];
	readonly cookies: readonly string[];
	readonly readsClock: boolean;
	readonly maxStalenessSeconds: number | null;
}

interface Relation extends Dependence {
	readonly name: string;
	readonly tag: string | null;
	readonly computed: Readonly<Record<string, string>>;
}

interface Catalog {
	readonly contract: number;
	readonly mediaTypes: readonly string[];
	readonly hasUserDefinedCasts: boolean;
	readonly hasUserDefinedAggregates: boolean;
	readonly relations: readonly Relation[];
	readonly functions: readonly (Relation & { signature: string })[];
	readonly foreignKeys: readonly unknown[];
}

const it = rolledBack
	.extend("catalog", ({ owner }) => {
		return async (): Promise<Catalog> => {
			await owner.query(
				"savepoint asked; set local transaction_read_only = on; set local role postern",
			);
			const { rows } = await owner.query(
				"select postern.catalog('{api}') as catalog",
			);
			await owner.query("rollback to savepoint asked");
			return rows[0].catalog;
		};
	})
	.extend("major", async ({ owner }) => {
		const { rows } = await owner.query("show server_version_num");
		return Math.floor(Number(rows[0].server_version_num) / 10_000);
	})
	.extend("relation", ({ owner, catalog }) => {
		/** The catalog's entry for api.seen (or another relation) after these statements. */
		return async (statements: string, name = "seen"): Promise<Relation> => {
			await owner.query(`
				create schema private;
				create table private.secrets (id bigint primary key, note bigint);
				create table api.notes (id bigint primary key, owner uuid, body text, at timestamptz);
				select postern.track('api.notes'), postern.track('private.secrets', '2 seconds')`);
			await owner.query(statements);
			const { relations } = await catalog();
			const found = relations.find((relation) => relation.name === name);
			if (!found) throw new Error(`${name} is not in the catalog`);
			return found;
		};
	});

const claims = "current_setting('request.jwt.claims', true)::jsonb";
const claim = (name: string) =>
	`current_setting('request.jwt.claims', true)::json ->> '${name}'`;
const view = (columns: string) =>
	`create view api.seen with (security_invoker) as select id, ${columns} from api.notes`;
/** A domain private.label, and a cast of it by a function private.told() of which nothing is known. */
const label = (cast = "private.label as json") => `
	create domain private.label as text;
	create function private.told(private.label) returns json language plpgsql stable as 'begin return to_json(now()); end';
	create function private.told(json) returns private.label language plpgsql stable as 'begin return now()::text; end';
	create function private.told(text) returns private.label language plpgsql stable as 'begin return now()::text; end';
	create cast (${cast}) with function private.told(${cast.split(" as ")[0]}) as implicit`;
/** An enum private.size with an order of its own, that of an operator private.<<<, of which nothing is known. */
const size = `
	create type private.size as enum ('s', 'm');
	create function private.less(private.size, private.size) returns boolean language plpgsql immutable as 'begin return now() > current_date; end';
	create function private.order(private.size, private.size) returns int language sql immutable as 'select 0';
	create function private.same(private.size, private.size) returns boolean language sql immutable return $1::text = $2::text;
	create operator private.<<< (function = private.less, leftarg = private.size, rightarg = private.size);
	create operator private.=== (function = private.same, leftarg = private.size, rightarg = private.size);
	create operator class private.sizes for type private.size using btree as
		operator 1 private.<<<, operator 3 private.===, function 1 private.order(private.size, private.size)`;
const policy = (expression: string) => `
	alter table api.notes enable row level security;
	create policy chosen on api.notes for select to authenticated using (${expression})`;

interface Case {
	/** Makes api.seen. */
	readonly make: string;
	/** The first version of PostgreSQL that has what it takes. */
	readonly since?: number;
}

describe("a relation is cacheable", () => {
	const cases: Record<string, Case & { reads: readonly string[] }> = {
		"that is a view of a table": { make: view("body"), reads: ["api.notes"] },
		"that is a view of views of tables": {
			make: `create view private.one as select id from private.secrets;
				create view private.two as select one.id from private.one join api.notes using (id);
				create view api.seen as select id from private.two`,
			reads: ["api.notes", "private.secrets"],
		},
		"that reads in subqueries, common tables and unions": {
			make: `create view api.seen as with chosen as (select id from api.notes) select id from chosen
				union select 1 where exists (select from private.secrets)`,
			reads: ["api.notes", "private.secrets"],
		},
		"that calls functions whose results follow from their arguments": {
			make: view(
				"upper(body), at::text as a, body::int as b, (body || '')::uuid as c, at::date as d, at at time zone 'UTC' as e, tableoid, to_char(at, 'YYYY'), at + interval '1 day' as later, jsonb_build_object('body', body), concat(id, body), date_trunc('day', at), current_user",
			),
			reads: ["api.notes"],
		},
		"that looks for texts in JSON": {
			make: view("json_value(body::jsonb, '$.a') as a, at"),
			reads: ["api.notes"],
			since: 17,
		},
		"that aggregates": {
			make: "create view api.seen as select count(*), json_agg(body), rank() over (order by body) from api.notes group by body",
			reads: ["api.notes"],
		},
		"that calls a function whose body is a query tree": {
			make: `create function private.secret(note bigint) returns bigint language sql stable return (select id from private.secrets where secrets.note = $1 limit 1);
				${view("private.secret(id)")}`,
			reads: ["api.notes", "private.secrets"],
		},
		"that calls a function that is declared cacheable": {
			make: `create function private.secret() returns bigint language plpgsql stable as 'begin return 1; end';
				select postern.declare_cacheable('private.secret()', '{private.secrets}', '{}');
				${view("private.secret()")}`,
			reads: ["api.notes", "private.secrets"],
		},
		"that is a materialized view of what is not cacheable": {
			make: "create materialized view api.seen as select now(), random() from api.notes",
			reads: ["api.seen"],
		},
		"that has generated columns": {
			make: "create table api.seen (id int primary key, twice int generated always as (id * 2) stored, thrice int generated always as (id * 3) virtual); select postern.track('api.seen')",
			reads: ["api.seen"],
			since: 18,
		},
		"that has types without user-defined code": {
			make: `create type private.mood as enum ('good');
				create domain private.title as varchar(9) check (value <> '');
				create type private.pair as (mood private.mood, title private.title);
				create table api.seen (mood private.mood, titles private.title[], pair private.pair, span int4range); select postern.track('api.seen')`,
			reads: ["api.seen"],
		},
		"whose domain has a cast that is declared cacheable": {
			make: `${label()};
				create table api.seen (id int primary key, label private.label); select postern.track('api.seen');
				select postern.declare_cacheable('private.told(private.label)', '{private.secrets}', '{}')`,
			reads: ["api.seen", "private.secrets"],
		},
		"whose type an extension written in C brought": {
			make: "create extension citext schema private; create table api.seen (name private.citext); select postern.track('api.seen')",
			reads: ["api.seen"],
		},
		"that is a partition": {
			make: "create table api.whole (id int) partition by range (id); create table api.seen partition of api.whole default; select postern.track('api.whole')",
			reads: ["api.whole"],
		},
	};
	for (const [name, { make, reads, since = 15 }] of Object.entries(cases)) {
		it(name, async ({ relation, major, skip, expect }) => {
			skip(major < since, `PostgreSQL ${since} is needed`);
			expect(await relation(make)).toMatchObject({
				reasons: [],
				reads,
			});
		});
	}
});

describe("a relation depends on the clock", () => {
	const cases: Record<string, Case> = {
		"that reads the clock": {
			make: view("now()"),
		},
		"that reads the clock by a keyword": {
			make: view("current_date as today"),
		},
		"that reads the clock in a filter": {
			make: `${view("body")} where at > localtimestamp`,
		},
		"that calls an aggregate that begins with the clock": {
			make: `create aggregate private.latest(timestamptz) (sfunc = timestamptz_larger, stype = timestamptz, initcond = 'now');
				create view api.seen as select private.latest(at) as latest from api.notes`,
		},
		"that takes the offset of a time in JSON from today": {
			make: view(
				`jsonb_path_exists_tz('["10:00:00"]', '$[*].datetime() ? (@ == "10:00:00+01".datetime())') as is_winter`,
			),
		},
		"that takes the offset of a time from today, by SQL/JSON": {
			make: view(`json_value(jsonb '"10:00"', '$.time_tz().string()') as a`),
			since: 17,
		},
		"that takes a path through JSON out of a column": {
			make: view("json_value(jsonb '{}', body::jsonpath) as a"),
			since: 17,
		},
		"that reads the clock as the age of something": {
			make: view("age(at)"),
		},
		"that reads a text as a time": {
			make: view("body::timestamptz"),
		},
		...Object.fromEntries(
			[
				["in an array", "body::timestamptz[]"],
				["in a range", "body::tsrange"],
				["in a multirange", "body::datemultirange"],
				["in a composite", "body::private.timed"],
				["in a domain of arrays of composites", "body::private.times"],
				[
					"in XML",
					"(select t from xmltable('/r' passing xmlparse(document body) columns t timetz path 't'))",
				],
			].map(([where, column]) => [
				`that reads a text as a time, ${where}`,
				{
					make: `create type private.timed as (at time); create domain private.times as private.timed[]; ${view(column ?? "")}`,
				},
			]),
		),
		"that reads a text as a time, in JSON": {
			make: view("json_value(body::jsonb, '$.t' returning timestamptz) as t"),
			since: 17,
		},
		"that reads a text as a time, in a table of JSON": {
			make: view(
				"(select t from json_table(body::jsonb, '$' columns (t date path '$.t')))",
			),
			since: 17,
		},
		"that takes the offset of a time from today": {
			make: view("at::time::timetz"),
		},
		"that takes the offset of a zone from today": {
			make: view("at::timetz at time zone 'Europe/Berlin'"),
		},
		"that takes the offset of the session's zone from today": {
			make: view("at::timetz at local"),
			since: 17,
		},
		"that leaves out an argument whose default reads the clock": {
			make: `create function private.f(id bigint, at timestamptz default now()) returns timestamptz language sql immutable return at;
				${view("private.f(id)")}`,
		},
		"that leaves out such an argument of a function that is declared cacheable":
			{
				make: `create function private.f(id bigint, at timestamptz default now()) returns timestamptz language sql immutable as 'select at';
				select postern.declare_cacheable('private.f(bigint,timestamptz)', '{}', '{}');
				${view("private.f(id)")}`,
			},
		"that calls a function whose function reads the clock": {
			make: `create function private.g() returns timestamptz language sql stable return now();
				create function private.f() returns timestamptz language sql stable return private.g();
				${view("private.f()")}`,
		},
	};
	for (const [name, { make, since = 15 }] of Object.entries(cases)) {
		it(name, async ({ relation, major, skip, expect }) => {
			skip(major < since, `PostgreSQL ${since} is needed`);
			expect(await relation(make)).toMatchObject({
				reasons: [],
				readsClock: true,
			});
		});
	}
});

describe("a relation is not cacheable", () => {
	const cases: Record<string, Case & { reason: string }> = {
		"that takes a claim out of what a function makes of all claims": {
			make: `create function private.profile(claims jsonb) returns jsonb language sql immutable return jsonb_build_object('tenant', claims ->> 'org');
				${view(`private.profile(${claims}) ->> 'tenant' as tenant`)}`,
			reason: "reads a setting that is not a named claim",
		},
		"that takes a claim out of what a built-in function makes of all claims": {
			make: view(
				`jsonb_build_object('me', ${claims}) -> 'me' ->> 'org' as org`,
			),
			reason: "reads a setting that is not a named claim",
		},
		"that takes a column of rows found by all claims for a claim": {
			make: `create view api.seen as select (select to_jsonb(notes) from api.notes where jsonb_build_object('email', owner) <@ ${claims}) ->> 'body' as body`,
			reason: "reads a setting that is not a named claim",
		},
		"that reads a header between two quotes": {
			make: `create view api.seen as select '"' as a, current_setting('request.headers', true) as headers, '"' as b, ${claim("sub")} as sub
				from api.notes order by ${claim("sub")}`,
			reason: "request.headers",
		},
		"that calls a user-defined function in pg_catalog with the name of a harmless one":
			{
				make: `create function pg_catalog.to_date(text) returns timestamptz language plpgsql stable as 'begin return clock_timestamp(); end';
				${view("to_date('') as now")}`,
				reason: "is not known",
			},
		"that calls a user-defined function in pg_catalog that is declared immutable":
			{
				make: `create function pg_catalog.hidden() returns bigint language plpgsql immutable as 'begin return (select count(*) from private.secrets); end';
				${view("hidden()")}`,
				reason: "is not known",
			},
		"that has a column in which a text is a time of today": {
			make: `create domain private.opening as timetz; create table api.seen (id bigint primary key, opens private.opening); select postern.track('api.seen')`,
			reason: "today's offset of the time zone",
		},
		"that has a column with such a time in the rows of an array": {
			make: `create type private.hours as (opens timetz); create table api.seen (id bigint primary key, hours private.hours[]); select postern.track('api.seen')`,
			reason: "today's offset of the time zone",
		},
		"that calls a function of Postern's": {
			make: view("postern.may_hide_names(body)"),
			reason: "postern.may_hide_names(text) belongs to postern",
		},
		"that calls a function in C, of which nothing is known": {
			make: `create extension pg_trgm schema private; ${view("private.show_limit()")}`,
			reason:
				"what private.show_limit() reads is not known: if it only reads, run, with the names of all tables and claims that it reads in place of *: select postern.declare_cacheable('private.show_limit()', reads => '{*}', claims => '{*}')",
		},
		"that calls a function in C, which is volatile where nothing was said": {
			make: `create extension pgcrypto schema private; ${view("private.gen_salt('md5') as salt")}`,
			reason:
				"private.gen_salt(text) is volatile: if it only reads, run, with the names of all tables and claims that it reads in place of *: alter function private.gen_salt(text) stable; select postern.declare_cacheable('private.gen_salt(text)', reads => '{*}', claims => '{*}')",
		},
		"that calls a function of a session": {
			make: `create function pg_temp.told() returns boolean language sql immutable return true;
				${view("pg_temp.told()")}`,
			reason: "is temporary",
		},
		...Object.fromEntries(
			["ctid", "xmin", "cmin", "xmax", "cmax"].map((column) => [
				`that shows ${column}, which changes unseen`,
				{
					make: view(`${column} as hidden`),
					reason:
						"api.seen reads where a row is stored or which transactions touched it",
				},
			]),
		),
		"that leaves out an argument whose default reads a header": {
			make: `create function private.f(header text default current_setting('request.headers', true)) returns text language sql stable return header;
				${view("private.f()")}`,
			reason: "request.headers",
		},
		"that reads headers by an operator": {
			make: `create operator private.@@@ (function = current_setting, rightarg = text);
				${view("operator(private.@@@) 'request.headers' as x")}`,
			reason: "current_setting(text) may read",
		},
		"that reads headers by an aggregate": {
			make: `create aggregate private.setting(boolean) (sfunc = current_setting, stype = text, initcond = 'request.headers');
				create view api.seen as select private.setting(true) from api.notes`,
			reason: "current_setting(text,boolean) may read",
		},
		"that reads headers under a name that looks like a role": {
			make: view(
				`current_setting('request.headers', true) as "current_setting('role'::text)"`,
			),
			reason: "request.headers",
		},
		"that compares rows by a user-defined operator": {
			make: `${size}; ${view("(body::private.size, body::private.size) operator(private.<<<) ('s'::private.size, 'm'::private.size) as is_less")}`,
			reason: "what private.less(private.size,private.size) reads is not known",
		},
		"that sorts by a user-defined operator": {
			make: `${size}; ${view("rank() over (order by body::private.size using operator(private.<<<))")}`,
			reason: "what private.less(private.size,private.size) reads is not known",
		},
		"that calls a function whose tables are others than those it was declared to read":
			{
				make: `create table private.read (id int); select postern.track('private.read');
				create function private.f() returns bigint language sql stable as 'select count(*) from private.read';
				select postern.declare_cacheable('private.f()', '{private.read}', '{}');
				drop table private.read; create table private.read (id int);
				${view("private.f()")}`,
				reason: "private.f() is declared to read a relation that was dropped",
			},
		"that is random": {
			make: view("random()"),
			reason: "random() is volatile",
		},
		"that is a random sample": {
			make: `${view("body")} tablesample bernoulli (50)`,
			reason: "reads a random sample",
		},
		"that makes identifiers": {
			make: view("gen_random_uuid()"),
			reason: "gen_random_uuid() is volatile",
		},
		"that reads request headers": {
			make: view("current_setting('request.headers', true)"),
			reason: "request.headers",
		},
		"that reads a setting whose name is computed": {
			make: view("current_setting(body)"),
			reason: "its name is computed",
		},
		"that reads the claims as a whole": {
			make: view("current_setting('request.jwt.claims', true)"),
			reason: "not a named claim: request.jwt.claims",
		},
		"that reads a claim and a header": {
			make: view(
				`${claim("sub")} as sub, current_setting('request.headers', true)`,
			),
			reason: "request.headers",
		},
		"that reads a claim of each token's own": {
			make: view(`${claim("exp")} as exp`),
			reason: "differs from token to token",
		},
		"that reads who logged in": {
			make: view("session_user"),
			reason: "session_user",
		},
		"that reads the session": {
			make: view("pg_backend_pid()"),
			reason: "pg_backend_pid()",
		},
		"that calls a function that only says it is immutable": {
			make: `create function private.f() returns text language sql immutable as $$ select current_setting('request.headers') $$; ${view("private.f()")}`,
			reason: "request.headers",
		},
		"that calls it by an operator": {
			make: `create function private.f(text, int) returns int language plpgsql stable as 'begin return 1; end';
				create operator private.@@@ (function = private.f, leftarg = text, rightarg = int);
				${view("body operator(private.@@@) 1 as x")}`,
			reason: "what private.f(text,integer) reads is not known",
		},
		"that calls it in an aggregate": {
			make: `create function private.f(int, int) returns int language plpgsql stable as 'begin return 1; end';
				create aggregate private.sum(int) (sfunc = private.f, stype = int);
				create view api.seen as select private.sum(1) from api.notes`,
			reason: "what private.f(integer,integer) reads is not known",
		},
		"that reads from a function": {
			make: `create function private.f() returns setof int language plpgsql stable as 'begin return; end';
				create view api.seen as select * from private.f()`,
			reason: "what private.f() reads is not known",
		},
		"that calls a function that changed since it was declared cacheable": {
			make: `create function private.f() returns int language plpgsql stable as 'begin return 1; end';
				select postern.declare_cacheable('private.f()', '{}', '{}');
				create or replace function private.f() returns int language plpgsql stable as 'begin return 2; end';
				${view("private.f()")}`,
			reason: "private.f() has changed since it was declared cacheable",
		},
		"that calls a function whose declaration was taken back": {
			make: `create function private.f() returns int language plpgsql stable as 'begin return 1; end';
				select postern.declare_cacheable('private.f()', '{}', '{}');
				select postern.undeclare_cacheable('private.f()');
				${view("private.f()")}`,
			reason: "what private.f() reads is not known",
		},
		"whose function became volatile after it": {
			make: `create function private.f() returns int language plpgsql stable as 'begin return 1; end';
				select postern.declare_cacheable('private.f()', '{}', '{}');
				alter function private.f() volatile;
				${view("private.f()")}`,
			reason: "private.f() has changed since it was declared cacheable",
		},
		...Object.fromEntries(
			(
				[
					["whose domain has a cast", "label private.label"],
					["that has an array of such a domain", "labels private.label[]"],
					["that has a composite of such a domain", "named private.named"],
					["that has a domain of such composites", "wrapped private.wrapped"],
					["that has rows of such a table", "other private.others"],
				] as const
			).map(([name, column]) => [
				name,
				{
					make: `${label()};
						create type private.named as (id int, label private.label);
						create domain private.wrapped as private.named[];
						create table private.others (label private.label);
						create table api.seen (id int primary key, ${column}); select postern.track('api.seen')`,
					reason: "what private.told(private.label) reads is not known",
				},
			]),
		),
		"whose domain is cast from json": {
			make: `${label("json as private.label")};
				create table api.seen (label private.label); select postern.track('api.seen')`,
			reason: "what private.told(json) reads is not known",
		},
		"whose domain is cast from text": {
			make: `${label("text as private.label")};
				create table api.seen (label private.label); select postern.track('api.seen')`,
			reason: "what private.told(text) reads is not known",
		},
		"that is a view of such a domain": {
			make: `${label()}; ${view("body::private.label")}`,
			reason: "what private.told(private.label) reads is not known",
		},
		"that casts through such a domain": {
			make: `${label()}; ${view("to_json(body::private.label)::text")}`,
			reason: "what private.told(private.label) reads is not known",
		},
		"with a type that is compared by a user-defined operator": {
			make: `create type private.mood as enum ('good');
				create function private.alike(private.mood, text) returns boolean language plpgsql immutable as 'begin return now() > current_date; end';
				create operator private.= (function = private.alike, leftarg = private.mood, rightarg = text);
				create table api.seen (mood private.mood); select postern.track('api.seen')`,
			reason: "what private.alike(private.mood,text) reads is not known",
		},
		"that reads system catalogs": {
			make: "create view api.seen as select relname from pg_class",
			reason: "pg_class belongs to the system or to postern",
		},
		"that reads a sequence": {
			make: "create sequence private.numbers; create view api.seen as select last_value from private.numbers",
			reason: "private.numbers is a sequence",
		},
		"with a child that inherits from another table as well": {
			make: `create table private.other (id bigint, body text);
				create table api.child () inherits (api.notes, private.other);
				${view("body")}`,
			reason: "api.child inherits from several tables",
		},
		"with a child that came to inherit from another table later": {
			make: `create table private.other (id bigint, body text);
				create table api.child () inherits (api.notes);
				alter table api.child inherit private.other;
				${view("body")}`,
			reason: "api.child inherits from several tables",
		},
		"that takes a claim out of what a user-defined cast makes of all claims": {
			make: `create function private.mine(text) returns jsonb language sql immutable return jsonb_build_object('sub', $1);
				create cast (text as jsonb) with function private.mine(text);
				${view("(current_setting('request.jwt.claims', true))::jsonb ->> 'sub' as sub")}`,
			reason: "reads a setting that is not a named claim",
		},
		"that compares arrays of a type by an operator of any name": {
			make: `create type private.grade as enum ('a');
				create function private.alike(private.grade, private.grade) returns boolean language plpgsql immutable as 'begin return exists (select from private.secrets); end';
				create function private.hash(private.grade) returns int language sql immutable return 1;
				create operator private.=== (function = private.alike, leftarg = private.grade, rightarg = private.grade, hashes);
				create operator class private.grades default for type private.grade using hash as operator 1 private.===, function 1 private.hash(private.grade);
				${view("array['a'::private.grade] = array['a'::private.grade] as is_alike")}`,
			reason:
				"what private.alike(private.grade,private.grade) reads is not known",
		},
		"that compares all claims by a user-defined operator": {
			make: `create function private.alike(text, text) returns boolean language sql immutable return strpos($1, 'admin') > 0;
				create operator private.= (function = private.alike, leftarg = text, rightarg = text);
				set search_path = private, pg_catalog;
				${view("nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub' as sub")};
				reset search_path`,
			reason: "reads a setting that is not a named claim",
		},
		"that is a foreign table": {
			make: "create foreign data wrapper nothing; create server nowhere foreign data wrapper nothing; create foreign table api.seen (id int) server nowhere",
			reason: "api.seen is a foreign table",
		},
		"that got a foreign partition": {
			make: "create foreign data wrapper nothing; create server nowhere foreign data wrapper nothing; create table api.seen (id int) partition by range (id); select postern.track('api.seen'); create foreign table api.part partition of api.seen default server nowhere",
			reason: "api.part is a foreign table",
		},
		"that is not tracked": {
			make: "create table api.seen (id int)",
			reason: "api.seen is not tracked",
		},
		"that reads what is not tracked": {
			make: `create table private.untracked (id int); ${view("(select count(*) from private.untracked)")}`,
			reason: "private.untracked is not tracked",
		},
		"that lacks a trigger": {
			make: `drop trigger postern_truncate on api.notes; ${view("body")}`,
			reason: "api.notes has no trigger postern_truncate",
		},
		"that has a trigger disabled": {
			make: `alter table api.notes disable trigger postern_update; ${view("body")}`,
			reason:
				"api.notes has a trigger postern_update that is not ENABLE ALWAYS",
		},
		"that has a trigger which does not fire for replicas": {
			make: `alter table api.notes enable trigger postern_delete; ${view("body")}`,
			reason:
				"api.notes has a trigger postern_delete that is not ENABLE ALWAYS",
		},
		"that has a trigger of tracking that was replaced": {
			make: `create function private.nothing() returns trigger language plpgsql as 'begin return null; end';
				create or replace trigger postern_insert after insert on api.notes for each statement execute function private.nothing();
				${view("body")}`,
			reason: "api.notes has a trigger postern_insert that is out of date",
		},
		"with a partition that is not logged": {
			make: "create table api.seen (id int) partition by range (id); create table api.part partition of api.seen default; select postern.track('api.seen'); alter table api.part disable trigger postern_insert",
			reason: "api.part has a trigger postern_insert that is not ENABLE ALWAYS",
		},
		"that inherits from several tables": {
			make: "create table private.other (id bigint); create table api.seen () inherits (api.notes, private.other)",
			reason: "api.seen inherits from several tables",
		},
		"that is a materialized view whose refresh is not logged": {
			make: "create materialized view api.seen as select 1 as one; alter event trigger postern_after_ddl disable",
			reason: "api.seen may be refreshed unseen",
		},
	};
	for (const [name, { make, reason, since = 15 }] of Object.entries(cases)) {
		it(name, async ({ relation, major, skip, expect }) => {
			skip(major < since, `PostgreSQL ${since} is needed`);
			const { reasons } = await relation(make);
			expect(reasons).toContainEqual(expect.stringContaining(reason));
		});
	}

	committed(
		"whose trigger does not fire for replicas, because it misses their writes",
		async ({ owner, poller, expect }) => {
			await owner.query(
				"create table api.notes (id bigint primary key); select postern.track('api.notes')",
			);
			await poller.poll();
			const write =
				"set session_replication_role = replica; insert into api.notes values ($1); reset session_replication_role";
			await owner.query(write.replace("$1", "1"));
			expect(await poller.tags()).toContain("api.notes(1)");
			await owner.query("alter table api.notes enable trigger postern_insert");
			await poller.poll();
			await owner.query(write.replace("$1", "2"));
			expect(await poller.tags()).toEqual([]);
		},
	);

	it("until its triggers are repaired by tracking it again", async ({
		relation,
		owner,
		catalog,
		expect,
	}) => {
		await relation(
			"alter table api.notes disable trigger postern_update; drop trigger postern_truncate on api.notes",
			"notes",
		);
		await owner.query("select postern.track('api.notes')");
		expect((await catalog()).relations[0]).toMatchObject({
			name: "notes",
			reasons: [],
		});
	});
});

describe("a policy", () => {
	for (const [expression, claims] of Object.entries({
		[`owner::text = ${claim("sub")}`]: ["sub"],
		[`owner = (select (${claim("sub")})::uuid)`]: ["sub"],
		"body = (nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'email')":
			["email"],
		"body = (current_setting('request.jwt.claims')::jsonb -> 'app' ->> 'role')":
			["app/role"],
		"body = (current_setting('request.jwt.claims')::jsonb #>> '{app,role}')": [
			"app/role",
		],
		"to_jsonb(body) = (current_setting('request.jwt.claims')::jsonb)['it''s']":
			["it's"],
		"body = coalesce(nullif(current_setting('request.jwt.claims', true), ''), '{}')::json ->> 'org'":
			["org"],
		"body = current_setting('request.jwt.claim.sub', true)": ["sub"],
		[`body = ${claim('a"b"c')}`]: ['a"b"c'],
		[`body = '"' || (${claim("org")}) || '"'`]: ["org"],
		"body = current_setting('role')": [],
		"body = current_user": [],
		[`body = ${claim("b")} or body = ${claim("a")}`]: ["a", "b"],
	})) {
		it(`reads ${claims.join(", ") || "no claim"} by ${expression}`, async ({
			relation,
			expect,
		}) => {
			expect(await relation(policy(expression), "notes")).toMatchObject({
				claims,
				reasons: [],
				reads: ["api.notes"],
				rowKey: ["id"],
			});
		});
	}

	for (const [expression, reason] of Object.entries({
		"random() < 0.5": "random() is volatile",
		"body = current_setting('request.headers', true)": "request.headers",
		"body = current_setting('app.tenant', true)": "app.tenant",
		"current_setting('request.jwt.claims')::jsonb @> '{}'":
			"not a named claim: request.jwt.claims",
		"body = (current_setting('request.jwt.claims')::jsonb ->> body)":
			"not a named claim: request.jwt.claims",
		[`(${claim("exp")})::int > 0`]: "differs from token to token",
		"pg_has_role('service', 'member')": "pg_has_role(name,text)",
	})) {
		it(`is a reason not to cache: ${expression}`, async ({
			relation,
			expect,
		}) => {
			expect(await relation(policy(expression), "notes")).toMatchObject({
				reasons: [expect.stringContaining(reason)],
			});
		});
	}

	it("adds the tables it reads, with their policies", async ({
		relation,
		expect,
	}) => {
		const seen = await relation(
			`${policy("exists (select from private.secrets where note = notes.id)")};
			alter table private.secrets enable row level security;
			create policy own on private.secrets using (id::text = ${claim("sub")})`,
			"notes",
		);
		expect(seen).toMatchObject({
			reads: ["api.notes", "private.secrets"],
			claims: ["sub"],
			reasons: [],
		});
	});

	it("counts for every role, with the rights of the caller or of an owner", async ({
		relation,
		expect,
	}) => {
		const seen = await relation(
			`create policy "third party" on api.notes to service using (current_date > at and body = ${claim("org")});
			${policy(`body = ${claim("sub")}`)}; ${view("body")}`,
		);
		expect(seen).toMatchObject({ claims: ["org", "sub"], readsClock: true });
	});

	it("counts in a function that takes on a role", async ({
		relation,
		expect,
	}) => {
		const { claims } = await relation(
			`alter table api.notes enable row level security;
			create policy chosen on api.notes to service using (body = ${claim("sub")});
			create function private.count() returns bigint language sql stable set role = service return (select count(*) from api.notes);
			${view("private.count()").replace(" from api.notes", "").replace("id, ", "")}`,
		);
		expect(claims).toEqual(["sub"]);
	});

	it("that reads other rows of its table leaves reads of one row to depend on all of them", async ({
		relation,
		expect,
	}) => {
		const seen = await relation(
			`create function private.count() returns bigint language sql stable security definer return (select count(*) from api.notes);
			${policy("private.count() < 10")}`,
			"notes",
		);
		expect(seen).toMatchObject({ rowKey: null, reads: ["api.notes"] });
	});

	it("counts if it applies to reads, and row level security is on", async ({
		relation,
		expect,
	}) => {
		const { reasons } = await relation(
			`create policy off on private.secrets using (random() < 1);
			alter table api.notes enable row level security;
			create policy writing on api.notes for update using (random() < 1);
			create policy everything on api.notes using (true)`,
			"notes",
		);
		expect(reasons).toEqual([]);
	});

	it("reads the claims that a function is declared to read", async ({
		relation,
		expect,
	}) => {
		const seen = await relation(
			`create function private.me() returns text language plpgsql stable security definer as 'begin return 1; end';
			select postern.declare_cacheable('private.me()', '{private.secrets}', '{sub,org}');
			${policy("body = (select private.me())")}`,
			"notes",
		);
		expect(seen).toMatchObject({
			claims: ["org", "sub"],
			reads: ["api.notes", "private.secrets"],
			reasons: [],
		});
	});
});

describe("a declaration refuses", () => {
	for (const [call, message] of Object.entries({
		"'random()', '{}', '{}'": "random() is volatile",
		"'now()', '{}', '{}'": "now() belongs to PostgreSQL",
		"'api.f()', '{}', '{sub,exp}'":
			"these claims differ from token to token: exp",
		"'api.f()', '{}', '{*}'": "claims has what is no name of a claim: *",
		"'api.f()', '{}', null": "reads and claims have to name what api.f() reads",
		"'api.f()', '{}', '{org}'":
			"api.f() reads claims that the declaration leaves out: Team, sub",
		"'api.f()', '{}', '{Team,sub}'":
			"api.f() reads tables that the declaration leaves out: api.notes",
		"'api.g()', '{}', '{}'":
			"api.g() reads settings that are not claims: app.tenant",
	})) {
		it(call, async ({ relation, owner, expect }) => {
			await relation(
				`create function api.uid() returns text language sql stable as $$ select ${claim("sub")} $$;
				create function api.f() returns boolean language plpgsql stable as $$ begin
					return exists (select from "api".notes where body = api.uid() or body = current_setting('request.jwt.claims')::json ->> 'Team');
				end $$;
				create function api.g() returns text language plpgsql stable as $$ begin return current_setting('app.tenant'); end $$`,
				"notes",
			);
			await expect(
				owner.query(`select postern.declare_cacheable(${call})`),
			).rejects.toMatchObject({ code: "22023", message });
		});
	}

	it("to be made without what is read, or with a table that does not exist", async ({
		owner,
		expect,
	}) => {
		for (const [call, code] of [
			["'now()'", "42883"],
			["'now()', '{}'", "42883"],
			["'now()', '{api.missing}', '{}'", "42P01"],
		] as const) {
			await owner.query("savepoint called");
			await expect(
				owner.query(`select postern.declare_cacheable(${call})`),
			).rejects.toMatchObject({ code });
			await owner.query("rollback to savepoint called");
		}
	});

	it("what has to be filled in for a function in C", async ({
		relation,
		owner,
		expect,
	}) => {
		await relation("create extension pg_trgm schema private", "notes");
		const { rows } = await owner.query(
			"select postern.declaration_of('private.show_limit()'::regprocedure) as statement",
		);
		expect(rows[0].statement).toBe(
			"select postern.declare_cacheable('private.show_limit()', reads => '{*}', claims => '{*}')",
		);
		for (const filled of ["reads => '{}'", "claims => '{}'"]) {
			const [name] = filled.split(" ");
			await owner.query("savepoint called");
			await expect(
				owner.query(rows[0].statement.replace(`${name} => '{*}'`, filled)),
			).rejects.toThrow(/\*|invalid name syntax/);
			await owner.query("rollback to savepoint called");
		}
	});

	for (const [name, body, reads] of [
		["what its body names", "select count(*) from api.notes", "{api.notes}"],
		["nothing that is not found", "count(notes)", "{*}"],
	] as const) {
		it(`in another language, with a reason that gives the whole statement, of ${name}`, async ({
			relation,
			catalog,
			owner,
			expect,
		}) => {
			await relation(
				`create language other handler plpgsql_call_handler;
				create function api.f() returns bigint language other stable as $$ ${body} $$`,
				"notes",
			);
			const [found] = (await catalog()).functions;
			expect(found?.reasons).toEqual([
				`what api.f() reads is not known: if it reads only what this names, run, with names in place of *: select postern.declare_cacheable('api.f()', reads => '${reads}', claims => '{*}')`,
			]);
			await owner.query("savepoint called");
			await expect(
				owner.query(
					found?.reasons[0]?.slice(
						found.reasons[0].indexOf("select postern.declare"),
					) ?? "",
				),
			).rejects.toThrow(/\*/);
			await owner.query("rollback to savepoint called");
		});
	}

	for (const [read, claims] of [
		["->> 'org'", "{org}"],
		["->> 'it''s'", "{it''s}"],
		["-> 'a,b' ->> 'c'", '{"a,b"}'],
		["#>> '{org,id}'", "{org}"],
	] as const) {
		it(`and says what to declare where ${read} is read`, async ({
			relation,
			owner,
			expect,
		}) => {
			await relation(
				`create function api.f() returns bigint language plpgsql stable as $$ begin
					return (select count(*) from notes where body = current_setting('request.jwt.claims')::json ${read});
				end $$`,
				"notes",
			);
			const { rows } = await owner.query(
				"select postern.declaration_of('api.f()'::regprocedure) as statement",
			);
			expect(rows[0].statement).toBe(
				`select postern.declare_cacheable('api.f()', reads => '{api.notes}', claims => '${claims}')`,
			);
			await owner.query(rows[0].statement);
		});
	}
});

describe("the catalog", () => {
	it("has the functions", async ({ relation, catalog, expect }) => {
		await relation(
			`create function api.recent(since int, "limit" int default 3) returns setof api.notes language sql stable return (select null::api.notes where false);
			create function api.shout(note api.notes) returns text language sql immutable return upper(note.body);
			create function api.told(note api.notes) returns text language plpgsql immutable as 'begin return now(); end';
			create function api.write() returns void language sql volatile as 'delete from api.notes'`,
			"notes",
		);
		const { functions, relations } = await catalog();
		expect(relations[0]?.computed).toEqual({
			shout: "api.shout(api.notes)",
			told: "api.told(api.notes)",
		});
		expect(functions).toMatchObject([
			{
				name: "recent",
				arguments: [
					{ name: "since", type: "integer", hasDefault: false },
					{ name: "limit", type: "integer", hasDefault: true },
				],
				returnsRelation: "api.notes",
				returnsSet: true,
				volatility: "stable",
				reasons: [],
			},
			{ name: "shout", reasons: [] },
			{
				name: "told",
				reasons: [expect.stringContaining("is not known")],
			},
			{
				name: "write",
				reasons: ["api.write() writes"],
			},
		]);
	});

	it("says that a function is volatile unless it only reads", async ({
		relation,
		catalog,
		expect,
	}) => {
		await relation(
			`create function api.writes() returns int language sql as 'insert into api.notes (id) values (1) returning 1';
			create function api.calls_writer() returns int language sql as 'select api.writes()';
			create function api.notifies() returns void language sql as $$ select pg_notify('a', 'b') $$;
			create function api.reads() returns setof api.notes language sql as 'select * from api.notes';
			create function api.reads_parsed() returns bigint language sql begin atomic select count(*) from api.reads(); end`,
			"notes",
		);
		const { functions } = await catalog();
		expect(functions).toMatchObject([
			{ name: "calls_writer", volatility: "volatile" },
			{ name: "notifies", volatility: "volatile" },
			{ name: "reads", volatility: "stable" },
			{ name: "reads_parsed", volatility: "stable" },
			{ name: "writes", volatility: "volatile" },
		]);
	});

	it("has the arguments of a function among what it returns", async ({
		relation,
		catalog,
		expect,
	}) => {
		await relation(
			`create function api.told(out first int, since date, out second int, inout more int, until date default null) language sql stable as 'select 1, 2, 3';
			create function api.rows(minimum int default 1) returns table (id int, note text) language sql stable as 'select 1, null'`,
			"notes",
		);
		const { functions } = await catalog();
		expect(functions).toMatchObject([
			{
				name: "rows",
				arguments: [{ name: "minimum", type: "integer", hasDefault: true }],
			},
			{
				name: "told",
				arguments: [
					{ name: "since", type: "date", hasDefault: false },
					{ name: "more", type: "integer", hasDefault: false },
					{ name: "until", type: "date", hasDefault: true },
				],
			},
		]);
	});

	it("looks at the types that a function returns", async ({
		relation,
		catalog,
		expect,
	}) => {
		await relation(
			`${label()};
			create table private.others (label private.label);
			create function api.one() returns private.label language sql stable return null;
			create function api.several() returns table (id int, label private.label) language sql stable return (select row(1, null::private.label) limit 0);
			create function api.others() returns setof private.others language sql stable begin atomic select null::private.label; end;
			create function api.plain() returns int language sql stable return 1`,
			"notes",
		);
		const { functions } = await catalog();
		expect(
			functions
				.filter(({ reasons }) => reasons.length === 0)
				.map(({ name }) => name),
		).toEqual(["plain"]);
		for (const { name, reasons } of functions) {
			expect(reasons).toEqual(
				name === "plain"
					? []
					: [
							"what private.told(private.label) reads is not known: it is in PL/pgSQL: run `postern analyze`, or run what select postern.declaration_of('private.told(private.label)'::regprocedure) gives",
						],
			);
		}
	});

	it("has the media types that the database answers in", async ({
		relation,
		catalog,
		expect,
	}) => {
		await relation(
			`create domain private."text/html" as text; create domain api."*/*" as bytea; create domain api."Text/HTML" as text;
			create type api."no/domain" as enum (); create domain api.plain as text`,
			"notes",
		);
		expect((await catalog()).mediaTypes).toEqual(["*/*", "text/html"]);
	});

	it("looks once into policies that are alike, and into what types hide", async ({
		owner,
		relation,
		expect,
	}) => {
		await owner.query("set local track_functions = 'all'");
		await relation(
			["first", "second", "third"]
				.map(
					(name) => `
						create table api.${name} (id bigint primary key, owner uuid);
						alter table api.${name} enable row level security;
						create policy own on api.${name} using (owner = current_setting('request.jwt.claim.sub')::uuid)`,
				)
				.join(";"),
			"third",
		);
		const { rows } = await owner.query(`
			select funcname, calls::int from pg_stat_xact_user_functions
			where schemaname = 'postern' and funcname in ('printed', 'timed_types') order by funcname`);
		expect(rows).toEqual([
			{ funcname: "printed", calls: 1 },
			{ funcname: "timed_types", calls: 1 },
		]);
	});

	it("has keys, columns and foreign keys", async ({
		relation,
		catalog,
		expect,
	}) => {
		const notes = await relation(
			`create table api.tags (note bigint references api.notes, label text unique, primary key (note, label));
			create table api.covers (note bigint primary key references api.notes, at date not null)`,
			"notes",
		);
		expect(notes).toMatchObject({
			kind: "table",
			tag: "api.notes",
			rowKey: ["id"],
			primaryKey: ["id"],
			columns: [
				{ name: "id", type: "bigint" },
				{ name: "owner", type: "uuid" },
				{ name: "body", type: "text" },
				{ name: "at", type: "timestamp with time zone" },
			],
		});
		expect((await catalog()).foreignKeys).toMatchObject([
			{
				from: { name: "covers", columns: ["note"] },
				to: { name: "notes", tag: "api.notes", columns: ["id"] },
				isOneToOne: true,
			},
			{ from: { name: "tags", columns: ["note"] }, isOneToOne: false },
		]);
	});

	it("has the maximum staleness of each relation", async ({
		relation,
		catalog,
		expect,
	}) => {
		const seen = await relation(
			"create view api.seen as select id from private.secrets join api.notes using (id)",
		);
		expect(seen.maxStalenessSeconds).toBe(2);
		expect(await catalog()).toMatchObject({ contract: 1 });
	});

	it("names no rows of a table whose columns call functions that may read others of them", async ({
		relation,
		expect,
	}) => {
		expect(
			await relation(
				`create type private.mood as enum ('calm');
				create table api.seen (id bigint primary key, mood private.mood);
				create function private.told(private.mood) returns json language sql stable return to_json((select count(*) from api.seen));
				create cast (private.mood as json) with function private.told(private.mood);
				select postern.track('api.seen')`,
			),
		).toMatchObject({ rowKey: null, reads: ["api.seen"] });
	});

	it("says whether there are casts between PostgreSQL's own types", async ({
		relation,
		catalog,
		owner,
		expect,
	}) => {
		await relation("select", "notes");
		const before = await catalog();
		await owner.query(
			`create function private.told(bigint) returns uuid language sql stable return gen_random_uuid();
			create cast (bigint as uuid) with function private.told(bigint)`,
		);
		expect([
			before.hasUserDefinedCasts,
			(await catalog()).hasUserDefinedCasts,
		]).toEqual([false, true]);
	});

	it("says whether another type may have the name of PostgreSQL's own", async ({
		owner,
		catalog,
		expect,
	}) => {
		const found: boolean[] = [];
		for (const path of ["postern, public", "postern, pg_catalog, public"]) {
			await owner.query(`set local search_path = ${path}`);
			found.push((await catalog()).hasUserDefinedCasts);
		}
		expect(found).toEqual([false, true]);
	});

	it("says whether a function may be taken for an aggregate", async ({
		relation,
		catalog,
		owner,
		expect,
	}) => {
		await relation("select", "notes");
		const isTaken = async (signature: string) => {
			await owner.query(
				`savepoint made; create function ${signature} returns bigint return 1`,
			);
			const { hasUserDefinedAggregates } = await catalog();
			await owner.query("rollback to savepoint made");
			return hasUserDefinedAggregates;
		};
		expect((await catalog()).hasUserDefinedAggregates).toBe(false);
		for (const signature of [
			"public.count(api.notes)",
			"public.count(integer)",
			"api.sum(integer)",
		])
			expect(await isTaken(signature), signature).toBe(true);
		for (const signature of [
			"api.sum(api.notes)",
			"api.count(integer, integer)",
			"api.counted(integer)",
		])
			expect(await isTaken(signature), signature).toBe(false);
	});
});

it("recognises a claim by its name with any setting for text literals", async ({
	relation,
	owner,
	catalog,
	expect,
}) => {
	await relation(view(`${claim("a\\b")} as x`));
	await owner.query("set standard_conforming_strings = off");
	const { relations } = await catalog();
	expect(relations.find(({ name }) => name === "seen")?.claims).toEqual([
		"a\\b",
	]);
});
