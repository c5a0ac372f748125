// The duels find each defect that lets one caller have what only another may see: what keeps that from happening is taken away, one
// thing a test. The same stories leak nothing while all is in place.
import { beforeAll, describe, it } from "vitest";
import { randomOf } from "../histories/random.ts";
import type { FileChange } from "../histories/scenarios/mutated-bundle.ts";
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

const WITH_ROLE: Side = { ...ADA, fields: { "x-role": "duel_vip" } };

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
	{
		name: "the schema in the digest, where there are no event triggers",
		of: functionOf("'postern.digest'::regproc"),
		from: "case when not postern.is_watched() then postern.schema_digest() end",
		to: "null",
		isWatched: false,
		moves: [`alter policy first on api.drawers using (owner = ${SUB})`],
		relation: "drawers",
		kind: "at once",
	},
	{
		name: "the pre-request function in the catalog",
		of: functionOf("'postern.catalog'::regproc"),
		from: "(select dependence.dependence from unnest(dependences) as dependence where not dependence.is_relation and dependence.root = 0)",
		to: "null",
		moves: [hook("check", HOOKS.role)],
		relation: "vaults",
		sides: [WITH_ROLE, ADA],
		kind: "later",
	},
	{
		name: "policies for other roles than PUBLIC",
		of: functionOf("'postern.dependencies'::regproc"),
		from: "where class.relrowsecurity",
		to: "where policy.polroles = '{0}' and class.relrowsecurity",
		moves: ["grant duel_vip to authenticated with inherit true"],
		relation: "vaults",
		kind: "later",
	},
];

const IN_WORKER: readonly (Story & FileChange)[] = [
	{
		name: "the name of a value in KV, in its authentication",
		file: "kv/sealed-values.ts",
		from: "encode(prefix + name)",
		to: 'encode("")',
		moves: [`alter policy first on api.drawers using (owner = ${SUB})`],
		relation: "drawers",
		kind: "tampered",
	},
	{
		name: "the poll that finds no change of the catalog, before a second caller gets an answer",
		file: "cache/from-store.ts",
		from: "entry.reader === (await readerOf(identity, request))",
		to: "true",
		moves: [`alter policy first on api.drawers using (owner = ${SUB})`],
		relation: "drawers",
		kind: "at once",
	},
];

const random = randomOf("mutations");

/** A busy machine may miss the moment in which a defect shows. */
const RETRIES = 4;

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

	it.for([...IN_DATABASE, ...IN_WORKER])(
		"nothing leaks in the story of $name",
		{ timeout: 180_000 },
		async (story, { expect }) => {
			expect(await play(arena, story)).toBeUndefined();
		},
	);

	it.for(IN_DATABASE)(
		"the duels find that a database lacks $name",
		{ timeout: 180_000, retry: RETRIES },
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

describe("the duels find that a Worker lacks", () => {
	it.for(IN_WORKER)(
		"$name",
		{ timeout: 240_000, retry: RETRIES },
		async (mutation, { expect }) => {
			const arena = await startArena({
				isPrepared: false,
				changes: [mutation],
			});
			try {
				expect(await play(arena, mutation)).toBeDefined();
			} finally {
				await arena.stop();
			}
		},
	);
});
