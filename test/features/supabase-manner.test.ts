// Schemas in Supabase's manner, where nothing is declared: nearly every read is cached, and each answer is PostgREST's own, for
// each caller, before and after writes.
import { readFile } from "node:fs/promises";
import { beforeAll, expect, it, vi } from "vitest";
import {
	askDatabase,
	askGateway,
	type Sides,
} from "../support/isolation/ask.ts";
import type { Caller } from "../support/isolation/callers.ts";
import {
	makeDatabase,
	type TestDatabase,
} from "../support/isolation/database.ts";
import type { Read } from "../support/isolation/reads.ts";
import { startSides } from "../support/isolation/sides.ts";

const MAX_STALENESS_SECONDS = 1;

/** What an app asks, by the relation that it asks. */
const READS: readonly Read[] = [
	...["m_orgs", "m_members", "m_projects", "m_tasks", "m_rooms"],
	...["m_messages", "m_posts", "m_recent"],
].flatMap((relation) =>
	[
		"",
		"?select=*",
		"?limit=3",
		"?limit=2&offset=1",
		...(relation === "m_members"
			? ["?level=eq.admin", "?select=org_id,level&order=org_id,level"]
			: ["?id=eq.1", "?id=in.(1,2,3)", "?select=id&order=id.desc", "?id=gt.2"]),
	].map((query) => read(`/${relation}${query}`)),
);
const EMBEDS = [
	"/m_projects?select=id,name,m_tasks(id,title)&order=id",
	"/m_orgs?select=name,m_members(level)&order=id",
	"/m_messages?select=body,m_rooms(topic)&order=id",
	"/rpc/m_org",
	"/rpc/m_may_moderate",
	"/rpc/m_my_orgs",
	"/rpc/m_is_member?org=2",
	"/rpc/m_has_level?org=2&wanted=admin",
	"/rpc/m_has_level?org=2",
	"/m_orgs?select=name,m_members(count)&order=id",
	"/m_tasks?select=count",
].map(read);
/** As supabase-js's `.rpc()` sends them. */
const CALLS = [
	post("/rpc/m_my_orgs", {}),
	post("/rpc/m_has_level", { org: 2 }),
	post("/rpc/m_has_level", { org: 1, wanted: "admin" }),
];
const ALL = [...READS, ...EMBEDS, ...CALLS];

function read(path: string): Read {
	return { method: "GET", path, headers: {} };
}

function post(path: string, given: object): Read {
	const headers = { "content-type": "application/json" };
	return { method: "POST", path, headers, body: JSON.stringify(given) };
}

function user(letter: string, claims: Caller["claims"]): Caller {
	const sub = `00000000-0000-4000-8000-00000000000${letter}`;
	return {
		role: "authenticated",
		claims: { sub, ...claims },
		issuer: "other",
	};
}

const CALLERS: readonly Caller[] = [
	{ role: "anon", claims: {}, issuer: undefined },
	user("a", { app_metadata: { org_id: 1 }, user_role: "reader" }),
	user("b", { app_metadata: { org_id: 2 }, user_role: "moderator" }),
];

let database: TestDatabase;
let sides: Sides;

beforeAll(async () => {
	const make = await readFile(
		new URL("../support/manners/supabase.sql", import.meta.url),
		"utf8",
	);
	database = await makeDatabase([make], { name: "postern_supabase_manner" });
	const started = await startSides(database, MAX_STALENESS_SECONDS);
	sides = started;
	return started.stop;
}, 120_000);

/** Asks everything as everyone, and compares. Returns the reads below 400 that are not cached. */
async function compareAll(): Promise<{ asked: number; missed: string[] }> {
	const missed: string[] = [];
	let asked = 0;
	for (const one of ALL) {
		for (const caller of CALLERS) {
			const own = await askDatabase(sides, one, caller);
			const first = await askGateway(sides, one, caller);
			const second = await askGateway(sides, one, caller);
			expect(first.answer, one.path).toEqual(own);
			expect(second.answer, one.path).toEqual(own);
			if (own.status >= 400) continue;
			asked += 1;
			if (!second.cacheStatus.includes("; hit"))
				missed.push(
					`${one.method} ${one.path} as ${caller.role}: ${second.cacheStatus}`,
				);
		}
	}
	return { asked, missed };
}

const isOver = () =>
	new Promise((resolve) =>
		setTimeout(resolve, MAX_STALENESS_SECONDS * 1_000 + 200),
	);

it("caches at least 95 % of the reads, and answers each caller as PostgREST does", async () => {
	await vi.waitFor(
		async () => {
			const [one] = ALL;
			const [, caller] = CALLERS;
			if (one === undefined || caller === undefined) return;
			await askGateway(sides, one, caller);
			const { cacheStatus } = await askGateway(sides, one, caller);
			expect(cacheStatus).toContain("; hit");
		},
		{ timeout: 60_000, interval: 200 },
	);
	const { asked, missed } = await compareAll();
	expect(asked).toBeGreaterThan(150);
	expect(missed.length, missed.join("\n")).toBeLessThanOrEqual(asked * 0.05);
	expect(missed.filter((one) => /POST|count/.test(one))).toEqual([]);
}, 240_000);

it("shows every write after the maximum staleness", async () => {
	for (const write of [
		"delete from api.m_members where org_id = 2 and user_id = '00000000-0000-4000-8000-00000000000a'",
		"update api.m_rooms set is_open = true where id = 1",
		"update api.m_posts set published_at = null where id = 1",
		"insert into api.m_tasks values (100, 1, 'new', false)",
		"create or replace function api.m_may_moderate() returns boolean language sql as 'select auth.jwt() ->> ''user_role'' = ''reader'''",
		"create or replace function api.m_org() returns integer language sql stable as 'select 3'",
	]) {
		await database.client.query(write);
		await isOver();
		await compareAll();
	}
}, 480_000);
