// The functions that the gateway calls for users: who may call them, what they answer, what they store.

import { readFile } from "node:fs/promises";
import { describe } from "vitest";
import {
	type Answer,
	type Arguments,
	CHEAP,
	call,
	callOf,
	isAlive,
	PASSWORD,
	refresh,
	sessionOf,
	signIn,
	signUp,
	signUpArguments,
} from "../support/accounts.ts";
import { actors, everyActor, it, type Session } from "../support/session.ts";
import { invalidParameter, permissionDenied } from "../support/sqlstates.ts";

/** The HTML standard's rule, against which the gateway's fields are tested, too. */
const EMAILS: { readonly valid: string[]; readonly invalid: string[] } =
	JSON.parse(
		await readFile(
			new URL("../../vectors/emails.json", import.meta.url),
			"utf8",
		),
	);

const someone = "0b5c6a52-5d0a-4f0e-9d43-00000000000f";
const noSession = { user_id: someone, session_id: someone };

/** The outcome of each before there is a user. */
const calls: Readonly<
	Record<string, { readonly args: Arguments; readonly outcome: string }>
> = {
	sign_up: { args: signUpArguments(), outcome: "ok" },
	sign_in: {
		args: {
			email: "nobody@example.test",
			password: PASSWORD,
			bcrypt_cost: CHEAP,
			address: "192.0.2.1",
		},
		outcome: "invalid_credentials",
	},
	refresh_session: {
		args: { refresh_token: "x", address: "192.0.2.1" },
		outcome: "refresh_token_unknown",
	},
	sign_out: {
		args: { ...noSession, scope: "local" },
		outcome: "session_not_found",
	},
	get_user: { args: noSession, outcome: "session_not_found" },
	update_user: {
		args: { ...noSession, changes: {}, bcrypt_cost: CHEAP },
		outcome: "session_not_found",
	},
	find_api_key: { args: { key_hash: "0".repeat(64) }, outcome: "unknown" },
};

for (const [name, { args, outcome }] of Object.entries(calls)) {
	describe(name, () => {
		it("may be called by postern", async ({ db, expect }) => {
			expect(await call(db, name, args)).toMatchObject({ outcome });
		});

		for (const actor of everyActor) {
			if (actor === actors.postern) continue;
			it(`may not be called by ${actor.name}`, async ({ db, expect }) => {
				const { text, values } = callOf(name, args);
				await expect(db.as(actor, text, ...values)).rejects.toMatchObject(
					permissionDenied,
				);
			});

			it(`may not be called by ${actor.name} who gets into the schema`, async ({
				db,
				expect,
			}) => {
				await db.query(`grant usage on schema postern to ${actor.role}`);
				const { text, values } = callOf(name, args);
				await expect(db.as(actor, text, ...values)).rejects.toMatchObject(
					permissionDenied,
				);
			});
		}
	});
}

