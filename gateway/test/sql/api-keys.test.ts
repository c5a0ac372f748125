// API keys: created and revoked by the operator, found by the gateway, stored as hashes only.

import { createHash } from "node:crypto";
import { describe } from "vitest";
import { call } from "./support/accounts.ts";
import { actors, everyActor, it, type Session } from "./support/session.ts";
import {
	checkFailed,
	invalidParameter,
	missingValue,
	permissionDenied,
} from "./support/sqlstates.ts";

const unknown = { outcome: "unknown" };

async function create(
	db: Session,
	kind: string | null,
	role: string | null = null,
	name: string | null = "A program",
): Promise<string> {
	const [row] = await db.query(
		"select postern.create_api_key(name => $1, kind => $2, role => $3) as key",
		name,
		kind,
		role,
	);
	return String(row?.key);
}

function find(db: Session, key: string) {
	return call(db, "find_api_key", { key_hash: sha256(key) });
}

describe("a publishable key", () => {
	it("is created without a role", async ({ db, expect }) => {
		const key = await create(db, "publishable");
		expect(await db.query("select kind, role from postern.api_keys")).toEqual([
			{ kind: "publishable", role: null },
		]);
		expect(key).toMatch(/^postern_publishable_[A-Za-z0-9_-]{43}$/);
		expect(await find(db, key)).toEqual({
			outcome: "ok",
			kind: "publishable",
			role: "anon",
		});
	});

	for (const role of ["service", "anon"]) {
		it(`may not have the role ${role}`, async ({ db, expect }) => {
			await expect(create(db, "publishable", role)).rejects.toMatchObject(
				checkFailed("secret_has_a_role_publishable_has_none"),
			);
		});
	}
});

describe("a secret key", () => {
	for (const role of ["service", "authenticated", "anon"]) {
		it(`is found with the role ${role}`, async ({ db, expect }) => {
			const key = await create(db, "secret", role);
			expect(key).toMatch(/^postern_secret_[A-Za-z0-9_-]{43}$/);
			expect(await find(db, key)).toEqual({
				outcome: "ok",
				kind: "secret",
				role,
			});
		});
	}

	it("may have a role that the operator created", async ({ db, expect }) => {
		await db.query("create role reports nologin");
		await db.query("grant reports to authenticator");
		const key = await create(db, "secret", "reports");
		expect(await find(db, key)).toMatchObject({ role: "reports" });
	});

	for (const role of ["postern", "authenticator", "postgres", "missing", ""]) {
		it(`may not have the role ${JSON.stringify(role)}`, async ({
			db,
			expect,
		}) => {
			await expect(create(db, "secret", role)).rejects.toMatchObject(
				invalidParameter,
			);
		});
	}

	it("has to have a role", async ({ db, expect }) => {
		await expect(create(db, "secret")).rejects.toMatchObject(
			checkFailed("secret_has_a_role_publishable_has_none"),
		);
	});

	it("may not have a role that can become postern", async ({ db, expect }) => {
		await db.query("create role deputy nologin");
		await db.query("grant deputy, anon to authenticator");
		await create(db, "secret", "deputy");
		await db.query("grant postern to deputy");
		await expect(create(db, "secret", "deputy")).rejects.toMatchObject(
			invalidParameter,
		);
	});

	it("may not have a role that is granted to another login role only", async ({
		db,
		expect,
	}) => {
		await db.query("create role reporter login");
		await db.query("create role reports nologin");
		await db.query("grant reports to reporter");
		await expect(create(db, "secret", "reports")).rejects.toMatchObject(
			invalidParameter,
		);
	});

	it("may not have a role that bypasses row level security", async ({
		db,
		expect,
	}) => {
		await db.query("create role almighty nologin bypassrls");
		await db.query("grant almighty to authenticator");
		await expect(create(db, "secret", "almighty")).rejects.toMatchObject(
			invalidParameter,
		);
	});
});

describe("a database without the roles anon and authenticator", () => {
	const renamed = it.extend("named", async ({ db }) => {
		await db.query("alter role anon rename to web_anon");
		await db.query("alter role authenticator rename to web_login");
		return db;
	});

	renamed("has publishable keys", async ({ named, expect }) => {
		const key = await create(named, "publishable");
		expect(await find(named, key)).toMatchObject({ kind: "publishable" });
	});

	for (const role of ["service", "web_anon"]) {
		renamed(`has secret keys of ${role}`, async ({ named, expect }) => {
			const key = await create(named, "secret", role);
			expect(await find(named, key)).toMatchObject({ kind: "secret", role });
		});
	}

	for (const role of ["anon", "web_login", "postern", "postgres"]) {
		renamed(`has no keys of ${role}`, async ({ named, expect }) => {
			await expect(create(named, "secret", role)).rejects.toMatchObject(
				invalidParameter,
			);
		});
	}

	renamed(
		"has no keys of a role that its creator may grant and not set",
		async ({ named, expect }) => {
			await named.query("create role web_owner nologin createrole");
			await named.query("grant postern to web_owner");
			await named.query("set local role web_owner");
			await named.query("create role reports nologin");
			await named.query("reset role");
			await expect(create(named, "secret", "reports")).rejects.toMatchObject(
				invalidParameter,
			);
		},
	);

	renamed(
		"has no keys of its login role, although another role may become both it and postern",
		async ({ named, expect }) => {
			await named.query("create role web_owner nologin createrole");
			await named.query("grant postern, web_login to web_owner");
			await expect(create(named, "secret", "web_login")).rejects.toMatchObject(
				invalidParameter,
			);
		},
	);
});

