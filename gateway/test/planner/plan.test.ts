// Plans: which requests are not cacheable and why, what the others depend on, and which requests share a key.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { hasClaims, type Identity } from "../../src/identity/identity.ts";
import { PIPELINE_URL } from "../../src/pipeline.ts";
import { parseCallArguments } from "../../src/planner/grammar/call-arguments.ts";
import type { CacheablePlan, Plan } from "../../src/planner/plan.ts";
import { createPlanner } from "../../src/planner/planner.ts";
import {
	CINEMA,
	catalogOf,
	cinema,
	dependenceOf,
	foreignKey,
	parsedCatalog,
	routine,
	table,
	view,
} from "../support/catalog.ts";

const planner = createPlanner({
	schemas: ["api", "other"],
	maxStalenessMs: 5_000,
	audienceOf: ({ claims }) => (hasClaims(claims) ? "postgrest" : undefined),
});

const anonymous: Identity = { role: "anon", claims: {} };

interface Asked {
	method?: string;
	headers?: HeadersInit;
	as?: Identity;
	catalog?: typeof cinema;
	/** Of a POST. */
	body?: string;
}

function plan(path: string, asked: Asked = {}): Plan {
	const {
		method = "GET",
		headers = {},
		as = anonymous,
		catalog = cinema,
		body,
	} = asked;
	const request = new Request(PIPELINE_URL + path, { method, headers });
	const callArguments = body === undefined ? body : parseCallArguments(body);
	return planner.plan(catalog, request, as, callArguments);
}

function cacheable(path: string, asked?: Asked): CacheablePlan {
	const planned = plan(path, asked);
	if (planned.kind === "bypass")
		throw new Error(`${path} is bypassed: ${planned.reason}`);
	return planned;
}

/** Without `catalog`, which is always there, and without the schema api. */
function tags(path: string, asked?: Asked): string {
	const all = cacheable(path, asked).tags;
	expect(all).toContain("catalog");
	return all
		.filter((tag) => tag !== "catalog")
		.map((tag) => tag.replace(/^api\./, ""))
		.join(" ");
}

function reason(path: string, asked?: Asked): string {
	const planned = plan(path, asked);
	return planned.kind === "bypass" ? planned.reason : "none";
}

describe("an answer depends on", () => {
	it.each([
		// the relation that is asked for
		["/films", "films"],
		["/films?select=id,title", "films"],
		["/films?select=*&year=gt.1980&order=year.desc&limit=2&offset=1", "films"],
		["/films?or=(year.lt.1962,and(rating.gte.8,title.like.S*))", "films"],
		["/films?not.or=(year.lt.1962,year.gt.1980)", "films"],
		["/films?details->crew->>camera=eq.x&order=details->a.desc", "films"],
		[
			"/films?select=details->minutes::int,n:tags->0,year.max(),count()",
			"films",
		],
		["/films?columns=id&on_conflict=id", "films"],
		["/films?", "films"],
		["/films?&&", "films"],
		["/f%69lms", "films"],
		["/odd%2C%20(names)?%22a.b%22=gt.1", '"odd, (names)"'],
		// those that are embedded
		["/films?select=title,studios(name)", "films studios"],
		["/films?select=s:studios!inner(*)&s.name=eq.x", "films studios"],
		["/films?select=s:studios(*)&studios.name=eq.x", "films studios"],
		["/films?select=...studios(name)", "films studios"],
		[
			"/studios?select=films(title,appearances(role,actors(id)))",
			"actors appearances contracts films studios",
		],
		["/films?select=studios(name)&studios=is.null", "films studios"],
		[
			"/films?select=s:studios(name)&or=(s.not.is.null,year.is.null)",
			"films studios",
		],
		[
			"/films?select=studios(name)&order=studios(name).desc,title",
			"films studios",
		],
		[
			"/studios?select=films(*)&films.order=year&films.limit=1&films.offset=1&films.or=(year.is.null,id.eq.1)",
			"films studios",
		],
		[
			"/studios?select=films(*,appearances(*))&films.appearances.role=eq.x",
			"appearances contracts films studios",
		],
		// counts and other aggregates
		["/films?select=count", "films"],
		["/films?select=count()", "films"],
		["/films?id=eq.1&select=count()", "films(*) films(1)"],
		["/studios?select=*,films(count)", "films studios"],
		["/studios?select=*,films(n:count::int4)", "films studios"],
		["/studios?select=*,films(count())", "films studios"],
		["/studios?id=eq.1&select=films(count)", "films studios(*) studios(1)"],
		[
			"/studios?select=films(year,rating.avg(),n:id.count()::text)&films.year=gt.1",
			"films studios",
		],
		["/studios?select=...films(year::int.sum())", "films studios"],
		["/films?select=actors(count)", "actors appearances contracts films"],
		["/counts?select=films.sum(),count", "counts"],
		// by each kind of name
		["/films?select=directors!films_director(name)", "directors films"],
		["/films?select=directors!producer_id(name)", "directors films"],
		["/films?select=studios!id(name)", "films studios"],
		["/films?select=studio_id(name)", "films studios"],
		["/films?select=films_director(name)", "directors films"],
		["/films?select=sequel_to(title)", "films"],
		["/films?select=films!sequel_to(title)", "films"],
		// through junctions, of which there is a view here, too
		["/films?select=actors(id)", "actors appearances contracts films"],
		[
			"/films?select=actors!appearances(id)",
			"actors appearances contracts films",
		],
		["/actors?select=films(id)", "actors appearances contracts films"],
		["/films?select=labels!film_labels(code)", "film_labels films labels"],
		// through what a function reads
		["/films?select=headline", "films"],
		["/films?select=title,studio_name", "films studios"],
		["/films?studio_name=eq.x", "films studios"],
		["/films?order=studio_name", "films studios"],
		["/films?select=studio_name&select=id", "films studios"],
		["/films?select=id&select=studio_name", "films"],
		["/films?select&select=studio_name", "films"],
		["/films?or=(studio_name.eq.x,id.eq.1)", "films studios"],
		["/studios?select=films(studio_name)", "films studios"],
		["/films?select=same_year(title)", "films"],
		["/films?select=critics(name)", "critics films votes"],
		// through views, with any keys behind them
		["/color_films", "films"],
		["/color_films?select=title,studios(name)", "counts films studios"],
		[
			"/color_films?select=actors(id)",
			"actors appearances contracts counts films",
		],
		[
			"/color_films?select=studio()",
			"appearances contracts directors film_labels films members notes stickers studios",
		],
		["/films?select=stars(name)", "actors appearances contracts counts films"],
		["/stars?select=name", "actors"],
		["/counts", "counts"],
		// a partition is its root's
		["/readings_north", "readings"],
		// functions
		["/rpc/add?a=1&b=2", ""],
		// without an argument that has a default
		["/rpc/add?a=1", ""],
		// which of several functions follows from the names of the arguments
		["/rpc/found", "films"],
		["/rpc/found?word=a", "films"],
		["/rpc/found?word=a&year=1", "studios"],
		["/rpc/hot_films?minimum=8", "films votes"],
		[
			"/rpc/hot_films?minimum=8&select=title,studios(name)&year=gt.1960&limit=1",
			"films studios votes",
		],
		["/rpc/elsewhere?limit=1&select=*", ""],
	])("%s: %s", (path, expected) => {
		expect(tags(path)).toBe(expected);
	});

	it("what all policies read, for any role", () => {
		const claims = { sub: "ada", team: 7 };
		for (const role of ["anon", "editor", "stranger"]) {
			const as = { role, claims };
			expect(tags("/notes", { as })).toBe("members notes");
			expect(cacheable("/notes", { as }).callerKey).toMatchObject(as);
		}
		expect(cacheable("/notes").callerKey.claims).toEqual({});
	});

	it("the claims that the policies of an embedded relation, a junction and a function's rows read", () => {
		const as = {
			role: "authenticated",
			claims: { sub: "ada", agency: "x", level: 3 },
		};
		const claims = (path: string) => cacheable(path, { as }).callerKey.claims;
		expect(claims("/films?select=notes(id)")).toEqual({ sub: "ada" });
		expect(claims("/films?select=studios(films(notes(id)))")).toEqual({
			sub: "ada",
		});
		expect(claims("/films?select=actors(id)")).toEqual({ agency: "x" });
		expect(claims("/rpc/hot_films?minimum=8")).toEqual({ level: 3 });
		expect(claims("/films?select=studio_name")).toEqual({});
		expect(claims("/casts")).toEqual({});
	});

	it("another schema's relations if the profile header names it", () => {
		const headers = { "accept-profile": "other" };
		const { schema, tags: all } = cacheable("/reviews", { headers });
		expect([schema, all]).toEqual(["other", ["catalog", "other.reviews"]]);
		expect(cacheable("/films").schema).toBe("api");
	});
});

