// The functions of accounts under contention, each in a transaction as PostgREST calls them. These tests commit, in a database of their own.

import { setTimeout as delay } from "node:timers/promises";
import pg from "pg";
import { describe } from "vitest";
import {
	type Answer,
	type Arguments,
	CHEAP,
	callOf,
	PASSWORD,
	sessionOf,
	signUpArguments,
} from "../support/accounts.ts";
import { it as base } from "../support/databases.ts";

const it = base
	.extend("owner", async ({ database }) => {
		await database.applyPrograms();
		return database.client;
	})
	.extend(
		"pool",
		async ({ database, owner, authenticatorUrl }, { onCleanup }) => {
			const url = new URL(authenticatorUrl);
			url.pathname = new URL(database.url).pathname;
			const pool = new pg.Pool({ connectionString: url.href, max: 20 });
			onCleanup(async () => {
				await pool.end();
				// The server closes the connections a little later, and dropping the database before that would break them off.
				await untilConnected(owner, 0);
			});
			return pool;
		},
	)
	.extend("begin", async ({ pool }, { onCleanup }) => {
		const clients: pg.PoolClient[] = [];
		onCleanup(() => {
			for (const client of clients) client.release(true);
		});
		/** Makes a call that is answered but not committed. */
		return async (name: string, args: Arguments) => {
			const client = await pool.connect();
			clients.push(client);
			await client.query("begin; set local role postern");
			const { rows } = await client.query<{ answer: Answer }>(
				callOf(name, args),
			);
			return { answer: rows[0]?.answer, commit: () => client.query("commit") };
		};
	});

async function call(
	pool: pg.Pool,
	name: string,
	args: Arguments,
): Promise<Answer> {
	const client = await pool.connect();
	try {
		await client.query("begin; set local role postern");
		const { rows } = await client.query<{ answer: Answer }>(callOf(name, args));
		await client.query("commit");
		return rows[0]?.answer ?? { outcome: "no answer" };
	} finally {
		client.release();
	}
}

function times<Result>(
	count: number,
	action: (index: number) => Promise<Result>,
): Promise<Result[]> {
	return Promise.all(
		Array.from({ length: count }, (_, index) => action(index)),
	);
}

function outcomes(answers: readonly Answer[]): string[] {
	return answers.map(({ outcome }) => outcome).toSorted();
}

/** Resolves when a statement waits for a lock. */
function untilWaiting(owner: pg.Client): Promise<void> {
	return untilConnected(owner, 1, "Lock");
}

/** Resolves when authenticator has this many connections, or this many that wait. */
async function untilConnected(
	owner: pg.Client,
	count: number,
	waiting?: string,
): Promise<void> {
	for (let look = 0; look < 2000; look++) {
		// Within a transaction pg_stat_activity shows the same each time.
		await owner.query("select pg_stat_clear_snapshot()");
		const { rowCount } = await owner.query(
			`select from pg_stat_activity
			where datname = current_database() and usename = 'authenticator'
				and ($1::text is null or wait_event_type = $1)`,
			[waiting],
		);
		if (rowCount === count) return;
		await delay(1);
	}
	throw new Error(`there never are ${count} connections`);
}

const email = "ada@example.test";
const signUp = (pool: pg.Pool, args: Arguments = {}) =>
	call(pool, "sign_up", signUpArguments({ email, ...args }));
const signInArguments = (args: Arguments = {}) => ({
	email,
	password: PASSWORD,
	bcrypt_cost: CHEAP,
	address: null,
	...args,
});
const signIn = (pool: pg.Pool, args: Arguments = {}) =>
	call(pool, "sign_in", signInArguments(args));
const refresh = (pool: pg.Pool, refreshToken: string | undefined) =>
	call(pool, "refresh_session", { refresh_token: refreshToken, address: null });

describe("concurrent sign-ups with one e-mail", () => {
	it("make one user", async ({ pool, owner, expect }) => {
		const answers = await times(10, (index) =>
			signUp(pool, { email: index % 2 ? email : email.toUpperCase() }),
		);
		expect(outcomes(answers)).toEqual([...Array(9).fill("email_taken"), "ok"]);
		const { rowCount } = await owner.query(
			"select from auth.users where email = $1",
			[email],
		);
		expect(rowCount).toBe(1);
	});

	it("make one user even without throttles", async ({
		pool,
		owner,
		expect,
	}) => {
		await owner.query("begin");
		await owner.query(
			"insert into auth.users (email, password_hash, fullname) values ($1, '$2a$04$' || repeat('.', 53), 'Ada')",
			[email],
		);
		const second = signUp(pool);
		await untilWaiting(owner);
		await owner.query("commit");
		expect(await second).toEqual({ outcome: "email_taken" });
	});
});

describe("a change of the e-mail", () => {
	it("waits for a sign-up with the same e-mail", async ({
		pool,
		owner,
		begin,
		expect,
	}) => {
		const begun = await signUp(pool, { email: "grace@example.test" });
		const taking = await begin("sign_up", signUpArguments({ email }));
		const change = call(pool, "update_user", {
			...sessionOf(begun),
			changes: { email },
			bcrypt_cost: CHEAP,
		});
		await untilWaiting(owner);
		await taking.commit();
		expect(await change).toEqual({ outcome: "email_taken" });
	});
});

