// Random reads of a world: relations, views and functions with columns, embeds, filters, pages and headers.
import type { OutgoingHttpHeaders } from "node:http";
import fc from "fast-check";
import { seldom, text } from "./values.ts";
import { RELATIONS, type World } from "./world.ts";

/** A read without its caller. */
export interface Read {
	readonly method: "GET" | "HEAD" | "POST";
	/** Below PostgREST's root. */
	readonly path: string;
	readonly headers: OutgoingHttpHeaders;
	readonly body?: string;
}

/** A read of a relation whose name begins with `isolation_`. */
export function get(path: string, headers: Read["headers"] = {}): Read {
	return { method: "GET", path: `/isolation_${path}`, headers };
}

/** A call of a function whose name begins with `isolation_`. */
export function call(path: string, headers: Read["headers"] = {}): Read {
	return { method: "GET", path: `/rpc/isolation_${path}`, headers };
}

/** The same call by POST. */
export function post(path: string, headers: Read["headers"] = {}): Read {
	return byPost(call(path, headers));
}

/** A call whose arguments are in its body, while its filters stay in the query. */
function byPost({ path, headers }: Read): Read {
	const { pathname, searchParams } = new URL(path, "http://postgrest");
	const given: Record<string, string> = {};
	for (const name of ["wanted", "who"]) {
		const value = searchParams.get(name);
		if (value !== null) given[name] = value;
		searchParams.delete(name);
	}
	return {
		method: "POST",
		path: searchParams.size === 0 ? pathname : `${pathname}?${searchParams}`,
		headers: { ...headers, "content-type": "application/json" },
		body: JSON.stringify(given),
	};
}

/** A read, and the same with other headers. */
export type Reads = readonly [Read, Read];

type Name = (typeof RELATIONS)[number] | "found";

/** `@` stands for the prefix. Names of embeds are those of the tables. */
const SELECTS: Record<Name, readonly string[]> = {
	notes: [
		"*",
		"id,owner,level",
		"id,body",
		"id,mine:@mine",
		"*,@teams(*)",
		"id,level,@teams!inner(name)",
		"id,replies:@replies(*)",
		"id,@replies(id,body),@teams(name,@members(*))",
		"id,@siblings(id,owner)",
		"id,...@teams(team:name)",
		"me:owner,level::text",
	],
	replies: [
		"*",
		"id,@notes(*)",
		"id,@notes!inner(owner,@teams(*))",
		"id,@notes(mine:@mine)",
		"id,@shown(*)",
		"id,@open(id,body)",
	],
	teams: [
		"*",
		"*,@members(*)",
		"name,@notes(*)",
		"name,@notes(id,mine:@mine,@replies(*))",
		"id,@shown(id)",
		"id,@members!inner(member)",
	],
	members: ["*", "member,@teams(*,@notes(id))", "org,...@teams(tenant)"],
	shown: ["*", "*,@teams(*)", "id,@replies(*)", "id,owner", "id,@owned(*)"],
	open: ["*", "id,body,@teams(name)", "owner,@replies(id,@notes(owner))"],
	owned: ["*", "id,@notes(id,owner)", "id,@shown(*)", "id,@open(*)"],
	digest: ["*", "owner,notes", "claim"],
	me: ["*", "claim", "role,owners"],
	found: ["*", "id,@teams(*)", "id,mine:@mine", "id,@replies(id)"],
};

/** A column of all relations, with integers that are not negative. */
const NUMBER: Partial<Record<Name, string>> = {
	members: "team_id",
	digest: "notes",
};
const TEXT: Partial<Record<Name, string>> = {
	replies: "author",
	owned: "author",
	teams: "tenant",
	members: "member",
	me: "role",
};

const page: fc.Arbitrary<string> = fc.oneof(
	{ weight: 9, arbitrary: fc.constant("") },
	{
		weight: 1,
		arbitrary: fc.constantFrom("&limit=2", "&offset=1", "&limit=3&offset=2"),
	},
);

