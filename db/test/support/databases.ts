// Databases of a test's own for the example's migrations, on which nothing was applied yet.

import { migrate } from "../../../gateway/cli/stack/database.ts";
import {
	it as base,
	Database,
} from "../../../gateway/test/sql/support/databases.ts";

export const it = base.extend(
	"database",
	async ({ database: { url, client } }) => new ExampleDatabase(url, client),
);

export class ExampleDatabase extends Database {
	/** Runs all pending migrations. */
	async migrate(): Promise<void> {
		await migrate(this.url, () => {});
	}

	/** Undoes all migrations, newest first. */
	async unmigrate(): Promise<void> {
		const { rows } = await this.client.query(
			"select from public.schema_migrations",
		);
		for (const _ of rows) {
			await migrate(this.url, () => {}, ["rollback"]);
		}
	}
}