describe("concurrent refreshes with one token", () => {
	it("are all answered, round after round, each with a token that goes on", async ({
		pool,
		owner,
		expect,
	}) => {
		await owner.query("delete from auth.limits");
		const { session } = await signUp(pool);
		let tokens = Array<string | undefined>(20).fill(session?.refresh_token);
		for (let round = 0; round < 20; round++) {
			const answers = await Promise.all(
				tokens.map((token) => refresh(pool, token)),
			);
			expect(outcomes(answers)).toEqual(Array(20).fill("ok"));
			tokens = answers.map(({ session }) => session?.refresh_token);
		}
		const { rows } = await owner.query("select generation from auth.sessions");
		expect(rows).toEqual([{ generation: 20 }]);
	});

	it("end the session once if the token is two generations old", async ({
		pool,
		expect,
	}) => {
		const { session } = await signUp(pool);
		const next = await refresh(pool, session?.refresh_token);
		await refresh(pool, next.session?.refresh_token);
		const answers = await times(10, () =>
			refresh(pool, session?.refresh_token),
		);
		expect(outcomes(answers)).toEqual([
			"refresh_token_reused",
			...Array(9).fill("session_ended"),
		]);
	});
});

describe("a refresh", () => {
	it("waits for a sign-out of its session, and is refused", async ({
		pool,
		owner,
		begin,
		expect,
	}) => {
		const begun = await signUp(pool);
		const signOut = await begin("sign_out", {
			...sessionOf(begun),
			scope: "global",
		});
		const refreshed = refresh(pool, begun.session?.refresh_token);
		await untilWaiting(owner);
		await signOut.commit();
		expect(await refreshed).toEqual({ outcome: "session_ended" });
	});
});

describe("a sign-in", () => {
	it("with the old password begins no session while the password is changed", async ({
		pool,
		owner,
		begin,
		expect,
	}) => {
		const begun = await signUp(pool);
		const change = await begin("update_user", {
			...sessionOf(begun),
			changes: { password: "another horse" },
			bcrypt_cost: CHEAP,
		});
		const signedIn = signIn(pool);
		await untilWaiting(owner);
		await change.commit();
		expect(await signedIn).toEqual({ outcome: "invalid_credentials" });
		expect(await signIn(pool, { password: "another horse" })).toMatchObject({
			outcome: "ok",
		});
	});
});

describe("a change of the password", () => {
	it("cannot be changed back by a session that it ends", async ({
		pool,
		owner,
		begin,
		expect,
	}) => {
		const own = await signUp(pool);
		const other = await signIn(pool);
		const change = (password: string) => ({
			changes: { password },
			bcrypt_cost: CHEAP,
		});
		const first = await begin("update_user", {
			...sessionOf(own),
			...change("another horse"),
		});
		const second = call(pool, "update_user", {
			...sessionOf(other),
			...change("third horse"),
		});
		await untilWaiting(owner);
		await first.commit();
		expect(await second).toEqual({ outcome: "session_not_found" });
	});
});

describe("a user's devices", () => {
	it("sign each other out and change the password without a deadlock", async ({
		pool,
		expect,
	}) => {
		const first = await signUp(pool);
		const others = await times(5, () => signIn(pool));
		const answers = await Promise.all(
			[first, ...others].flatMap((session, index) => [
				call(pool, "sign_out", {
					...sessionOf(session),
					scope: index % 2 ? "others" : "global",
				}),
				call(pool, "update_user", {
					...sessionOf(session),
					changes: { password: "another horse" },
					bcrypt_cost: CHEAP,
				}),
				refresh(pool, session.session?.refresh_token),
			]),
		);
		for (const { outcome } of answers) {
			expect([
				"ok",
				"session_not_found",
				"session_ended",
				"same_password",
			]).toContain(outcome);
		}
	});
});

describe("a refused attempt", () => {
	const address = "192.0.2.1";
	const throttled = { outcome: "throttled" };

	it("is counted for the next connection", async ({ pool, expect }) => {
		for (let attempt = 0; attempt < 10; attempt++) {
			expect(await signIn(pool)).toEqual({ outcome: "invalid_credentials" });
		}
		expect(await signIn(pool)).toMatchObject({
			outcome: "throttled",
			retryAfter: expect.toSatisfy(
				(seconds: number) => seconds > 890 && seconds <= 900,
			),
		});
	});

	it("is counted when many come at once", async ({ pool, expect }) => {
		await signUp(pool);
		const answers = await times(30, () =>
			signIn(pool, { password: "wrong horse" }),
		);
		expect(outcomes(answers)).toEqual([
			...Array(10).fill("invalid_credentials"),
			...Array(20).fill("throttled"),
		]);
	});

	it("of any account is counted for its address when many come at once", async ({
		pool,
		expect,
	}) => {
		const answers = await times(150, (index) =>
			signIn(pool, { email: `user${index}@example.test`, address }),
		);
		expect(outcomes(answers)).toEqual([
			...Array(100).fill("invalid_credentials"),
			...Array(50).fill("throttled"),
		]);
	});

	it("leaves the address as many attempts as it failed to use", async ({
		pool,
		owner,
		expect,
	}) => {
		await owner.query("delete from auth.limits where scope <> 'address'");
		await signUp(pool);
		const answers = await times(200, (index) =>
			signIn(pool, index % 2 ? { address } : { address, password: "wrong" }),
		);
		const wrong = answers.filter(
			({ outcome }) => outcome === "invalid_credentials",
		);
		expect(wrong).toHaveLength(100);
		expect(await signIn(pool, { address })).toMatchObject(throttled);
	});

	it("to sign up is counted for its address when many come at once", async ({
		pool,
		expect,
	}) => {
		const answers = await times(80, (index) =>
			signUp(pool, { email: `user${index}@example.test`, address }),
		);
		expect(outcomes(answers)).toEqual([
			...Array(60).fill("ok"),
			...Array(20).fill("throttled"),
		]);
	});
});
