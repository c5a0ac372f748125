// api.profiles, api.follows and api.users: every operation as every actor, then the constraints.

import { describe } from "vitest";
import { addUsers } from "../../gateway/test/sql/support/accounts.ts";
import {
	type Actor,
	actors,
	it as base,
	everyActor,
	user,
} from "../../gateway/test/sql/support/session.ts";
import {
	checkFailed,
	missingValue,
	noSuchRow,
	notUnique,
	permissionDenied,
} from "../../gateway/test/sql/support/sqlstates.ts";

const { ada, grace, anon, service } = actors;
const hedy = user("hedy", "0b5c6a52-5d0a-4f0e-9d43-00000000000d");
const anyone: readonly Actor[] = [ada, grace, anon, service];

/** ada follows grace, hedy is another user, and the example rows are gone. */
const it = base.extend("users", { auto: true }, async ({ db }) => {
	await db.query("delete from auth.users");
	await addUsers(db, ada, grace, hedy);
	await db.as(ada, "insert into api.follows (followed) values ($1)", grace.id);
});

interface Operation {
	readonly name: string;
	readonly statement: string;
	readonly reaches: readonly Actor[];
	/** The actors who may run it, even if it reaches no row. */
	readonly permitted: readonly Actor[];
}

const operations: readonly Operation[] = [
	...["api.follows", "api.users", "api.profiles"].map((relation) => ({
		name: `read ${relation}`,
		statement: `select * from ${relation} limit 1`,
		reaches: anyone,
		permitted: anyone,
	})),
	{
		name: "follow hedy",
		statement: `insert into api.follows (followed) values ('${hedy.id}') returning *`,
		reaches: [ada, grace],
		permitted: [ada, grace],
	},
	{
		name: "make grace follow hedy",
		statement: `insert into api.follows (follower, followed) values ('${grace.id}', '${hedy.id}') returning *`,
		reaches: [service],
		permitted: [service],
	},
	{
		name: "unfollow grace for ada",
		statement: `delete from api.follows where follower = '${ada.id}' returning *`,
		reaches: [ada, service],
		permitted: [ada, grace, service],
	},
	{
		name: "change a follow",
		statement: `update api.follows set followed = '${hedy.id}' returning *`,
		reaches: [service],
		permitted: [service],
	},
	{
		name: "choose since when",
		statement: `insert into api.follows (followed, created_at) values ('${hedy.id}', '2020-01-01')`,
		reaches: [],
		permitted: [],
	},
	{
		name: "change a profile",
		statement: `update api.profiles set fullname = 'New' where id = '${ada.id}' returning *`,
		reaches: [],
		permitted: [],
	},
	{
		name: "make a profile",
		statement: `insert into api.profiles (id, fullname) values ('${ada.id}', 'New') on conflict do nothing returning *`,
		reaches: [],
		permitted: [],
	},
	{
		name: "delete a profile",
		statement: `delete from api.profiles where id = '${ada.id}' returning *`,
		reaches: [],
		permitted: [],
	},
	{
		name: "truncate follows",
		statement: "truncate api.follows",
		reaches: [],
		permitted: [],
	},
];

for (const actor of everyActor) {
	describe(actor.name, () => {
		for (const { name, statement, reaches, permitted } of operations) {
			// The actor has no user id: see "needs a caller who is a user".
			if (actor === service && name === "choose since when") continue;
			if (actor === service && name === "follow hedy") continue;
			const does = reaches.includes(actor)
				? "may"
				: permitted.includes(actor)
					? "finds no row to"
					: "may not";
			it(`${does} ${name}`, async ({ db, expect }) => {
				const result = db.as(actor, statement);
				if (permitted.includes(actor)) {
					expect(await result).toHaveLength(reaches.includes(actor) ? 1 : 0);
				} else {
					await expect(result).rejects.toMatchObject(permissionDenied);
				}
			});
		}

		it("may not change the view", async ({ db, expect }) => {
			const [row] = await db.query(
				"select has_table_privilege($1, 'api.users', 'insert, update, delete, truncate') as may_change",
				actor.role,
			);
			expect(row).toEqual({ may_change: false });
		});
	});
}

