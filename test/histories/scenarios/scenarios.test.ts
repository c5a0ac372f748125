// Schedules that are known to be dangerous: readers get right answers. And a trigger or a function in the database
// that does not do its work is found.
import { describe, it } from "vitest";
import { stack } from "../../support/client.ts";
import { changeInDatabase, SQL_MUTATIONS } from "./mutations.ts";
import * as scenarios from "./scenarios.ts";
import { changesSchema, findIn, play, useDatabase } from "./staged.ts";

const database = useDatabase();

const all = Object.entries(scenarios);

describe("the gateway keeps its promises", () => {
	it.concurrent.for(all.filter(([, one]) => !changesSchema(one)))(
		"in the schedule %s",
		async ([, scenario], { expect }) => {
			const { told } = await play(database(), stack.bundle, scenario);
			expect(told).toBe("");
		},
	);

	it.for(all.filter(([, one]) => changesSchema(one)))(
		"in the schedule %s",
		{ timeout: 120_000 },
		async ([, scenario], { expect }) => {
			const { told } = await play(database(), stack.bundle, scenario);
			expect(told).toBe("");
		},
	);
});

describe("the checker finds that in the database", () => {
	it.for(SQL_MUTATIONS)(
		"$name",
		{ timeout: 240_000 },
		async (mutation, { expect }) => {
			const client = await database().connect();
			const changeBack = await changeInDatabase(client, mutation);
			try {
				const found = await findIn(database(), stack.bundle, mutation);
				expect(found).toContain(mutation.found);
			} finally {
				await changeBack();
				await client.end();
			}
		},
	);
});
