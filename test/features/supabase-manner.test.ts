// Schemas in Supabase's manner, where nothing is declared: nearly every read is cached, and each answer is PostgREST's own, for
// each caller, before and after writes.
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
import { MANNERS, makeManners } from "../support/manners/manners.ts";

const MAX_STALENESS_SECONDS = 1;

const READS = MANNERS.flatMap(({ reads }) => reads);

/** The token of one user is signed with HS256, the other's with ES256. */
const CALLERS: readonly [Caller, Caller, Caller] = [
	{ role: "anon", claims: {}, issuer: undefined },
	{
		role: "authenticated",
		issuer: "other",
		claims: {
			sub: "00000000-0000-4000-8000-00000000000a",
			app_metadata: { org_id: 1, region: "north" },
			user_role: "reader",
		},
	},
	{
		role: "authenticated",
		issuer: "postern",
		claims: {
			sub: "00000000-0000-4000-8000-00000000000b",
			app_metadata: { org_id: 2, staff: true },
			user_role: "moderator",
		},
	},
];

let database: TestDatabase;
let sides: Sides;

beforeAll(async () => {
	database = await makeDatabase(await makeManners(), {
		name: "postern_supabase_manner",
	});
	const started = await startSides(database, MAX_STALENESS_SECONDS);
	sides = started;
	return started.stop;
}, 120_000);

/** Asks as everyone, and compares. Returns the reads below 400 that are not cached. */
async function compare(
	reads: readonly Read[],
): Promise<{ asked: number; missed: string[] }> {
	const missed: string[] = [];
	let asked = 0;
	for (const one of reads) {
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
	const [, user] = CALLERS;
	const first: Read = { method: "GET", path: "/m_orgs", headers: {} };
	await vi.waitFor(
		async () => {
			await askGateway(sides, first, user);
			const { cacheStatus } = await askGateway(sides, first, user);
			expect(cacheStatus).toContain("; hit");
		},
		{ timeout: 60_000, interval: 200 },
	);
	expect(READS.length).toBeGreaterThanOrEqual(150);
	const { asked, missed } = await compare(READS);
	expect(asked).toBeGreaterThan(300);
	expect(missed.length, missed.join("\n")).toBeLessThanOrEqual(asked * 0.05);
	expect(missed.filter((one) => /POST|count/.test(one))).toEqual([]);
	// What never is: a number alone, which PostgREST 12 sends without its length.
	const cut = missed.filter((one) => one.includes("may be cut off"));
	expect([...new Set(cut.map((one) => one.split(" ")[1]))]).toEqual([
		"/rpc/m_org",
		"/rpc/m_tier",
		"/rpc/m_on_hand?wanted=3",
	]);
}, 240_000);

for (const { name, reads, writes } of MANNERS) {
	it(`shows every write of ${name} after the maximum staleness`, async () => {
		for (const write of writes) {
			const before = await answers(reads);
			if (typeof write === "string") await database.client.query(write);
			else {
				const { answer } = await askGateway(sides, write, CALLERS[1]);
				expect(answer.status).toBeLessThan(300);
			}
			await isOver();
			expect(await answers(reads), String(write)).not.toEqual(before);
			await compare(reads);
		}
	}, 240_000);
}

/** PostgREST's, of all callers. */
async function answers(reads: readonly Read[]) {
	return Promise.all(
		CALLERS.flatMap((caller) =>
			reads.map(async (one) => (await askDatabase(sides, one, caller)).body),
		),
	);
}