describe("sign_up", () => {
	it("makes a user and a session", async ({ db, expect }) => {
		const answer = await signUp(db, { user_metadata: { theme: "dark" } });
		const uuid = expect.stringMatching(/^[0-9a-f-]{36}$/);
		const time = expect.stringMatching(/^\d{4}-\d\d-\d\dT.*\+00:00$/);
		expect(answer).toEqual({
			outcome: "ok",
			user: {
				id: uuid,
				email: "ada@example.test",
				fullname: "Ada",
				user_metadata: { theme: "dark" },
				created_at: time,
				updated_at: time,
				last_sign_in_at: time,
			},
			session: {
				id: uuid,
				refresh_token: expect.stringMatching(/^[A-Za-z0-9_-]{43}$/),
			},
		});
		expect(await isAlive(db, answer)).toBe(true);
	});

	it("answers with times in UTC in any time zone", async ({ db, expect }) => {
		await db.query("set local timezone = 'Asia/Kathmandu'");
		const { user } = await signUp(db);
		expect(user?.created_at).toMatch(/\+00:00$/);
	});

	it("stores neither the password nor the refresh token", async ({
		db,
		expect,
	}) => {
		const { session } = await signUp(db, { address: "192.0.2.1" });
		const kept = JSON.stringify(await everythingKept(db));
		expect(kept).toContain("ada@example.test");
		expect(kept).not.toContain(PASSWORD);
		expect(kept).not.toContain(session?.refresh_token);
		const bytes = Buffer.from(session?.refresh_token ?? "", "base64url");
		expect(kept).not.toContain(bytes.toString("hex"));
	});

	it("hashes with the given cost", async ({ db, expect }) => {
		await signUp(db, { bcrypt_cost: 5 });
		expect(await db.query("select password_hash from auth.users")).toEqual([
			{ password_hash: expect.stringMatching(/^\$2a\$05\$.{53}$/) },
		]);
	});

	for (const bcrypt_cost of [null, -1, 3, 17, 31]) {
		it(`fails with the cost ${bcrypt_cost}`, async ({ db, expect }) => {
			await expect(signUp(db, { bcrypt_cost })).rejects.toMatchObject(
				invalidParameter,
			);
		});
	}

	for (const email of [
		"ada@example.test",
		"ADA@Example.Test",
		" ada@example.test\n",
	]) {
		it(`refuses the e-mail of another as ${JSON.stringify(email)}`, async ({
			db,
			expect,
		}) => {
			await signUp(db);
			const before = await everythingKept(db);
			expect(await signUp(db, { email })).toEqual({ outcome: "email_taken" });
			expect(await everythingKept(db)).toMatchObject({
				users: before.users,
				sessions: before.sessions,
			});
		});
	}

	it("accepts the e-mail of a deleted user", async ({ db, expect }) => {
		await signUp(db);
		await db.query("delete from auth.users");
		expect(await signUp(db)).toMatchObject({ outcome: "ok" });
	});

	const refused: Readonly<Record<string, readonly [string, unknown][]>> = {
		invalid_email: [
			["email", null],
			["email", `${"x".repeat(300)}@example.test`],
			...EMAILS.invalid.map((email) => ["email", email] as [string, string]),
		],
		invalid_password: [
			["password", null],
			["password", ""],
			["password", "12345"],
			["password", "x".repeat(73)],
			["password", "é".repeat(37)],
		],
		invalid_fullname: [
			["fullname", null],
			["fullname", ""],
			["fullname", "x".repeat(301)],
		],
		invalid_user_metadata: [
			["user_metadata", []],
			["user_metadata", "1"],
			["user_metadata", "null"],
			["user_metadata", { long: "x".repeat(4096) }],
		],
	};
	for (const [outcome, values] of Object.entries(refused)) {
		for (const [argument, value] of values) {
			it(`refuses the ${argument} ${shown(value)}`, async ({ db, expect }) => {
				expect(await signUp(db, { [argument]: value })).toEqual({ outcome });
				expect(await db.query("select from auth.users")).toEqual([]);
			});
		}
	}

	const accepted = [
		["password", "123456"],
		["password", "x".repeat(72)],
		["password", "é".repeat(36)],
		["password", "      "],
		["fullname", "x"],
		["fullname", "é".repeat(300)],
		["user_metadata", { long: "x".repeat(4080) }],
		["user_metadata", { nothing: null }],
	] as const;
	for (const [argument, value] of accepted) {
		it(`takes the ${argument} ${shown(value)}`, async ({ db, expect }) => {
			const answer = await signUp(db, { [argument]: value });
			expect(answer).toMatchObject({
				outcome: "ok",
				user: argument === "password" ? {} : { [argument]: value },
			});
		});
	}

	for (const email of EMAILS.valid) {
		it(`takes the email ${shown(email)}, in lower case`, async ({
			db,
			expect,
		}) => {
			expect(await signUp(db, { email })).toMatchObject({
				outcome: "ok",
				user: { email: email.toLowerCase() },
			});
		});
	}

	it("stores the e-mail trimmed and in lower case", async ({ db, expect }) => {
		const { user } = await signUp(db, { email: "\tAda@Example.TEST " });
		expect(user?.email).toBe("ada@example.test");
	});

	it("stores missing metadata as empty metadata", async ({ db, expect }) => {
		const { user } = await signUp(db, { user_metadata: null });
		expect(user?.user_metadata).toEqual({});
	});
});

