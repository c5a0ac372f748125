// Sessions and their refresh tokens: which token of a session may be exchanged, and which ends it.

import fc from "fast-check";
import { describe } from "vitest";
import {
	type Answer,
	CHEAP,
	call,
	isAlive,
	letSeemEmpty,
	pass,
	refresh,
	sessionOf,
	signIn,
	signUp,
} from "../support/accounts.ts";
import { it, type Session } from "../support/session.ts";
import { invalidParameter } from "../support/sqlstates.ts";

const ok = { outcome: "ok" };
const unknown = { outcome: "refresh_token_unknown" };
const reused = { outcome: "refresh_token_reused" };
const ended = { outcome: "session_ended" };
const notFound = { outcome: "session_not_found" };

const tokenOf = ({ session }: Answer) => session?.refresh_token;

function signOut(db: Session, begun: Answer, scope: string | null) {
	return call(db, "sign_out", { ...sessionOf(begun), scope });
}

/** Changes the password and lets the user sign in with the old one, as the next step may. */
async function changePassword(db: Session, begun: Answer) {
	const [row] = await db.query("select password_hash from auth.users");
	const answer = await call(db, "update_user", {
		...sessionOf(begun),
		changes: { password: "another horse" },
		bcrypt_cost: CHEAP,
	});
	await db.query(
		"update auth.users set password_hash = $1",
		row?.password_hash,
	);
	return answer;
}

