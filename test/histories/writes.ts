// The writes of a run: through the gateway, and in SQL past it. Each writes a different number, so that every
// version of a row is known by its value.

import {
	BOARDS,
	CROWD,
	FAMILIES,
	LATE,
	NOTES,
	OWNERS,
	PAIRS,
	TEAMS,
	TENANTS,
} from "./database/row-values.ts";
import { SWAPPED, writeToChanging } from "./database/schema-changes.ts";
import type { SqlWrite } from "./database/transact.ts";
import type { Random } from "./random.ts";

export interface GatewayWrite {
	readonly method: "POST" | "PATCH" | "DELETE";
	readonly path: string;
	readonly body?: unknown;
	readonly prefer?: string;
	/** If it is acknowledged, it changed a row. */
	readonly hasEffect?: boolean;
}

/** Chooses a write that sets `value`, for a user with this name. */
type GatewayWriter = (
	random: Random,
	value: number,
	user: string,
) => GatewayWrite;

const MERGE = "resolution=merge-duplicates";

const key = (random: Random, last: number) => 1 + random.integer(last);

function patch(path: string, body: unknown): GatewayWrite {
	return { method: "PATCH", path, body };
}

function upsert(path: string, body: unknown): GatewayWrite {
	return { method: "POST", path, body, prefer: MERGE, hasEffect: true };
}

export const GATEWAY_WRITES: readonly {
	readonly weight: number;
	readonly write: GatewayWriter;
}[] = [
	{
		weight: 2,
		write: (random, value) =>
			patch(`/swap_one?id=eq.${key(random, SWAPPED)}`, { value }),
	},
	{
		weight: 6,
		write: (random, value) =>
			patch(`/boards?id=eq.${key(random, BOARDS)}`, { value }),
	},
	{
		weight: 3,
		write: (random, value) =>
			upsert("/boards", { id: key(random, BOARDS), value }),
	},
	{
		weight: 1,
		write: (random) => ({
			method: "DELETE",
			path: `/boards?id=eq.${key(random, BOARDS)}`,
		}),
	},
	{
		weight: 6,
		write: (random, value) =>
			patch(`/notes?id=eq.${key(random, NOTES)}`, { value }),
	},
	{ weight: 1, write: (_, value) => patch("/notes", { value }) },
	{
		weight: 1,
		write: (random) => ({
			method: "DELETE",
			path: `/notes?id=eq.${key(random, NOTES)}`,
		}),
	},
	{
		// It may be inserted again for another user.
		weight: 2,
		write: (random, value, owner) => ({
			method: "POST",
			path: "/notes",
			body: { id: key(random, NOTES), owner, value },
			hasEffect: true,
		}),
	},
	{
		weight: 3,
		write: (random, value) =>
			patch(`/tenant_notes?id=eq.${key(random, NOTES)}`, { value }),
	},
	{
		weight: 1,
		write: (random, value) =>
			patch(`/tenant_notes?id=eq.${key(random, NOTES)}`, {
				tenant: random.pick(TENANTS),
				value,
			}),
	},
	{
		weight: 1,
		write: (random, _, user) => ({
			method: "DELETE",
			path: `/members?user_name=eq.${user}&team=eq.${random.pick(TEAMS)}`,
		}),
	},
	{
		weight: 1,
		write: (random, _, user) => ({
			method: "POST",
			path: "/members",
			body: { user_name: user, team: random.pick(TEAMS) },
			hasEffect: true,
		}),
	},
	{
		weight: 3,
		write: (random, value) =>
			patch(`/documents?id=eq.${key(random, NOTES)}`, { value }),
	},
	{
		weight: 1,
		write: (random) => ({
			method: "DELETE",
			path: `/parents?id=eq.${key(random, FAMILIES)}`,
		}),
	},
	{
		weight: 3,
		write: (random, value) =>
			upsert("/parents", { id: key(random, FAMILIES), value }),
	},
	{
		weight: 3,
		write: (random, value) =>
			upsert("/children", {
				id: key(random, 2 * FAMILIES),
				parent_id: key(random, FAMILIES),
				value,
			}),
	},
	{
		weight: 2,
		write: (random, value) =>
			patch(`/children?id=eq.${key(random, 2 * FAMILIES)}`, { value }),
	},
	{
		weight: 3,
		write: (random, value) =>
			patch(`/parts?id=eq.${key(random, BOARDS)}`, { value }),
	},
	{
		weight: 1,
		write: (random, value) =>
			patch(`/parts?id=eq.${key(random, BOARDS)}`, {
				part: random.integer(2),
				value,
			}),
	},
	{
		weight: 5,
		write: (random, value) => ({
			method: "POST",
			path: "/rpc/set_pair",
			body: { pair_id: key(random, PAIRS), new_value: value },
			hasEffect: true,
		}),
	},
	{
		weight: 2,
		write: (random) => ({
			method: "POST",
			path: "/author_books",
			body: { author_id: key(random, PAIRS), book_id: key(random, PAIRS) },
			hasEffect: true,
		}),
	},
	{
		weight: 2,
		write: (random) => ({
			method: "DELETE",
			path: `/author_books?author_id=eq.${key(random, PAIRS)}&book_id=eq.${key(random, PAIRS)}`,
		}),
	},
	{
		weight: 2,
		write: (random, value) =>
			patch(`/books?id=eq.${key(random, PAIRS)}`, { value }),
	},
	{
		weight: 2,
		write: (random, value) =>
			patch(`/authors?id=eq.${key(random, PAIRS)}`, { value }),
	},
	{
		weight: 2,
		write: (random, value) =>
			patch(`/crowd?id=eq.${key(random, CROWD)}`, { value }),
	},
	{
		// The outbox names up to 50 rows.
		weight: 1,
		write: (random, value) =>
			patch(`/crowd?id=lte.${random.pick([49, 50, 51, CROWD])}`, { value }),
	},
	{
		weight: 1,
		write: (random, value) =>
			patch(`/late?id=eq.${key(random, LATE)}`, { value }),
	},
];

