// Throttles: which attempts are counted, for which account or address, and for how long.

import { describe } from "vitest";
import {
	CHEAP,
	call,
	letSeemEmpty,
	PASSWORD,
	pass,
	refresh,
	sessionOf,
	signIn,
	signUp,
} from "../support/accounts.ts";
import { it as base, type Session } from "../support/session.ts";

const LIMIT = 3;

/** Limits one action to three attempts in ten minutes. */
const it = base.extend(
	"limit",
	({ db }) =>
		async (action: string, scope: string) => {
			await db.query("delete from auth.limits");
			await db.query(
				"insert into auth.limits (action, scope, attempts, per) values ($1, $2, $3, '10 minutes')",
				action,
				scope,
				LIMIT,
			);
		},
);

const wrong = { password: "wrong horse" };
const invalid = { outcome: "invalid_credentials" };
const throttled = { outcome: "throttled", retryAfter: 600 };
const ok = { outcome: "ok" };

/** Uses up all attempts of a limit. */
async function exhaust(action: () => Promise<unknown>): Promise<void> {
	for (let attempt = 0; attempt < LIMIT; attempt++) await action();
}

describe("wrong passwords for an account", () => {
	for (const [name, email] of [
		["with", "ada@example.test"],
		["without", "nobody@example.test"],
	] as const) {
		it(`are refused beyond the limit ${name} a user`, async ({
			db,
			limit,
			expect,
		}) => {
			await limit("sign_in", "account");
			await signUp(db);
			for (let attempt = 0; attempt < LIMIT; attempt++) {
				expect(await signIn(db, { email, ...wrong })).toEqual(invalid);
			}
			expect(await signIn(db, { email, ...wrong })).toEqual(throttled);
		});
	}

	it("are counted together for every spelling of the e-mail", async ({
		db,
		limit,
		expect,
	}) => {
		await limit("sign_in", "account");
		await signUp(db);
		for (const email of [
			"ada@example.test",
			"ADA@example.test",
			" ada@EXAMPLE.test",
		]) {
			expect(await signIn(db, { email, ...wrong })).toEqual(invalid);
		}
		expect(await signIn(db)).toEqual(throttled);
	});

	it("have the right password refused, too", async ({ db, limit, expect }) => {
		await limit("sign_in", "account");
		await signUp(db);
		await exhaust(() => signIn(db, wrong));
		expect(await signIn(db)).toEqual(throttled);
	});

	it("do not affect another account", async ({ db, limit, expect }) => {
		await limit("sign_in", "account");
		await signUp(db);
		await exhaust(() => signIn(db, { email: "grace@example.test" }));
		expect(await signIn(db)).toMatchObject(ok);
	});

	it("end no session", async ({ db, limit, expect }) => {
		await limit("sign_in", "account");
		const { session } = await signUp(db);
		await exhaust(() => signIn(db, wrong));
		expect(await refresh(db, session?.refresh_token)).toMatchObject(ok);
	});

	it("are forgotten after the right one", async ({ db, limit, expect }) => {
		await limit("sign_in", "account");
		await signUp(db);
		for (let round = 0; round < 3; round++) {
			await signIn(db, wrong);
			await signIn(db, wrong);
			expect(await signIn(db)).toMatchObject(ok);
		}
	});

	it("are forgotten after the time of the limit", async ({
		db,
		limit,
		expect,
	}) => {
		await limit("sign_in", "account");
		await signUp(db);
		await exhaust(() => signIn(db, wrong));
		await pass(db, "4 minutes 0.5 seconds");
		expect(await signIn(db)).toEqual({ ...throttled, retryAfter: 360 });
		await pass(db, "5 minutes 59 seconds");
		expect(await signIn(db)).toEqual({ ...throttled, retryAfter: 1 });
		await pass(db, "0.5 seconds");
		expect(await signIn(db, wrong)).toEqual(invalid);
		await exhaust(() => signIn(db, wrong));
		expect(await signIn(db)).toEqual(throttled);
	});

	it("do not extend the wait by further attempts", async ({
		db,
		limit,
		expect,
	}) => {
		await limit("sign_in", "account");
		await signUp(db);
		for (let minute = 0; minute < 10; minute++) {
			await signIn(db, wrong);
			await pass(db, "1 minute");
		}
		expect(await signIn(db)).toMatchObject(ok);
	});
});

describe("wrong passwords for an account from an address", () => {
	const here = { address: "192.0.2.1" };
	const there = { address: "192.0.2.2" };

	it("are refused beyond the limit there, and nowhere else", async ({
		db,
		limit,
		expect,
	}) => {
		await limit("sign_in", "account_at_address");
		await signUp(db);
		await exhaust(() => signIn(db, { ...wrong, ...here }));
		expect(await signIn(db, here)).toEqual(throttled);
		expect(await signIn(db, there)).toMatchObject(ok);
	});

	it("are counted for the account no more when they are refused: 200 guesses leave its owner 40", async ({
		db,
		expect,
	}) => {
		await signUp(db);
		for (let guess = 0; guess < 200; guess++)
			await signIn(db, { ...wrong, ...here });
		const elsewhere = { ...wrong, ...there };
		expect(await signIn(db, elsewhere)).toEqual(invalid);
		expect(await signIn(db, there)).toMatchObject(ok);
	});

	it("are forgotten after the right one from there alone", async ({
		db,
		limit,
		expect,
	}) => {
		await limit("sign_in", "account_at_address");
		await signUp(db);
		await exhaust(() => signIn(db, { ...wrong, ...here }));
		await signIn(db, there);
		expect(await signIn(db, here)).toEqual(throttled);
	});
});

