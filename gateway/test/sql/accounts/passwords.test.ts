// The cost of a sign-in must not tell whether the account exists. The work is counted, not timed: bcrypt is replaced by
// one that notes the cost of each run.

import { describe } from "vitest";
import { CHEAP, call, sessionOf, signIn, signUp } from "../support/accounts.ts";
import { it as base, type Row, type Session } from "../support/session.ts";

const it = base.extend("counted", async ({ db }) => {
	await db.query("create table auth.bcrypt_runs (cost integer)");
	await db.query("alter function extensions.crypt rename to real_crypt");
	await db.query(`
		create function extensions.crypt(password text, salt text) returns text language plpgsql volatile strict as $$
		begin
			insert into auth.bcrypt_runs values (substr(salt, 5, 2)::integer);
			return extensions.real_crypt(password, salt);
		end $$`);
	return new Counted(db);
});

class Counted {
	readonly db: Session;

	constructor(db: Session) {
		this.db = db;
	}

	/** The costs of the bcrypt runs of an action, and the throttles after it. */
	async work(action: () => Promise<unknown>) {
		await this.db.query("truncate auth.bcrypt_runs, auth.throttles");
		await action();
		const runs = await this.db.query("select cost from auth.bcrypt_runs");
		const counted = await this.db.query(
			"select action, scope, attempts, until - now() as left from auth.throttles order by scope",
		);
		return { costs: runs.map(costOf), counted };
	}
}

function costOf(run: Row): number {
	return Number(run.cost);
}

/** bcrypt with a cost takes 2^cost rounds. */
function rounds(costs: readonly number[]): number {
	return costs.reduce((sum, cost) => sum + 2 ** cost, 0);
}

describe("a failed sign-in", () => {
	const address = "192.0.2.1";
	const unknown = { email: "nobody@example.test" };
	const invalid = { email: "no e-mail" };
	const wrong = { password: "wrong horse" };
	const empty = { password: "" };
	const none = { password: null };
	const long = { password: "x".repeat(73) };

	it("runs bcrypt once, at the configured cost", async ({
		counted,
		expect,
	}) => {
		await signUp(counted.db, { bcrypt_cost: 6 });
		const { costs } = await counted.work(() =>
			signIn(counted.db, { ...wrong, bcrypt_cost: 6 }),
		);
		expect(costs).toEqual([6]);
	});

	for (const [name, args] of Object.entries({
		"an unknown e-mail": unknown,
		"an unknown e-mail and no password": { ...unknown, ...none },
		"an unknown e-mail and a long password": { ...unknown, ...long },
		"no e-mail at all": invalid,
		"an empty password": empty,
		"no password": none,
		"a long password": long,
	})) {
		it(`is as much work for ${name} as for a wrong password`, async ({
			counted,
			expect,
		}) => {
			await signUp(counted.db, { bcrypt_cost: 6 });
			const [one, other] = [
				await counted.work(() =>
					signIn(counted.db, { ...wrong, bcrypt_cost: 6, address }),
				),
				await counted.work(() =>
					signIn(counted.db, { ...args, bcrypt_cost: 6, address }),
				),
			];
			expect(other).toEqual(one);
			// For the account, the address, and both together.
			expect(one.counted).toHaveLength(3);
		});
	}

	it("is as much work for an account whose hash has a lower cost", async ({
		counted,
		expect,
	}) => {
		await signUp(counted.db, { bcrypt_cost: 4 });
		const known = await counted.work(() =>
			signIn(counted.db, { ...wrong, bcrypt_cost: 8 }),
		);
		const stranger = await counted.work(() =>
			signIn(counted.db, { ...unknown, bcrypt_cost: 8 }),
		);
		expect(known.costs).toEqual([4, 4, 5, 6, 7]);
		expect(stranger.costs).toEqual([8]);
		expect(rounds(known.costs)).toBe(rounds(stranger.costs));
	});
});

describe("bcrypt", () => {
	it("runs once for a successful sign-in", async ({ counted, expect }) => {
		await signUp(counted.db);
		const { costs } = await counted.work(() => signIn(counted.db));
		expect(costs).toEqual([CHEAP]);
	});

	it("runs once more if the cost has changed", async ({ counted, expect }) => {
		await signUp(counted.db);
		const { costs } = await counted.work(() =>
			signIn(counted.db, { bcrypt_cost: 6 }),
		);
		expect(costs).toEqual([CHEAP, 6]);
	});

	it("does not run for a throttled caller", async ({ counted, expect }) => {
		await signUp(counted.db);
		await counted.db.query("update auth.limits set attempts = 1");
		const { costs } = await counted.work(async () => {
			await signIn(counted.db, { password: "wrong horse" });
			await signIn(counted.db);
		});
		expect(costs).toEqual([CHEAP]);
	});

	it("does not run for a change that leaves the password", async ({
		counted,
		expect,
	}) => {
		const begun = await signUp(counted.db);
		const { costs } = await counted.work(() =>
			call(counted.db, "update_user", {
				...sessionOf(begun),
				changes: { fullname: "Ada L.", email: "ada@elsewhere.test" },
				bcrypt_cost: CHEAP,
			}),
		);
		expect(costs).toEqual([]);
	});

	it("gives each hash its own salt", async ({ db, expect }) => {
		await signUp(db);
		await signUp(db, { email: "grace@example.test" });
		const [row] = await db.query(
			"select count(distinct substr(password_hash, 8, 22))::integer as salts from auth.users",
		);
		expect(row).toEqual({ salts: 2 });
	});
});