describe("a read by primary key depends on that row", () => {
	it.each([
		["/films?id=eq.1", "films(*) films(1)"],
		["/films?id=eq.-5&select=title", "films(*) films(-5)"],
		[
			"/films?id=eq.0&year=gt.1980&or=(id.eq.2,year.is.null)",
			"films(*) films(0)",
		],
		["/films?%22id%22=eq.1", "films(*) films(1)"],
		["/films?id=eq.2147483647", "films(*) films(2147483647)"],
		["/big?id=eq.-9223372036854775808", "big(*) big(-9223372036854775808)"],
		[
			"/codes?id=eq.0b5c6a52-5d0a-4f0e-9d43-00000000000a",
			"codes(*) codes(0b5c6a52-5d0a-4f0e-9d43-00000000000a)",
		],
		["/labels?code=eq.a", "labels(*) labels(a)"],
		["/labels?code=eq.with%20%22%2C%22", 'labels("with "",""") labels(*)'],
		["/labels?code=eq.*", 'labels("*") labels(*)'],
		[
			`/labels?code=eq.${"x".repeat(200)}`,
			`labels(*) labels(${"x".repeat(200)})`,
		],
		[
			"/appearances?actor_id=eq.2&film_id=eq.1",
			"appearances(*) appearances(1,2) contracts",
		],
		["/pairs?a=eq.x,y&b=eq.1", 'pairs("x,y",1) pairs(*)'],
		["/readings_north?region=eq.north&n=eq.1", "readings(*) readings(north,1)"],
		["/films?id=eq.1&select=title,studios(name)", "films(*) films(1) studios"],
		["/films?id=eq.1&select=studio_name", "films(*) films(1) studios"],
	])("%s: %s", (path, expected) => {
		expect(tags(path)).toBe(expected);
	});

	it.each([
		"/films?id=neq.1",
		"/films?id=not.eq.1",
		"/films?id=eq(any).{1}",
		"/films?id=in.(1)",
		"/films?id=gte.1&id=lte.1",
		"/films?id=eq.1&id=eq.2",
		"/films?or=(id.eq.1)",
		"/films?and=(id.eq.1)",
		"/films?id->x=eq.1",
		"/films?id",
		"/films?id=eq.01",
		"/films?id=eq.%201",
		"/films?id=eq.1.0",
		"/films?id=eq.-0",
		"/films?id=eq.2147483648",
		"/films?sequel_to=eq.1",
		// The embedded films are other rows.
		"/films?id=eq.1&select=same_year(id)",
		"/films?id=eq.1&select=films!sequel_to(id)",
	])("%s names no row", (path) => {
		const all = cacheable(path).tags;
		expect(all).toContain("api.films");
	});

	it.each([
		["/studios?select=films(*)&films.id=eq.1", "films studios"],
		["/codes?id=eq.0B5C6A52-5d0a-4f0e-9d43-00000000000a", "codes"],
		["/codes?id=eq.0b5c6a525d0a4f0e9d4300000000000a", "codes"],
		["/labels?code=eq.", "labels"],
		[`/labels?code=eq.${"x".repeat(201)}`, "labels"],
		[`/labels?code=eq.${"ü".repeat(101)}`, "labels"],
		["/appearances?film_id=eq.1", "appearances contracts"],
		["/pairs?a=eq.x", "pairs"],
		["/loose?id=eq.1", "loose"],
		["/color_films?id=eq.1", "films"],
		["/rpc/hot_films?minimum=8&id=eq.1", "films votes"],
	])("%s names no row: %s", (path, expected) => {
		expect(tags(path)).toBe(expected);
	});
});

