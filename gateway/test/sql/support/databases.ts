// Further databases on the server of the tests, for what cannot be rolled back: migrations and notifications.

import { randomBytes } from "node:crypto";
import pg from "pg";
import { migrate } from "../../../cli/migrate.ts";
import { it as base } from "./session.ts";

/** `database` belongs to the test, and is dropped at its end. It is a copy of `template`: by default, it is empty. */
export const it = base
	.extend("template", async () => "template1")
	.extend("database", async ({ ownerUrl, template }, { onCleanup }) => {
		const { url, client, drop } = await copyOf(template, ownerUrl);
		onCleanup(drop);
		return new Database(url, client);
	});

/** A new database, and its owner's connection to it. */
export async function copyOf(template: string, ownerUrl: string) {
	const name = `postern_test_${randomBytes(4).toString("hex")}`;
	const owner = new pg.Client({ connectionString: ownerUrl });
	await owner.connect();
	await owner.query(`create database ${name} template ${template}`);
	const url = databaseUrl(ownerUrl, name);
	const client = new pg.Client({ connectionString: url });
	await client.connect();
	const drop = async () => {
		await client.end();
		await owner.query(`drop database ${name} with (force)`);
		await owner.end();
	};
	return { url, client, drop };
}

/** Makes the template `name` where the server has none. One test makes it, the others wait. */
export async function makeTemplate(
	ownerUrl: string,
	name: string,
	fill: (database: { url: string; client: pg.Client }) => Promise<unknown>,
): Promise<void> {
	const owner = new pg.Client({ connectionString: ownerUrl });
	await owner.connect();
	try {
		await owner.query("select pg_advisory_lock(hashtext($1))", [name]);
		const { rowCount } = await owner.query(
			"select from pg_database where datname = $1",
			[name],
		);
		if (rowCount !== 0) return;
		const unfinished = `${name}_unfinished`;
		await owner.query(`drop database if exists ${unfinished}`);
		await owner.query(`create database ${unfinished}`);
		const url = databaseUrl(ownerUrl, unfinished);
		const client = new pg.Client({ connectionString: url });
		await client.connect();
		await fill({ url, client });
		await client.end();
		await owner.query(`alter database ${unfinished} rename to ${name}`);
	} finally {
		await owner.end();
	}
}

function databaseUrl(ownerUrl: string, name: string): string {
	const url = new URL(ownerUrl);
	url.pathname = `/${name}`;
	return url.href;
}

export class Database {
	readonly client: pg.Client;
	/** Where its owner logs in. */
	readonly url: string;

	constructor(url: string, client: pg.Client) {
		this.url = url;
		this.client = client;
	}

	/** Applies both programs of gateway/sql. */
	async applyPrograms(): Promise<void> {
		await migrate({ databaseUrl: this.url, accounts: true, log: () => {} });
	}
}
