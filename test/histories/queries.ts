// The reads of a run: the request to PostgREST, and the right answer for each reader in a given state of the database.
import type { Query } from "./check/check.ts";
import type { User } from "./check/history.ts";
import type { State } from "./check/states.ts";
import {
	BOARDS,
	CROWD,
	FAMILIES,
	LATE,
	NOTES,
	PAIRS,
} from "./database/row-values.ts";
import { SWAPPED } from "./database/schema-changes.ts";

/** A read as it is sent. */
export interface SentQuery extends Query {
	readonly method: "GET" | "HEAD" | "POST";
	readonly path: string;
	/** Of a POST. */
	readonly body?: string | undefined;
	readonly headers: Readonly<Record<string, string>>;
	/** The weight of the query. */
	readonly weight: number;
}

type Row = Readonly<Record<string, number | string | boolean>>;

/** An answer as text: two answers are the same if and only if their texts are. */
export function canonical(
	status: number,
	contentRange: string | null,
	body: string,
	isJson: boolean,
): string {
	const text = isJson && body !== "" ? JSON.stringify(JSON.parse(body)) : body;
	return `${status} ${contentRange ?? "-"} ${text}`;
}

const SINGULAR = "application/vnd.pgrst.object+json";
const COUNTED = { prefer: "count=exact" };

export const QUERIES: readonly SentQuery[] = [
	...table("boards", everybody("boards"), BOARDS, 4),
	list("/boards?select=id,value&order=id", ["boards"], (state) =>
		rowsOf(state, "boards").map(({ id, value }) => ({ id, value })),
	),
	list("/boards?or=(id.eq.1,id.eq.4)&order=id", ["boards"], (state) =>
		rowsOf(state, "boards").filter(({ id }) => id === 1 || id === 4),
	),
	...[1, 2].map((id) => singular("boards", id)),
	csv("boards"),
	page("boards", 3, everybody("boards")),
	count("boards", everybody("boards")),
	...table("notes", ownNotes, NOTES, 4),
	count("notes", ownNotes),
	...table("tenant_notes", ofTenant, 3, 2),
	...table("guarded", guarded, 3, 2),
	list("/members?order=team", ["members"], (state, { claims }) =>
		rowsOf(state, "members")
			.filter(({ user_name }) => user_name === claims.sub)
			.toSorted(by("team")),
	),
	...table("documents", ofTeam, 4, 2, ["documents", "members"]),
	list(
		"/parents?select=id,value,children(id,value)&order=id&children.order=id",
		["parents", "children"],
		(state) => rowsOf(state, "parents").map(withChildren(state)),
	),
	list(
		"/parents?select=id,children!inner(id)&order=id&children.order=id",
		["parents", "children"],
		(state) =>
			rowsOf(state, "parents")
				.map(withChildren(state))
				.filter(({ children }) => children.length > 0)
				.map(({ id, children }) => ({
					id,
					children: children.map(({ id }) => ({ id })),
				})),
	),
	...upTo(FAMILIES).map((number) =>
		list(
			`/parents?select=id,value,children(id,value)&id=eq.${number}&children.order=id`,
			["parents", "children"],
			(state) =>
				rowsOf(state, "parents")
					.filter(({ id }) => id === number)
					.map(withChildren(state)),
			0.3,
		),
	),
	list("/children?select=id,value&order=id", ["children"], (state) =>
		rowsOf(state, "children").map(({ id, value }) => ({ id, value })),
	),
	list(
		"/children?select=id,value,...parents(parent_value:value)&order=id",
		["parents", "children"],
		(state) =>
			rowsOf(state, "children").map(({ id, value, parent_id }) => ({
				id,
				value,
				parent_value: find(state, "parents", parent_id)?.value ?? null,
			})),
	),
	list("/parts?order=id,part", ["parts"], everybody("parts")),
	list("/parts?part=eq.0&order=id", ["parts"], (state) =>
		rowsOf(state, "parts").filter(({ part }) => part === 0),
	),
	...upTo(4).map((number) =>
		list(
			`/parts?id=eq.${number}&part=eq.1`,
			["parts"],
			(state) =>
				rowsOf(state, "parts").filter(
					({ id, part }) => id === number && part === 1,
				),
			0.5,
		),
	),
	list("/pairs?order=id", ["left_values", "right_values"], pairs, 2),
	...upTo(PAIRS).map((number) =>
		list(
			`/pairs?id=eq.${number}`,
			["left_values", "right_values"],
			(state) => pairs(state).filter(({ id }) => id === number),
			0.4,
		),
	),
	...upTo(PAIRS).map((number) =>
		list(
			`/rpc/read_pair?pair_id=${number}`,
			["left_values", "right_values"],
			(state) =>
				pairs(state)
					.filter(({ id }) => id === number)
					.map(({ left_value, right_value }) => ({ left_value, right_value })),
			0.4,
		),
	),
	...upTo(PAIRS).map((number) =>
		called(
			"read_pair",
			{ pair_id: number },
			["left_values", "right_values"],
			(state) =>
				pairs(state)
					.filter(({ id }) => id === number)
					.map(({ left_value, right_value }) => ({ left_value, right_value })),
			0.4,
		),
	),
	list(
		"/parents?select=id,children(count)&order=id",
		["parents", "children"],
		(state) =>
			rowsOf(state, "parents")
				.map(withChildren(state))
				.map(({ id, children }) => ({
					id,
					children: [{ count: children.length }],
				})),
	),
	list("/notes?select=count", ["notes"], (state, user) => [
		{ count: ownNotes(state, user).length },
	]),
	list(
		"/authors?select=id,value,books(id,value)&order=id&books.order=id",
		["authors", "books", "author_books"],
		(state) =>
			linked(state, "authors", "author_id", "books", "book_id").map(
				({ id, value, others }) => ({ id, value, books: others }),
			),
		2,
	),
	list(
		"/books?select=id,authors(id,value)&order=id&authors.order=id",
		["authors", "books", "author_books"],
		(state) =>
			linked(state, "books", "book_id", "authors", "author_id").map(
				({ id, others }) => ({ id, authors: others }),
			),
		2,
	),
	...[1, 2, 30, CROWD].map((number) => byKey("crowd", number, 0.6)),
	list(`/crowd?id=gte.${CROWD - 2}&order=id`, ["crowd"], (state) =>
		rowsOf(state, "crowd").filter(({ id }) => Number(id) >= CROWD - 2),
	),
	page("crowd", 5, everybody("crowd")),
	...table("late", known, LATE, 2),
	...table("vaults", vaults, 3, 2, ["vaults", "schema"]),
	list("/opened?order=id", ["vaults", "schema"], opened, 2),
	...["swap_one", "swap_two", "columned", "items_a", "items_b"].flatMap(
		(name) => table(name, everybody(name), SWAPPED, 1),
	),
	...["low_boards", "high_boards"].map((view) =>
		list(`/${view}?order=id`, ["boards", "schema"], (state) => {
			const isLow = (view === "low_boards") !== isTrue(state, "views");
			return rowsOf(state, "boards").filter(
				({ id }) => Number(id) <= 3 === isLow,
			);
		}),
	),
	list(
		"/totals",
		["totals"],
		(state) => [...state.rows("totals").values()] as Row[],
		2,
	),
];