describe("a refresh token", () => {
	it("is answered with the user, the same session and another token", async ({
		db,
		expect,
	}) => {
		const begun = await signUp(db);
		const next = await refresh(db, tokenOf(begun));
		expect(next).toEqual({
			outcome: "ok",
			user: begun.user,
			session: {
				id: begun.session?.id,
				refresh_token: expect.stringMatching(/^[A-Za-z0-9_-]{43}$/),
			},
		});
		expect(tokenOf(next)).not.toBe(tokenOf(begun));
		expect(await refresh(db, tokenOf(next))).toMatchObject(ok);
	});

	it("ends the session when it is used again after its successor was", async ({
		db,
		expect,
	}) => {
		const first = await signUp(db);
		const second = await refresh(db, tokenOf(first));
		const third = await refresh(db, tokenOf(second));
		expect(await refresh(db, tokenOf(first))).toEqual(reused);
		expect(await isAlive(db, first)).toBe(false);
		expect(await refresh(db, tokenOf(third))).toEqual(ended);
		expect(await refresh(db, tokenOf(first))).toEqual(ended);
		expect(await db.query("select end_reason from auth.sessions")).toEqual([
			{ end_reason: "token_reused" },
		]);
	});

	it("ends no other session of the user", async ({ db, expect }) => {
		const other = await signUp(db);
		const first = await signIn(db);
		const second = await refresh(db, tokenOf(first));
		await refresh(db, tokenOf(second));
		expect(await refresh(db, tokenOf(first))).toEqual(reused);
		expect(await isAlive(db, other)).toBe(true);
		expect(await refresh(db, tokenOf(other))).toMatchObject(ok);
	});

	it("may be used again by a second tab, after which both tabs go on", async ({
		db,
		expect,
	}) => {
		const first = await signUp(db);
		const one = await refresh(db, tokenOf(first));
		const other = await refresh(db, tokenOf(first));
		expect(tokenOf(one)).not.toBe(tokenOf(other));
		expect(await refresh(db, tokenOf(one))).toMatchObject(ok);
		expect(await refresh(db, tokenOf(other))).toMatchObject(ok);
	});

	for (const time of ["0 seconds", "1 minute", "1 day", "29 days"]) {
		it(`may be used again after ${time} by a client that lost the answer`, async ({
			db,
			expect,
		}) => {
			const first = await signUp(db);
			await refresh(db, tokenOf(first));
			await pass(db, time);
			const again = await refresh(db, tokenOf(first));
			expect(again).toMatchObject(ok);
			const next = await refresh(db, tokenOf(again));
			expect(await refresh(db, tokenOf(next))).toMatchObject(ok);
		});
	}

	it("lets 20 tabs refresh in 20 rounds, each with the token that it got itself", async ({
		db,
		expect,
	}) => {
		await db.query("delete from auth.limits");
		const first = await signUp(db);
		let tokens = Array<string | undefined>(20).fill(tokenOf(first));
		for (let round = 0; round < 20; round++) {
			const next: typeof tokens = [];
			for (const token of tokens) {
				const answer = await refresh(db, token);
				expect(answer).toMatchObject(ok);
				next.push(tokenOf(answer));
			}
			tokens = next;
		}
	});

	it("lets parallel requests of a server refresh, of which the browser keeps any answer", async ({
		db,
		expect,
	}) => {
		let cookie = tokenOf(await signUp(db));
		for (const kept of [0, 3, 7, 2, 5]) {
			const answers: Answer[] = [];
			for (let request = 0; request < 8; request++) {
				answers.push(await refresh(db, cookie));
			}
			expect(answers).toMatchObject(Array(8).fill(ok));
			cookie = answers[kept] && tokenOf(answers[kept]);
			await pass(db, "1 hour");
		}
	});

	describe("that was stolen", () => {
		/** One who has a session's first token refreshes this often, hour by hour, and returns the last answer. */
		async function refreshes(db: Session, from: Answer, times: number) {
			let latest = from;
			for (let time = 0; time < times; time++) {
				latest = await refresh(db, tokenOf(latest));
				await pass(db, "1 hour");
			}
			return latest;
		}

		it("ends the session when the thief uses it after its owner went on", async ({
			db,
			expect,
		}) => {
			const stolen = await signUp(db);
			const owner = await refreshes(db, stolen, 2);
			expect(await refresh(db, tokenOf(stolen))).toEqual(reused);
			expect(await refresh(db, tokenOf(owner))).toEqual(ended);
		});

		it("ends the session when its owner uses it after the thief went on", async ({
			db,
			expect,
		}) => {
			const stolen = await signUp(db);
			const thief = await refreshes(db, stolen, 2);
			expect(await refresh(db, tokenOf(stolen))).toEqual(reused);
			expect(await refresh(db, tokenOf(thief))).toEqual(ended);
		});

		it("ends the session when one of two who went on with it falls behind", async ({
			db,
			expect,
		}) => {
			const stolen = await signUp(db);
			const owner = await refreshes(db, stolen, 1);
			const thief = await refreshes(db, stolen, 1);
			const ahead = await refreshes(db, thief, 2);
			expect(await refresh(db, tokenOf(owner))).toEqual(reused);
			expect(await refresh(db, tokenOf(ahead))).toEqual(ended);
		});
	});

	it("ends the session even when it is used again weeks later", async ({
		db,
		expect,
	}) => {
		const first = await signUp(db);
		let thief = await refresh(db, tokenOf(first));
		for (let week = 0; week < 4; week++) {
			await pass(db, "1 week");
			thief = await refresh(db, tokenOf(thief));
		}
		expect(await refresh(db, tokenOf(first))).toEqual(reused);
		expect(await refresh(db, tokenOf(thief))).toEqual(ended);
	});

	it("expires after 30 days", async ({ db, expect }) => {
		const first = await signUp(db);
		await pass(db, "29 days 23 hours");
		const second = await refresh(db, tokenOf(first));
		expect(second).toMatchObject(ok);
		await pass(db, "30 days");
		expect(await isAlive(db, second)).toBe(false);
		expect(await refresh(db, tokenOf(second))).toEqual(ended);
	});

	for (const token of [null, "", "x", "x".repeat(100_000)]) {
		it(`is not ${JSON.stringify(token)?.slice(0, 10)}`, async ({
			db,
			expect,
		}) => {
			await signUp(db);
			expect(await refresh(db, token)).toEqual(unknown);
		});
	}

	it("is refused in the form of its hash", async ({ db, expect }) => {
		await signUp(db);
		const [row] = await db.query(
			"select token_hash::text as hash from auth.refresh_tokens",
		);
		expect(await refresh(db, row?.hash)).toEqual(unknown);
	});
});

