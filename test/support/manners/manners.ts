// Schemas in Supabase's manner with nothing declared, each in a file of SQL, what an app asks of them, and what is written.
import { readFile } from "node:fs/promises";
import type { Read } from "../isolation/reads.ts";

/** SQL as superuser, or a call through the gateway. */
export type Write = string | Read;

export interface Manner {
	readonly name: string;
	readonly reads: readonly Read[];
	/** Each changes what is read of this manner. */
	readonly writes: readonly Write[];
}

export const MANNERS: readonly Manner[] = [
	{
		name: "tenants",
		reads: [
			...readsOf("m_orgs", "id", "name"),
			...readsOf("m_members", "org_id", "level"),
			...readsOf("m_projects", "id", "name"),
			...readsOf("m_tasks", "id", "title"),
			...[
				"/m_projects?select=id,name,m_tasks(id,title)&order=id",
				"/m_orgs?select=name,m_members(level)&order=id",
				"/m_orgs?select=name,m_members(count)&order=id",
				"/m_tasks?select=count",
				"/m_tasks?is_done=is.true&order=title.desc",
				"/rpc/m_my_orgs",
				"/rpc/m_is_member?org=2",
				"/rpc/m_has_level?org=2&wanted=admin",
				"/rpc/m_has_level?org=2",
			].map(get),
			post("/rpc/m_my_orgs", {}),
			post("/rpc/m_has_level", { org: 2 }),
			post("/rpc/m_has_level", { org: 1, wanted: "admin" }),
		],
		writes: [
			"delete from api.m_members where org_id = 2 and user_id = '00000000-0000-4000-8000-00000000000a'",
			"insert into api.m_tasks values (100, 1, 'new', false)",
		],
	},
	{
		name: "chat",
		reads: [
			...readsOf("m_rooms", "id", "topic"),
			...readsOf("m_messages", "id", "body"),
			...[
				"/m_messages?select=body,m_rooms(topic)&order=id",
				"/m_messages?select=body,m_rooms!inner(topic)&m_rooms.is_open=is.true&order=id",
				"/m_messages?body=ilike.*1*&order=id",
				"/rpc/m_org",
				"/rpc/m_may_moderate",
			].map(get),
		],
		writes: [
			"update api.m_rooms set is_open = true where id = 1",
			"create or replace function api.m_may_moderate() returns boolean language sql as 'select auth.jwt() ->> ''user_role'' = ''reader'''",
			"create or replace function api.m_org() returns integer language sql stable as 'select 3'",
		],
	},
	{
		name: "blog",
		reads: [
			...readsOf("m_posts", "id", "title"),
			...readsOf("m_recent", "id", "title"),
			get("/m_posts?published_at=not.is.null&order=published_at.desc"),
		],
		writes: ["update api.m_posts set published_at = null where id = 1"],
	},
	{
		name: "subscriptions",
		reads: [
			...readsOf("m_plans", "id", "name"),
			...readsOf("m_subscriptions", "id", "status"),
			...readsOf("m_invoices", "id", "cents"),
			...readsOf("m_articles", "id", "title"),
			...[
				"/m_subscriptions?select=status,m_plans(name,cents)&order=id",
				"/m_plans?select=name,m_subscriptions(status)&order=cents",
				"/m_invoices?paid_on=is.null&order=id",
				"/m_invoices?select=cents.sum()",
				"/m_articles?tier=lte.1&select=title&order=id",
				"/rpc/m_tier",
			].map(get),
		],
		writes: [
			"update api.m_subscriptions set ends_at = now() where id = 3",
			"drop policy offered on api.m_plans",
		],
	},
	{
		name: "inventory",
		reads: [
			...readsOf("m_warehouses", "id", "name"),
			...readsOf("m_items", "id", "sku"),
			...readsOf("m_stock", "item_id", "quantity"),
			...readsOf("m_movements", "id", "change"),
			...readsOf("m_totals", "id", "sku"),
			...[
				"/m_items?select=sku,label:m_label,m_stock(quantity,m_warehouses(name))&order=id",
				"/m_items?tags=cs.{tag1}&order=id",
				"/m_items?details-%3E%3Ecolour=eq.red&select=sku,details-%3Ecolour&order=id",
				"/m_items?or=(price.lt.3,sku.eq.SKU-9)&order=price.desc",
				"/m_stock?select=quantity.sum(),warehouse_id&order=warehouse_id",
				"/m_movements?select=change,moved_at::date&order=id&limit=5",
				"/rpc/m_region",
				"/rpc/m_on_hand?wanted=3",
				"/rpc/m_low",
				"/rpc/m_low?below=3&select=item_id&order=item_id",
			].map(get),
			post("/rpc/m_low", { below: 4 }),
		],
		writes: [
			post("/rpc/m_take", { item: 3, warehouse: 2, amount: 1 }),
			"revoke select on api.m_movements from authenticated",
			"update api.m_warehouses set is_open = true where id = 3",
		],
	},
];

/** @returns the SQL that makes all of them */
export async function makeManners(): Promise<string[]> {
	const names = ["auth", ...MANNERS.map(({ name }) => name)];
	const files = names.map((name) =>
		readFile(new URL(`${name}.sql`, import.meta.url), "utf8"),
	);
	return [
		...(await Promise.all(files)),
		"grant select on all tables in schema api to anon, authenticated",
		"grant execute on all functions in schema api to anon, authenticated",
		"select postern.track_schema('api')",
	];
}

/** What every app asks of a relation. */
function readsOf(relation: string, key: string, column: string): Read[] {
	return [
		"",
		"?select=*",
		"?limit=3",
		"?limit=2&offset=1",
		`?${key}=eq.1`,
		`?${key}=in.(1,2,3)&select=${column}&order=${column}`,
		`?select=${key}&order=${key}.desc`,
		`?${key}=gt.2`,
	].map((query) => get(`/${relation}${query}`));
}

function get(path: string): Read {
	return { method: "GET", path, headers: {} };
}

/** As supabase-js's `.rpc()` sends it. */
function post(path: string, given: object): Read {
	const headers = { "content-type": "application/json" };
	return { method: "POST", path, headers, body: JSON.stringify(given) };
}