describe("a request is bypassed", () => {
	const accept = (value: string) => ({ headers: { accept: value } });
	const prefer = (value: string) => ({ headers: { prefer: value } });
	it.each<[string, string, Asked]>([
		["/films", "the method is POST", { method: "POST" }],
		["/films", "the method is OPTIONS", { method: "OPTIONS" }],
		["/", "the path names no relation and no function", {}],
		["/films/", "the path names no relation and no function", {}],
		["//films", "the path names no relation and no function", {}],
		["/films/1", "the path names no relation and no function", {}],
		["/rpc", "the path names no relation and no function", {}],
		["/rpc/", "the path names no relation and no function", {}],
		["/rpc/add/1", "the path names no relation and no function", {}],
		["/%ff", "the path is not well-formed", {}],
		["/%zz", "the path is not well-formed", {}],
		["/nowhere", 'the schema api has no relation "nowhere"', {}],
		["/Films", 'the schema api has no relation "Films"', {}],
		["/films%2F1", 'the schema api has no relation "films/1"', {}],
		["/api.films", 'the schema api has no relation "api.films"', {}],
		["/reviews", 'the schema api has no relation "reviews"', {}],
		[
			"/films",
			"the profile is none of the schemas that are exposed",
			{ headers: { "accept-profile": "postern" } },
		],
		[
			"/films",
			"the profile is none of the schemas that are exposed",
			{ headers: { "accept-profile": "" } },
		],
		["/untracked", "api.untracked is not tracked", {}],
		["/clock", "now() may read the clock or the session", {}],
		["/hourly", "the claim exp differs from token to token", {}],
		// names that mean nothing
		["/films?nothing=eq.1", '"films" has no column "nothing"', {}],
		["/films?select=nothing", '"films" has no column "nothing"', {}],
		["/films?select=ctid", '"films" has no column "ctid"', {}],
		["/films?select=constructor", '"films" has no column "constructor"', {}],
		["/films?order=nothing", '"films" has no column "nothing"', {}],
		["/films?or=(id.eq.1,nothing.eq.2)", '"films" has no column "nothing"', {}],
		["/films?select=studios(nothing)", '"studios" has no column "nothing"', {}],
		[
			"/films?select=studios(name)&studios.nothing=eq.1",
			'"studios" has no column "nothing"',
			{},
		],
		[
			"/films?select=studios(name)&order=studios(nothing)",
			'"studios" has no column "nothing"',
			{},
		],
		["/films?studios=is.null", '"films" has no column "studios"', {}],
		[
			"/films?select=s:studios(name)&studios=is.null",
			'"films" has no column "studios"',
			{},
		],
		[
			"/films?select=studios(name)&studios=eq.1",
			'"films" has no column "studios"',
			{},
		],
		["/films?studios.name=eq.x", '"studios" is not embedded', {}],
		["/films?studios.limit=1", '"studios" is not embedded', {}],
		["/films?order=studios(name)", '"studios" is not embedded', {}],
		[
			"/films?select=studios(name)&studios.films.id=eq.1",
			'"films" is not embedded',
			{},
		],
		// embeds that mean nothing, or too much
		[
			"/films?select=directors(name)",
			'"directors" may be embedded in more than one way',
			{},
		],
		["/films?select=numbers(n)", 'nothing relates "films" to "numbers"', {}],
		["/studios?select=actors(id)", 'nothing relates "studios" to "actors"', {}],
		[
			"/studios?select=labels(code)",
			'"studios" and "labels" may be related through hidden.ledger, which is in a schema that is not known',
			{},
		],
		[
			"/films?select=counts(films)",
			'what "counts" is related to is not known',
			{},
		],
		[
			"/counts?select=studios(name)",
			'what "counts" is related to is not known',
			{},
		],
		["/films?select=reviews(id)", 'nothing relates "films" to "reviews"', {}],
		[
			"/reviews?select=films(id)",
			'nothing relates "reviews" to "films"',
			{ headers: { "accept-profile": "other" } },
		],
		// grammar
		["/films?select=id)", "select is not understood", {}],
		["/films?order=id.up", "order is not understood", {}],
		["/films?id=1", "a filter is not understood", {}],
		["/films?or=(id.eq.1", "a condition is not understood", {}],
		["/films?id!x=eq.1", 'the parameter "id!x" is not understood', {}],
		["/films?=eq.1", 'the parameter "" is not understood', {}],
		[
			"/films?id=eq.1;year=eq.2",
			"the query has a semicolon that is not escaped",
			{},
		],
		["/films?title=eq.%ff", "the query is not well-formed", {}],
		// values and casts
		[
			"/films?shown_on=gte.today",
			"a value of type date may mean another each time it is read",
			{},
		],
		[
			"/films?shown_at=lt.NOW",
			"a value of type timestamp with time zone may mean another each time it is read",
			{},
		],
		[
			"/films?or=(id.eq.1,shown_on.in.(2026-01-01,tomorrow))",
			"a value of type date may mean another each time it is read",
			{},
		],
		[
			"/films?run=cs.[yesterday,)",
			"a value of type daterange may mean another each time it is read",
			{},
		],
		[
			'/films?run=cs.["n\\ow",)',
			"a value of type daterange may mean another each time it is read",
			{},
		],
		[
			"/films?doors=eq.10:00",
			"a value of type time with time zone may mean another each time it is read",
			{},
		],
		[
			"/films?mood=eq.now",
			"a value of type api.mood may mean another each time it is read",
			{},
		],
		[
			"/films?kind=eq.films",
			"a value of type regclass may mean another each time it is read",
			{},
		],
		[
			"/films?select=title::date",
			"a cast from text to date is not known to be constant",
			{},
		],
		[
			"/films?select=details->>x::timestamptz",
			"a cast from text to timestamp with time zone is not known to be constant",
			{},
		],
		[
			"/films?select=shown_at::timetz",
			"a cast from timestamp with time zone to time with time zone is not known to be constant",
			{},
		],
		[
			"/films?select=mood::text",
			"a cast from api.mood to text is not known to be constant",
			{},
		],
		[
			"/films?select=id::mood",
			"a cast from integer to mood is not known to be constant",
			{},
		],
		[
			"/films?select=year.max()::date",
			"a cast from text to date is not known to be constant",
			{},
		],
		[
			"/films?select=mood.max()",
			"max of api.mood is not known to be built in",
			{},
		],
		[
			"/films?select=tags.sum()",
			"sum of text[] is not known to be built in",
			{},
		],
		// functions
		["/films?select=age", "now() may read the clock or the session", {}],
		[
			"/films?select=studios(films(age))",
			"now() may read the clock or the session",
			{},
		],
		["/films?age=not.is.null", "now() may read the clock or the session", {}],
		["/films?order=age", "now() may read the clock or the session", {}],
		["/rpc/nowhere", 'the schema api has no function "nowhere"', {}],
		["/rpc/films", 'the schema api has no function "films"', {}],
		["/rpc/tidy", 'the function "tidy" is volatile', {}],
		["/rpc/joined?words=a", 'the function "joined" is variadic', {}],
		[
			"/rpc/steady?value=1",
			'more than one function "steady" takes just "value"',
			{},
		],
		["/rpc/found?day=2026-01-01", 'the function "found" is volatile', {}],
		["/rpc/found?year=1", 'no function "found" takes just "year"', {}],
		["/films?select=count->x", '"films" has no column "count"', {}],
		["/films?order=count", '"films" has no column "count"', {}],
		["/films?count=gt.1", '"films" has no column "count"', {}],
		["/rpc/page", 'the function "page" answers in a media type of its own', {}],
		["/rpc/headers", "api.headers() reads a setting", {}],
		["/rpc/add?b=1", 'no function "add" takes just "b"', {}],
		["/rpc/add?a=1&b=2&c=3", 'no function "add" takes just "a", "b", "c"', {}],
		["/rpc/add?a=1&b=2&a=3", 'the argument "a" is given more than once', {}],
		["/rpc/add?%22a%22=1&b=2", 'no function "add" takes just ""a"", "b"', {}],
		[
			"/rpc/add?a=1&b=2&select=x",
			'the parameter "select" is about columns that are not known',
			{},
		],
		[
			"/rpc/add?a=1&b=2&order=x",
			'the parameter "order" is about columns that are not known',
			{},
		],
		["/rpc/add?a=eq.1&b=2", 'no function "add" takes just "b"', {}],
		[
			"/rpc/elsewhere?id=eq.1",
			'the parameter "id" is about columns that are not known',
			{},
		],
		[
			"/rpc/since?day=today&at=x&word=now",
			"a value of type date may mean another each time it is read",
			{},
		],
		[
			"/rpc/since?day=2026-01-01&at=10:00&word=now",
			"a value of type time with time zone may mean another each time it is read",
			{},
		],
		[
			"/rpc/hot_films?minimum=8&title=Ran",
			'no function "hot_films" takes just "minimum", "title"',
			{},
		],
		[
			"/rpc/hot_films?minimum=8&nothing=eq.1",
			'"films" has no column "nothing"',
			{},
		],
		["/rpc/hot_films?minimum=8&title=eq", "a filter is not understood", {}],
		// headers
		[
			"/films",
			"answers in application/vnd.pgrst.plan+json are not cached",
			accept("application/vnd.pgrst.plan+json"),
		],
		[
			"/films",
			"answers in application/openapi+json are not cached",
			accept("application/openapi+json"),
		],
		[
			"/films",
			"answers in application/geo+json are not cached",
			accept("application/geo+json, application/json"),
		],
		[
			"/films",
			"answers in application/octet-stream are not cached",
			accept("*/*, application/octet-stream"),
		],
		["/films", "answers in text/plain are not cached", accept("text/plain")],
		[
			"/films",
			"answers in text/plain are not cached",
			accept("text/plain, application/json"),
		],
		["/films", "PostgREST answers in none of text/html", accept("text/html")],
		["/films", "PostgREST answers in none of font/*", accept("font/*")],
		[
			"/films",
			"answers in Application/JSON are not cached",
			accept("Application/JSON, text/csv"),
		],
		[
			"/films",
			"answers in application/json;Q=0.1 are not cached",
			accept("text/csv, application/json;Q=0.1"),
		],
		...["2", ".5", "0.5x", "0.5;x=1", "-1", ""].map(
			(quality): [string, string, Asked] => [
				"/films",
				`answers in text/csv;q=${quality} are not cached`,
				accept(`application/json, text/csv;q=${quality}`),
			],
		),
		[
			"/films",
			"answers in no media type are not cached",
			accept("application/json,"),
		],
		[
			"/films",
			'the preference "tx=rollback" is not known to be harmless',
			prefer("tx=rollback"),
		],
		[
			"/films",
			'the preference "anything" is not known to be harmless',
			prefer("count=exact,anything"),
		],
		[
			"/films",
			'the preference "" is not known to be harmless',
			prefer("count=exact,"),
		],
	])("%s: %s", (path, expected, asked) => {
		expect(reason(path, asked)).toBe(expected);
	});

	it("when it embeds more relations than the limit", () => {
		const embeds = Array.from({ length: 51 }, (_, n) => `e${n}:studios(id)`);
		expect(reason(`/films?select=${embeds.slice(0, 50)}`)).toBe("none");
		expect(reason(`/films?select=${embeds}`)).toBe(
			"there are more than 50 embeds",
		);
	});

	it("with a reason of bounded length", () => {
		expect(reason(`/films?${"x".repeat(5_000)}=eq.1`)).toHaveLength(500);
	});
});