describe("sign_out", () => {
	async function three(db: Session) {
		const own = await signUp(db);
		const other = await signIn(db);
		const stranger = await signUp(db, { email: "grace@example.test" });
		return [own, other, stranger] as const;
	}

	for (const [scope, alive] of [
		["local", [false, true, true]],
		["global", [false, false, true]],
		["others", [true, false, true]],
	] as const) {
		it(`${scope} leaves [own, other, stranger's] alive as ${alive}`, async ({
			db,
			expect,
		}) => {
			const sessions = await three(db);
			expect(await signOut(db, sessions[0], scope)).toEqual(ok);
			for (const [index, session] of sessions.entries()) {
				expect(await isAlive(db, session)).toBe(alive[index]);
				expect(await refresh(db, tokenOf(session))).toMatchObject(
					alive[index] ? ok : ended,
				);
			}
		});

		it(`${scope} needs a session that is alive`, async ({ db, expect }) => {
			const [own, other] = await three(db);
			await signOut(db, own, "local");
			expect(await signOut(db, own, scope)).toEqual(notFound);
			expect(await isAlive(db, other)).toBe(true);
		});

		it(`${scope} does not take another's session`, async ({ db, expect }) => {
			const [own, , stranger] = await three(db);
			expect(
				await call(db, "sign_out", {
					user_id: stranger.user?.id,
					session_id: own.session?.id,
					scope,
				}),
			).toEqual(notFound);
			expect(await isAlive(db, own)).toBe(true);
			expect(await isAlive(db, stranger)).toBe(true);
		});
	}

	for (const scope of [null, "", "everything"]) {
		it(`fails with the scope ${JSON.stringify(scope)}`, async ({
			db,
			expect,
		}) => {
			await expect(signOut(db, await signUp(db), scope)).rejects.toMatchObject(
				invalidParameter,
			);
		});
	}
});

describe("an expired session", () => {
	it("is pruned after 30 days", async ({ db, expect }) => {
		await signUp(db);
		await pass(db, "31 days");
		await signIn(db);
		expect(
			await db.query(
				"select (select count(*) from auth.sessions)::integer as sessions, (select count(*) from auth.refresh_tokens)::integer as tokens",
			),
		).toEqual([{ sessions: 1, tokens: 1 }]);
	});

	it("is pruned a bounded number at a time", async ({ db, expect }) => {
		await letSeemEmpty(db, "auth.sessions", "auth.refresh_tokens");
		const { user } = await signUp(db);
		await db.query(
			"insert into auth.sessions (user_id, refreshed_at) select $1, now() - interval '31 days' from generate_series(1, 120)",
			user?.id,
		);
		await db.query(`
			insert into auth.refresh_tokens (token_hash, session_id, issued_at, generation)
			select auth.sha256(n::text), (select id from auth.sessions limit 1), now() - interval '31 days', 0
			from generate_series(1, 120) as n`);
		const left = async () => {
			await signIn(db);
			const [row] = await db.query(`
				select
					(select count(*) from auth.sessions where refreshed_at < now())::integer as sessions,
					(select count(*) from auth.refresh_tokens where issued_at < now())::integer as tokens`);
			return [row?.sessions, row?.tokens];
		};
		expect(await left()).toEqual([70, 70]);
		expect(await left()).toEqual([20, 20]);
		expect(await left()).toEqual([0, 0]);
	});

	it("is not one that is still refreshed", async ({ db, expect }) => {
		let session = await signUp(db);
		for (let month = 0; month < 4; month++) {
			await pass(db, "29 days");
			session = await refresh(db, tokenOf(session));
		}
		expect(await isAlive(db, session)).toBe(true);
		const [row] = await db.query(
			"select count(*)::integer as tokens from auth.refresh_tokens",
		);
		expect(row).toEqual({ tokens: 2 });
	});
});

// The same rules as a program of a few lines, with which long random stories are compared.

interface ModelToken {
	readonly session: ModelSession;
	/** The token that this one was given for. */
	readonly parent: ModelToken | undefined;
}

interface ModelSession {
	isAlive: boolean;
	refreshedAt: number;
}

class Model {
	now = 0;
	readonly sessions: ModelSession[] = [];
	readonly tokens: ModelToken[] = [];

