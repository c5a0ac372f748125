// Reads of the archive in every spelling that could confuse two callers or two reads.
import { get, type Read } from "./reads.ts";

function head(path: string): Read {
	return { ...get(path), method: "HEAD" };
}

const LONG = Array.from({ length: 800 }, (_, index) => index + 10).join();

/** Groups of requests that are nearly the same, or seem to be. */
export const SPELLINGS: Readonly<Record<string, readonly Read[]>> = {
	"HEAD and GET": [
		head("letters"),
		get("letters"),
		head("letters?limit=1"),
		get("letters?limit=1"),
	],
	"a profile": ["api", "API", "api,api", "pg_catalog"]
		.map((profile) => get("letters", { "accept-profile": profile }))
		.concat(get("letters", { "content-profile": "pg_catalog" })),
	"a preference": [
		"count=exact",
		"  count=exact\t,  handling=strict ",
		"handling=strict,count=exact",
		"handling=strict,count=no",
		"COUNT=exact",
		'count="exact"',
		"count=exact;a=b",
		"count=planned",
		"count=exact,count=none",
		"timezone=Asia/Tokyo",
		",",
	]
		.map((prefer) => get("letters", { prefer }))
		.concat(get("letters", { prefer: ["count=exact", "timezone=UTC"] })),
	"an order of parameters": [
		"id=gte.2&id=lte.3",
		"id=lte.3&id=gte.2",
		"id=gte.3&id=lte.2",
		"select=id&select=owner",
		"select=owner&select=id",
		"limit=1&limit=2",
		"limit=2&limit=1",
		"order=id.desc&order=id.asc",
		"order=id.asc&order=id.desc",
		"order=id.desc&limit=1",
		"limit=1&order=id.asc",
		"owner=eq.ada&owner=eq.grace",
		"or=(id.eq.1,id.eq.2)&or=(id.eq.2,id.eq.3)",
	].map((query) => get(`letters?${query}`)),
	escapes: [
		"letters?owner=eq.%61da",
		"letters?%6fwner=eq.ada",
		"%6Cetters?owner=eq.ada",
		"letters?owner=eq.Ada",
		"letters?owner=eq.ada%20",
		"letters?owner=eq.ada+",
		"letters?owner=eq.ada%00",
		"letters?owner=eq.ada%",
		"letters?owner=eq.%ff",
		"letters?owner=eq.a%26owner%3Deq.grace",
		"letters?owner=eq.ada;limit=1",
		"letters?owner=eq.ada%3Blimit=1",
		"letters?owner%3Deq.ada",
		"letters?&&owner=eq.ada&",
		"letters?apikey=eq.ada",
	].map((path) => get(path)),
	"a selection": [
		'"id","the body"',
		"id,the body",
		'id,"the%20body"',
		'"id", "owner"',
		"id,owner:owner",
		"owner:id,id:owner",
		"ïd",
		'"i""d"',
		'"i\\"d"',
		"*,*",
		"",
		"id::text",
		"id::regclass",
	].map((select) => get(`letters?select=${encodeURI(select)}`)),
	"a page": [
		get("letters?limit=1", { range: "0-1" }),
		get("letters?limit=2", { range: "0-0" }),
		get("letters?limit=2&offset=1", { range: "0-0" }),
		get("letters", { range: "0-0" }),
		get("letters", { range: "0-0", "range-unit": "items" }),
		get("letters", { range: "0-0", "range-unit": "bytes" }),
		get("letters", { range: "items=0-0" }),
		get("letters", { range: "1-0" }),
		get("letters", { range: "-1" }),
	],
	"a long URL": [
		get(`letters?id=in.(${LONG},1)`),
		get(`letters?id=in.(${LONG},2)`),
		get(`letters?id=in.(${LONG},3)`),
	],
	"a media type": [
		"application/json",
		"application/json;q=0.1",
		"application/json, text/csv",
		"text/csv, application/json",
		"TEXT/CSV",
		"text/csv;charset=utf-8",
		"application/vnd.pgrst.object+json",
		"application/vnd.pgrst.object",
		"application/vnd.pgrst.array+json;nulls=stripped",
		"*/*;q=0",
		"text/*",
	].map((accept) => get("letters?limit=1", { accept })),
	"another method by header": [
		{ "x-http-method-override": "DELETE" },
		{ "x-http-method": "PATCH" },
		{ "x-method-override": "POST" },
	].map((headers) => get("letters", headers)),
	"a role or a user by header": [
		{ "x-role": "service" },
		{ role: "service" },
		{ "postern-role": "service" },
		{ "postern-identity": '{"role":"service"}' },
		{ "x-forwarded-user": "grace" },
		{ "cf-access-authenticated-user-email": "grace" },
		{ "x-hasura-role": "service" },
		{ "request.jwt.claims": '{"sub":"grace"}' },
	].map((headers) => get("letters", headers)),
	"a cookie": [
		get("letters", { cookie: "a=b" }),
		get("letters", { cookie: "sub=grace; role=service" }),
		get("letters"),
	],
	"what is embedded": [
		get("boxes?select=*,isolation_letters(*)"),
		get("boxes?select=*,letters:isolation_letters(id)"),
		get("boxes?select=name,isolation_letters!inner(owner)"),
		get("letters?select=id,isolation_boxes(name,isolation_letters(id))"),
		get("boxes?select=*,isolation_letters(*)&isolation_letters.id=lt.3"),
	],
	"a table without owners": [get("boxes"), get("boxes?order=id.desc")],
	"what is a role's": [get("notices"), get("notices?select=title")],
};
