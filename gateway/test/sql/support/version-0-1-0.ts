// Databases as version 0.1.0 left them: its migrations, one file each, in a folder of fixtures.

import { readdir, readFile } from "node:fs/promises";
import type { ClientBase } from "pg";
import { type Answer, type Arguments, callOf } from "./accounts.ts";

/** The migrations that are programs of the gateway today. */
const OF_THE_GATEWAY = new URL("../fixtures/0.1.0/", import.meta.url);

interface Migration {
	readonly version: string;
	readonly sql: string;
}

/** @param folders with the migrations of an application */
export async function migrationsOf010(
	...folders: readonly URL[]
): Promise<Migration[]> {
	const migrations: Migration[] = [];
	for (const folder of [OF_THE_GATEWAY, ...folders]) {
		for (const name of await readdir(folder)) {
			const text = await readFile(new URL(name, folder), "utf8");
			const [sql = ""] = text.split(/^-- migrate:down/m);
			migrations.push({ version: name.slice(0, "0001".length), sql });
		}
	}
	return migrations.toSorted((one, other) =>
		one.version.localeCompare(other.version),
	);
}

/** Calls a function of schema postern as the gateway does, outside a transaction. */
export async function callAsGateway(
	client: ClientBase,
	name: string,
	args: Arguments,
): Promise<Answer> {
	await client.query("set role postern");
	try {
		const { rows } = await client.query<{ answer: Answer }>(callOf(name, args));
		return rows[0]?.answer as Answer; // the functions are declared to return this
	} finally {
		await client.query("reset role");
	}
}