	begin(): void {
		const session = { isAlive: true, refreshedAt: this.now };
		this.sessions.push(session);
		this.tokens.push({ session, parent: undefined });
	}

	/** A token is good as long as no token of its session has two ancestors more than it has. */
	refresh(token: ModelToken): string {
		const { session } = token;
		if (!this.isAlive(session)) return "session_ended";
		const newest = Math.max(
			...this.tokens
				.filter((other) => other.session === session)
				.map(ancestors),
		);
		if (ancestors(token) < newest - 1) {
			session.isAlive = false;
			return "refresh_token_reused";
		}
		session.refreshedAt = this.now;
		this.tokens.push({ session, parent: token });
		return "ok";
	}

	isAlive(session: ModelSession): boolean {
		return session.isAlive && this.now - session.refreshedAt < 30 * DAY;
	}
}

function ancestors({ parent }: ModelToken): number {
	return parent === undefined ? 0 : 1 + ancestors(parent);
}

const DAY = 86_400;

const step = fc.oneof(
	{ weight: 2, arbitrary: fc.constant({ kind: "sign in" } as const) },
	{
		weight: 8,
		// Counted from the newest, so that every index names a token.
		arbitrary: fc.record({ kind: fc.constant("refresh"), token: fc.nat(6) }),
	},
	{
		weight: 3,
		arbitrary: fc.record({
			kind: fc.constant("wait"),
			seconds: fc.constantFrom(3, 600, 29 * DAY),
		}),
	},
	{
		weight: 1,
		arbitrary: fc.record({
			kind: fc.constant("sign out"),
			session: fc.nat(4),
			scope: fc.constantFrom("local", "global", "others"),
		}),
	},
	{
		weight: 1,
		arbitrary: fc.record({
			kind: fc.constant("change password"),
			session: fc.nat(4),
		}),
	},
);

describe("a random story of sign-ins, refreshes, sign-outs and changed passwords", () => {
	it("gives the outcomes of the rules", async ({ db, expect }) => {
		// Pruned tokens answer differently, which has its own tests.
		await db.query(
			"create or replace function auth.prune() returns void language sql as 'select'",
		);
		await db.query("delete from auth.limits");
		await fc.assert(
			fc.asyncProperty(
				fc.array(step, { minLength: 3, maxLength: 40 }),
				async (steps) => {
					await db.query("delete from auth.users");
					const model = new Model();
					model.begin();
					const begun = [await signUp(db)];
					const issued = begun.map(tokenOf);

					for (const step of steps) {
						if (step.kind === "sign in") {
							model.begin();
							const answer = await signIn(db);
							begun.push(answer);
							issued.push(tokenOf(answer));
						} else if (step.kind === "refresh") {
							const index = Math.max(0, issued.length - 1 - step.token);
							const token = model.tokens[index];
							if (token === undefined) continue;
							const answer = await refresh(db, issued[index]);
							expect(answer.outcome).toBe(model.refresh(token));
							if (answer.outcome === "ok") issued.push(tokenOf(answer));
						} else if (step.kind === "wait") {
							model.now += step.seconds;
							await pass(db, `${step.seconds} seconds`);
						} else {
							const index = step.session % begun.length;
							const session = model.sessions[index];
							const answer = begun[index];
							if (session === undefined || answer === undefined) continue;
							const expected = model.isAlive(session) ? ok : notFound;
							const scope = "scope" in step ? step.scope : "others";
							if (expected === ok) {
								for (const each of model.sessions) {
									const isOwn = each === session;
									if (scope === "local" && !isOwn) continue;
									if (scope === "others" && isOwn) continue;
									each.isAlive = false;
								}
							}
							expect(
								step.kind === "sign out"
									? await signOut(db, answer, scope)
									: await changePassword(db, answer),
							).toMatchObject(expected);
						}
						for (const [index, session] of model.sessions.entries()) {
							const answer = begun[index];
							expect(answer && (await isAlive(db, answer))).toBe(
								model.isAlive(session),
							);
						}
					}
				},
			),
			{ numRuns: 40 },
		);
	});
});