describe("a value or a cast is no reason to bypass", () => {
	it.each([
		"/films?title=eq.now",
		"/films?details->>shown=eq.today",
		"/films?shown_on=gte.2026-01-01",
		"/films?shown_at=lt.infinity&shown_on=gt.epoch",
		"/films?doors=is.null",
		"/films?mood=eq.calm",
		"/films?tags=cs.{now}",
		"/films?title=fts.now",
		"/films?select=id::text,shown_on::text,details::jsonb,year::double%20precision",
		"/films?select=shown_at::date,shown_on::timestamptz",
		"/films?select=year.avg()::int,shown_on.min(),mood.count()",
		"/films?select=year::int.sum(),rating::FLOAT8.avg(),id::dec.min()",
		...["int2", "smallint", "int", "INT4", "integer", "int8", "bigint"].map(
			(name) => `/films?select=title::${name},year::${name}.sum()`,
		),
		...["float4", "real", "float", "float8", "double%20%20precision"].map(
			(name) => `/films?select=title::${name},year::${name}.sum()`,
		),
		...["decimal", "dec", "numeric", "bool", "boolean", "varchar"].map(
			(name) => `/films?select=title::${name},n:count()::${name}`,
		),
		...["char", "bpchar", "character%20varying", "char%20varying"].map(
			(name) => `/films?select=title::${name},n:count()::${name}`,
		),
		...["timestamp", "timestamptz", "timestamp%20with%20time%20zone"].map(
			(name) => `/films?select=shown_on::${name},shown_at::${name}.max()`,
		),
		"/films?select=shown_at::time,shown_at::time%20without%20time%20zone.max()",
	])("%s", (path) => {
		expect(reason(path)).toBe("none");
	});
});