describe("wrong passwords from an address", () => {
	it("are refused beyond the limit, over all accounts", async ({
		db,
		limit,
		expect,
	}) => {
		await limit("sign_in", "address");
		await signUp(db);
		const address = "192.0.2.1";
		for (let attempt = 0; attempt < LIMIT; attempt++) {
			const email = `user${attempt}@example.test`;
			expect(await signIn(db, { email, address })).toEqual(invalid);
		}
		expect(await signIn(db, { address })).toEqual(throttled);
		expect(await signIn(db, { address: "192.0.2.2" })).toMatchObject(ok);
	});

	it("are not forgotten after a right one", async ({ db, limit, expect }) => {
		await limit("sign_in", "address");
		await signUp(db);
		const address = "192.0.2.1";
		await signIn(db, { ...wrong, address });
		await signIn(db, { ...wrong, address });
		expect(await signIn(db, { address })).toMatchObject(ok);
		expect(await signIn(db, { ...wrong, address })).toEqual(invalid);
		expect(await signIn(db, { address })).toEqual(throttled);
	});

	it("are counted without the right ones", async ({ db, limit, expect }) => {
		await limit("sign_in", "address");
		await signUp(db);
		for (let attempt = 0; attempt < 3 * LIMIT; attempt++) {
			expect(await signIn(db, { address: "192.0.2.1" })).toMatchObject(ok);
		}
	});

	const same = [
		["192.0.2.1", "::ffff:192.0.2.1", "::ffff:c000:201"],
		["2001:db8::1", "2001:db8::2", "2001:db8:0:0:ffff:ffff:ffff:ffff"],
	];
	for (const addresses of same) {
		it(`are counted together for ${addresses.join(" and ")}`, async ({
			db,
			limit,
			expect,
		}) => {
			await limit("sign_in", "address");
			for (const address of addresses) {
				expect(await signIn(db, { address })).toEqual(invalid);
			}
			expect(await signIn(db, { address: addresses[0] })).toEqual(throttled);
		});
	}

	const different = [
		["192.0.2.1", "192.0.2.2"],
		["2001:db8::1", "2001:db8:0:1::1"],
		["192.0.2.1", "::192.0.2.1"],
	] as const;
	for (const [one, other] of different) {
		it(`are counted apart for ${one} and ${other}`, async ({
			db,
			limit,
			expect,
		}) => {
			await limit("sign_in", "address");
			await exhaust(() => signIn(db, { address: one }));
			expect(await signIn(db, { address: other })).toEqual(invalid);
			expect(await signIn(db, { address: one })).toEqual(throttled);
		});
	}

	for (const address of [null, "", "unknown", "192.0.2.1, 192.0.2.2", "1"]) {
		it(`are not counted for ${JSON.stringify(address)}, which is no address`, async ({
			db,
			limit,
			expect,
		}) => {
			await limit("sign_in", "address");
			await exhaust(() => signIn(db, { address }));
			expect(await signIn(db, { address })).toEqual(invalid);
			expect(await db.query("select from auth.throttles")).toEqual([]);
		});
	}
});

describe("sign-ups", () => {
	it("are refused beyond the limit of an address", async ({
		db,
		limit,
		expect,
	}) => {
		await limit("sign_up", "address");
		const address = "2001:db8::1";
		for (let attempt = 0; attempt < LIMIT; attempt++) {
			const email = `user${attempt}@example.test`;
			expect(await signUp(db, { email, address })).toMatchObject(ok);
		}
		expect(await signUp(db, { address })).toEqual(throttled);
		expect(await signUp(db, { address: "192.0.2.1" })).toMatchObject(ok);
	});

	it("are refused beyond the limit of an e-mail", async ({
		db,
		limit,
		expect,
	}) => {
		await limit("sign_up", "account");
		await exhaust(() => signUp(db));
		expect(await signUp(db)).toEqual(throttled);
		expect(await signUp(db, { email: "grace@example.test" })).toMatchObject(ok);
	});

	it("are not counted if a field is not valid", async ({
		db,
		limit,
		expect,
	}) => {
		await limit("sign_up", "account");
		await exhaust(() => signUp(db, { password: "short" }));
		expect(await signUp(db)).toMatchObject(ok);
	});
});

