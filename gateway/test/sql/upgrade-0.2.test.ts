// A database that the migrations of Postern 0.2 made (fixtures/0.2), with users, sessions, keys and rows in it, is brought up to
// date: what was signed in stays signed in, and every key and row is kept.

import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import type pg from "pg";
import { describe } from "vitest";
import {
	type Answer,
	type Arguments,
	CHEAP,
	callOf,
	PASSWORD,
	sessionOf,
	signUpArguments,
} from "../../../db/test/support/accounts.ts";
import { readCatalog } from "../../../db/test/support/catalog.ts";
import { it as base } from "../../../db/test/support/databases.ts";

const FIXTURES = new URL("fixtures/", import.meta.url);

const RESCUES = [
	["0b5c6a52-5d0a-4f0e-9d43-6c1f0a7e1002", "Ada", "2026-01-01"],
	["0b5c6a52-5d0a-4f0e-9d43-6c1f0a7e1001", "Biscuit", "2026-01-02"],
] as const;

/** A database of 0.2 with a user who has a session, an API key and some rows. */
const it = base.extend("old", async ({ database }) => {
	const { client } = database;
	await client.query(
		"create table public.schema_migrations (version varchar primary key)",
	);
	for (const { version, up } of await oldMigrations()) {
		await client.query(up);
		await client.query("insert into public.schema_migrations values ($1)", [
			version,
		]);
	}
	const begun = await call(client, "sign_up", signUpArguments());
	const { rows } = await client.query(
		"select postern.create_api_key('A program', 'secret', 'service') as key",
	);
	for (const rescue of RESCUES) {
		await client.query(
			"insert into api.rescues (id, name, age, species, created_at) values ($1, $2, 3, 'dog', $3)",
			[...rescue],
		);
	}
	await client.query(
		"insert into api.todos (name, creator) values ('Upgrade', $1)",
		[begun.user?.id],
	);
	await client.query(
		"update auth.limits set attempts = 7 where action = 'sign_in' and scope = 'account'",
	);
	await client.query("delete from auth.limits where action = 'refresh'");
	return { client, database, begun, key: String(rows[0].key) };
});

async function oldMigrations() {
	const folder = new URL("0.2/", FIXTURES);
	const names = await readdir(folder);
	const files = [
		...names.map((name) => new URL(name, folder)),
		new URL("0016_tracking.sql", FIXTURES),
	].map((file) => ({ file, version: /(\d{4})_/.exec(file.href)?.[1] ?? "" }));
	return Promise.all(
		files
			.toSorted((one, other) => one.version.localeCompare(other.version))
			.map(async ({ file, version }) => {
				const [up = ""] = (await readFile(file, "utf8")).split(
					/^-- migrate:down/m,
				);
				return { version, up };
			}),
	);
}

async function call(
	client: pg.ClientBase,
	name: string,
	args: Arguments,
): Promise<Answer> {
	await client.query("set role postern");
	try {
		const { rows } = await client.query<{ answer: Answer }>(callOf(name, args));
		return rows[0]?.answer as Answer; // the functions are declared to return this
	} finally {
		await client.query("reset role");
	}
}

describe("the programs", () => {
	it("keep a user signed in, and let the user sign in", async ({
		old: { client, database, begun },
		expect,
	}) => {
		await database.applyPrograms();
		expect(await call(client, "get_user", sessionOf(begun))).toMatchObject({
			outcome: "ok",
			user: begun.user,
		});
		expect(
			await call(client, "refresh_session", {
				refresh_token: begun.session?.refresh_token,
				address: null,
			}),
		).toMatchObject({ outcome: "ok", session: { id: begun.session?.id } });
		expect(
			await call(client, "sign_in", {
				email: "ada@example.test",
				password: PASSWORD,
				bcrypt_cost: CHEAP,
				address: null,
			}),
		).toMatchObject({ outcome: "ok", user: { id: begun.user?.id } });
	});

	it("keep an API key", async ({ old: { client, database, key }, expect }) => {
		await database.applyPrograms();
		const key_hash = createHash("sha256").update(key).digest("hex");
		expect(await call(client, "find_api_key", { key_hash })).toEqual({
			outcome: "ok",
			kind: "secret",
			role: "service",
		});
		const { rows } = await client.query("select name from postern.api_keys");
		expect(rows).toEqual([{ name: "A program" }]);
	});

	it("keep the limits that the operator changed", async ({
		old: { client, database },
		expect,
	}) => {
		await database.applyPrograms();
		const { rows } = await client.query(
			"select action, scope, attempts from auth.limits where action in ('sign_in', 'refresh') order by 1, 2",
		);
		expect(rows).toEqual([
			{ action: "sign_in", scope: "account", attempts: 7 },
			{ action: "sign_in", scope: "address", attempts: 100 },
		]);
	});

	it("date a change of a user without the functions of 0.2", async ({
		old: { client, database, begun },
		expect,
	}) => {
		await database.applyPrograms();
		await database.migrate();
		const { rows } = await client.query(
			"update auth.users set fullname = 'Countess', updated_at = '2020-01-01' where id = $1 returning updated_at = now() as is_dated_now",
			[begun.user?.id],
		);
		expect(rows).toEqual([{ is_dated_now: true }]);
	});
});

describe("the example's migrations", () => {
	it("number the rescues in the order in which they were made", async ({
		old: { client, database },
		expect,
	}) => {
		await database.applyPrograms();
		await database.migrate();
		await client.query(
			"insert into api.rescues (name, age, species) values ('New', 1, 'cat')",
		);
		const { rows } = await client.query(
			"select id, name from api.rescues order by id",
		);
		expect(rows).toEqual([
			{ id: "1", name: "Ada" },
			{ id: "2", name: "Biscuit" },
			{ id: "3", name: "New" },
		]);
	});

	it("keep the todos", async ({ old: { client, database, begun }, expect }) => {
		await database.applyPrograms();
		await database.migrate();
		const { rows } = await client.query("select name, creator from api.todos");
		expect(rows).toEqual([{ name: "Upgrade", creator: begun.user?.id }]);
	});
});

describe("a database of 0.2 that was brought up to date", () => {
	it("is what a new database is", async ({
		old: { client, database },
		expect,
	}) => {
		await database.applyPrograms();
		// The second run drops what writers of 0.2 needed during the first.
		await database.applyPrograms();
		await database.migrate();
		const upgraded = await readCatalog(client);
		await client.query(
			"drop schema api, private, auth, extensions, postern cascade; drop table public.schema_migrations",
		);
		await client.query(
			"alter default privileges grant execute on functions to public; grant usage on schema public to public",
		);
		await database.applyPrograms();
		await database.migrate();
		expect(comparable(upgraded)).toEqual(comparable(await readCatalog(client)));
	});
});

/** Without the numbers of columns, since a replaced column comes last, and without functions that tracking keeps for later. */
function comparable(catalog: readonly string[]): string[] {
	return catalog
		.filter((line) => !/^function postern\.\w+_[0-9a-f]{12}/.test(line))
		.map((line) => line.replace(/^(column \S+) \d+/, "$1"))
		.toSorted();
}