/** A table as a list, and some of its rows by their keys. */
function table(
	name: string,
	visible: (state: State, user: User) => Row[],
	keys: number,
	weight: number,
	reads: readonly string[] = [name],
): SentQuery[] {
	const withPolicy = name === "guarded" ? [...reads, "schema"] : reads;
	return [
		list(`/${name}?order=id`, withPolicy, visible, weight),
		...upTo(keys).map((key) =>
			list(
				`/${name}?id=eq.${key}`,
				withPolicy,
				(state, user) => visible(state, user).filter(({ id }) => id === key),
				weight / keys,
			),
		),
	];
}

function byKey(name: string, key: number, weight: number): SentQuery {
	return list(
		`/${name}?id=eq.${key}`,
		[name],
		(state) => rowsOf(state, name).filter(({ id }) => id === key),
		weight,
	);
}

function list(
	path: string,
	reads: readonly string[],
	rows: (state: State, user: User) => unknown[],
	weight = 1,
): SentQuery {
	return query({ path, reads, weight }, (state, user) => {
		const found = rows(state, user);
		return `200 ${range(found.length, "*")} ${JSON.stringify(found)}`;
	});
}

/** A call by POST. */
function called(
	name: string,
	given: Readonly<Record<string, unknown>>,
	reads: readonly string[],
	rows: (state: State, user: User) => unknown[],
	weight: number,
): SentQuery {
	const shape = {
		method: "POST",
		path: `/rpc/${name}`,
		headers: { "content-type": "application/json" },
		body: JSON.stringify(given),
	} as const;
	return query({ ...shape, reads, weight }, (state, user) => {
		const found = rows(state, user);
		return `200 ${range(found.length, "*")} ${JSON.stringify(found)}`;
	});
}

/** The first rows, and the count of all. */
function page(
	name: string,
	limit: number,
	visible: (state: State, user: User) => Row[],
): SentQuery {
	const path = `/${name}?select=id,value&order=id&limit=${limit}`;
	return query({ path, reads: [name], headers: COUNTED }, (state, user) => {
		const all = visible(state, user);
		const rows = all.slice(0, limit).map(({ id, value }) => ({ id, value }));
		const status = rows.length < all.length ? 206 : 200;
		return `${status} ${range(rows.length, all.length)} ${JSON.stringify(rows)}`;
	});
}

function count(
	name: string,
	visible: (state: State, user: User) => Row[],
): SentQuery {
	return query(
		{ path: `/${name}`, reads: [name], method: "HEAD", headers: COUNTED },
		(state, user) => {
			const { length } = visible(state, user);
			return `200 ${range(length, length)} `;
		},
	);
}

function singular(name: string, key: number): SentQuery {
	return query(
		{
			path: `/${name}?id=eq.${key}`,
			reads: [name],
			headers: { accept: SINGULAR },
			weight: 0.5,
		},
		(state) => {
			const row = find(state, name, key);
			return row === undefined
				? "406"
				: `200 ${range(1, "*")} ${JSON.stringify(row)}`;
		},
	);
}

