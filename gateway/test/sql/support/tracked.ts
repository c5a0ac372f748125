// A database of the test's own with the program `postern` alone, as an adopter with a PostgREST of their own has it.

import { createHash } from "node:crypto";
import pg from "pg";
import { sqlText } from "../../../cli/migrate.ts";
import { it as base, copyOf, makeTemplate } from "./databases.ts";
import { Poller } from "./poller.ts";
import { it as session } from "./session.ts";

export const program = await sqlText();

/** @returns the name of a template database */
export async function trackedTemplate(ownerUrl: string): Promise<string> {
	await makeTemplate(ownerUrl, TEMPLATE, ({ client }) =>
		client.query(
			`${program}; create schema api; grant usage on schema api to anon, authenticated`,
		),
	);
	return TEMPLATE;
}

/** @returns connects, and ends all connections when the test ends */
export function connectorTo(
	url: string,
	onCleanup: (end: () => Promise<void>) => void,
): () => Promise<pg.Client> {
	const clients: pg.Client[] = [];
	onCleanup(async () => {
		for (const client of clients) await client.end();
	});
	return async () => {
		const client = new pg.Client({ connectionString: url });
		await client.connect();
		clients.push(client);
		return client;
	};
}

/** Named by its content, since a server that POSTERN_TEST_DATABASE_URL names keeps it. */
const TEMPLATE = `postern_tracked_${createHash("sha256").update(program).digest("hex").slice(0, 12)}`;

export const it = base
	.extend("template", ({ ownerUrl }) => trackedTemplate(ownerUrl))
	.extend("connect", ({ database }, { onCleanup }) =>
		connectorTo(database.url, onCleanup),
	)
	/** The owner's connection, with a schema api and tracking. */
	.extend("owner", async ({ database }) => database.client)
	/** Has polled once, so it is told of every later change. */
	.extend("poller", async ({ owner: _, connect }) => {
		const poller = new Poller(await connect());
		await poller.poll();
		return poller;
	});

/** One database with these tables for all tests of a file. @returns its owner's connection, and how callers connect */
export function trackedWith(tables: string) {
	return (
		session
			.extend(
				"database",
				{ scope: "file" },
				async ({ ownerUrl }, { onCleanup }) => {
					const template = await trackedTemplate(ownerUrl);
					const { url, client, drop } = await copyOf(template, ownerUrl);
					onCleanup(drop);
					await client.query(tables);
					return { url, client };
				},
			)
			.extend("connect", ({ database }, { onCleanup }) =>
				connectorTo(database.url, onCleanup),
			)
			/** A connection of a caller's. */
			.extend("client", ({ connect }) => connect())
	);
}

/**
 * `owner` is a transaction of the test's own, rolled back at its end, in one database and one session for all tests of a file:
 * for what is seen before it is committed. It is faster by the plans that a session keeps.
 */
export const rolledBack = session
	.extend(
		"fileOwner",
		{ scope: "file" },
		async ({ ownerUrl }, { onCleanup }) => {
			const { client, drop } = await copyOf(
				await trackedTemplate(ownerUrl),
				ownerUrl,
			);
			onCleanup(drop);
			return client;
		},
	)
	.extend("owner", async ({ fileOwner }, { onCleanup }) => {
		await fileOwner.query("begin");
		onCleanup(async () => {
			await fileOwner.query("rollback");
		});
		return fileOwner;
	});
