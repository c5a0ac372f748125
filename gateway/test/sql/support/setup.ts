// Vitest's global setup of the tests of gateway/sql: a database with the roles and both programs, and no application.

import { readFile } from "node:fs/promises";
import pg from "pg";
import type { TestProject } from "vitest/node";
import { migrate } from "../../../cli/migrate.ts";
import { provideTestDatabase } from "./server.ts";

const ROLES = new URL("../../../sql/roles.sql", import.meta.url);

/** A role that an operator adds for programs with a secret API key. */
const SERVICE = `
	do $$
	begin
		if to_regrole('service') is null then create role service noinherit; end if;
	end
	$$;
	grant service to authenticator`;

export default (project: TestProject): Promise<() => Promise<void>> =>
	provideTestDatabase(project, async ({ url, authenticatorPassword }) => {
		const client = new pg.Client({ connectionString: url });
		await client.connect();
		try {
			await client.query(
				"select set_config('postern.authenticator_password', $1, false)",
				[authenticatorPassword],
			);
			await client.query(await readFile(ROLES, "utf8"));
			await client.query(SERVICE);
		} finally {
			await client.end();
		}
		await migrate({ databaseUrl: url, accounts: true, log: () => {} });
	});