function csv(name: string): SentQuery {
	return query(
		{
			path: `/${name}?select=id,value&order=id&limit=4`,
			reads: [name],
			headers: { accept: "text/csv" },
		},
		(state) => {
			const rows = rowsOf(state, name).slice(0, 4);
			const lines = rows.map(({ id, value }) => `${id},${value}`);
			const text =
				lines.length === 0 ? "\n" : ["id,value", ...lines].join("\n");
			return `200 ${range(rows.length, "*")} ${text}`;
		},
	);
}

interface QueryShape {
	path: string;
	reads: readonly string[];
	method?: SentQuery["method"];
	body?: string;
	headers?: Readonly<Record<string, string>>;
	weight?: number;
}

function query(
	{ path, reads, method = "GET", headers = {}, body, weight = 1 }: QueryShape,
	answer: (state: State, user: User) => string,
): SentQuery {
	const fields = Object.values(headers).join(" ");
	const name = `${method} ${path} ${body ?? fields}`.trim();
	return { name, method, path, headers, body, reads, weight, answer };
}

function range(length: number, total: number | "*"): string {
	return `${length === 0 ? "*" : `0-${length - 1}`}/${total}`;
}

function rowsOf(state: State, relation: string): Row[] {
	const rows = [...state.rows(relation).values()] as Row[];
	return rows.toSorted((one, other) =>
		one.id === other.id
			? Number(one.part) - Number(other.part)
			: Number(one.id) - Number(other.id),
	);
}

function find(
	state: State,
	relation: string,
	key: Row[string] | undefined,
): Row | undefined {
	return state.rows(relation).get(String(key)) as Row | undefined;
}

function everybody(relation: string) {
	return (state: State) => rowsOf(state, relation);
}

function ownNotes(state: State, { claims }: User): Row[] {
	return rowsOf(state, "notes").filter(({ owner }) => owner === claims.sub);
}

function ofTenant(state: State, { claims }: User): Row[] {
	return rowsOf(state, "tenant_notes").filter(
		({ tenant }) => tenant === claims.tenant,
	);
}

function ofTeam(state: State, { claims }: User): Row[] {
	return rowsOf(state, "documents").filter(({ team }) =>
		state.rows("members").has(`${claims.sub},${team}`),
	);
}

/** Every caller with credentials. */
function known(state: State, { role }: User): Row[] {
	return role === "anon" ? [] : rowsOf(state, "late");
}

/** The conditions of POLICIES in schema.ts, in their order. */
function guarded(state: State, { claims }: User): Row[] {
	const isVisible = (
		[
			({ owner }) => owner === claims.sub,
			({ tenant }) => tenant === claims.tenant,
			({ owner, level }) => owner === claims.sub || level === 0,
			() => false,
		] satisfies ((row: Row) => boolean)[]
	)[Number(state.rows("schema").get("policy"))];
	return rowsOf(state, "guarded").filter(isVisible ?? (() => false));
}

/** What schema-changes.ts has noted of the schema. */
function isTrue(state: State, name: string): boolean {
	return state.rows("schema").get(name) === true;
}

function vaults(state: State, { role, claims }: User): Row[] {
	const isVip = role === "authenticated" && isTrue(state, "vip");
	return rowsOf(state, "vaults").filter(
		({ is_public, owner }) => is_public || (isVip && owner === claims.sub),
	);
}

/** As the owner of the view sees them. */
function opened(state: State): Row[] {
	const seesAll =
		isTrue(state, "owner sees all") && !isTrue(state, "owner is another");
	return rowsOf(state, "vaults").filter(
		({ is_public }) => is_public || seesAll,
	);
}

function withChildren(state: State) {
	const children = rowsOf(state, "children");
	return ({ id, value }: Row) => ({
		id,
		value,
		children: children
			.filter(({ parent_id }) => parent_id === id)
			.map(({ id, value }) => ({ id, value })),
	});
}

function pairs(state: State): Row[] {
	return rowsOf(state, "left_values").flatMap(({ id = 0, value = 0 }) => {
		const right = find(state, "right_values", id);
		return right === undefined
			? []
			: [{ id, left_value: value, right_value: right.value ?? 0 }];
	});
}

/** Rows of one relation with the rows of another that a junction links to them. */
function linked(
	state: State,
	relation: string,
	column: string,
	other: string,
	otherColumn: string,
) {
	const links = rowsOf(state, "author_books");
	return rowsOf(state, relation).map(({ id, value }) => {
		const ids = new Set(
			links
				.filter((link) => link[column] === id)
				.map((link) => link[otherColumn]),
		);
		const others = rowsOf(state, other).filter((row) => ids.has(row.id ?? 0));
		return {
			id,
			value,
			others: others.map(({ id, value }) => ({ id, value })),
		};
	});
}

function upTo(last: number): number[] {
	return Array.from({ length: last }, (_, index) => index + 1);
}

function by(column: string) {
	return (one: Row, other: Row) =>
		String(one[column]) < String(other[column]) ? -1 : 1;
}
