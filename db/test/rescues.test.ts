// api.rescues and api.rescue_counts: every operation as every actor, then the constraints.

import { describe } from "vitest";
import {
	type Actor,
	actors,
	everyActor,
	it,
	type Row,
	type Session,
} from "../../gateway/test/sql/support/session.ts";
import {
	checkFailed,
	missingValue,
	notUnique,
	permissionDenied,
} from "../../gateway/test/sql/support/sqlstates.ts";

const { ada, grace, anon, service } = actors;
const anyone: readonly Actor[] = [ada, grace, anon, service];
const writers: readonly Actor[] = [ada, grace, service];

/** A rescue that ada created, the only gecko. */
async function addRescue(db: Session): Promise<Row> {
	const [rescue] = await insert(db, { name: "Zip", age: 2, species: "gecko" });
	return rescue ?? {};
}

interface Operation {
	readonly name: string;
	/** $1 is the id of a rescue. */
	readonly statement: string;
	readonly permitted: readonly Actor[];
}

const operations: readonly Operation[] = [
	{
		name: "read a rescue",
		statement: "select * from api.rescues where id = $1",
		permitted: anyone,
	},
	{
		name: "read the counts",
		statement: "select * from api.rescue_counts where species = 'gecko'",
		permitted: anyone,
	},
	{
		name: "make a rescue",
		statement: `
			insert into api.rescues (name, age, species)
			values ('New', 1, 'dog') returning *`,
		permitted: writers,
	},
	{
		name: "choose id of a new rescue",
		statement: `
			insert into api.rescues (id, name, age, species)
			values (4711, 'New', 1, 'dog') returning *`,
		permitted: writers,
	},
	...["name = 'New'", "age = 3", "species = 'newt'"].map((assignment) => ({
		name: `set ${assignment}`,
		statement: `update api.rescues set ${assignment} where id = $1 returning *`,
		permitted: writers,
	})),
	{
		name: "delete a rescue",
		statement: "delete from api.rescues where id = $1 returning *",
		permitted: writers,
	},
	...["id = 4711", "created_at = now()", "updated_at = now()"].map(
		(assignment) => ({
			name: `set ${assignment}`,
			statement: `update api.rescues set ${assignment} where id = $1 returning *`,
			permitted: [service],
		}),
	),
	...["created_at", "updated_at"].map((column) => ({
		name: `choose ${column} of a new rescue`,
		statement: `
			insert into api.rescues (name, age, species, ${column})
			values ('New', 1, 'dog', default) returning *`,
		permitted: [service],
	})),
	{
		name: "truncate the table",
		statement: "truncate api.rescues",
		permitted: [],
	},
];

for (const actor of everyActor) {
	describe(actor.name, () => {
		for (const { name, statement, permitted } of operations) {
			const may = permitted.includes(actor);
			it(`${may ? "may" : "may not"} ${name}`, async ({ db, expect }) => {
				const { id } = await addRescue(db);
				const values = statement.includes("$1") ? [id] : [];
				const result = db.as(actor, statement, ...values);
				if (may) {
					expect(await result).toHaveLength(1);
				} else {
					await expect(result).rejects.toMatchObject(permissionDenied);
				}
			});
		}
	});
}