describe("sign_in", () => {
	it("begins a session", async ({ db, expect }) => {
		const first = await signUp(db);
		const second = await signIn(db);
		expect(second).toMatchObject({ outcome: "ok", user: first.user });
		expect(second.session?.id).not.toBe(first.session?.id);
		expect(await isAlive(db, first)).toBe(true);
		expect(await isAlive(db, second)).toBe(true);
	});

	it("accepts the e-mail in any case", async ({ db, expect }) => {
		await signUp(db);
		expect(await signIn(db, { email: " ADA@example.test" })).toMatchObject({
			outcome: "ok",
		});
	});

	it("accepts the e-mail of another system's user, which a new one may not have", async ({
		db,
		expect,
	}) => {
		await signUp(db);
		await db.query("update auth.users set email = 'été@example.test'");
		expect(await signIn(db, { email: "été@example.test" })).toMatchObject({
			outcome: "ok",
		});
	});

	const wrong: Arguments[] = [
		{ password: "wrong horse" },
		{ password: "" },
		{ password: null },
		{ password: `${PASSWORD}\u00a0` },
		{ password: PASSWORD.toUpperCase() },
		{ email: "nobody@example.test" },
		{ email: "" },
		{ email: null },
		{ email: "no e-mail" },
		{ email: "x".repeat(100_000), password: "x".repeat(100_000) },
	];
	for (const args of wrong) {
		it(`answers alike to ${shown(args)}`, async ({ db, expect }) => {
			await signUp(db);
			expect(await signIn(db, args)).toEqual({
				outcome: "invalid_credentials",
			});
		});
	}

	it("refuses a password that is longer than bcrypt reads", async ({
		db,
		expect,
	}) => {
		const password = "x".repeat(72);
		await signUp(db, { password });
		expect(await signIn(db, { password: `${password}y` })).toEqual({
			outcome: "invalid_credentials",
		});
		expect(await signIn(db, { password: `${"x".repeat(71)}y` })).toEqual({
			outcome: "invalid_credentials",
		});
		expect(await signIn(db, { password })).toMatchObject({ outcome: "ok" });
	});

	it("hashes again if the cost has changed", async ({ db, expect }) => {
		await signUp(db, { bcrypt_cost: 4 });
		for (const bcrypt_cost of [6, 5]) {
			expect(await signIn(db, { bcrypt_cost })).toMatchObject({
				outcome: "ok",
			});
			expect(
				await db.query(
					"select substr(password_hash, 1, 7) as start from auth.users",
				),
			).toEqual([{ start: `$2a$0${bcrypt_cost}$` }]);
		}
		expect(await signIn(db)).toMatchObject({ outcome: "ok" });
	});

	it("sets last_sign_in_at, and leaves updated_at", async ({ db, expect }) => {
		await signUp(db);
		await db.query(
			"update auth.users set last_sign_in_at = '2020-01-01', updated_at = '2020-01-01'",
		);
		const { user } = await signIn(db);
		expect(user).toMatchObject({
			last_sign_in_at: expect.not.stringMatching(/^2020/),
			updated_at: "2020-01-01T00:00:00+00:00",
		});
	});

	for (const bcrypt_cost of [null, 3, 17]) {
		it(`fails with the cost ${bcrypt_cost}`, async ({ db, expect }) => {
			await expect(signIn(db, { bcrypt_cost })).rejects.toMatchObject(
				invalidParameter,
			);
		});
	}
});

describe("get_user", () => {
	it("answers with the user", async ({ db, expect }) => {
		const begun = await signUp(db);
		expect(await call(db, "get_user", sessionOf(begun))).toEqual({
			outcome: "ok",
			user: begun.user,
		});
	});

	it("does not accept another user's session", async ({ db, expect }) => {
		const ada = await signUp(db);
		const grace = await signUp(db, { email: "grace@example.test" });
		expect(
			await call(db, "get_user", {
				user_id: ada.user?.id,
				session_id: grace.session?.id,
			}),
		).toEqual({ outcome: "session_not_found" });
	});

	it("finds no session that does not exist", async ({ db, expect }) => {
		const { user_id } = sessionOf(await signUp(db));
		for (const session_id of [null, someone]) {
			expect(await call(db, "get_user", { user_id, session_id })).toEqual({
				outcome: "session_not_found",
			});
		}
	});

	it("finds no session of a deleted user", async ({ db, expect }) => {
		const begun = await signUp(db);
		await db.query("delete from auth.users");
		expect(await isAlive(db, begun)).toBe(false);
		expect(await db.query("select from auth.refresh_tokens")).toEqual([]);
	});
});