describe("a key", () => {
	it("has one of the two kinds", async ({ db, expect }) => {
		await expect(create(db, "master", "service")).rejects.toMatchObject(
			checkFailed("kind_is_publishable_or_secret"),
		);
	});

	it("has a name of at least one character", async ({ db, expect }) => {
		await expect(create(db, "secret", "service", "")).rejects.toMatchObject(
			checkFailed("name_has_1_to_100_characters"),
		);
	});

	it("has to have a name", async ({ db, expect }) => {
		await expect(create(db, "secret", "service", null)).rejects.toMatchObject(
			missingValue("name"),
		);
	});

	it("is stored as a hash and a hint only", async ({ db, expect }) => {
		const key = await create(db, "secret", "service");
		expect(
			await db.query("select key_hash, hint from postern.api_keys"),
		).toEqual([
			{
				key_hash: Buffer.from(sha256(key), "hex"),
				hint: key.slice(0, "postern_secret_1234".length),
			},
		]);
	});

	it("differs from every other key", async ({ db, expect }) => {
		const keys = [
			await create(db, "secret", "service"),
			await create(db, "secret", "service"),
		];
		expect(keys[0]).not.toBe(keys[1]);
	});

	it("is not found after it was revoked", async ({ db, expect }) => {
		const revoked = await create(db, "secret", "service");
		const other = await create(db, "secret", "service");
		const [row] = await db.query(
			"select id from postern.api_keys where key_hash = decode($1, 'hex')",
			sha256(revoked),
		);
		await db.query("select postern.revoke_api_key($1)", row?.id);
		expect(await find(db, revoked)).toEqual(unknown);
		expect(await find(db, other)).toMatchObject({ outcome: "ok" });
	});

	it("keeps the time of its first revocation", async ({ db, expect }) => {
		await create(db, "secret", "service");
		await db.query(
			"update postern.api_keys set revoked_at = '2026-01-01T00:00Z'",
		);
		await db.query("select postern.revoke_api_key(id) from postern.api_keys");
		expect(await db.query("select revoked_at from postern.api_keys")).toEqual([
			{ revoked_at: new Date("2026-01-01T00:00Z") },
		]);
	});

	it("cannot be revoked if it does not exist", async ({ db, expect }) => {
		await expect(
			db.query("select postern.revoke_api_key(-1)"),
		).rejects.toMatchObject(invalidParameter);
	});
});

describe("find_api_key", () => {
	it("accepts only a hash in lower-case hex", async ({ db, expect }) => {
		const key = await create(db, "secret", "service");
		for (const key_hash of [
			key,
			sha256(key).toUpperCase(),
			`\\x${sha256(key)}`,
			sha256(key).slice(1),
			`${sha256(key)}0`,
			`${sha256(key)}\n`,
			"",
			null,
		]) {
			expect(await call(db, "find_api_key", { key_hash })).toEqual(unknown);
		}
	});

	it("is stable, so PostgREST runs it in a read-only transaction", async ({
		db,
		expect,
	}) => {
		await db.query("set local transaction_read_only = on");
		expect(await find(db, "x")).toEqual(unknown);
	});
});

describe("the table of keys", () => {
	it("tells the operator what a key is for", async ({ db, expect }) => {
		const key = await create(db, "secret", "anon", "Website");
		const [row] = await db.query(
			"select id, name, hint, kind, role, created_at, revoked_at from postern.api_keys",
		);
		expect(row).toEqual({
			id: expect.any(String),
			name: "Website",
			hint: key.slice(0, "postern_secret_1234".length),
			kind: "secret",
			role: "anon",
			created_at: expect.any(Date),
			revoked_at: null,
		});
	});
});

for (const actor of everyActor) {
	describe(actor.name, () => {
		for (const statement of [
			"select postern.create_api_key('x', 'secret', 'service')",
			"select postern.revoke_api_key(1)",
			"select * from postern.api_keys",
			"select * from auth.users",
			"select * from auth.sessions",
			"select * from auth.refresh_tokens",
			"select * from auth.throttles",
			"update auth.limits set attempts = 1000",
			"select auth.new_secret()",
			"select extensions.crypt('x', 'x')",
		]) {
			it(`may not ${statement}`, async ({ db, expect }) => {
				await expect(db.as(actor, statement)).rejects.toMatchObject(
					permissionDenied,
				);
			});
		}

		if (actor === actors.postern) return;
		it("may not find a key", async ({ db, expect }) => {
			await expect(
				db.as(actor, "select postern.find_api_key('x')"),
			).rejects.toMatchObject(permissionDenied);
		});
	});
}

function sha256(text: string): string {
	return createHash("sha256").update(text).digest("hex");
}
