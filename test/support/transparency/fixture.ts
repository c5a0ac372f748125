// The tables and functions of fixture.sql in the stack's database, loaded by both PostgRESTs.
import { readFile } from "node:fs/promises";
import pg from "pg";
import { expect, vi } from "vitest";
import { originToken, stack } from "../client.ts";

/** The tables that requests may write to. */
const WRITTEN = ["shelves", "books", "tallies", "letters"] as const;

/** A function of the fixture, which PostgREST knows after it has loaded the schema. */
const WITNESS = "/rpc/caller";

export interface Fixture {
	/** Restores the rows and sequences of the tables that requests may write to. */
	reset(): Promise<void>;
	/** The rows of these tables. */
	contents(): Promise<Record<string, unknown[]>>;
	/** Drops the fixture. */
	drop(): Promise<void>;
}

export async function makeFixture(): Promise<Fixture> {
	const client = new pg.Client(stack.databaseUrl);
	await client.connect();
	// An earlier run may have been killed before it could clean up.
	await client.query(await sql("drop.sql"));
	await bothPostgrestsAnswer(client, { code: "PGRST202" });
	await client.query(await sql("fixture.sql"));
	await bothPostgrestsAnswer(client, { role: "authenticated" });
	return {
		async reset() {
			await client.query("select postern.reset_library()");
		},
		async contents() {
			const tables: Record<string, unknown[]> = {};
			for (const table of WRITTEN) {
				const { rows } = await client.query(
					`select * from api.${table} order by 1`,
				);
				tables[table] = rows;
			}
			return tables;
		},
		async drop() {
			await client.query(await sql("drop.sql"));
			await client.end();
		},
	};
}

function sql(file: string): Promise<string> {
	return readFile(new URL(file, import.meta.url), "utf8");
}

async function bothPostgrestsAnswer(
	client: pg.Client,
	expected: Record<string, string>,
): Promise<void> {
	await client.query("notify pgrst, 'reload schema'");
	const authorization = `Bearer ${await originToken({ role: "authenticated" })}`;
	for (const url of [stack.postgrestUrl, stack.openPostgrestUrl]) {
		await vi.waitFor(
			async () => {
				const answer = await fetch(url + WITNESS, {
					headers: { authorization },
				});
				expect(await answer.json()).toMatchObject(expected);
			},
			{ timeout: 20_000 },
		);
	}
}