describe("update_user", () => {
	function update(db: Session, begun: Answer, changes: unknown) {
		return call(db, "update_user", {
			...sessionOf(begun),
			changes,
			bcrypt_cost: CHEAP,
		});
	}

	it("changes the e-mail", async ({ db, expect }) => {
		const begun = await signUp(db);
		expect(
			await update(db, begun, { email: "Ada@Elsewhere.test" }),
		).toMatchObject({
			outcome: "ok",
			user: { ...begun.user, email: "ada@elsewhere.test" },
		});
		expect(await signIn(db)).toEqual({ outcome: "invalid_credentials" });
		expect(await signIn(db, { email: "ada@elsewhere.test" })).toMatchObject({
			outcome: "ok",
		});
	});

	it("changes the name", async ({ db, expect }) => {
		const begun = await signUp(db);
		expect(await update(db, begun, { fullname: "Ada L." })).toMatchObject({
			outcome: "ok",
			user: { fullname: "Ada L." },
		});
	});

	it("changes the password, and ends the other sessions", async ({
		db,
		expect,
	}) => {
		const other = await signUp(db);
		const own = await signIn(db);
		const stranger = await signUp(db, { email: "grace@example.test" });
		expect(await update(db, own, { password: "another horse" })).toMatchObject({
			outcome: "ok",
		});
		expect(await isAlive(db, own)).toBe(true);
		expect(await isAlive(db, stranger)).toBe(true);
		expect(await isAlive(db, other)).toBe(false);
		expect(await refresh(db, other.session?.refresh_token)).toEqual({
			outcome: "session_ended",
		});
		expect(await refresh(db, own.session?.refresh_token)).toMatchObject({
			outcome: "ok",
		});
		expect(await signIn(db)).toEqual({ outcome: "invalid_credentials" });
		expect(await signIn(db, { password: "another horse" })).toMatchObject({
			outcome: "ok",
		});
	});

	it("keeps the other sessions if the password is not changed", async ({
		db,
		expect,
	}) => {
		const other = await signUp(db);
		await update(db, await signIn(db), { fullname: "Ada L." });
		expect(await isAlive(db, other)).toBe(true);
	});

	it("merges the metadata, and removes keys that are null", async ({
		db,
		expect,
	}) => {
		const begun = await signUp(db, {
			user_metadata: { kept: 1, changed: 2, gone: 3, null: null },
		});
		expect(
			await update(db, begun, {
				user_metadata: { changed: { deep: null }, gone: null, never: null },
			}),
		).toMatchObject({
			user: { user_metadata: { kept: 1, changed: { deep: null }, null: null } },
		});
		const { user } = await call(db, "get_user", sessionOf(begun));
		expect(user?.user_metadata).toEqual({
			kept: 1,
			changed: { deep: null },
			null: null,
		});
	});

	it("accepts an empty set of changes", async ({ db, expect }) => {
		const begun = await signUp(db);
		expect(await update(db, begun, {})).toEqual({
			outcome: "ok",
			user: begun.user,
		});
	});

	it("refuses the e-mail of another, and changes nothing", async ({
		db,
		expect,
	}) => {
		await signUp(db, { email: "grace@example.test" });
		const begun = await signUp(db);
		expect(
			await update(db, begun, {
				email: "GRACE@example.test",
				fullname: "Grace",
			}),
		).toEqual({ outcome: "email_taken" });
		expect(await call(db, "get_user", sessionOf(begun))).toMatchObject({
			user: begun.user,
		});
	});

	it("accepts the user's own e-mail", async ({ db, expect }) => {
		const begun = await signUp(db);
		expect(
			await update(db, begun, { email: "ada@example.test" }),
		).toMatchObject({ outcome: "ok" });
	});

	const refused = [
		[{ email: "ada" }, "invalid_email"],
		[{ email: null }, "invalid_email"],
		[{ password: "12345" }, "invalid_password"],
		[{ password: "x".repeat(73) }, "invalid_password"],
		[{ password: null }, "invalid_password"],
		[{ fullname: "" }, "invalid_fullname"],
		[{ fullname: null }, "invalid_fullname"],
		[{ fullname: "x".repeat(301) }, "invalid_fullname"],
		[{ user_metadata: null }, "invalid_user_metadata"],
		[{ user_metadata: [] }, "invalid_user_metadata"],
		[{ user_metadata: { long: "x".repeat(4096) } }, "invalid_user_metadata"],
	] as const;
	for (const [changes, outcome] of refused) {
		it(`refuses ${shown(changes)}`, async ({ db, expect }) => {
			const begun = await signUp(db, { user_metadata: { kept: 1 } });
			const before = await everythingKept(db);
			expect(await update(db, begun, changes)).toEqual({ outcome });
			expect(await everythingKept(db)).toEqual(before);
		});
	}

	it("refuses the password that the user has", async ({ db, expect }) => {
		const begun = await signUp(db);
		expect(await update(db, begun, { password: PASSWORD })).toEqual({
			outcome: "same_password",
		});
		expect(await signIn(db)).toMatchObject({ outcome: "ok" });
	});

	for (const current_password of [
		"wrong horse",
		"",
		null,
		PASSWORD.toUpperCase(),
	]) {
		it(`refuses the wrong current password ${shown(current_password)}, and changes nothing`, async ({
			db,
			expect,
		}) => {
			const begun = await signUp(db);
			const changes = { password: "another horse", fullname: "Eve" };
			expect(await update(db, begun, { ...changes, current_password })).toEqual(
				{ outcome: "wrong_current_password" },
			);
			expect(await signIn(db)).toMatchObject({ user: { fullname: "Ada" } });
		});
	}

	it("accepts the right current password", async ({ db, expect }) => {
		const begun = await signUp(db);
		const password = "another horse";
		expect(
			await update(db, begun, { current_password: PASSWORD, password }),
		).toMatchObject({ outcome: "ok" });
		expect(await signIn(db, { password })).toMatchObject({ outcome: "ok" });
	});

	it("keeps numbers as they are written", async ({ db, expect }) => {
		const begun = await signUp(db);
		const metadata =
			'{"big": 9007199254740993, "small": 1.0, "of": [-1152921504606846977, 0.10]}';
		await call(db, "update_user", {
			...sessionOf(begun),
			changes: `{"user_metadata": ${metadata}}`,
			bcrypt_cost: CHEAP,
		});
		expect(
			await db.query(
				"select user_metadata::text = ($1::jsonb)::text as same, user_metadata ->> 'big' as big, user_metadata ->> 'small' as small from auth.users",
				metadata,
			),
		).toEqual([{ same: true, big: "9007199254740993", small: "1.0" }]);
	});

	it("refuses metadata that merging would make too large", async ({
		db,
		expect,
	}) => {
		const begun = await signUp(db, {
			user_metadata: { one: "x".repeat(3000) },
		});
		expect(
			await update(db, begun, { user_metadata: { two: "x".repeat(3000) } }),
		).toEqual({ outcome: "invalid_user_metadata" });
		expect(
			await update(db, begun, {
				user_metadata: { one: null, two: "x".repeat(3000) },
			}),
		).toMatchObject({ outcome: "ok" });
	});

	for (const changes of [{ id: someone }, { password_hash: "x" }, [], null]) {
		it(`fails with ${shown(changes)}`, async ({ db, expect }) => {
			await expect(update(db, await signUp(db), changes)).rejects.toMatchObject(
				invalidParameter,
			);
		});
	}

	it("requires a live session", async ({ db, expect }) => {
		const begun = await signUp(db);
		await call(db, "sign_out", { ...sessionOf(begun), scope: "local" });
		expect(await update(db, begun, { fullname: "Ada L." })).toEqual({
			outcome: "session_not_found",
		});
	});
});

