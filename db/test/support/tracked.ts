// A database of the test's own with the migration of tracking alone, as somebody with their own PostgREST would have it.

import { readFile } from "node:fs/promises";
import pg from "pg";
import { it as base } from "./databases.ts";
import { Poller } from "./feed.ts";

const migration = await readFile(
	new URL("../../migrations/0016_tracking.sql", import.meta.url),
	"utf8",
);
const [, up = "", down = ""] =
	/^([\s\S]*)^-- migrate:down$([\s\S]*)/m.exec(migration) ?? [];

export { down, up };

export const it = base
	.extend("connect", async ({ database }, { onCleanup }) => {
		const clients: pg.Client[] = [];
		onCleanup(async () => {
			for (const client of clients) await client.end();
		});
		return async () => {
			const client = new pg.Client({ connectionString: database.url });
			await client.connect();
			clients.push(client);
			return client;
		};
	})
	/** The owner's connection, with a schema api and tracking. */
	.extend("owner", async ({ database }) => {
		await database.client.query(up);
		await database.client.query(
			"create schema api; grant usage on schema api to anon, authenticated",
		);
		return database.client;
	})
	/** Has polled once: from now on it hears of every change. */
	.extend("poller", async ({ owner: _, connect }) => {
		const poller = new Poller(await connect());
		await poller.poll();
		return poller;
	});
