// Promise 4, isolation, where PostgREST calls a function before each request (db-pre-request): one that decides anything by a header is
// never shared, a harmless or declared one costs no caching. PostgREST is told of it by its configuration, or by a setting of its role.
import { setTimeout as wait } from "node:timers/promises";
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

const NAME = "postern_isolation_of_pre_requests";
const bob: Caller = { ...ada, claims: { sub: "bob" } };
const HEADERS = "current_setting('request.headers', true)::json";

const body = (sql: string) =>
	`create or replace function isolation_hooks.check() returns void language sql stable set search_path = '' begin atomic ${sql} end`;

const HARMLESS = body(`select from api.isolation_gates where owner = ${SUB};`);

/** Functions by which one caller, or one header, gets what another does not. */
const DECISIVE: readonly [what: string, sql: string, header: string][] = [
	[
		"the role",
		`select set_config('role', ${HEADERS} ->> 'x-role', true) where ${HEADERS} ->> 'x-role' is not null;`,
		"x-role",
	],
	[
		"the claims",
		`select set_config('request.jwt.claims', json_build_object('sub', ${HEADERS} ->> 'x-sub')::text, true) where ${HEADERS} ->> 'x-sub' is not null;`,
		"x-sub",
	],
	[
		"the time zone",
		`select set_config('timezone', ${HEADERS} ->> 'x-zone', true) where ${HEADERS} ->> 'x-zone' is not null;`,
		"x-zone",
	],
];
const VALUES: Readonly<Record<string, string>> = {
	"x-role": "service",
	"x-sub": "ada",
	"x-zone": "Asia/Tokyo",
};

const MAKE = `
	create table api.isolation_gates (id integer primary key, owner text not null, at timestamptz not null);
	insert into api.isolation_gates values (1, 'ada', '2026-01-01T00:00Z'), (2, 'bob', '2026-01-02T00:00Z');
	select postern.track('api.isolation_gates');
	alter table api.isolation_gates enable row level security;
	create policy own on api.isolation_gates using (owner = ${SUB} or current_user = 'service');
	create schema isolation_hooks;
	grant usage on schema isolation_hooks to public;
	${HARMLESS};
	grant execute on function isolation_hooks.check() to public;
	grant select on api.isolation_gates to anon, authenticated, service, postern;
	grant usage on schema api to postern;
`;

const setting = (change: string) =>
	`alter role authenticator in database ${NAME} ${change}; notify pgrst, 'reload config'`;

describe.each([
	[
		"PostgREST's configuration",
		{ PGRST_DB_PRE_REQUEST: "isolation_hooks.check" },
		undefined,
	],
	[
		"a setting of PostgREST's role",
		{},
		setting("set pgrst.db_pre_request = 'isolation_hooks.check'"),
	],
])("a pre-request function that is named by %s", (_, settings, told) => {
	let database: TestDatabase;
	let sides: Sides;

	beforeAll(async () => {
		database = await makeDatabase([MAKE], {
			name: NAME,
			makeRoles: "",
			dropRoles: "",
			settings,
		});
		if (told !== undefined) await database.client.query(told);
		const started = await startSides(database, 1);
		sides = started;
		return started.stop;
	}, 120_000);

	let asked = 0;
	function question(headers: Read["headers"] = {}): Read {
		asked += 1;
		return get(`gates?select=id,owner,at,n${asked}:id&order=id`, headers);
	}

	/** After a change of the schema nothing is stored for a while. */
	const untilStored = () =>
		vi.waitFor(
			async () => {
				const read = question();
				await askGateway(sides, read, ada);
				const { cacheStatus } = await askGateway(sides, read, ada);
				expect(cacheStatus).toContain("; hit");
			},
			{ timeout: 60_000, interval: 300 },
		);

	/** Sends each read as several callers, with a header and without it. */
	async function expectOwnAnswers(header: string): Promise<string[]> {
		const statuses: string[] = [];
		for (let round = 0; round < 3; round += 1) {
			const plain = question();
			const decided = {
				...plain,
				headers: { [header]: VALUES[header] ?? "1" },
			};
			for (const caller of [ada, bob, anonymous]) {
				for (const read of [decided, plain, decided]) {
					const { answer, cacheStatus } = await askGateway(sides, read, caller);
					expect(answer).toEqual(await askDatabase(sides, read, caller));
					statuses.push(cacheStatus);
				}
			}
		}
		return statuses;
	}

	it("is cached if it only reads tables and claims", async () => {
		await untilStored();
		const statuses = await expectOwnAnswers("x-ignored");
		expect(statuses.filter((one) => one.includes("; hit"))).not.toEqual([]);
	}, 90_000);

	it.each(DECISIVE)(
		"is not cached if it sets %s by a header",
		async (_, sql, header) => {
			await database.client.query(HARMLESS);
			await untilStored();
			await database.client.query(body(sql));
			// Its effect is told apart, at once and when the gateway knows of it.
			const effects = [{}, { [header]: VALUES[header] }].map((headers) =>
				askDatabase(sides, question(headers), bob),
			);
			const [without, decided] = await Promise.all(effects);
			expect(without?.body).not.toBe(decided?.body);
			// Within the maximum staleness the gateway knows of it.
			await wait(1_500);
			const statuses = await expectOwnAnswers(header);
			expect(statuses.join()).not.toMatch(/; hit|; stored/);
		},
		120_000,
	);

	it("is cached if it is declared to decide nothing", async () => {
		await database.client.query(
			body("select set_config('app.noted', 'yes', true);"),
		);
		await wait(1_100);
		const statuses = await expectOwnAnswers("x-ignored");
		expect(statuses.join()).not.toMatch(/; hit|; stored/);
		await database.client.query(
			"select postern.declare_cacheable('isolation_hooks.check()', '{}', '{}')",
		);
		await untilStored();
		await expectOwnAnswers("x-ignored");
	}, 120_000);
});