describe("auth.user_id", () => {
	for (const actor of [actors.ada, actors.anon]) {
		it(`may be asked by ${actor.name}`, async ({ db, expect }) => {
			expect(await db.as(actor, "select auth.user_id() as id")).toEqual([
				{ id: actor.claims.sub ?? null },
			]);
		});
	}

	for (const claims of [
		"",
		"{}",
		"[]",
		"1",
		'{"sub": null}',
		'{"sub": 7}',
		'{"sub": ""}',
		'{"sub": "auth0|7"}',
		`{"sub": "${someone}x"}`,
		`{"sub": "{${someone}}"}`,
		`{"sub": ["${someone}"]}`,
	]) {
		it(`is null for the claims ${claims}`, async ({ db, expect }) => {
			await db.query(
				"select set_config('request.jwt.claims', $1, true)",
				claims,
			);
			expect(await db.query("select auth.user_id() as id")).toEqual([
				{ id: null },
			]);
		});
	}

	it("is null without any claims", async ({ db, expect }) => {
		expect(await db.query("select auth.user_id() as id")).toEqual([
			{ id: null },
		]);
	});
});

/** Every row of the tables of accounts. */
async function everythingKept(db: Session) {
	const kept: Record<string, unknown> = {};
	for (const table of ["users", "sessions", "refresh_tokens", "throttles"]) {
		kept[table] = await db.query(
			`select to_jsonb(kept) as row from auth.${table} as kept order by 1`,
		);
	}
	return kept;
}

function shown(value: unknown): string {
	const text = JSON.stringify(value);
	return text.length > 60 ? `${text.slice(0, 40)}… (${text.length})` : text;
}