describe("user-defined casts between built-in types", () => {
	const catalog = parsedCatalog(
		catalogOf({
			hasUserDefinedCasts: true,
			relations: [table("films", { id: "integer" })],
		}),
	);

	it.each([
		["/films?select=id::uuid", "a cast may be user-defined"],
		["/films?select=count()::text", "a cast may be user-defined"],
		["/films?select=id", "none"],
	])("let no cast be cached: %s", (path, expected) => {
		expect(reason(path, { catalog })).toBe(expected);
	});
});

describe("a call by POST", () => {
	const post = (body?: string, headers: HeadersInit = {}): Asked => ({
		method: "POST",
		headers: { "content-type": "application/json", ...headers },
		...(body === undefined ? {} : { body }),
	});
	const HOT = "/rpc/hot_films?select=title&year=gt.1960";

	it.each([
		["/rpc/add", '{"a":1,"b":2}', ""],
		["/rpc/add", '{"a":1}', ""],
		["/rpc/found", "{}", "films"],
		["/rpc/found", '{"year":1,"word":"a"}', "studios"],
		[HOT, '{"minimum":8}', "films votes"],
		["/rpc/hot_films?select=count", '{"minimum":8}', "films votes"],
	])("depends on what is called: %s %s", (path, body, expected) => {
		expect(tags(path, post(body))).toBe(expected);
	});

	it.each<[string, string, Asked]>([
		["/films", "the method is POST", post("{}")],
		[
			"/rpc/add",
			"the body of the POST is not a small JSON object",
			post(undefined),
		],
		[
			"/rpc/add",
			"the body of the POST is not a small JSON object",
			post('[{"a":1}]'),
		],
		["/rpc/tidy", 'the function "tidy" is volatile', post("{}")],
		["/rpc/headers", "api.headers() reads a setting", post("{}")],
		["/rpc/add", 'no function "add" takes just ""', post('{"":1}')],
		["/rpc/add?a=1", 'no function "add" takes no arguments', post("{}")],
		[
			"/rpc/add?columns=a",
			'the parameter "columns" chooses arguments',
			post('{"a":1}'),
		],
		[
			"/rpc/hot_films?title=Ran",
			"a filter is not understood",
			post('{"minimum":8}'),
		],
		[
			"/rpc/since",
			"a value of type date may mean another each time it is read",
			post('{"day":"\\u0074oday","at":null,"word":""}'),
		],
		[
			"/rpc/add",
			'the preference "params=single-object" is not known to be harmless',
			post('{"a":1}', { prefer: "params=single-object" }),
		],
		[
			"/rpc/add",
			"the profile is none of the schemas that are exposed",
			post('{"a":1}', { "content-profile": "postern" }),
		],
		["/rpc/add", "none", post('{"a":1}', { "accept-profile": "postern" })],
	])("%s: %s", (path, expected, asked) => {
		expect(reason(path, asked)).toBe(expected);
	});

	const key = (body: string, path = "/rpc/add", headers: HeadersInit = {}) =>
		cacheable(path, post(body, headers)).key;

	it.each([
		['{"a":1,"b":2}', '{ "b" : 2, "a" : 1 }'],
		['{"a":"\\u00e9"}', '{"a":"é"}'],
	])("has one key for %s and %s", (one, other) => {
		expect(key(one)).toBe(key(other));
	});

	it.each([
		['{"a":1}', '{"a":"1"}'],
		['{"a":1}', '{"a":1.0}'],
		['{"a":1}', '{"a":1e0}'],
		['{"a":1}', '{"a":1,"b":null}'],
		['{"a":[1,2]}', '{"a":[1, 2]}'],
		['{"a":{"x":1,"y":2}}', '{"a":{"y":2,"x":1}}'],
		['{"a":1,"b":2}', '{"a":2,"b":1}'],
		['{"a":"1,\\"b\\":2"}', '{"a":"1","b":2}'],
	])("has another key for %s and %s", (one, other) => {
		expect(key(one)).not.toBe(key(other));
	});

	it("has another key than a call by GET, with another query or type of body", () => {
		const charset = "application/json; charset=utf-8";
		const keys = [
			cacheable("/rpc/add?a=1").key,
			key('{"a":1}'),
			key('{"a":1}', "/rpc/add?limit=1"),
			key('{"a":1}', "/rpc/add", { "content-type": charset }),
		];
		expect(new Set(keys).size).toBe(4);
	});
});

describe("functions named like aggregates", () => {
	const catalog = parsedCatalog(
		catalogOf({
			hasUserDefinedAggregates: true,
			relations: [
				table("films", { id: "integer", count: "integer" }),
				table("studios", { id: "integer" }),
			],
		}),
	);

	it.each([
		["/studios?select=id.max()", "an aggregate may be user-defined"],
		["/studios?select=count()", "an aggregate may be user-defined"],
		["/studios?select=count", "an aggregate may be user-defined"],
		["/films?select=count", "none"],
	])("let no aggregate be cached: %s", (path, expected) => {
		expect(reason(path, { catalog })).toBe(expected);
	});
});