export const SQL_WRITES: readonly {
	readonly weight: number;
	readonly write: (random: Random, value: number) => SqlWrite;
}[] = [
	{
		weight: 8,
		write: (random, value) => [
			`update api.boards set value = ${value} where id = ${key(random, BOARDS)}`,
		],
	},
	{
		weight: 4,
		write: (random, value) => [
			`update api.notes set value = ${value} where id = ${key(random, NOTES)}`,
			`update api.tenant_notes set value = ${value} where id = ${key(random, NOTES)}`,
		],
	},
	{
		weight: 4,
		write: (random, value) => [
			`update api.guarded set value = ${value}, level = ${random.integer(2)}, owner = '${random.pick(OWNERS)}' where id = ${key(random, NOTES)}`,
		],
	},
	{
		weight: 1,
		write: (_, value) => [`update api.crowd set value = ${value}`],
	},
	{
		weight: 1,
		write: (random, value) => [
			"truncate api.crowd",
			`insert into api.crowd select id, ${value} from generate_series(1, ${random.pick([50, CROWD])}) as id`,
		],
	},
	{
		// For a while no reader sees any row.
		weight: 1,
		write: (random) => [
			random.pick(["truncate api.boards", "delete from api.boards"]),
		],
	},
	{
		weight: 4,
		write: (_, value) => [
			`insert into api.boards select id, ${value} from generate_series(1, ${BOARDS}) as id on conflict do nothing`,
			`insert into api.parents select id, ${value} from generate_series(1, ${FAMILIES}) as id on conflict do nothing`,
			`insert into api.children select id, 1 + id % ${FAMILIES}, ${value} from generate_series(1, ${2 * FAMILIES}) as id on conflict do nothing`,
			`insert into api.notes select id, (array['${OWNERS.join("','")}'])[1 + id % 3], ${value} from generate_series(1, ${NOTES}) as id on conflict do nothing`,
		],
	},
	{
		weight: 1,
		write: (random) => [
			`delete from api.parents where id = ${key(random, FAMILIES)}`,
		],
	},
	{ weight: 0.5, write: () => ["truncate api.parents cascade"] },
	{
		weight: 2,
		write: (random, value) => [
			`update histories.parts_0 set value = ${value} where id = ${key(random, BOARDS)}`,
			`update histories.parts_1 set value = ${value} where id = ${key(random, BOARDS)}`,
		],
	},
	{
		weight: 1,
		write: (random, value) => [
			`update api.parts set part = 1 - part, value = ${value} where id = ${key(random, BOARDS)}`,
		],
	},
	{
		weight: 0.5,
		write: (random, value) => {
			const part = random.integer(2);
			return [
				`truncate histories.parts_${part}`,
				`insert into histories.parts_${part} select id, ${part}, ${value} from generate_series(1, ${BOARDS}) as id where id % 2 = ${part}`,
			];
		},
	},
	{
		weight: 3,
		write: (random, value) => [
			`select api.set_pair(${key(random, PAIRS)}, ${value})`,
		],
	},
	{
		weight: 2,
		write: (random, value) => {
			const id = key(random, PAIRS);
			return [
				`update api.right_values set value = ${value} where id = ${id}`,
				random.integer(30),
				`update api.left_values set value = ${value} where id = ${id}`,
			];
		},
	},
	{
		weight: 2,
		write: (random, value) => [
			`update api.authors set value = ${value} where id = ${key(random, PAIRS)}`,
			`update api.books set value = ${value} where id = ${key(random, PAIRS)}`,
		],
	},
	{
		weight: 2,
		write: (random) => [
			random.pick([
				`insert into api.members values ('${random.pick(OWNERS)}', '${random.pick(TEAMS)}') on conflict do nothing`,
				`delete from api.members where user_name = '${random.pick(OWNERS)}' and team = '${random.pick(TEAMS)}'`,
			]),
		],
	},
	{
		// As a restore or replication writes, without ordinary triggers.
		weight: 1,
		write: (random, value) => [
			"set local session_replication_role = replica",
			`update api.boards set value = ${value} where id = ${key(random, BOARDS)}`,
			`delete from api.crowd where id = ${key(random, CROWD)}`,
		],
	},
	{ weight: 2, write: () => ["select histories.refresh()"] },
	{
		// A transaction that commits long after its beginning, with parts that are rolled back.
		weight: 4,
		write: (random, value) => {
			const id = key(random, LATE);
			return [
				`update api.late set value = ${value} where id = ${id}`,
				"savepoint one",
				`update api.late set value = -${value} where id = ${id}`,
				"rollback to savepoint one",
				"savepoint two",
				`update api.late set value = ${value} + 0 where id = ${id}`,
				"release savepoint two",
				Math.floor(random.between(100, 2_500)),
				`update api.books set value = ${value} where id = ${key(random, PAIRS)}`,
			];
		},
	},
	{
		weight: 1,
		write: (random, value) => [
			`update api.late set value = ${value} where id = ${key(random, LATE)}`,
			`update api.boards set value = ${value} where id = ${key(random, BOARDS)}`,
			Math.floor(random.between(50, 500)),
			"rollback",
		],
	},
	{ weight: 8, write: writeToChanging },
];
