// The tables of every world and their rows: notes of teams, replies to them, the teams and their members.
import fc from "fast-check";
import { CLAIM_PATHS, type ClaimPath, ROLES } from "./callers.ts";
import type { Subject } from "./conditions.ts";
import { literal, seldom, text } from "./values.ts";

const NOTE_TEXTS = ["owner", "tenant", "org", "audience"];

/** The possible conditions on each table. A table uses only those below it, so that there is no cycle. */
export const SUBJECTS = {
	notes: {
		texts: NOTE_TEXTS,
		levels: ["level"],
		team: "team_id",
		others: ["members", "teams"],
	},
	replies: { texts: ["author", "tenant"], levels: ["note_id"], others: [] },
	members: {
		texts: ["member", "org"],
		levels: ["team_id"],
		team: "team_id",
		others: ["teams"],
	},
	teams: { texts: ["name", "tenant"], levels: ["id"], others: [] },
} as const;
export type Table = keyof typeof SUBJECTS;
export const TABLES = Object.keys(SUBJECTS) as Table[];

/** Replaced by the world's prefix. */
export const P = "api.@";

/** A schema that is not exposed. Names in it hide those of `api` where it comes first in a search path. */
export const SHADE = "isolation_shade";

/** Each place reads different claims, so that another place cannot hide one that the gateway overlooks. */
export interface Sites {
	readonly notes: Paths;
	readonly replies: Paths;
	readonly members: Paths;
	readonly teams: Paths;
	readonly views: Paths;
	readonly column: Paths;
	readonly functions: Paths;
	readonly maySee: Paths;
	readonly knows: Paths;
	readonly shade: Paths;
}

export type Paths = readonly ClaimPath[];

/** The claims by place. */
export const sites: fc.Arbitrary<Sites> = fc
	.shuffledSubarray([...CLAIM_PATHS], { minLength: CLAIM_PATHS.length })
	.map((paths) => ({
		notes: paths.slice(0, 2),
		replies: paths.slice(2, 3),
		members: paths.slice(3, 4),
		teams: paths.slice(4, 5),
		views: paths.slice(5, 7),
		column: paths.slice(7, 8),
		functions: paths.slice(8, 9),
		maySee: paths.slice(9, 10),
		knows: paths.slice(10, 11),
		shade: paths.slice(11, 12),
	}));

/** @param row the prefix of its columns */
export function subject(
	paths: Paths,
	table: Table,
	row = `${P}${table}`,
): Subject {
	const shape = SUBJECTS[table];
	const others: readonly string[] = shape.others;
	return {
		paths,
		row,
		texts: shape.texts,
		levels: shape.levels,
		...("team" in shape ? { team: shape.team } : {}),
		...(others.includes("members") ? { members: `${P}members` } : {}),
		...(others.includes("teams") ? { teams: `${P}teams` } : {}),
		...(table === "notes" ? { maySee: `${P}may_see` } : {}),
	};
}

export const CREATE_TABLES = `
	create schema if not exists ${SHADE};
	grant usage on schema ${SHADE} to ${ROLES};
	create table ${P}teams (id integer primary key, name text, tenant text);
	create table ${P}members (
		team_id integer references ${P}teams, member text, org text, primary key (team_id, member)
	);
	create table ${P}notes (
		id integer primary key, owner text, tenant text, org text, audience text, level integer not null,
		team_id integer references ${P}teams, body text not null
	);
	create table ${P}replies (
		id integer primary key, note_id integer not null references ${P}notes, author text, tenant text, body text not null
	);
`;

const nullableText = seldom(fc.constant(null), text, 6);

export const rows = fc
	.record({
		teams: fc.array(fc.tuple(nullableText, nullableText), {
			minLength: 3,
			maxLength: 3,
		}),
		members: fc.uniqueArray(
			fc.tuple(fc.integer({ min: 1, max: 3 }), text, nullableText),
			{ minLength: 3, maxLength: 6, selector: ([team, who]) => team + who },
		),
		notes: fc.array(
			fc.tuple(
				nullableText,
				nullableText,
				nullableText,
				fc.constantFrom(...ROLES, null),
				fc.nat(3),
				fc.constantFrom("1", "2", "3", "null"),
			),
			{ minLength: 10, maxLength: 16 },
		),
		replies: fc.array(
			fc.tuple(fc.integer({ min: 1, max: 8 }), nullableText, nullableText),
			{ minLength: 6, maxLength: 10 },
		),
	})
	.map(
		({ teams, members, notes, replies }) => `
			insert into ${P}teams values
			${teams.map((all, index) => `(${index + 1}, ${all.map(literal)})`)};
			insert into ${P}members values
			${members.map(([team, ...all]) => `(${team}, ${all.map(literal)})`)};
			insert into ${P}notes values
			${notes.map(([owner, tenant, org, audience, level, team], index) => `(${index + 1}, ${[owner, tenant, org, audience].map(literal)}, ${level}, ${team}, 'note ${index}')`)};
			insert into ${P}replies values
			${replies.map(([note, ...all], index) => `(${index + 1}, ${note}, ${all.map(literal)}, 'reply ${index}')`)};
		`,
	);