describe("media types", () => {
	const withTypes = (...mediaTypes: string[]) =>
		parsedCatalog(
			catalogOf({
				mediaTypes,
				relations: [table("films", { id: "integer" })],
			}),
		);

	const keyOf = (accept: string) =>
		cacheable("/films", { headers: { accept } }).key;

	it.each([
		"*/*",
		"application/json",
		"application/json;charset=utf-8",
		// As axios and Angular send it.
		"application/json, text/plain, */*",
		"application/json,text/plain;q=0.9,*/*;q=0.1",
		"application/*;q=0.5, application/json;q=0.5",
		"application/*, */*",
		"text/csv",
		"text/csv;q=0.5, application/json",
		"application/vnd.pgrst.object+json",
		"application/vnd.pgrst.object+json;nulls=stripped",
		"application/vnd.pgrst.object",
		"application/vnd.pgrst.array+json;nulls=stripped",
		"application/vnd.pgrst.array+json",
		// As browsers send it: PostgREST skips the types that it cannot make.
		"text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8",
		"image/*, application/json",
	])("%s may be cached", (accept) => {
		expect(reason("/films", { headers: { accept } })).toBe("none");
	});

	it.each([
		["application/json", "*/*"],
		["application/json, text/plain, */*", "application/json"],
		["text/html, */*", "application/json"],
		["application/json;q=0.5, text/csv", "text/csv"],
		["*/*, text/csv", "text/csv"],
		["text/csv ;q=0.5,application/json; q=0.25", "text/csv"],
		["application/json;q=0, text/csv;q=0.0", "application/json"],
	])("%s is planned as %s", (accept, picked) => {
		expect(keyOf(accept)).toBe(keyOf(picked));
	});

	it.each([
		["application/json, text/csv", "text/csv, application/json"],
		["application/json, text/csv", "text/csv"],
		[
			"application/vnd.pgrst.array+json;nulls=stripped, application/json",
			"application/json",
		],
		["application/vnd.pgrst.object+json", "application/json"],
	])("%s is not planned as %s", (one, other) => {
		expect(keyOf(one)).not.toBe(keyOf(other));
	});

	it.each([
		[["application/json"], undefined],
		[["application/json"], "*/*"],
		[["application/json"], "application/json"],
		[["application/json"], "application/vnd.pgrst.array+json"],
		[["*/*"], undefined],
		[["*/*"], "text/csv"],
		[["*/*"], "image/png, application/json"],
		[["text/csv"], "application/json;q=0.1, text/csv"],
		[["image/png"], "image/png"],
		[["image/png"], "image/png;x=1, application/json"],
		[["image/png"], "image/*;x=1, application/json"],
	])("where the database makes %j, %s is not cached", (made, accept) => {
		const headers = accept === undefined ? {} : { accept };
		expect(plan("/films", { headers, catalog: withTypes(...made) }).kind).toBe(
			"bypass",
		);
	});

	it.each([
		[["image/png"], "application/json"],
		[["application/json", "*/*"], "application/vnd.pgrst.object+json"],
		[["text/csv"], "*/*"],
		[["text/csv"], "application/json, text/csv;q=0.1"],
		[["text/plain"], "application/json, text/plain, */*"],
	])("where the database makes %j, %s may be cached", (made, accept) => {
		const asked = { headers: { accept }, catalog: withTypes(...made) };
		expect(reason("/films", asked)).toBe("none");
	});
});

describe("how old an answer may be", () => {
	it.each([
		["/films", 5_000],
		["/hasty", 2_000],
		["/studios", 60_000],
		["/films?select=studios(name)", 5_000],
		["/studios?id=eq.1", 60_000],
		// nothing is set for actors, only for the view
		["/stars", 3_000],
		["/rpc/add?a=1&b=2", 5_000],
		// votes are not in the catalog
		["/rpc/hot_films?minimum=1", 5_000],
	])("%s: %i ms", (path, maxStalenessMs) => {
		expect(cacheable(path).maxStalenessMs).toBe(maxStalenessMs);
	});
});

describe("relationships between views", () => {
	const views = parsedCatalog(
		catalogOf({
			relations: [
				view(
					"authors",
					{ id: "integer" },
					{ reads: ["hidden.authors"], claims: ["a"] },
				),
				view("books", { id: "integer" }, { reads: ["hidden.books"] }),
				view(
					"writings",
					{ id: "integer" },
					{ reads: ["hidden.writings"], claims: ["w"] },
				),
				view(
					"both",
					{ id: "integer" },
					{ reads: ["hidden.x", "hidden.y"], claims: ["b"] },
				),
				view(
					"opaque",
					{ id: "integer" },
					{ reads: ["hidden.keyless"], claims: ["o"] },
				),
			],
			foreignKeys: [
				foreignKey("w_author", "hidden.writings:author", "hidden.authors:id"),
				foreignKey("w_book", "hidden.writings:book", "hidden.books:id"),
				// Two tables that only a view brings together
				foreignKey("x_author", "hidden.x:author", "hidden.authors:id"),
				foreignKey("y_book", "hidden.y:book", "hidden.books:id"),
			],
		}),
	);

	it("include every view that might be between them", () => {
		const { tags: all, callerKey } = cacheable("/authors?select=books(id)", {
			catalog: views,
			as: { role: "anon", claims: { a: 1, w: 2, b: 3, o: 4 } },
		});
		expect(all).toEqual([
			"catalog",
			"hidden.authors",
			"hidden.books",
			"hidden.keyless",
			"hidden.writings",
			"hidden.x",
			"hidden.y",
		]);
		expect(callerKey.claims).toEqual({ a: 1, w: 2, b: 3, o: 4 });
	});

	it("are found without the hint, because a view may rename a column", () => {
		const asked = { catalog: views };
		expect(tags("/writings?select=books!anything(id)", asked)).toBe(
			"hidden.books hidden.keyless hidden.writings",
		);
	});
});

