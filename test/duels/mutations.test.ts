// The duels find each defect that lets one caller have what only another may see: what keeps that from happening is taken away, one
// thing a test. The same stories leak nothing while all is in place.
import { beforeAll, describe, it } from "vitest";
import { randomOf } from "../histories/random.ts";
import {
	changeInDatabase,
	functionOf,
	NO_ROLES_IN_DIGEST,
	type SqlChange,
} from "../histories/scenarios/mutations.ts";
import { type Arena, startArena } from "./arena.ts";
import type { Move } from "./moves.ts";
import { leakOf } from "./shortest.ts";
import { ADA, BOB, type Side } from "./sides.ts";
import type { DuelKind } from "./story.ts";
import { HOOKS, hook, SUB } from "./world.ts";

interface Story {
	/** What is taken away. */
	readonly name: string;
	readonly isWatched?: boolean;
	readonly moves: readonly string[];
	readonly relation: string;
	readonly sides?: readonly [Side, Side];
	readonly kind: DuelKind;
}

const IN_DATABASE: readonly (Story & SqlChange)[] = [
	{
		name: "roles in the digest",
		...NO_ROLES_IN_DIGEST,
		moves: [
			"alter role authenticated bypassrls",
			"alter role authenticated nobypassrls",
		],
		relation: "vaults",
		kind: "known",
	},
	{
		name: "owners in the digest",
		of: functionOf("'postern.digest'::regproc"),
		from: "and owned.objsubid = 0",
		to: "and false",
		moves: [
			"alter role duel_owner bypassrls",
			"reassign owned by duel_owner to duel_other",
		],
		relation: "opened",
		kind: "known",
	},
];

/** Stories that leaked before what keeps answers apart was there. */
const OTHERS: readonly Story[] = [
	{
		name: "a policy that is not told of, where there are no event triggers",
		isWatched: false,
		moves: [`alter policy first on api.drawers using (owner = ${SUB})`],
		relation: "drawers",
		kind: "at once",
	},
	{
		name: "a pre-request function that sets the role by a header",
		moves: [hook("check", HOOKS.role)],
		relation: "vaults",
		sides: [{ ...ADA, fields: { "x-role": "duel_vip" } }, ADA],
		kind: "later",
	},
	{
		name: "a membership that is granted",
		moves: ["grant duel_vip to authenticated with inherit true"],
		relation: "vaults",
		kind: "later",
	},
	{
		name: "values that were changed in KV",
		moves: [`alter policy first on api.drawers using (owner = ${SUB})`],
		relation: "drawers",
		kind: "tampered",
	},
];

const random = randomOf("mutations");

function play(arena: Arena, story: Story) {
	const moves = story.moves.map((sql): Move => ({ kind: "given", sql: [sql] }));
	return leakOf(arena, random, story.isWatched ?? true, moves, {
		kind: story.kind,
		relation: story.relation,
		sides: story.sides ?? [ADA, BOB],
	});
}

describe("without a defect", () => {
	let arena: Arena;
	beforeAll(async () => {
		arena = await startArena({ isPrepared: false });
		return arena.stop;
	}, 120_000);

	it.for([...IN_DATABASE, ...OTHERS])(
		"nothing leaks in the story of $name",
		{ timeout: 180_000 },
		async (story, { expect }) => {
			expect(await play(arena, story)).toBeUndefined();
		},
	);

	it.for(IN_DATABASE)(
		"the duels find that a database lacks $name",
		{ timeout: 180_000 },
		async (mutation, { expect }) => {
			const changeBack = await changeInDatabase(arena.client, mutation);
			try {
				expect(await play(arena, mutation)).toBeDefined();
			} finally {
				await changeBack();
			}
		},
	);
});
