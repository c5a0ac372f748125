// Schedules that are known to be dangerous: nothing is wrong with what readers are told. And what is wrong in the database
// is found out, should a trigger or a function there not do its work.
import { describe, it } from "vitest";
import { stack } from "../support/client.ts";
import { changeFunction, SQL_MUTATIONS } from "./mutations.ts";
import * as scenarios from "./scenarios.ts";
import { findIn, play, useDatabase } from "./staged.ts";

const database = useDatabase();

/** After them nothing is kept for a while: that would disturb the others. */
const { changedPolicy, policyTellsApart, ...others } = scenarios;

describe("the gateway keeps its promises", () => {
	it.concurrent.for(Object.entries(others))(
		"in the schedule %s",
		async ([, scenario], { expect }) => {
			const { told } = await play(database(), stack.bundle, scenario);
			expect(told).toBe("");
		},
	);

	it.for(Object.entries({ changedPolicy, policyTellsApart }))(
		"in the schedule %s",
		async ([, scenario], { expect }) => {
			const { told } = await play(database(), stack.bundle, scenario);
			expect(told).toBe("");
		},
	);
});

describe("the checker finds out that in the database", () => {
	it.for(SQL_MUTATIONS)(
		"$name",
		{ timeout: 90_000 },
		async (mutation, { expect }) => {
			const client = await database().connect();
			const changeBack = await changeFunction(client, mutation);
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