describe("a key", () => {
	const key = (path: string, asked?: Asked) => cacheable(path, asked).key;

	it.each([
		["/films?id=eq.1&year=gt.2", "/films?year=gt.2&id=eq.1"],
		["/films?title=eq.a+b", "/films?title=eq.a%20b"],
		["/f%69lms?%69d=eq.1", "/films?id=eq.1"],
		["/films?id=eq.1&", "/films?id=eq.1"],
		["/films?", "/films"],
	])("is one for %s and %s", (one, other) => {
		expect(key(one)).toBe(key(other));
	});

	it.each([
		["/films?id=gt.1&id=lt.4", "/films?id=lt.4&id=gt.1"],
		["/films?order=id&order=year", "/films?order=year&order=id"],
		["/films?select=id&select=title", "/films?select=title&select=id"],
		["/films?select", "/films?select="],
		["/films?limit", "/films?limit=undefined"],
		["/films?limit", "/films?limit=null"],
		["/films", "/films?&"],
		["/films", "/color_films"],
		["/films?title=eq.a&year=is.null", "/films?title=eq.a%26year=is.null"],
		["/films?title=eq.%22%5D", "/films?title=eq.%5C%22%5D"],
	])("is another for %s and %s", (one, other) => {
		expect(key(one)).not.toBe(key(other));
	});

	it("is another for a relation and a function of the same name", () => {
		const catalog = parsedCatalog(
			catalogOf({
				relations: [table("films", {})],
				functions: [routine("films")],
			}),
		);
		expect(key("/films", { catalog })).not.toBe(key("/rpc/films", { catalog }));
	});

	it.each<[string, Asked, Asked]>([
		["the method", {}, { method: "HEAD" }],
		["the role", {}, { as: { role: "authenticated", claims: {} } }],
		["Accept", {}, { headers: { accept: "text/csv" } }],
		["Prefer", {}, { headers: { prefer: "count=exact" } }],
		[
			"the order of preferences",
			{ headers: { prefer: "return=minimal, return=representation" } },
			{ headers: { prefer: "return=representation, return=minimal" } },
		],
		["Range", {}, { headers: { range: "0-1" } }],
		["Range-Unit", {}, { headers: { "range-unit": "items" } }],
		[
			"Range and Range-Unit",
			{ headers: { range: "items" } },
			{ headers: { "range-unit": "items" } },
		],
	])("is another with another %s", (_, one, other) => {
		expect(key("/films", one)).not.toBe(key("/films", other));
	});

	it("is another with another schema", () => {
		const catalog = parsedCatalog(
			catalogOf({
				relations: [
					table("films", {}),
					table("films", {}, { schema: "other" }),
				],
			}),
		);
		const headers = { "accept-profile": "other" };
		expect(key("/films", { catalog })).not.toBe(
			key("/films", { catalog, headers }),
		);
		expect(key("/films", { catalog })).toBe(
			key("/films", { catalog, headers: { "accept-profile": "api" } }),
		);
	});

	it.each<[string, HeadersInit]>([
		["Accept for everything", { accept: "*/*" }],
		["Accept for JSON", { accept: "application/json" }],
		["an empty Prefer", { prefer: "" }],
		[
			"headers that no cached answer depends on",
			{
				cookie: "a=1",
				"user-agent": "x",
				"if-none-match": "*",
				"content-profile": "other",
				"x-custom": "y",
			},
		],
	])("is the same with %s", (_, headers) => {
		expect(key("/films", { headers })).toBe(key("/films"));
	});
});

describe("a caller key", () => {
	const callerKeyOf = (claims: Record<string, unknown>, path = "/claimed") =>
		cacheable(path, { as: { role: "authenticated", claims } });

	it("has the claims that are read, with the role and the audience of the origin token", () => {
		const claims = { sub: "ada", email: "x", role: "postgres", aud: "web" };
		expect(callerKeyOf(claims).callerKey).toEqual({
			role: "authenticated",
			claims: { aud: "postgrest", role: "authenticated", sub: "ada" },
			headers: {},
		});
	});

	it("says whether the answer has an estimated count, which changes unseen", () => {
		for (const [count, readsClock] of [
			["exact", false],
			["planned", true],
			["estimated", true],
		] as const) {
			const headers = { prefer: `count=${count}` };
			expect(cacheable("/films", { headers }).readsClock).toBe(readsClock);
		}
	});

	it("has no claim that only every object has", () => {
		expect(
			Object.keys(callerKeyOf({ team: 1 }).callerKey.claims).sort(),
		).toEqual(["aud", "role"]);
	});

	it("has the role alone for a caller without claims, as the origin token", () => {
		expect(callerKeyOf({}).callerKey.claims).toEqual({ role: "authenticated" });
	});

	it("distinguishes a missing claim from one that is null", () => {
		expect(callerKeyOf({ sub: null }).key).not.toBe(callerKeyOf({}).key);
		expect(callerKeyOf({ sub: undefined }).key).toBe(callerKeyOf({}).key);
	});

	it.each<[unknown, unknown]>([
		["1", 1],
		["null", null],
		[["a"], "a"],
		[["a", "b"], ["a,b"]],
		[{ a: 1 }, { a: "1" }],
		["a", "A"],
		["", null],
		["ada", "ada "],
		[true, "true"],
	])("distinguishes %j from %j", (one, other) => {
		expect(callerKeyOf({ sub: one }).key).not.toBe(
			callerKeyOf({ sub: other }).key,
		);
	});

	it("distinguishes claims that look alike as text", () => {
		const odd = JSON.parse('{"__proto__": "x"}');
		const keys = [
			callerKeyOf({ constructor: "x" }),
			callerKeyOf(odd),
			callerKeyOf({ sub: "x" }),
			callerKeyOf({}),
		].map(({ key }) => key);
		expect(new Set(keys).size).toBe(4);
	});

	it("has none of the claims that nothing reads", () => {
		const one = callerKeyOf({ sub: "ada", exp: 1, iat: 2, jti: "a", team: 1 });
		const other = callerKeyOf({ sub: "ada", exp: 3, iat: 4, jti: "b" });
		expect(one.key).toBe(other.key);
		expect(callerKeyOf({ sub: "ada" }, "/films").key).toBe(
			callerKeyOf({ sub: "grace" }, "/films").key,
		);
	});
});

