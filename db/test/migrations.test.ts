// The example's migrations are applied, undone and applied again; roles and example rows can be applied twice.

import { readFile } from "node:fs/promises";
import { readCatalog } from "../../gateway/test/sql/support/catalog.ts";
import { it as base, type ExampleDatabase } from "./support/databases.ts";

const rolesSql = await readFile(
	new URL("../roles.sql", import.meta.url),
	"utf8",
);
const seedSql = await readFile(new URL("../seed.sql", import.meta.url), "utf8");

/** The database has the programs that the migrations build on. */
const it = base.extend("database", async ({ database }) => {
	await database.applyPrograms();
	return database;
});

/** The programs keep the trigger functions that they made for tables: tables with keys of one form share them. */
async function readSchema({ client }: ExampleDatabase): Promise<string[]> {
	const lines = await readCatalog(client);
	return lines.filter(
		(line) => !/^function postern\.write_outbox_[\da-f]{40}/.test(line),
	);
}

it("migrates down to nothing but the programs", async ({
	database,
	expect,
}) => {
	const before = await readSchema(database);
	await database.migrate();
	expect(await readSchema(database)).not.toEqual(before);
	await database.unmigrate();
	expect(await readSchema(database)).toEqual(before);
});

it("migrates up again to the same schema", async ({ database, expect }) => {
	await database.migrate();
	const before = await readSchema(database);
	await database.unmigrate();
	await database.migrate();
	expect(await readSchema(database)).toEqual(before);
});

it("migrates down with rows in the tables", async ({ database, expect }) => {
	const before = await readSchema(database);
	await database.migrate();
	await database.client.query(seedSql);
	await database.unmigrate();
	expect(await readSchema(database)).toEqual(before);
});

it("changes nothing when it migrates up twice", async ({
	database,
	expect,
}) => {
	await database.migrate();
	const before = await readCatalog(database.client);
	await database.migrate();
	expect(await readCatalog(database.client)).toEqual(before);
});

it("adds the example rows once", async ({ database, expect }) => {
	const rows = async () => {
		const { rows } = await database.client.query(
			`select to_jsonb(product) as row from api.products as product
			union all select to_jsonb(rescue) from api.rescues as rescue
			union all select to_jsonb(account) from api.users as account`,
		);
		return rows;
	};
	await database.migrate();
	await database.client.query(seedSql);
	const before = await rows();
	expect(before).toHaveLength(15 + 130);
	await database.client.query(seedSql);
	expect(await rows()).toEqual(before);
});

it("leaves existing rows unchanged", async ({ database, expect }) => {
	await database.migrate();
	await database.client.query(
		"insert into api.products (serial_number, title, weight_lbs) values ('MINE', 'Mine', 1)",
	);
	await database.client.query(seedSql);
	const { rows } = await database.client.query(
		"select serial_number from api.products",
	);
	expect(rows).toEqual([{ serial_number: "MINE" }]);
});

it("makes the same roles when roles.sql runs twice", async ({ db, expect }) => {
	const roles = () =>
		// The password is stored with a new salt each time.
		db.query(`
			select to_jsonb(role) - 'rolpassword' as role, array(select member::regrole::text from pg_auth_members where roleid = role.oid) as members
			from pg_authid as role
			where rolname !~ '^pg_'
			order by rolname`);
	const before = await roles();
	await db.query(
		"select set_config('postern.authenticator_password', 'another', true)",
	);
	await db.query(rolesSql);
	expect(await roles()).toEqual(before);
});

it("makes no roles without a password", async ({ db, expect }) => {
	await expect(db.query(rolesSql)).rejects.toThrow(
		"the setting postern.authenticator_password is missing",
	);
});

it("refuses to take over a role with more power", async ({ db, expect }) => {
	await db.query("alter role anon bypassrls");
	await db.query(
		"select set_config('postern.authenticator_password', 'another', true)",
	);
	await expect(db.query(rolesSql)).rejects.toThrow(
		"these roles exist with more power than Postern gives them: anon",
	);
});