function filter(name: Name): fc.Arbitrary<string> {
	const column = TEXT[name] ?? "owner";
	const number = NUMBER[name] ?? "id";
	const value = text.map((one) => encodeURIComponent(one));
	return fc.oneof(
		{ weight: 12, arbitrary: fc.constant("") },
		{ weight: 1, arbitrary: value.map((one) => `&${column}=eq.${one}`) },
		{ weight: 1, arbitrary: fc.constant(`&${column}=is.null`) },
		{ weight: 1, arbitrary: value.map((one) => `&${column}=neq.${one}`) },
		{ weight: 1, arbitrary: fc.nat(4).map((one) => `&${number}=gte.${one}`) },
		{ weight: 1, arbitrary: fc.nat(4).map((one) => `&${number}=eq.${one}`) },
		{
			weight: 1,
			arbitrary: fc
				.nat(4)
				.map((one) => `&or=(${number}.lt.${one},${column}.eq.a)`),
		},
	);
}

const argument = (name: Name): fc.Arbitrary<string> =>
	name === "found"
		? seldom(
				fc.constantFrom("", "&wanted=1", "&who=a"),
				fc.constantFrom("&wanted=3&who=A", "&wanted=2&who=a"),
				3,
			)
		: fc.constant("");

const order = (name: Name): fc.Arbitrary<string> =>
	fc.constantFrom("", "", `&order=${NUMBER[name] ?? "id"}.desc`);

const headers: fc.Arbitrary<OutgoingHttpHeaders> = fc
	.record({
		accept: seldom(
			fc.constantFrom(
				"text/csv",
				"application/vnd.pgrst.object+json",
				"text/csv",
				"application/vnd.pgrst.array+json;nulls=stripped",
			),
			fc.constantFrom("application/json", "*/*"),
			8,
		),
		prefer: seldom(
			fc.constantFrom("count=planned", "count=exact, handling=strict"),
			fc.constantFrom("", "", "count=exact"),
			8,
		),
		range: seldom(fc.constantFrom("0-1", "0-9", "1-3"), fc.constant(""), 6),
		"x-tenant": fc.constantFrom("", "a", "b"),
		cookie: fc.constantFrom("", "tenant=a", "tenant=b"),
	})
	.map((all) =>
		Object.fromEntries(Object.entries(all).filter(([, value]) => value !== "")),
	);

export function readsOf({ prefix }: World): fc.Arbitrary<Reads> {
	const names: readonly Name[] = [...RELATIONS, ...RELATIONS, "found"];
	return seldom(listedIn(prefix), relationsIn(names, prefix), 20);
}

/** PostgREST knows no columns of its result, so it cannot be filtered. */
function listedIn(prefix: string): fc.Arbitrary<Reads> {
	return fc
		.tuple(nonces, headers, headers, fc.boolean())
		.map(([nonce, first, second, isPost]) => {
			const wanted = encodeURIComponent(` ${nonce}`);
			const path = `/rpc/${prefix}listed?wanted=${wanted}`;
			const read = (headers: Read["headers"]): Read => {
				const own: Read = { method: "GET", path, headers };
				return isPost ? byPost(own) : own;
			};
			return [read(first), read(second)];
		});
}

/** Filters that make a read unlike every read before it. */
const nonces = fc.nat({ max: 2 ** 31 - 1 });

function relationsIn(
	names: readonly Name[],
	prefix: string,
): fc.Arbitrary<Reads> {
	return fc.tuple(fc.constantFrom(...names), nonces).chain(([name, nonce]) => {
		const path = `${name === "found" ? "/rpc" : ""}/${prefix}${name}`;
		// True for every row.
		const own = `&${NUMBER[name] ?? "id"}=gte.-${nonce}`;
		return fc
			.tuple(
				fc.constantFrom(...SELECTS[name]),
				argument(name),
				filter(name),
				order(name),
				page,
				seldom<Read["method"]>(fc.constant("HEAD"), fc.constant("GET"), 12),
				headers,
				headers,
				fc.boolean(),
			)
			.map(([select, ...parts]): Reads => {
				const [args, where, sort, bounds, method, first, second, isPost] =
					parts;
				const columns = encodeURIComponent(select.replaceAll("@", prefix));
				const query = `?select=${columns}${args}${own}${where}${sort}${bounds}`;
				const read = (headers: Read["headers"]): Read => {
					const own = { method, path: path + query, headers };
					return isPost && name === "found" ? byPost(own) : own;
				};
				return [read(first), read(second)];
			});
	});
}