describe("a rescue", () => {
	const rescue = { name: "Zip", age: 2, species: "gecko" };

	it("gets an id and the present time", async ({ db, expect }) => {
		const [made] = await db.as(
			ada,
			`insert into api.rescues (name, age, species) values ('Zip', 2, 'gecko')
			returning *, created_at = now() and updated_at = now() as is_dated_now`,
		);
		expect(made).toMatchObject({
			...rescue,
			id: expect.stringMatching(/^[1-9]\d*$/),
			is_dated_now: true,
		});
	});

	it("gets a new updated_at when it changes", async ({ db, expect }) => {
		const { id } = await addRescue(db);
		await db.query("set local session_replication_role = replica");
		await db.query(
			"update api.rescues set updated_at = '2020-01-01' where id = $1",
			id,
		);
		await db.query("set local session_replication_role = origin");

		const [changed] = await db.as(
			grace,
			"update api.rescues set age = 3 where id = $1 returning updated_at = now() as is_changed_now",
			id,
		);
		expect(changed).toEqual({ is_changed_now: true });
	});

	for (const column of ["name", "age", "species"]) {
		it(`needs a ${column}`, async ({ db, expect }) => {
			await expect(
				insert(db, { ...rescue, [column]: null }),
			).rejects.toMatchObject(missingValue(column));
		});
	}

	it("keeps the id that a client chose", async ({ db, expect }) => {
		const [made] = await db.as(
			ada,
			"insert into api.rescues (id, name, age, species) values (999999999999999, 'Zip', 2, 'gecko') returning id",
		);
		expect(made).toEqual({ id: "999999999999999" });
	});

	it("does not take an id that is taken", async ({ db, expect }) => {
		const { id } = await addRescue(db);
		await expect(choose(db, id)).rejects.toMatchObject(
			notUnique("id_is_unique"),
		);
	});

	for (const id of [-1, 0, 1e15]) {
		it(`refuses the id ${id}`, async ({ db, expect }) => {
			await expect(choose(db, id)).rejects.toMatchObject(
				checkFailed("id_is_positive_with_15_digits_at_most"),
			);
		});
	}

	it("gets the next id that no client has chosen", async ({ db, expect }) => {
		const last = Number((await addRescue(db)).id);
		for (const id of [last + 1, last + 2, last + 4]) await choose(db, id);
		const ids = [await addRescue(db), await addRescue(db)].map(({ id }) => id);
		expect(ids).toEqual([String(last + 3), String(last + 5)]);
	});

	const limits = [
		["name", "", "name_has_1_to_100_characters"],
		["name", "x".repeat(101), "name_has_1_to_100_characters"],
		["age", -1, "age_is_0_to_150"],
		["age", 151, "age_is_0_to_150"],
		["species", "", "species_has_1_to_100_characters"],
		["species", "x".repeat(101), "species_has_1_to_100_characters"],
	] as const;
	for (const [column, value, constraint] of limits) {
		it(`refuses the ${column} ${shown(value)}`, async ({ db, expect }) => {
			await expect(
				insert(db, { ...rescue, [column]: value }),
			).rejects.toMatchObject(checkFailed(constraint));
		});
	}

	const extremes = [
		["name", "é".repeat(100)],
		["age", 0],
		["age", 150],
		["species", "x"],
	] as const;
	for (const [column, value] of extremes) {
		it(`takes the ${column} ${shown(value)}`, async ({ db, expect }) => {
			const [inserted] = await insert(db, { ...rescue, [column]: value });
			expect(inserted).toMatchObject({ [column]: value });
		});
	}
});

describe("rescue_counts", () => {
	for (const { name, role } of everyActor) {
		it(`may not be changed by ${name}`, async ({ db, expect }) => {
			const [row] = await db.query(
				"select has_table_privilege($1, 'api.rescue_counts', 'insert, update, delete, truncate') as may_change",
				role,
			);
			expect(row).toEqual({ may_change: false });
		});
	}

	it("counts each species", async ({ db, expect }) => {
		await addRescue(db);
		await addRescue(db);
		expect(
			await db.as(
				anon,
				"select species, count::integer from api.rescue_counts where species = 'gecko'",
			),
		).toEqual([{ species: "gecko", count: 2 }]);
	});

	it("counts only the rescues that its reader may see", async ({
		db,
		expect,
	}) => {
		await addRescue(db);
		await db.query("drop policy anyone_may_read on api.rescues");
		const count =
			"select count::integer from api.rescue_counts where species = 'gecko'";
		expect(await db.as(ada, count)).toEqual([{ count: 1 }]);
		expect(await db.as(anon, count)).toEqual([]);
	});
});

function insert(db: Session, rescue: Row): Promise<Row[]> {
	return db.as(
		ada,
		"insert into api.rescues (name, age, species) values ($1, $2, $3) returning *",
		rescue.name,
		rescue.age,
		rescue.species,
	);
}

function choose(db: Session, id: unknown): Promise<Row[]> {
	return db.as(
		ada,
		"insert into api.rescues (id, name, age, species) values ($1, 'Zip', 2, 'gecko')",
		id,
	);
}

function shown(value: string | number): string {
	return typeof value === "string" && value.length > 20
		? `of ${value.length} characters`
		: JSON.stringify(value);
}
