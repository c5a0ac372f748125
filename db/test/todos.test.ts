// api.todos: every operation as its creator, another user, anon and the other actors, then the constraints.

import { describe } from "vitest";
import { addUsers } from "../../gateway/test/sql/support/accounts.ts";
import {
	type Actor,
	actors,
	it as base,
	everyActor,
	type Row,
	type Session,
	user,
} from "../../gateway/test/sql/support/session.ts";
import {
	checkFailed,
	missingValue,
	noSuchRow,
	permissionDenied,
} from "../../gateway/test/sql/support/sqlstates.ts";

const { ada, grace, anon, service } = actors;
/** A caller whose token outlived the account. */
const gone = user("gone", "0b5c6a52-5d0a-4f0e-9d43-00000000000c");
/** A caller with a token of another issuer, whose subjects are no uuids. */
const foreign: Actor = {
	name: "authenticated (foreign)",
	role: "authenticated",
	claims: { role: "authenticated", sub: "auth0|ada" },
};

/** `todo` is ada's. */
const it = base.extend("todo", async ({ db }) => {
	await addUsers(db, ada, grace);
	return addTodo(db, ada);
});

async function addTodo(db: Session, actor: Actor): Promise<Row> {
	const [todo] = await db.as(
		actor,
		"insert into api.todos (name) values ('Test') returning *",
	);
	return todo ?? {};
}

/** A statement, the actors for whom it reaches a row, and those who may run it. */
interface Operation {
	readonly name: string;
	/** $1 is the id of ada's todo. */
	readonly statement: string;
	readonly reaches: readonly Actor[];
	readonly permitted: readonly Actor[];
}

const users: readonly Actor[] = [ada, grace, foreign];
const withRights: readonly Actor[] = [...users, service];

const operations: readonly Operation[] = [
	{
		name: "read ada's todo",
		statement: "select * from api.todos where id = $1",
		reaches: [ada, service],
		permitted: withRights,
	},
	...["name = 'New'", "is_completed = true"].map((assignment) => ({
		name: `set ${assignment} of ada's todo`,
		statement: `update api.todos set ${assignment} where id = $1 returning *`,
		reaches: [ada, service],
		permitted: withRights,
	})),
	{
		name: "delete ada's todo",
		statement: "delete from api.todos where id = $1 returning *",
		reaches: [ada, service],
		permitted: withRights,
	},
	{
		name: "lock ada's todo",
		statement: "select * from api.todos where id = $1 for update",
		reaches: [ada, service],
		permitted: withRights,
	},
	{
		name: "make a todo",
		statement: "insert into api.todos (name) values ('New') returning *",
		reaches: [ada, grace],
		permitted: [ada, grace],
	},
	{
		name: "make a todo of ada's",
		statement: `insert into api.todos (name, creator) values ('New', '${ada.id}') returning *`,
		reaches: [service],
		permitted: [service],
	},
	...[
		`creator = '${grace.id}'`,
		"id = default",
		"created_at = now()",
		"updated_at = now()",
	].map((assignment) => ({
		name: `set ${assignment} of ada's todo`,
		statement: `update api.todos set ${assignment} where id = $1 returning *`,
		reaches: [service],
		permitted: [service],
	})),
	{
		name: "truncate the table",
		statement: "truncate api.todos",
		reaches: [],
		permitted: [],
	},
];

for (const actor of [...everyActor, foreign]) {
	describe(actor.name, () => {
		for (const { name, statement, reaches, permitted } of operations) {
			// Neither has a user id: see "a caller who is no user".
			const isWithoutUser = actor === foreign || actor === service;
			if (name === "make a todo" && isWithoutUser) continue;
			const does = reaches.includes(actor)
				? "may"
				: permitted.includes(actor)
					? "finds no row to"
					: "may not";
			it(`${does} ${name}`, async ({ db, todo, expect }) => {
				const values = statement.includes("$1") ? [todo.id] : [];
				const result = db.as(actor, statement, ...values);
				if (permitted.includes(actor)) {
					expect(await result).toHaveLength(reaches.includes(actor) ? 1 : 0);
				} else {
					await expect(result).rejects.toMatchObject(permissionDenied);
				}
			});
		}
	});
}

