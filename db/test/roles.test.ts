// The four roles: what they are, and that authenticator can do nothing but become one of the others.

import pg from "pg";
import { describe } from "vitest";
import { actors, it } from "./support/session.ts";
import { permissionDenied } from "./support/sqlstates.ts";

describe("roles", () => {
	it("have no power of their own", async ({ db, expect }) => {
		const roles = await db.query(`
			select rolname, rolcanlogin
			from pg_roles
			where rolname in ('authenticator', 'anon', 'authenticated', 'postern')
				and not (rolsuper or rolinherit or rolcreaterole or rolcreatedb or rolreplication or rolbypassrls)
			order by rolname`);
		expect(roles).toEqual([
			{ rolname: "anon", rolcanlogin: false },
			{ rolname: "authenticated", rolcanlogin: false },
			{ rolname: "authenticator", rolcanlogin: true },
			{ rolname: "postern", rolcanlogin: false },
		]);
	});

	it("are granted to authenticator only", async ({ db, expect }) => {
		const memberships = await db.query(`
			select roleid::regrole::text as role, member::regrole::text as member
			from pg_auth_members
			where roleid in ('authenticator'::regrole, 'anon'::regrole, 'authenticated'::regrole, 'postern'::regrole)
				or member in ('authenticator'::regrole, 'anon'::regrole, 'authenticated'::regrole, 'postern'::regrole)
			order by 1`);
		expect(memberships).toEqual([
			{ role: "anon", member: "authenticator" },
			{ role: "authenticated", member: "authenticator" },
			{ role: "postern", member: "authenticator" },
		]);
	});

	it("may not use the private schemas", async ({ db, expect }) => {
		const usable = await db.query(`
			select role.rolname as role, schema.nspname as schema
			from pg_roles as role, pg_namespace as schema
			where role.rolname in ('authenticator', 'anon', 'authenticated', 'postern')
				and schema.nspname in ('api', 'auth', 'postern', 'public')
				and has_schema_privilege(role.oid, schema.oid, 'usage, create')
			order by 1`);
		expect(usable).toEqual([
			{ role: "anon", schema: "api" },
			{ role: "authenticated", schema: "api" },
		]);
	});
});

describe("authenticator", () => {
	const login = it.extend(
		"authenticator",
		async ({ authenticatorUrl }, { onCleanup }) => {
			const client = new pg.Client({ connectionString: authenticatorUrl });
			await client.connect();
			onCleanup(() => client.end());
			return client;
		},
	);

	for (const { role } of [actors.ada, actors.anon, actors.postern]) {
		login(`may become ${role}`, async ({ authenticator, expect }) => {
			await authenticator.query(`set role ${role}`);
			const { rows } = await authenticator.query("select current_user");
			expect(rows).toEqual([{ current_user: role }]);
		});
	}

	login("may not become the owner", async ({ authenticator, expect }) => {
		await expect(
			authenticator.query("set role postgres"),
		).rejects.toMatchObject(permissionDenied);
	});

	login("may not read by itself", async ({ authenticator, expect }) => {
		await expect(
			authenticator.query("select from api.products"),
		).rejects.toMatchObject(permissionDenied);
	});

	it("needs its password", async ({ authenticatorUrl, expect }) => {
		const url = new URL(authenticatorUrl);
		url.password = "wrong";
		const client = new pg.Client({ connectionString: url.href });
		await expect(client.connect()).rejects.toMatchObject({ code: "28P01" });
	});
});

describe("anon", () => {
	it("may not become authenticated", async ({ db, expect }) => {
		const [row] = await db.query(
			"select pg_has_role('anon', 'authenticated', 'member') as member",
		);
		expect(row).toEqual({ member: false });
	});
});
