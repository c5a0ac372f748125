// The five roles: their attributes, and that authenticator can only become one of the others.

import pg from "pg";
import { describe } from "vitest";
import { actors, it } from "../../gateway/test/sql/support/session.ts";
import { permissionDenied } from "../../gateway/test/sql/support/sqlstates.ts";

describe("the roles", () => {
	it("have no power of their own", async ({ db, expect }) => {
		const roles = await db.query(`
			select rolname, rolcanlogin
			from pg_roles
			where rolname in ('authenticator', 'anon', 'authenticated', 'service', 'postern')
				and not (rolsuper or rolinherit or rolcreaterole or rolcreatedb or rolreplication or rolbypassrls)
			order by rolname`);
		expect(roles).toEqual([
			{ rolname: "anon", rolcanlogin: false },
			{ rolname: "authenticated", rolcanlogin: false },
			{ rolname: "authenticator", rolcanlogin: true },
			{ rolname: "postern", rolcanlogin: false },
			{ rolname: "service", rolcanlogin: false },
		]);
	});

	it("are granted to authenticator only", async ({ db, expect }) => {
		const memberships = await db.query(`
			select roleid::regrole::text as role, member::regrole::text as member
			from pg_auth_members
			where roleid = any ('{authenticator,anon,authenticated,service,postern}'::regrole[])
				or member = any ('{authenticator,anon,authenticated,service,postern}'::regrole[])
			order by 1`);
		expect(memberships).toEqual([
			{ role: "anon", member: "authenticator" },
			{ role: "authenticated", member: "authenticator" },
			{ role: "postern", member: "authenticator" },
			{ role: "service", member: "authenticator" },
		]);
	});

	it("may use the schemas they need, and create nothing in them", async ({
		db,
		expect,
	}) => {
		const usable = await db.query(`
			select role.rolname as role, schema.nspname as schema, has_schema_privilege(role.oid, schema.oid, 'create') as may_create
			from pg_roles as role, pg_namespace as schema
			where role.rolname in ('authenticator', 'anon', 'authenticated', 'service', 'postern')
				and schema.nspname in ('api', 'auth', 'extensions', 'postern', 'public')
				and has_schema_privilege(role.oid, schema.oid, 'usage, create')
			order by 1, 2`);
		expect(usable).toEqual([
			{ role: "anon", schema: "api", may_create: false },
			{ role: "anon", schema: "auth", may_create: false },
			// PostgREST calls postern.pre_request() as the caller.
			{ role: "anon", schema: "postern", may_create: false },
			{ role: "authenticated", schema: "api", may_create: false },
			{ role: "authenticated", schema: "auth", may_create: false },
			{ role: "authenticated", schema: "postern", may_create: false },
			{ role: "authenticator", schema: "postern", may_create: false },
			{ role: "postern", schema: "postern", may_create: false },
			{ role: "service", schema: "api", may_create: false },
			{ role: "service", schema: "auth", may_create: false },
			{ role: "service", schema: "postern", may_create: false },
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

	for (const { role } of [
		actors.ada,
		actors.anon,
		actors.service,
		actors.postern,
	]) {
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

	login("has no parameters logged", async ({ authenticator, expect }) => {
		const { rows } = await authenticator.query(
			"select name, setting from pg_settings where name like 'log_parameter_max_length%' order by 1",
		);
		expect(rows).toEqual([
			{ name: "log_parameter_max_length", setting: "0" },
			{ name: "log_parameter_max_length_on_error", setting: "0" },
		]);
	});

	it("has to give its password", async ({ authenticatorUrl, expect }) => {
		const url = new URL(authenticatorUrl);
		url.password = "wrong";
		const client = new pg.Client({ connectionString: url.href });
		await expect(client.connect()).rejects.toMatchObject({ code: "28P01" });
	});
});

for (const { role } of [actors.anon, actors.service, actors.postern]) {
	describe(role, () => {
		it("may not become authenticated", async ({ db, expect }) => {
			const [row] = await db.query(
				"select pg_has_role($1, 'authenticated', 'member') as member",
				role,
			);
			expect(row).toEqual({ member: false });
		});
	});
}
