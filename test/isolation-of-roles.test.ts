// Promise 4, isolation, while roles change: memberships, attributes, owners and settings, which no event trigger tells of, and
// policies where there are no event triggers. Each question has a text of its own, since prepared statements keep the policies
// that they were planned by. No caller ever gets another's secret.
import { beforeAll, describe, expect, it, vi } from "vitest";
import { ada, anonymous, SUB } from "./support/isolation/archive.ts";
import {
	askDatabase,
	askGateway,
	type Sides,
} from "./support/isolation/ask.ts";
import type { Caller } from "./support/isolation/callers.ts";
import {
	makeDatabase,
	type TestDatabase,
} from "./support/isolation/database.ts";
import { get, type Read } from "./support/isolation/reads.ts";
import { startSides } from "./support/isolation/sides.ts";

const VIP = "isolation_vip";
const OWNERS = ["isolation_owner", "isolation_other_owner"] as const;
const MAX_STALENESS_SECONDS = 1;

const bob: Caller = { ...ada, claims: { sub: "bob" } };

/** A table where vips see their own rows, and others public ones; and one whose policies change. */
const MAKE_TABLES = `
	create table api.isolation_vaults (id integer primary key, owner text not null, is_public boolean not null);
	create table api.isolation_drawers (like api.isolation_vaults including all);
	insert into api.isolation_vaults values (1, 'ada', false), (2, 'bob', false), (3, 'all', true);
	insert into api.isolation_drawers table api.isolation_vaults;
	alter table api.isolation_vaults enable row level security;
	alter table api.isolation_drawers enable row level security;
	create policy public_ones on api.isolation_vaults using (is_public);
	create policy own_ones on api.isolation_vaults to ${VIP} using (owner = ${SUB});
	create policy public_ones on api.isolation_drawers using (is_public);
	create view api.isolation_owned with (security_invoker = off) as select * from api.isolation_vaults;
	select postern.track('api.isolation_vaults'), postern.track('api.isolation_drawers');
	grant select on api.isolation_vaults, api.isolation_drawers, api.isolation_owned
	to anon, authenticated, ${OWNERS.join()};
	grant usage on schema api to ${OWNERS.join()};
	alter view api.isolation_owned owner to ${OWNERS[0]};
`;

let database: TestDatabase;
let sides: Sides;

beforeAll(async () => {
	database = await makeDatabase([MAKE_TABLES], {
		name: "postern_isolation_of_roles",
		makeRoles: `create role ${VIP} nologin; create role ${OWNERS[0]} nologin bypassrls; create role ${OWNERS[1]} nologin`,
		dropRoles: `
			alter role authenticated nobypassrls;
			drop role if exists ${VIP}, ${OWNERS.join()};`,
	});
	const started = await startSides(database, MAX_STALENESS_SECONDS);
	sides = started;
	return started.stop;
}, 120_000);

/** What is done, the relation that is then read, and when bob may see what is ada's. */
type Move = readonly [
	sql: string,
	relation: string,
	everythingIsShown?: "before" | "after",
];

const MOVES: readonly Move[] = [
	[`grant ${VIP} to authenticated with inherit true`, "vaults"],
	[`revoke ${VIP} from authenticated`, "vaults"],
	["alter role authenticated bypassrls", "vaults", "after"],
	["alter role authenticated nobypassrls", "vaults", "before"],
	[`reassign owned by ${OWNERS[0]} to ${OWNERS[1]}`, "owned", "before"],
];

const UNWATCHED_MOVES: readonly Move[] = [
	[`grant ${VIP} to authenticated with inherit true`, "vaults"],
	[`revoke ${VIP} from authenticated`, "vaults"],
	[
		`create policy own_ones on api.isolation_drawers using (owner = ${SUB})`,
		"drawers",
	],
	[
		`alter policy public_ones on api.isolation_drawers using (is_public or ${SUB} = 'ada')`,
		"drawers",
	],
];

describe("where event triggers tell of the schema", () => {
	for (const move of MOVES) {
		it(
			`no caller gets another's rows after ${move[0]}`,
			() => expectIsolation(...move),
			120_000,
		);
	}
});

describe("where there are no event triggers", () => {
	beforeAll(async () => {
		await database.client.query(
			"drop event trigger postern_after_ddl; drop event trigger postern_after_drop",
		);
	});

	for (const move of UNWATCHED_MOVES) {
		it(
			`no caller gets another's rows after ${move[0]}`,
			() => expectIsolation(...move),
			120_000,
		);
	}
});

let asked = 0;

/** A question that was never asked before. */
function question(relation: string): Read {
	asked += 1;
	return get(`${relation}?select=id,owner,n${asked}:is_public&order=id`);
}

async function expectIsolation(
	sql: string,
	relation: string,
	everythingIsShown?: "before" | "after",
): Promise<void> {
	await untilCached(relation);
	const known = Array.from({ length: 20 }, () => question(relation));
	for (const read of known)
		for (const caller of [ada, bob]) await askGateway(sides, read, caller);
	await database.client.query(sql);
	await database.client.query(
		"update api.isolation_vaults set is_public = is_public; update api.isolation_drawers set is_public = is_public",
	);
	// At once, while no poll has told of it: each question by ada first, then by bob.
	const seen: string[] = [];
	for (let round = 0; round < 20; round++) {
		const read = question(relation);
		await askGateway(sides, read, ada);
		seen.push((await askGateway(sides, read, bob)).answer.body);
	}
	// What everybody saw before may be given until the maximum staleness is over.
	for (const read of everythingIsShown === "before" ? [] : known)
		seen.push((await askGateway(sides, read, bob)).answer.body);
	if (everythingIsShown !== "after")
		expect(seen.filter((body) => body.includes('"owner":"ada"'))).toEqual([]);
	// After the maximum staleness each answer is the database's own.
	await new Promise((resolve) =>
		setTimeout(resolve, MAX_STALENESS_SECONDS * 1_000),
	);
	const fresh = question(relation);
	for (const caller of [ada, bob, anonymous]) {
		const { answer } = await askGateway(sides, fresh, caller);
		expect(answer).toEqual(await askDatabase(sides, fresh, caller));
	}
	await untilCached(relation);
	for (let round = 0; round < 20; round++) {
		const read = question(relation);
		for (const caller of [ada, bob, ada, bob]) {
			const { answer } = await askGateway(sides, read, caller);
			if (caller === bob && everythingIsShown !== "after")
				expect(answer.body).not.toContain('"owner":"ada"');
		}
	}
}

/** After a change of the schema nothing is stored for a while. */
async function untilCached(relation: string): Promise<void> {
	await vi.waitFor(
		async () => {
			const read = question(relation);
			await askGateway(sides, read, ada);
			const { cacheStatus } = await askGateway(sides, read, ada);
			expect(cacheStatus).toContain("; hit");
		},
		{ timeout: 60_000, interval: 200 },
	);
}