describe("refreshes", () => {
	it("are refused beyond the limit of an account", async ({
		db,
		limit,
		expect,
	}) => {
		await limit("refresh", "account");
		const one = await signUp(db);
		const other = await signIn(db);
		let token = one.session?.refresh_token;
		for (let attempt = 0; attempt < LIMIT; attempt++) {
			const answer = await refresh(db, token);
			expect(answer).toMatchObject(ok);
			token = answer.session?.refresh_token;
		}
		expect(await refresh(db, token)).toEqual(throttled);
		expect(await refresh(db, other.session?.refresh_token)).toEqual(throttled);
	});

	it("are accepted again after the time of the limit", async ({
		db,
		limit,
		expect,
	}) => {
		await limit("refresh", "account");
		const { session } = await signUp(db);
		await exhaust(() => refresh(db, session?.refresh_token));
		expect(await refresh(db, session?.refresh_token)).toEqual(throttled);
		await pass(db, "10 minutes");
		expect(await refresh(db, session?.refresh_token)).toMatchObject(ok);
	});

	it("are refused beyond the limit of an address, even of unknown tokens", async ({
		db,
		limit,
		expect,
	}) => {
		await limit("refresh", "address");
		const { session } = await signUp(db);
		await exhaust(() => refresh(db, "guessed", "192.0.2.1"));
		expect(await refresh(db, session?.refresh_token, "192.0.2.1")).toEqual(
			throttled,
		);
		expect(
			await refresh(db, session?.refresh_token, "192.0.2.2"),
		).toMatchObject(ok);
	});
});

describe("changes of the password", () => {
	const change = async (db: Session, begun: object, changes: object) =>
		call(db, "update_user", { ...begun, changes, bcrypt_cost: CHEAP });

	it("are refused beyond the limit of an account", async ({
		db,
		limit,
		expect,
	}) => {
		await limit("change_password", "account");
		const begun = sessionOf(await signUp(db));
		await exhaust(() => change(db, begun, { password: "another horse" }));
		expect(await change(db, begun, { password: "third horse" })).toEqual(
			throttled,
		);
		expect(await change(db, begun, { fullname: "Ada L." })).toMatchObject(ok);
	});

	it("are counted when the current password is wrong, with a new one and without", async ({
		db,
		limit,
		expect,
	}) => {
		await limit("change_password", "account");
		const begun = sessionOf(await signUp(db));
		const guess = { current_password: "wrong horse" };
		const wrong = { outcome: "wrong_current_password" };
		expect(await change(db, begun, guess)).toEqual(wrong);
		expect(
			await change(db, begun, { ...guess, password: "another horse" }),
		).toEqual(wrong);
		expect(await change(db, begun, guess)).toEqual(wrong);
		expect(await change(db, begun, { current_password: PASSWORD })).toEqual(
			throttled,
		);
	});

	it("are counted when another change of the same call is refused", async ({
		db,
		limit,
		expect,
	}) => {
		await limit("change_password", "account");
		await signUp(db, { email: "grace@example.test" });
		const begun = sessionOf(await signUp(db));
		const changes = { password: "another horse", email: "grace@example.test" };
		for (let attempt = 0; attempt < LIMIT; attempt++) {
			expect(await change(db, begun, changes)).toEqual({
				outcome: "email_taken",
			});
		}
		expect(await change(db, begun, changes)).toEqual(throttled);
	});
});

describe("limits", () => {
	it("have a row for every counted action and scope", async ({
		db,
		expect,
	}) => {
		expect(
			await db.query("select action, scope from auth.limits order by 1, 2"),
		).toEqual([
			{ action: "change_password", scope: "account" },
			{ action: "refresh", scope: "account" },
			{ action: "refresh", scope: "address" },
			{ action: "sign_in", scope: "account" },
			{ action: "sign_in", scope: "account_at_address" },
			{ action: "sign_in", scope: "address" },
			{ action: "sign_up", scope: "account" },
			{ action: "sign_up", scope: "address" },
		]);
	});

	it("may be removed", async ({ db, expect }) => {
		await db.query("delete from auth.limits");
		for (let attempt = 0; attempt < 150; attempt++) {
			expect(await signIn(db, { address: "192.0.2.1" })).toEqual(invalid);
		}
		expect(await db.query("select from auth.throttles")).toEqual([]);
	});

	it("keep no e-mail address", async ({ db, expect }) => {
		await signIn(db, { email: "my password, typed into the wrong field" });
		expect(await db.query("select subject from auth.throttles")).toEqual([
			{ subject: expect.stringMatching(/^[0-9a-f]{64}$/) },
			{ subject: expect.stringMatching(/^[0-9a-f]{64}$/) },
		]);
	});
});

describe("a throttle past its time", () => {
	it("is pruned, a bounded number at a time", async ({ db, expect }) => {
		await letSeemEmpty(db, "auth.throttles");
		await db.query(
			`insert into auth.throttles (action, scope, subject, attempts, until)
			select 'sign_in', 'account', 'old ' || n, 1, now() - interval '1 minute' from generate_series(1, 120) as n`,
		);
		const left = async () => {
			await signIn(db);
			const [row] = await db.query(
				"select count(*)::integer as old from auth.throttles where subject like 'old%'",
			);
			return row?.old;
		};
		expect(await left()).toBe(70);
		expect(await left()).toBe(20);
		expect(await left()).toBe(0);
	});
});