describe("for any request", () => {
	/** A request that can be cached, as what it is and as it is sent. */
	interface Sent {
		readonly meaning: unknown;
		readonly path: string;
		readonly asked: Asked;
	}

	const value = fc.oneof(
		fc.constantFrom(
			"1",
			"a,b",
			'"',
			"]",
			'","',
			"&",
			"=",
			"+",
			"%",
			" ",
			"\\",
			"null",
		),
		fc
			.string({ unit: "binary", maxLength: 3 })
			.filter((text) => !text.includes("\0")),
	);
	const parameter: fc.Arbitrary<[string, string]> = fc.oneof(
		fc.tuple(
			fc.constantFrom("title", "labels", "x.title"),
			value.map((text) => `eq.${text}`),
		),
		fc.tuple(fc.constantFrom("limit", "offset", "x.limit", "columns"), value),
		fc.constantFrom<[string, string]>(
			["order", "id"],
			["order", "title.desc"],
			["or", "(id.eq.1)"],
		),
	);
	const claims = fc.record(
		{
			sub: fc.jsonValue({ maxDepth: 1 }),
			other: fc.jsonValue({ maxDepth: 1 }),
			exp: fc.nat(),
		},
		{ requiredKeys: [] },
	);
	const pair = catalogOf({
		relations: [
			table(
				"films",
				{ id: "integer", title: "text", labels: "text" },
				{
					claims: ["sub"],
				},
			),
			table(
				"reels",
				{ id: "integer", title: "text", labels: "text", film_id: "integer" },
				{
					claims: ["sub"],
				},
			),
		],
		foreignKeys: [foreignKey("reels_film", "reels:film_id", "films:id")],
	});
	const catalog = parsedCatalog(pair);

	const sent: fc.Arbitrary<Sent> = fc
		.record({
			method: fc.constantFrom("GET", "HEAD"),
			relation: fc.constantFrom("films", "reels"),
			parameters: fc.array(parameter, { maxLength: 4 }),
			headers: fc.record(
				{
					accept: fc.constantFrom(
						"text/csv",
						"application/vnd.pgrst.object+json",
					),
					prefer: fc.constantFrom(
						"count=exact",
						"return=minimal",
						"count=exact, return=minimal",
					),
					range: fc.constantFrom("0-1", "items", "1-"),
					"range-unit": fc.constantFrom("items", "0-1"),
				},
				{ requiredKeys: [] },
			),
			role: fc.constantFrom("anon", "editor"),
			claims,
		})
		.map(({ method, relation, parameters, headers, role, claims: all }) => {
			const target = relation === "films" ? "reels" : "films";
			const select: [string, string] = ["select", `id,x:${target}(id)`];
			const query = [select, ...parameters];
			return {
				meaning: [
					method,
					relation,
					// Equal names keep their order, and so do names about embeds.
					[...Map.groupBy(query, ([name]) => ordered(name))].sort(
						([one], [other]) => (one < other ? -1 : 1),
					),
					headers,
					role,
					Object.hasOwn(all, "sub") ? [all.sub] : [],
				],
				path: `/${relation}?${new URLSearchParams(query)}`,
				asked: {
					method,
					headers: { ...headers },
					as: { role, claims: { ...all } },
					catalog,
				},
			};
		});

	/** Parameters of one of these stay in their order. */
	const ordered = (name: string) => (name.includes(".") ? "embeds" : name);

	it("the key is shared if and only if the meaning is the same", () => {
		const meanings = new Map<string, string>();
		const keys = new Map<string, string>();
		fc.assert(
			fc.property(sent, ({ meaning, path, asked }) => {
				const { key } = cacheable(path, asked);
				const text = JSON.stringify(meaning);
				expect(meanings.get(key) ?? text).toBe(text);
				expect(keys.get(text) ?? key).toBe(key);
				meanings.set(key, text);
				keys.set(text, key);
			}),
			{ numRuns: 3_000 },
		);
	});

	it("parameters may be shuffled, as long as those of one name stay in order, and those about embeds", () => {
		fc.assert(
			fc.property(
				sent,
				fc.infiniteStream(fc.nat()),
				({ path, asked }, numbers) => {
					const [base = "", query] = path.split("?");
					const groups = [
						...Map.groupBy(new URLSearchParams(query), ([name]) =>
							ordered(name),
						).values(),
					].map((group) => [...group]);
					const shuffled: [string, string][] = [];
					for (const number of numbers) {
						const left = groups.filter((group) => group.length > 0);
						const next = left[number % Math.max(left.length, 1)]?.shift();
						if (next === undefined) break;
						shuffled.push(next);
					}
					const other = `${base}?${new URLSearchParams(shuffled)}`;
					expect(cacheable(other, asked).key).toBe(cacheable(path, asked).key);
				},
			),
			{ numRuns: 300 },
		);
	});

	it("planning gives a plan or a bypass, and never an error", () => {
		const piece = fc.constantFrom(
			...'select order or and not . , ( ) ! : :: -> ->> * ... " \\ = & + %20 % id title studios films eq. in.( is.null { } count() now 1'.split(
				" ",
			),
		);
		const odd = fc.array(piece, { maxLength: 25 }).map((all) => all.join(""));
		fc.assert(
			fc.property(odd, odd, odd, (one, other, select) => {
				const path = `/films?${one}=${other}&select=${select}`;
				expect(["bypass", "cacheable"]).toContain(plan(path).kind);
			}),
			{ numRuns: 3_000 },
		);
	});
});

describe("a request may write", () => {
	it.each<[boolean, string, string, string?]>([
		[false, "GET", "/films"],
		[false, "HEAD", "/rpc/tidy"],
		[false, "GET", "/rpc/tidy"],
		[false, "OPTIONS", "/films"],
		[true, "POST", "/films"],
		[true, "PATCH", "/films"],
		[true, "PUT", "/films?id=eq.1"],
		[true, "DELETE", "/films"],
		[true, "PROPFIND", "/films"],
		[false, "POST", "/rpc/add"],
		[false, "POST", "/rpc/add?select=x"],
		[false, "POST", "/rpc/steady"],
		[true, "POST", "/rpc/tidy"],
		[true, "POST", "/rpc/twofold"],
		[true, "POST", "/rpc/nowhere"],
		[true, "POST", "/rpc/add/"],
		[true, "POST", "/rpc//add"],
		[true, "POST", "/add"],
		[true, "PUT", "/rpc/add"],
		[true, "POST", "/rpc/add", "other"],
		[true, "POST", "/rpc/add", "nowhere"],
		[false, "POST", "/rpc/add", "api"],
	])("%s: %s %s (%s)", (may, method, path, profile) => {
		const headers = profile === undefined ? {} : { "content-profile": profile };
		const request = new Request(PIPELINE_URL + path, { method, headers });
		expect(planner.mayWrite(cinema, request)).toBe(may);
	});

	it("unless it is a read, while there is no catalog", () => {
		const post = new Request(`${PIPELINE_URL}/rpc/add`, { method: "POST" });
		expect(planner.mayWrite(undefined, post)).toBe(true);
		expect(planner.mayWrite(undefined, new Request(PIPELINE_URL))).toBe(false);
	});
});

it("depends on what PostgREST's pre-request function depends on", () => {
	const read = { reads: ["api.bans"], claims: ["sub"] };
	const withPreRequest = (reasons: readonly string[]) =>
		parsedCatalog({
			...CINEMA,
			preRequest: dependenceOf({ ...read, reasons }),
		});
	const as = { role: "anon", claims: { sub: "ada" } };
	const { tags: all, callerKey } = cacheable("/films", {
		as,
		catalog: withPreRequest([]),
	});
	expect([all, callerKey.claims]).toEqual([
		["api.bans", "api.films", "catalog"],
		{ sub: "ada" },
	]);
	const catalog = withPreRequest(["private.f() is volatile"]);
	expect(plan("/films", { as, catalog })).toMatchObject({
		reason: "the pre-request function: private.f() is volatile",
	});
});
