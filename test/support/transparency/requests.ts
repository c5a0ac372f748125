// The requests of promise 1: one for each feature of PostgREST 12 and later, and one for each refusal.

/** A request to PostgREST; `ada` brings a token of role `authenticated`, `anonymous` brings none. */
export interface Question {
	method: string;
	path: string;
	/** A list is sent as several fields of the same name. */
	headers?: Record<string, number | string | string[] | undefined>;
	body?: string | Uint8Array;
	as: "ada" | "anonymous";
}

export interface Row extends Question {
	/** The status of PostgREST 12, which shows that a request tests the case it is meant for. Later versions differ in some. */
	status: number;
}

type Headers = Record<string, string | string[]>;

const JSON_TYPE = { "content-type": "application/json" };
const SINGULAR = { accept: "application/vnd.pgrst.object+json" };

function prefer(...preferences: string[]): Headers {
	return { prefer: preferences.join(", ") };
}

function get(status: number, path: string, headers: Headers = {}): Row {
	return { status, method: "GET", path: asUri(path), headers, as: "anonymous" };
}

/** One request for each line: the status, then path and query. Backslashes are literal. */
function gets({ raw: [lines = ""] }: TemplateStringsArray): Row[] {
	return lines
		.trim()
		.split("\n")
		.map((line) => {
			const [status, path = ""] = line.trim().split(/ (.*)/);
			return get(Number(status), path);
		});
}

