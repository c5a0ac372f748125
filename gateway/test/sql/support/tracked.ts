// A database of the test's own with the program `postern` alone, as an adopter with a PostgREST of their own has it.

import pg from "pg";
import { it as base } from "../../../../db/test/support/databases.ts";
import { sqlText } from "../../../cli/migrate.ts";
import { Poller } from "./poller.ts";

export const program = await sqlText();

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
		await database.client.query(program);
		await database.client.query(
			"create schema api; grant usage on schema api to anon, authenticated",
		);
		return database.client;
	})
	/** Has polled once, so it is told of every later change. */
	.extend("poller", async ({ owner: _, connect }) => {
		const poller = new Poller(await connect());
		await poller.poll();
		return poller;
	});
