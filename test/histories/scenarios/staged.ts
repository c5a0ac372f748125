// Shared by the tests with schedules: their own database, and the verdicts on the schedules played on it.
import { afterAll, beforeAll } from "vitest";
import type { ViolationKind } from "../check/check.ts";
import { tellViolation } from "../check/figures.ts";
import { type Database, startDatabase } from "../database/database.ts";
import * as scenarios from "./scenarios.ts";
import { Stage } from "./stage.ts";

/** A database for all tests of a file. */
export function useDatabase(): () => Database {
	let database: Database | undefined;
	beforeAll(async () => {
		database = await startDatabase();
	});
	afterAll(() => database?.stop());
	return () => {
		if (database === undefined) throw new Error("There is no database yet.");
		return database;
	};
}

type Scenario = scenarios.Scenario;

/** These change the schema, after which nothing is stored for a while, which would disturb the other schedules. */
const OF_SCHEMA: readonly Scenario[] = [
	scenarios.changedPolicy,
	scenarios.policyTellsApart,
	scenarios.lostMembership,
	scenarios.membersApart,
	scenarios.ownerObeysPolicies,
	scenarios.otherOwner,
	scenarios.swappedTables,
	scenarios.swappedAndWritten,
	scenarios.swappedColumns,
	scenarios.swappedSchemas,
	scenarios.swappedViews,
];

export function changesSchema(scenario: Scenario): boolean {
	return OF_SCHEMA.includes(scenario);
}

/** Plays a schedule. @returns the texts of its violations */
export async function play(
	database: Database,
	bundle: string,
	scenario: Scenario,
): Promise<{ kinds: string[]; told: string }> {
	const stage = await Stage.open(database, bundle);
	try {
		await scenario(stage);
		const { violations, events } = await stage.judge();
		return {
			kinds: violations.map(({ kind }) => kind),
			told: violations.map((one) => tellViolation(one, events)).join("\n"),
		};
	} finally {
		await stage.close();
	}
}

/** A busy machine may miss the moment in which a mutation shows. */
const ATTEMPTS = 5;

/** Plays a schedule until there is a violation of this kind. @returns the kinds that it found */
export async function findIn(
	database: Database,
	bundle: string,
	{ scenario, found }: { scenario: Scenario; found: ViolationKind },
): Promise<string[]> {
	const all: string[] = [];
	for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
		const { kinds } = await play(database, bundle, scenario);
		all.push(...kinds);
		if (kinds.includes(found)) break;
	}
	return all;
}
