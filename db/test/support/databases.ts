// Further databases on the server of the tests, for what cannot be rolled back: migrations and notifications.

import { randomBytes } from "node:crypto";
import pg from "pg";
import { migrate as applyPrograms } from "../../../gateway/cli/migrate.ts";
import { migrate } from "../../../gateway/cli/stack/database.ts";
import { it as base } from "./session.ts";

/** `database` is empty, belongs to the test, and is dropped at its end. */
export const it = base.extend(
	"database",
	async ({ ownerUrl }, { onCleanup }) => {
		const name = `postern_test_${randomBytes(4).toString("hex")}`;
		const owner = new pg.Client({ connectionString: ownerUrl });
		await owner.connect();
		await owner.query(`create database ${name}`);

		const url = new URL(ownerUrl);
		url.pathname = `/${name}`;
		const client = new pg.Client({ connectionString: url.href });
		await client.connect();
		onCleanup(async () => {
			await client.end();
			await owner.query(`drop database ${name} with (force)`);
			await owner.end();
		});
		return new Database(url.href, client);
	},
);

export class Database {
	readonly client: pg.Client;
	/** Where its owner logs in. */
	readonly url: string;

	constructor(url: string, client: pg.Client) {
		this.url = url;
		this.client = client;
	}

	/** Applies the programs of gateway/sql, on which the migrations build. */
	async applyPrograms(): Promise<void> {
		await applyPrograms({
			databaseUrl: this.url,
			accounts: true,
			log: () => {},
		});
	}

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
