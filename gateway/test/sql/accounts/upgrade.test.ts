// A database of version 0.1.0 with users, sessions and API keys is brought up to date: signed-in users stay signed in, and every
// key and limit is kept.

import { createHash } from "node:crypto";
import {
	type Answer,
	CHEAP,
	PASSWORD,
	sessionOf,
	signUpArguments,
} from "../support/accounts.ts";
import { it as base } from "../support/databases.ts";
import {
	callAsGateway as call,
	migrationsOf010,
} from "../support/version-0-1-0.ts";

const migrations = await migrationsOf010();

/** A user with a session, an API key, and limits that the operator changed. */
const it = base.extend("old", async ({ database }) => {
	const { client } = database;
	for (const { sql } of migrations) await client.query(sql);
	const begun = await call(client, "sign_up", signUpArguments());
	const { rows } = await client.query(
		"select postern.create_api_key('A program', 'secret', 'service') as key",
	);
	await client.query(
		"update auth.limits set attempts = 7 where action = 'sign_in' and scope = 'account'",
	);
	await client.query("delete from auth.limits where action = 'refresh'");
	return { client, database, begun, key: String(rows[0].key) };
});

it("keeps a user signed in, and lets the user sign in", async ({
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

it("keeps what each refresh token is worth", async ({
	old: { client, database, begun },
	expect,
}) => {
	const refresh = (from: Answer) =>
		call(client, "refresh_session", {
			refresh_token: from.session?.refresh_token,
			address: null,
		});
	const second = await refresh(begun);
	const third = await refresh(second);
	await database.applyPrograms();
	expect(await refresh(second)).toMatchObject({ outcome: "ok" });
	expect(await refresh(third)).toMatchObject({ outcome: "ok" });
	expect(await refresh(begun)).toEqual({ outcome: "refresh_token_reused" });
});

it("keeps an API key", async ({ old: { client, database, key }, expect }) => {
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

it("keeps a publishable API key, and no role with it", async ({
	old: { client, database },
	expect,
}) => {
	const { rows: made } = await client.query(
		"select encode(sha256(convert_to(postern.create_api_key('Website', 'publishable', 'anon'), 'UTF8')), 'hex') as hash",
	);
	await database.applyPrograms();
	expect(
		await call(client, "find_api_key", { key_hash: made[0].hash }),
	).toMatchObject({ outcome: "ok", kind: "publishable" });
	const { rows } = await client.query(
		"select role from postern.api_keys where kind = 'publishable'",
	);
	expect(rows).toEqual([{ role: null }]);
});

it("keeps the limits that the operator changed", async ({
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

it("dates a change of a user without the functions of 0.1.0", async ({
	old: { client, database, begun },
	expect,
}) => {
	await database.applyPrograms();
	await client.query("drop function postern.touch_updated_at()");
	const { rows } = await client.query(
		"update auth.users set fullname = 'Countess', updated_at = '2020-01-01' where id = $1 returning updated_at = now() as is_dated_now",
		[begun.user?.id],
	);
	expect(rows).toEqual([{ is_dated_now: true }]);
});