/** Escapes characters that no URI may contain (RFC 3986), as clients do and workerd demands. Everything else is sent as written. */
function asUri(path: string): string {
	return path.replaceAll(/["<> ]/g, encodeURIComponent);
}

function head(status: number, path: string, headers: Headers = {}): Row {
	return { ...get(status, path, headers), method: "HEAD" };
}

/** A request with a JSON body, or with text and a Content-Type of its own. */
function send(
	status: number,
	method: string,
	path: string,
	body?: unknown,
	headers: Headers = {},
): Row {
	const text = typeof body === "string" ? body : JSON.stringify(body);
	return {
		status,
		method,
		path: asUri(path),
		headers: text === undefined ? headers : { ...JSON_TYPE, ...headers },
		...(text === undefined ? {} : { body: text }),
		as: "ada",
	};
}

function post(
	status: number,
	path: string,
	body?: unknown,
	headers?: Headers,
): Row {
	return send(status, "POST", path, body, headers);
}

function patch(
	status: number,
	path: string,
	body?: unknown,
	headers?: Headers,
): Row {
	return send(status, "PATCH", path, body, headers);
}

function put(
	status: number,
	path: string,
	body?: unknown,
	headers?: Headers,
): Row {
	return send(status, "PUT", path, body, headers);
}

function del(status: number, path: string, headers?: Headers): Row {
	return send(status, "DELETE", path, undefined, headers);
}

function asAda(row: Row): Row {
	return { ...row, as: "ada" };
}

function asAnonymous(row: Row): Row {
	return { ...row, as: "anonymous" };
}

/** Requests that change nothing. */
export const READS: Record<string, Row[]> = {
	"filters on columns": [
		...gets`
			200 /films
			200 /films?year=eq.1979
			200 /films?year=neq.1979
			200 /films?year=gt.1979
			200 /films?year=gte.1979
			200 /films?year=lt.1979
			200 /films?year=lte.1979
			200 /films?title=like.S*r
			200 /films?title=like.S%25r
			200 /films?title=ilike.*JIM*
			200 /films?title=match.%5ES
			200 /films?title=imatch.%5Es
			200 /films?year=in.(1979,1985)
			200 /films?title=in.("Ran","The%20\"Ladykillers\",x")
			200 /films?year=in.()
			200 /films?year=is.null
			200 /films?is_color=is.true
			200 /films?is_color=is.false
			200 /films?is_color=is.unknown
			200 /films?year=isdistinct.1979
			200 /films?year=not.eq.1979
			200 /films?year=not.is.null
			200 /films?title=not.ilike.s*
			200 /films?year=not.in.(1979,1985)
			200 /films?title=like(any).{S*,R*}
			200 /films?title=ilike(all).{*s*,*r*}
			200 /films?year=eq(any).{1979,1985}
			200 /films?year=not.gt(all).{1961,1962}
			200 /films?plot=fts.zone
			200 /films?plot=fts(english).guided
			200 /films?plot=plfts(english).three sons
			200 /films?plot=phfts(english).two%20gangs
			200 /films?plot=wfts(english).gangs or "three sons"
			200 /films?plot=not.fts(english).room
			200 /films?tags=cs.{war}
			200 /films?tags=cd.{war,samurai,zone}
			200 /films?tags=ov.{war,zone}
			200 /films?tags=eq.{war}
			200 /films?details=cs.{"minutes":162}
			200 /films?in_cinemas=cs.[1979-06-01,1979-06-02)
			200 /films?in_cinemas=ov.[1979-06-01,1985-07-01)
			200 /films?in_cinemas=sl.[1980-01-01,1981-01-01)
			200 /films?in_cinemas=sr.[1970-01-01,1971-01-01)
			200 /films?in_cinemas=nxr.[1973-01-01,1981-01-01)
			200 /films?in_cinemas=nxl.[1973-01-01,1981-01-01)
			200 /films?in_cinemas=adj.[1980-01-01,1981-01-01)
			200 /films?year=gt.1960&year=lt.1980&is_color=is.true
			200 /color_films?year=gt.1980
		`,
	],
	logic: [
		...gets`
			200 /films?or=(year.lt.1962,year.gt.1980)
			200 /films?and=(year.gt.1960,year.lt.1980)
			200 /films?not.or=(year.lt.1962,year.gt.1980)
			200 /films?and=(year.gt.1960,or(title.like.S*,rating.gte.8.2),not.and(is_color.is.true,year.eq.1972))
			200 /films?or=(title.in.(Ran,Solaris),tags.cs.{zone},plot.fts(english).sons)
			200 /films?or=(title.eq."The \"Ladykillers\", or (100%25) 5_star %26 co",year.is.null)
			200 /films?or=(year.eq(any).{1979,1985},title.not.like.*)
			200 /films?year=gt.1960&or=(studio_id.eq.1,studio_id.eq.2)&or=(id.lt.3,id.gt.3)
		`,
	],
	columns: [
		...gets`
			200 /films?select=id,title
			200 /films?select=*
			200 /films?select=name:title,published:year
			200 /films?select=id,year::text,rating::int
			200 /films?select=id,details->minutes,details->>quote,details->awards->>0
			200 /films?select=id,first:details->awards->0,camera:details->crew->>camera
			200 /films?select=id,details->minutes::text
			200 /films?details->>minutes=eq.162
			200 /films?details->minutes=gt.120
			200 /films?details->crew->>camera=eq.Knyazhinsky
			200 /films?select=id&order=details->>minutes.desc.nullslast
			200 /films?select=id,headline
			200 /films?select=id&headline=like.RAN*&order=headline
			200 /films?select=tags->0
			200 /films?select=id,id
			200 /films?select=
			400 /films?select=id,count()
		`,
	],
	embeds: [
		...gets`
			200 /films?select=title,studios(name)
			200 /films?select=title,studio:studios(*)
			200 /films?select=title,studio:studio_id(name)
			200 /studios?select=name,films(count)
			200 /films?select=title,appearances(number:count::text)&order=id
			200 /films?select=count
			400 /studios?select=name,films(count())
			400 /studios?select=name,films(rating.sum())
			200 /studios?select=name,films(title,year)
			200 /films?select=title,director:directors!films_director(name),producer:directors!films_producer(name)
			200 /films?select=title,directors!director_id(name)
			200 /actors?select="full name",films(title)
			200 /films?select=title,actors(full_name:"full name"),appearances(character)
			200 /films?select=title,premieres(city)
			200 /premieres?select=city,films(title)
			200 /studios?select=name,films(title,appearances(character,actors("full name")))
			200 /films?select=title,...studios(studio:name,country)
			200 /films?select=title,...studios(name,films(title))
			200 /films?select=title,studios!inner(name)
			200 /films?select=title,studios!inner(name)&studios.country=eq.JP
			200 /films?select=title,studios(name)&studios.country=eq.JP
			200 /films?select=title,studios(name)&studios=is.null
			200 /films?select=title,studios()&studios=not.is.null
			200 /studios?select=name,films(title,year)&films.order=year.desc&films.limit=1
			200 /studios?select=name,films(title)&films.order=id&films.limit=1&films.offset=1
			200 /studios?select=name,films(title)&films.or=(year.lt.1975,rating.eq.8.2)
			200 /studios?select=name,films(title,actors("full name"))&films.actors.order="full name".desc
			200 /films?select=title,studios(name)&order=studios(name).desc.nullslast,title
			200 /films?select=title,sequels(title)
			200 /films?select=title,prequel(title)
			200 /films?select=title,headline,studios(name)&id=eq.3
			200 /color_films?select=title,studios(name)
			200 /films?select=title,s:studios!inner(name)&s.name=eq.Toho
			300 /films?select=title,directors(name)
			400 /films?select=title,numbers(n)
			400 /films?select=title,studios!nowhere(name)
			400 /studios?select=name,...films(title)&studios=is.null
		`,
	],
	"order, pages and counts": [
		...gets`
			200 /films?order=year
			200 /films?order=year.desc,title.asc
			200 /films?order=year.nullsfirst
			200 /films?order=year.desc.nullslast
			200 /numbers?limit=10
			200 /numbers?limit=10&offset=20&order=n
			200 /numbers?limit=0
			200 /numbers?offset=249
			200 /numbers?offset=1000
		`,
		get(200, "/numbers", { range: "0-9" }),
		get(200, "/numbers", { range: "0-9", "range-unit": "items" }),
		get(200, "/numbers", { range: "240-", "range-unit": "items" }),
		get(200, "/numbers", { range: "items=0-9" }),
		get(200, "/numbers?limit=5", { range: "0-9" }),
		get(206, "/numbers", { range: "0-9", ...prefer("count=exact") }),
		get(206, "/numbers?limit=10", prefer("count=planned")),
		get(206, "/numbers?limit=10", prefer("count=estimated")),
		get(200, "/numbers", prefer("count=exact")),
		get(200, "/numbers?n=gt.1000", prefer("count=exact")),
		get(206, "/numbers?n=gt.100&limit=1", prefer("count=exact")),
		get(416, "/numbers", { range: "9-0" }),
		get(416, "/numbers?offset=1000", prefer("count=exact")),
		get(416, "/numbers", { range: "1000-1009", ...prefer("count=exact") }),
		get(416, "/numbers?limit=-1"),
		head(200, "/numbers"),
		head(200, "/numbers?limit=2", { "content-length": "0" }),
		get(200, "/numbers?limit=3", { "content-length": "0" }),
		{ ...get(200, "/numbers?limit=4"), body: "[1]" },
		head(206, "/numbers?limit=7", prefer("count=exact")),
		head(416, "/numbers?offset=1000", prefer("count=exact")),
		head(404, "/nowhere"),
		head(400, "/films?year=eq.x"),
		asAda(head(403, "/vault")),
		head(401, "/vault"),
		head(200, "/rpc/add?a=1"),
	],
	representations: [
		get(200, "/films?id=eq.1", SINGULAR),
		get(406, "/films?id=eq.1000", SINGULAR),
		get(406, "/films", SINGULAR),
		get(200, "/films?id=eq.1", { accept: "application/vnd.pgrst.object" }),
		get(200, "/films", {
			accept: "application/vnd.pgrst.array+json;nulls=stripped",
		}),
		get(200, "/films?id=eq.8", {
			accept: "application/vnd.pgrst.object+json;nulls=stripped",
		}),
		get(200, "/films?select=id,title,tags", { accept: "text/csv" }),
		get(200, "/films?select=id&id=eq.1000", { accept: "text/csv" }),
		get(200, "/films?select=id", { accept: "*/*" }),
		get(200, "/films?select=id", {
			accept: "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
		}),
		get(200, "/films?select=id", {
			accept: "text/csv;q=0.5, application/json",
		}),
		get(415, "/films?select=id", { accept: "application/pdf" }),
		get(415, "/films", { accept: "application/vnd.pgrst.plan+json" }),
		get(415, "/films?select=id", { accept: "application/octet-stream" }),
		asAda(
			get(200, "/rpc/poster_of?film_id=1", {
				accept: "application/octet-stream",
			}),
		),
		asAda(
			get(200, "/rpc/poster_of?film_id=2", {
				accept: "application/octet-stream",
			}),
		),
		get(415, "/rpc/null_text", { accept: "text/plain" }),
		get(200, "/rpc/page"),
		get(200, "/rpc/page", { accept: "text/html" }),
		get(200, "/rpc/page", { accept: "text/csv" }),
		get(200, "/films?limit=1", { "accept-profile": "api" }),
		get(406, "/films?limit=1", { "accept-profile": "auth" }),
		get(406, "/films?limit=1", { "accept-profile": "no such schema" }),
		get(200, "/films?limit=1", { origin: "http://127.0.0.1:3000" }),
		get(200, "/films?limit=1", {
			"if-none-match": '"of another answer"',
			"cache-control": "no-cache",
		}),
	],
	characters: [
		...gets`
			200 /films?title=eq.Za%C5%BC%C3%B3%C5%82%C4%87%20g%C4%99%C5%9Bl%C4%85%20ja%C5%BA%C5%84%20%E6%98%A0%E7%94%BB%20%F0%9F%8E%AC
			200 /films?title=like.Zażółć*映画*
			200 /films?details->>ключ=eq.значение
			200 /films?title=eq.
			200 /films?title=eq.The%20"Ladykillers",%20or%20(100%25)%205_star%20%26%20co
			200 /films?title=eq.The+%22Ladykillers%22%2C+or+%28100%25%29+5_star+%26+co
			200 /films?tags=cs.{"with, comma"}
			200 /odd%2C%20(names)%20%26%20more?order=%22a%2Eb%22.desc
			200 /odd%2C%20(names)%20%26%20more?%22a.b%22=eq.1
			200 /odd, (names) & more?select="ü, =%2B?"
		`,
		...gets`
			200 /phrases?phrase=eq.a,b
			200 /phrases?phrase=eq."quoted"
			200 /phrases?phrase=eq.\"quoted\"
			200 /phrases?phrase=eq.back\slash
			200 /phrases?phrase=eq.(parens)
			200 /phrases?phrase=eq.a+b%20c%2520d
			200 /phrases?phrase=eq.a%2Bb%20c%2520d
			200 /phrases?phrase=eq.%3F%26%3D%23%2F
			200 /phrases?phrase=eq.
			200 /phrases?phrase=eq.%C3%9F%D0%96%E6%BC%A2%F0%9F%8E%AC
			200 /phrases?phrase=eq.null
			200 /phrases?phrase=is.null
			200 /phrases?phrase=eq.%20spaced%20
			200 /phrases?phrase=eq.+spaced+
			200 /phrases?phrase=eq.dot.dot:colon*
			200 /phrases?phrase=like.dot*colon*
			200 /phrases?phrase=in.("a,b","\"quoted\"",plain)
			200 /phrases?phrase=eq.'
			200 /phrases?phrase=eq.<>
			200 /phrases?phrase=eq.[]{}|^~
			200 /phrases?phrase=eq.a;b
			200 /phrases?phrase=eq.%00
			200 /phrases?phrase=eq.%
			200 /phrases?phrase=eq.%zz
			500 /phrases?phrase=eq.%ff
			200 /phrases?phrase=eq./../..
			200 /phrases?phrase=eq.http://x//y
		`,
		...gets`
			200 /films?id=eq.1&id=eq.1
			200 /films?id=gt.1&id=lt.4&order=id&order=title
			200 /films?select=id&select=title
			200 /films?
			200 /films?&
			200 /films?id
			400 /films?=eq.1
			200 /films?id=eq.1&
			200 /films?columns=id
			200 /films?on_conflict=id
		`,
		get(200, `/films?id=in.(${"1,".repeat(3_990)}2)`),
		get(200, `/films?title=eq.${"%C5%BC".repeat(1_330)}`),
	],
	paths: [
		...gets`
			404 /nowhere
			404 /Films
			404 /films/1
			404 /films/1/
			404 /films/
			404 //films
			404 /rpc
			404 /rpc/
			404 /rpc/nowhere
			404 /rpc/add/1
			200 /f%69lms?limit=1
			404 /%2Ffilms
			404 /films%2F1
			404 /films%3Fid=eq.1
			404 /auth.users
			404 /pg_catalog.pg_class
			404 /ü
		`,
	],
	refusals: [
		...gets`
			400 /films?nothing=eq.1
			400 /films?select=nothing
			400 /films?order=nothing
			400 /films?order=year.sideways
			400 /films?year=1979
			400 /films?year=almost.1979
			400 /films?year=eq.nineteen
			400 /films?or=(year.eq.1979
			400 /films?or=()
			400 /films?select=title,studios(name
			200 /films?limit=ten
			400 /films?year=is.maybe
			400 /films?title=almost(any).{a}
			400 /films?title=match.(
			400 /films?in_cinemas=ov.[2,1)
			401 /vault
		`,
		asAda(get(403, "/vault")),
		get(401, "/diaries"),
		asAda(get(200, "/diaries")),
		...gets`
			401 /books
			200 /books?select=id,title
		`,
		asAda(get(403, "/books?select=price")),
		get(400, "/films?select=title,vault(secret)"),
		get(200, "/films", { prefer: "tx=commit" }),
		{ ...get(405, "/films"), method: "PROPFIND" },
		{ ...get(405, "/films"), method: "PURGE" },
		get(400, "/films?limit=1", prefer("handling=strict", "something=else")),
		get(200, "/films?limit=1", prefer("handling=lenient", "something=else")),
		get(
			206,
			"/films?limit=1",
			prefer("handling=strict", "count=exact", "return=minimal"),
		),
		get(400, "/films?limit=1", prefer("handling=strict", "max-affected=1")),
		get(200, "/films?limit=1", prefer("timezone=Asia/Tokyo")),
		get(
			400,
			"/films?limit=1",
			prefer("handling=strict", "timezone=Mars/Olympus"),
		),
		get(206, "/films?limit=1", { prefer: ["count=exact", "handling=lenient"] }),
		get(200, "/films?limit=1", { prefer: "" }),
	],
	options: [
		{ ...get(200, "/films"), method: "OPTIONS" },
		{ ...get(200, "/color_films"), method: "OPTIONS" },
		{ ...get(404, "/rpc/add"), method: "OPTIONS" },
		{ ...get(200, "/rpc/pairs"), method: "OPTIONS" },
		{ ...get(404, "/nowhere"), method: "OPTIONS" },
		{ ...get(200, "/"), method: "OPTIONS" },
		asAda({ ...get(200, "/books"), method: "OPTIONS" }),
	],
	functions: [
		...gets`
			200 /rpc/add?a=1&b=2
			200 /rpc/add?a=1
			404 /rpc/add?c=1
			400 /rpc/add?a=one
			200 /rpc/films_of?from_year=1970
			200 /rpc/films_of?from_year=1970&select=title,rating,studio_id,studios(name)&rating=lt.8.2&order=title&limit=1
		`,
		get(206, "/rpc/films_of?from_year=1970&limit=1", prefer("count=exact")),
		get(206, "/rpc/films_of?from_year=1970", {
			range: "0-0",
			...prefer("count=exact"),
		}),
		get(200, "/rpc/films_of?from_year=1970", { accept: "text/csv" }),
		get(406, "/rpc/films_of?from_year=1970", SINGULAR),
		...gets`
			200 /rpc/film_of?from_year=1970
			200 /rpc/film_of?from_year=3000
			200 /rpc/pairs
			200 /rpc/pairs?right_=is.null
			204 /rpc/nothing
			200 /rpc/null_text
			200 /rpc/total?numbers={1,2,3}
			200 /rpc/joined?words=a&words=b&words=c
			200 /rpc/joined?words=one
			300 /rpc/twofold?value=1
			200 /rpc/caller
		`,
		asAda(get(200, "/rpc/caller")),
		get(401, "/rpc/poster_of?film_id=1"),
		asAda(get(405, "/rpc/shelve?isbn=9")),
		get(401, "/rpc/shelve?isbn=9"),
		get(200, "/rpc/request_header?name=x-custom", {
			"x-custom": "caf\u00c3\u00a9, 1;2",
		}),
		get(200, "/rpc/request_header?name=user-agent", { "user-agent": "curl/8" }),
		get(200, "/rpc/request_header?name=x-client-info", {
			"x-client-info": "supabase-js/2",
		}),
		get(200, "/rpc/request_header?name=prefer", { prefer: "count=exact" }),
		get(200, "/rpc/request_header?name=accept", { accept: "application/json" }),
		get(200, "/rpc/request_header?name=accept-language", {
			"accept-language": "pl",
		}),
		get(200, "/rpc/request_header?name=range", { range: "0-0" }),
		get(200, "/rpc/request_header?name=referer", {
			referer: "http://127.0.0.1/a?b",
		}),
		get(200, "/rpc/request_header?name=x-request-id", { "x-request-id": "1" }),
		get(200, "/rpc/request_header?name=traceparent", {
			traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
		}),
		get(200, "/rpc/request_cookies", { cookie: 'a=1; b="two"; c=' }),
		...gets`
			200 /rpc/request_cookies
			200 /rpc/request_line
		`,
		head(200, "/rpc/request_line"),
		...gets`
			400 /rpc/fail?state=PT400&message=no&detail=because&hint=try+again
			401 /rpc/fail?state=PT401&message=no&detail=because&hint=try+again
			402 /rpc/fail?state=PT402&message=no&detail=because&hint=try+again
			403 /rpc/fail?state=PT403&message=no&detail=because&hint=try+again
			404 /rpc/fail?state=PT404&message=no&detail=because&hint=try+again
			409 /rpc/fail?state=PT409&message=no&detail=because&hint=try+again
			418 /rpc/fail?state=PT418&message=no&detail=because&hint=try+again
			429 /rpc/fail?state=PT429&message=no&detail=because&hint=try+again
			499 /rpc/fail?state=PT499&message=no&detail=because&hint=try+again
			500 /rpc/fail?state=PT500&message=no&detail=because&hint=try+again
			503 /rpc/fail?state=PT503&message=no&detail=because&hint=try+again
			599 /rpc/fail?state=PT599&message=no&detail=because&hint=try+again
			400 /rpc/fail?state=P0001&message=no&detail=because&hint=try+again
			400 /rpc/fail?state=22023&message=no&detail=because&hint=try+again
			401 /rpc/fail?state=42501&message=no&detail=because&hint=try+again
			403 /rpc/fail?state=28000&message=no&detail=because&hint=try+again
			503 /rpc/fail?state=53400&message=no&detail=because&hint=try+again
			500 /rpc/fail?state=57014&message=no&detail=because&hint=try+again
			500 /rpc/fail?state=XX000&message=no&detail=because&hint=try+again
		`,
		head(204, "/rpc/fail?state=PT403"),
		asAda(get(403, "/rpc/fail?state=42501")),
		asAda(get(403, "/rpc/fail?state=PT403")),
		asAda(get(401, "/rpc/fail?state=PT401")),
		get(
			402,
			`/rpc/fail?state=PGRST&message={"code":"mine","message":"pay","details":"first","hint":"now"}&detail={"status":402,"headers":{"X-Pay":"here"}}`,
		),
		get(
			402,
			`/rpc/fail?state=PGRST&message={"code":"mine","message":"pay"}&detail={"status":402,"status_text":"Pay+Now","headers":{}}`,
		),
		...[
			200, 201, 202, 204, 206, 299, 301, 302, 303, 304, 307, 308, 400, 401, 403,
			404, 410, 412, 418, 422, 451, 500, 501, 502, 503, 504, 511, 599,
		].map((status) => get(status, `/rpc/answer_with?status=${status}`)),
		...gets`
			200 /rpc/answer_with?headers=[{"X-Custom":"a,+b"},{"Cache-Control":"public,+max-age=60"}]
			200 /rpc/answer_with?headers=[{"Set-Cookie":"a=1%3B+Path=/"},{"Set-Cookie":"b=2%3B+HttpOnly"}]
			200 /rpc/answer_with?headers=[{"ETag":"\"abc\""},{"Last-Modified":"Sat,+21+Nov+2026+06:00:00+GMT"},{"Vary":"Cookie"}]
			200 /rpc/answer_with?headers=[{"Content-Type":"text/xml%3B+charset=utf-16"}]&body=<a/>
			200 /rpc/answer_with?headers=[{"Content-Disposition":"attachment%3B+filename=\"a.txt\""}]
			200 /rpc/answer_with?headers=[{"X-Unicode":"Zażółć"}]
			200 /rpc/answer_with?headers=[{"X-Latin":"%C3%A9"}]
			200 /rpc/answer_with?headers=[{"X-Empty":""}]
			302 /rpc/answer_with?status=302&headers=[{"Location":"/films%3Fid%3Deq.1"}]
			303 /rpc/answer_with?status=303&headers=[{"Location":"http://127.0.0.1:1/elsewhere"}]
			201 /rpc/answer_with?status=201&headers=[{"Location":"relative/path"}]
			307 /rpc/answer_with?status=307&headers=[{"Location":"//127.0.0.1:1/elsewhere"}]
			500 /rpc/answer_with?headers={"not":"a+list"}
			500 /rpc/answer_with?status=many
		`,
		...["1", "{}", "[]", '"text"', "null"].map((body) =>
			post(200, "/rpc/echo_json", body),
		),
		post(400, "/rpc/echo_json", ""),
		post(200, "/rpc/echo_json", { ключ: "значение", nested: [1, { a: null }] }),
		post(200, "/rpc/echo_text", "plain, żółć", {
			"content-type": "text/plain",
		}),
		post(200, "/rpc/echo_bytes", "raw \u0000 bytes", {
			"content-type": "application/octet-stream",
			accept: "application/octet-stream",
		}),
		post(200, "/rpc/add", { a: 1, b: 2 }),
		post(200, "/rpc/add", { a: 1 }),
		post(200, "/rpc/add", "a=1&b=2", {
			"content-type": "application/x-www-form-urlencoded",
		}),
		post(404, "/rpc/add", { a: 1, c: 2 }),
		post(404, "/rpc/add"),
		post(200, "/rpc/total", { numbers: [1, 2, 3] }),
		post(200, "/rpc/joined", { words: ["a", "b"] }),
		post(200, "/rpc/films_of?select=title&order=title", { from_year: 1970 }),
		post(
			206,
			"/rpc/films_of?limit=1",
			{ from_year: 1970 },
			prefer("count=exact"),
		),
		post(406, "/rpc/films_of", { from_year: 1970 }, SINGULAR),
		post(
			200,
			"/rpc/films_of?rating=lt.8.2&select=title,rating&order=title",
			{ from_year: 1970 },
			{ range: "1-1", accept: "text/csv" },
		),
		post(200, "/rpc/films_of?select=count", { from_year: 1970 }),
		post(400, "/rpc/films_of?from_year=1980", { from_year: 1970 }),
		post(200, "/rpc/add", { a: 1 }, { "content-profile": "api" }),
		post(200, "/rpc/add", { a: 1 }, { "accept-profile": "nowhere" }),
		post(406, "/rpc/add", { a: 1 }, { "content-profile": "nowhere" }),
		post(200, "/rpc/add", { a: 1 }, { "if-none-match": "*" }),
		post(200, "/rpc/add", { a: 1 }, prefer("return=minimal")),
		post(200, "/rpc/echo_json", { a: 1 }, prefer("params=single-object")),
		post(200, "/rpc/add", { a: 1 }, prefer("tx=rollback")),
		post(400, "/rpc/add", { a: 1 }, prefer("handling=strict", "odd=1")),
		post(200, "/rpc/add?columns=a", { a: 1, b: 5 }),
		post(200, "/rpc/add", [{ a: 1 }]),
		...['{"a":1,"a":2}', '{ "b": 2, "a": 1 }', '{"\\u0061":"1"}'].map((body) =>
			post(200, "/rpc/add", body),
		),
		post(400, "/rpc/add", { a: 1.5 }),
		post(200, "/rpc/add", { a: 1, b: null }),
		post(200, "/rpc/total", {
			numbers: Array.from({ length: 9_000 }, () => 1),
		}),
		post(200, "/rpc/caller", {}),
		asAnonymous(post(200, "/rpc/caller", {})),
		post(200, "/rpc/request_header", { name: "content-length" }),
		post(204, "/rpc/nothing"),
		post(204, "/rpc/nothing", {}),
		post(200, "/rpc/request_line", {}),
		post(400, "/rpc/add", "{"),
		post(200, "/rpc/add", "a,b\n1,2", { "content-type": "text/csv" }),
		post(404, "/rpc/add", "<a/>", { "content-type": "text/xml" }),
		put(405, "/rpc/add", { a: 1 }),
		patch(405, "/rpc/add", { a: 1 }),
		del(405, "/rpc/add"),
	],
};

const BOOK = {
	isbn: "10",
	title: "Żółw 🐢",
	pages: 12,
	shelf_id: 1,
	details: { a: [1, null] },
};
const BOOKS = [BOOK, { ...BOOK, isbn: "11", title: "Second" }];
const COLUMNS = "select=id,isbn,title,pages,shelf_id,details";
const REPRESENTATION = prefer("return=representation");

/** A few hundred kilobytes of CSV. */
function manyLines(count: number): string {
	const title = "x".repeat(100);
	return Array.from({ length: count }, (_, n) => `n${n},${title}`).join("\n");
}

/** Requests that may change the library. */
export const WRITES: Record<string, Row[]> = {
	inserts: [
		post(201, "/books", BOOK),
		post(201, "/books", BOOK, prefer("return=minimal")),
		post(403, "/books", BOOK, prefer("return=headers-only")),
		post(201, `/books?${COLUMNS}`, BOOK, REPRESENTATION),
		post(201, `/books?${COLUMNS}`, BOOK, { ...REPRESENTATION, ...SINGULAR }),
		post(406, `/books?${COLUMNS}`, BOOKS, { ...REPRESENTATION, ...SINGULAR }),
		post(201, `/books?${COLUMNS}`, BOOK, {
			...REPRESENTATION,
			accept: "text/csv",
		}),
		post(201, "/books?select=title,shelves(room)", BOOK, REPRESENTATION),
		post(201, `/books?${COLUMNS}`, BOOKS, REPRESENTATION),
		post(
			201,
			`/books?${COLUMNS}`,
			BOOKS,
			prefer("return=representation", "count=exact"),
		),
		post(201, `/books?${COLUMNS}`, [], REPRESENTATION),
		post(400, "/books", {}, prefer("return=minimal")),
		post(201, `/books?columns=isbn,title&${COLUMNS}`, BOOKS, REPRESENTATION),
		post(400, "/books?columns=isbn,nothing", BOOKS),
		post(400, "/books", [{ isbn: "10" }, { isbn: "11", title: "uneven" }]),
		post(
			201,
			`/books?columns=isbn,title,pages&${COLUMNS}`,
			[{ isbn: "10" }, { isbn: "11", title: "uneven", pages: 3 }],
			prefer("missing=default", "return=representation"),
		),
		post(
			400,
			`/books?columns=isbn,title,pages&${COLUMNS}`,
			[{ isbn: "10" }, { isbn: "11", title: "uneven", pages: 3 }],
			REPRESENTATION,
		),
		post(
			201,
			`/books?${COLUMNS}`,
			'isbn,title,pages\n10,Żółw,12\n11,"with, comma",NULL\n',
			{ "content-type": "text/csv", ...REPRESENTATION },
		),
		post(201, "/books", `isbn,title\n${manyLines(5_000)}`, {
			"content-type": "text/csv",
			...prefer("return=minimal", "count=exact"),
		}),
		post(201, "/books", "isbn,title\n10\n", { "content-type": "text/csv" }),
		post(201, "/tallies", "code=x&count=3", {
			"content-type": "application/x-www-form-urlencoded",
		}),
		post(201, "/books", JSON.stringify(BOOK), {
			"content-type": "application/json; charset=utf-8",
		}),
		post(400, "/books", "<book/>", { "content-type": "text/xml" }),
		post(201, "/books", BOOK, { "content-profile": "api" }),
		post(406, "/books", BOOK, { "content-profile": "auth" }),
		post(
			201,
			"/tallies",
			{ code: "with space & +", count: 1 },
			prefer("return=headers-only"),
		),
		post(201, "/books", BOOK, prefer("return=minimal", "tx=rollback")),
		post(400, "/books", BOOK, prefer("handling=strict", "return=most")),
		post(201, `/books?${COLUMNS}`, BOOK, {
			prefer: ["return=representation", "count=exact"],
			accept: "application/json",
		}),
		post(201, "/letters", { body: "mine" }, prefer("return=representation")),
	],
	upserts: [
		post(
			200,
			"/tallies",
			{ code: "a", count: 10 },
			prefer("resolution=merge-duplicates", "return=representation"),
		),
		post(
			201,
			"/tallies",
			[
				{ code: "a", count: 10 },
				{ code: "c", count: 1 },
			],
			prefer("resolution=merge-duplicates", "return=representation"),
		),
		post(
			201,
			"/tallies",
			[
				{ code: "a", count: 10 },
				{ code: "c", count: 1 },
			],
			prefer("resolution=ignore-duplicates", "return=representation"),
		),
		post(
			201,
			"/tallies",
			{ code: "a", count: 10 },
			prefer("resolution=ignore-duplicates"),
		),
		post(
			200,
			`/books?on_conflict=isbn&${COLUMNS}`,
			{ isbn: "1", title: "Again" },
			prefer("resolution=merge-duplicates", "return=representation"),
		),
		post(
			201,
			`/books?on_conflict=isbn&${COLUMNS}`,
			{ isbn: "1", title: "Again" },
			prefer("resolution=ignore-duplicates", "return=representation"),
		),
		post(
			400,
			"/books?on_conflict=title",
			{ isbn: "1", title: "Again" },
			prefer("resolution=merge-duplicates"),
		),
		post(
			400,
			"/books?on_conflict=nothing",
			{ isbn: "1" },
			prefer("resolution=merge-duplicates"),
		),
		put(204, "/tallies?code=eq.z", { code: "z", count: 5 }),
		put(204, "/tallies?code=eq.a", { code: "a", count: 5 }),
		put(201, "/tallies?code=eq.z", { code: "z", count: 5 }, REPRESENTATION),
		put(200, "/tallies?code=eq.a", { code: "a", count: 5 }, REPRESENTATION),
		put(400, "/tallies?code=eq.a", { code: "b", count: 5 }),
		put(405, "/tallies", { code: "a", count: 5 }),
		put(405, "/tallies?count=eq.1", { code: "a", count: 5 }),
		put(400, "/tallies?code=eq.a&limit=1", { code: "a", count: 5 }),
		put(204, "/tallies?code=eq.a", [{ code: "a" }, { code: "b" }]),
	],
	updates: [
		patch(204, "/books?id=eq.1", { pages: 1 }),
		patch(
			204,
			"/books?id=eq.1",
			{ pages: 1 },
			prefer("return=minimal", "count=exact"),
		),
		patch(200, `/books?id=eq.1&${COLUMNS}`, { pages: 1 }, REPRESENTATION),
		patch(
			200,
			`/books?id=lt.3&${COLUMNS}`,
			{ title: "Same" },
			prefer("return=representation", "count=exact"),
		),
		patch(
			204,
			"/tallies?code=eq.a",
			{ count: 5 },
			prefer("return=headers-only"),
		),
		patch(
			200,
			`/books?id=eq.1&${COLUMNS}`,
			{ pages: 1 },
			{ ...REPRESENTATION, ...SINGULAR },
		),
		patch(
			406,
			`/books?${COLUMNS}`,
			{ pages: 1 },
			{ ...REPRESENTATION, ...SINGULAR },
		),
		patch(
			406,
			`/books?id=eq.1000&${COLUMNS}`,
			{ pages: 1 },
			{ ...REPRESENTATION, ...SINGULAR },
		),
		patch(204, "/books?id=eq.1000", { pages: 1 }),
		patch(200, `/books?id=eq.1000&${COLUMNS}`, { pages: 1 }, REPRESENTATION),
		patch(204, "/books?id=eq.1", {}),
		patch(204, "/books?columns=pages&id=eq.1", { pages: 1, title: "ignored" }),
		patch(204, "/books?order=id.desc&limit=2", { pages: 1 }),
		patch(
			204,
			"/books?order=id&limit=1&offset=1",
			{ pages: 1 },
			prefer("return=minimal", "count=exact"),
		),
		patch(
			200,
			"/books?id=eq.2&select=title,shelves(room)",
			{ shelf_id: 2 },
			REPRESENTATION,
		),
		patch(204, "/books?details->>n=eq.1", { details: { n: 2 } }),
		patch(204, "/books", { pages: 1 }),
		patch(
			400,
			"/books?id=gt.0",
			{ pages: 1 },
			prefer("handling=strict", "max-affected=1"),
		),
		patch(
			204,
			"/books?id=gt.0",
			{ pages: 1 },
			prefer("handling=lenient", "max-affected=1"),
		),
		patch(200, "/letters", { body: "new" }, REPRESENTATION),
		patch(200, "/letters?owner=eq.grace", { body: "new" }, REPRESENTATION),
	],
	deletes: [
		del(204, "/books?id=eq.1"),
		del(204, "/books?id=eq.1", prefer("count=exact")),
		del(200, `/books?id=eq.1&${COLUMNS}`, REPRESENTATION),
		del(200, `/books?id=eq.1&${COLUMNS}`, { ...REPRESENTATION, ...SINGULAR }),
		del(200, `/books?id=eq.1000&${COLUMNS}`, REPRESENTATION),
		del(204, "/books?id=eq.1000"),
		del(204, "/books?order=id&limit=1"),
		del(200, `/books?order=id.desc&limit=2&${COLUMNS}`, REPRESENTATION),
		del(204, "/books"),
		del(200, `/books?title=like.*s*&${COLUMNS}`, {
			...REPRESENTATION,
			accept: "text/csv",
		}),
		del(204, "/letters?id=gt.0"),
		del(409, "/shelves?id=eq.1"),
	],
	"volatile functions": [
		post(200, "/rpc/shelve", { isbn: "10" }, { accept: "application/json" }),
		post(200, "/rpc/shelve", { isbn: "10" }, prefer("return=minimal")),
		post(200, "/rpc/shelve?select=isbn,shelves(room)", {
			isbn: "10",
			room: "cellar",
		}),
		post(200, "/rpc/shelve", { isbn: "10", room: "nowhere" }),
		post(409, "/rpc/shelve", { isbn: "1" }),
		asAnonymous(post(401, "/rpc/shelve", { isbn: "10" })),
	],
	refusals: [
		post(400, "/books", "{"),
		post(400, "/books", "[1]"),
		post(201, "/books", '"text"'),
		post(400, "/books", ""),
		post(400, "/books"),
		post(400, "/books", { ...BOOK, nothing: 1 }),
		post(400, "/books", { ...BOOK, pages: "many" }),
		post(400, "/books", { ...BOOK, pages: -1 }),
		post(400, "/books", { ...BOOK, isbn: null }),
		post(409, "/books", { ...BOOK, isbn: "1" }),
		post(409, "/books", { ...BOOK, shelf_id: 99 }),
		post(403, "/books", { ...BOOK, price: 1 }),
		post(403, "/letters", { body: "forged", owner: "grace" }),
		post(404, "/nowhere", { a: 1 }),
		post(403, "/vault", { id: 2, secret: "x" }),
		patch(403, "/letters?owner=eq.ada", { owner: "grace" }),
		patch(400, "/books?id=eq.1", { nothing: 1 }),
		patch(400, "/books?id=eq.1", { pages: 0 }),
		patch(409, "/books?id=eq.1", { isbn: "2" }),
		patch(409, "/books?id=eq.1", { shelf_id: 99 }),
		patch(400, "/books?id=eq.1", "not json"),
		patch(400, "/books?id=eq.1", ""),
		del(400, "/books?nothing=eq.1"),
		del(403, "/films?id=eq.1"),
		asAnonymous(post(401, "/books", BOOK)),
		asAnonymous(put(401, "/tallies?code=eq.a", { code: "a", count: 5 })),
		asAnonymous(patch(401, "/books?id=eq.1", { pages: 1 })),
		asAnonymous(del(401, "/books?id=eq.1")),
		asAnonymous(post(401, "/letters", { body: "anonymous" })),
		send(405, "PROPFIND", "/books"),
	],
};