describe("a follow", () => {
	const follow = "insert into api.follows (followed) values ($1)";

	it("is created for the caller, with the present time", async ({
		db,
		expect,
	}) => {
		expect(
			await db.as(
				grace,
				`${follow} returning follower, followed, created_at = now() as is_dated_now`,
				hedy.id,
			),
		).toEqual([{ follower: grace.id, followed: hedy.id, is_dated_now: true }]);
	});

	it("may be mutual", async ({ db, expect }) => {
		expect(await db.as(grace, `${follow} returning *`, ada.id)).toHaveLength(1);
	});

	it("may not be of the caller", async ({ db, expect }) => {
		await expect(db.as(ada, follow, ada.id)).rejects.toMatchObject(
			checkFailed("nobody_follows_themselves"),
		);
	});

	it("may not be made twice", async ({ db, expect }) => {
		await expect(db.as(ada, follow, grace.id)).rejects.toMatchObject(
			notUnique("follows_pkey"),
		);
		expect(
			await db.as(
				ada,
				`${follow} on conflict do nothing returning *`,
				grace.id,
			),
		).toEqual([]);
	});

	it("has to be of an existing user", async ({ db, expect }) => {
		await expect(
			db.as(ada, follow, "0b5c6a52-5d0a-4f0e-9d43-00000000000e"),
		).rejects.toMatchObject(noSuchRow("follows_followed_fkey"));
		await expect(db.as(ada, follow, null)).rejects.toMatchObject(
			missingValue("followed"),
		);
	});

	it("needs a caller who is a user", async ({ db, expect }) => {
		await expect(db.as(service, follow, hedy.id)).rejects.toMatchObject(
			missingValue("follower"),
		);
	});

	for (const [whose, { id }] of [
		["who follows", ada],
		["who is followed", grace],
	] as const) {
		it(`is deleted with ${whose}`, async ({ db, expect }) => {
			await db.query("delete from auth.users where id = $1", id);
			expect(await db.query("select from api.follows")).toEqual([]);
		});
	}
});

describe("a profile", () => {
	const profile = "select fullname from api.profiles where id = $1";

	it("has the name of its user, and is deleted with the user", async ({
		db,
		expect,
	}) => {
		expect(await db.query(profile, ada.id)).toEqual([{ fullname: ada.name }]);
		await db.query(
			"update auth.users set fullname = 'Countess' where id = $1",
			ada.id,
		);
		expect(await db.query(profile, ada.id)).toEqual([{ fullname: "Countess" }]);
		await db.query("delete from auth.users where id = $1", ada.id);
		expect(await db.query(profile, ada.id)).toEqual([]);
	});
});

describe("users", () => {
	const read = "select id, fullname, followers::integer from api.users";

	it("are shown with the number of their followers", async ({ db, expect }) => {
		await db.as(
			hedy,
			"insert into api.follows (followed) values ($1)",
			grace.id,
		);
		await db.as(hedy, "insert into api.follows (followed) values ($1)", ada.id);
		expect(await db.as(anon, `${read} order by followers`)).toEqual([
			{ id: hedy.id, fullname: hedy.name, followers: 0 },
			{ id: ada.id, fullname: ada.name, followers: 1 },
			{ id: grace.id, fullname: grace.name, followers: 2 },
		]);
	});

	it("can be filtered by that number", async ({ db, expect }) => {
		await db.query(`
			insert into auth.users (email, password_hash, fullname)
			select 'fan' || n || '@example.test', '$2a$04$' || repeat('.', 53), 'Fan ' || n
			from generate_series(1, 100) as n`);
		await db.query(
			"insert into api.follows (follower, followed) select id, $1 from api.profiles where fullname like 'Fan %'",
			hedy.id,
		);
		expect(await db.as(anon, `${read} where followers >= 100`)).toEqual([
			{ id: hedy.id, fullname: hedy.name, followers: 100 },
		]);
	});

	it("are limited to the profiles and follows that the reader may see", async ({
		db,
		expect,
	}) => {
		await db.query("drop policy anyone_may_read on api.follows");
		expect(await db.as(anon, `${read} where id = $1`, grace.id)).toEqual([
			{ id: grace.id, fullname: grace.name, followers: 0 },
		]);
		await db.query("drop policy anyone_may_read on api.profiles");
		expect(await db.as(anon, read)).toEqual([]);
	});

	it("are never shown with an e-mail", async ({ db, expect }) => {
		const rows = await db.query(`
			select column_name
			from information_schema.columns
			where table_schema = 'api' and table_name in ('users', 'profiles', 'follows')`);
		expect(new Set(rows.map((row) => row.column_name))).toEqual(
			new Set([
				"id",
				"fullname",
				"followers",
				"follower",
				"followed",
				"created_at",
			]),
		);
	});
});