describe("a caller who is no user", () => {
	for (const actor of [foreign, service]) {
		it(`cannot create a todo: ${actor.name}`, async ({ db, expect }) => {
			await expect(addTodo(db, actor)).rejects.toMatchObject(
				actor === service ? missingValue("creator") : permissionDenied,
			);
		});
	}

	it("cannot create a todo with a token that outlived the account", async ({
		db,
		expect,
	}) => {
		await expect(addTodo(db, gone)).rejects.toMatchObject(
			noSuchRow("todos_creator_fkey"),
		);
	});

	it("finds no todo", async ({ db, todo: _, expect }) => {
		for (const actor of [foreign, gone]) {
			expect(await db.as(actor, "select from api.todos")).toEqual([]);
		}
	});

	it("is denied if only the role is missing", async ({
		db,
		todo: _,
		expect,
	}) => {
		await expect(
			db.as({ ...anon, claims: ada.claims }, "select from api.todos"),
		).rejects.toMatchObject(permissionDenied);
	});
});

describe("a list of todos", () => {
	it("includes only the caller's todos", async ({ db, todo, expect }) => {
		const other = await addTodo(db, grace);
		expect(await db.as(ada, "select * from api.todos")).toEqual([todo]);
		expect(await db.as(grace, "select * from api.todos")).toEqual([other]);
		expect(await db.as(service, "select * from api.todos order by id")).toEqual(
			[todo, other],
		);
	});

	it("evaluates auth.user_id() once, not for each row", async ({
		db,
		todo: _,
		expect,
	}) => {
		const rows = await db.as(
			ada,
			"explain (costs off) select * from api.todos",
		);
		const plan = rows.map((row) => row["QUERY PLAN"]).join("\n");
		expect(plan).toContain("InitPlan");
		expect(plan).not.toMatch(/Filter:.*user_id/);
	});
});

describe("a todo", () => {
	it("belongs to the caller, is open, and has the present time", async ({
		db,
		todo,
		expect,
	}) => {
		expect(todo).toMatchObject({
			id: expect.any(String),
			name: "Test",
			is_completed: false,
			creator: ada.id,
		});
		const [row] = await db.query(
			"select created_at = now() and updated_at = now() as is_dated_now from api.todos",
		);
		expect(row).toEqual({ is_dated_now: true });
	});

	it("gets a new updated_at when it changes", async ({ db, todo, expect }) => {
		await db.query("set local session_replication_role = replica");
		await db.query("update api.todos set updated_at = '2020-01-01'");
		await db.query("set local session_replication_role = origin");
		expect(
			await db.as(
				ada,
				"update api.todos set is_completed = true where id = $1 returning is_completed, updated_at = now() as is_changed_now",
				todo.id,
			),
		).toEqual([{ is_completed: true, is_changed_now: true }]);
	});

	it("is deleted with its creator", async ({ db, todo: _, expect }) => {
		await db.query("delete from auth.users where id = $1", ada.id);
		expect(await db.query("select from api.todos")).toEqual([]);
	});

	for (const [value, refusal] of [
		["", checkFailed("name_has_1_to_300_characters")],
		["x".repeat(301), checkFailed("name_has_1_to_300_characters")],
		[null, missingValue("name")],
	] as const) {
		it(`refuses a name of ${value?.length ?? "no"} characters`, async ({
			db,
			todo,
			expect,
		}) => {
			await expect(
				db.as(ada, "insert into api.todos (name) values ($1)", value),
			).rejects.toMatchObject(refusal);
			await expect(
				db.as(
					ada,
					"update api.todos set name = $2 where id = $1",
					todo.id,
					value,
				),
			).rejects.toMatchObject(refusal);
		});
	}

	it("may have a name of 300 characters", async ({ db, todo: _, expect }) => {
		const name = "é".repeat(300);
		expect(
			await db.as(
				ada,
				"insert into api.todos (name, is_completed) values ($1, true) returning name, is_completed",
				name,
			),
		).toEqual([{ name, is_completed: true }]);
	});

	it("has to be completed or not", async ({ db, todo, expect }) => {
		await expect(
			db.as(
				ada,
				"update api.todos set is_completed = null where id = $1",
				todo.id,
			),
		).rejects.toMatchObject(missingValue("is_completed"));
	});
});
