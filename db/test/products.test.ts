// api.products and api.add_quantity: every operation as every actor, then the constraints.

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
	outOfRange,
	permissionDenied,
} from "../../gateway/test/sql/support/sqlstates.ts";

const { ada, grace, anon, service } = actors;
const anyone: readonly Actor[] = [ada, grace, anon, service];
const writers: readonly Actor[] = [ada, grace, service];

/** A product that ada created. */
async function addProduct(db: Session, quantity = 0): Promise<Row> {
	const [made] = await db.as(
		ada,
		"insert into api.products (serial_number, title, weight_lbs) values ('TEST-1', 'Test', 1.5) returning id",
	);
	const [product] = await db.query(
		"update api.products set quantity = $2 where id = $1 returning *",
		made?.id,
		quantity,
	);
	return product ?? {};
}

interface Operation {
	readonly name: string;
	/** $1 is the id of a product. */
	readonly statement: string;
	readonly permitted: readonly Actor[];
}

const operations: readonly Operation[] = [
	{
		name: "read a product",
		statement: "select * from api.products where id = $1",
		permitted: anyone,
	},
	{
		name: "make a product",
		statement: `
			insert into api.products (serial_number, title, weight_lbs)
			select 'MADE-' || $1::bigint, 'Made', 2 returning *`,
		permitted: writers,
	},
	{
		name: "make a product or change the one of that serial number",
		statement: `
			insert into api.products as product (serial_number, title, weight_lbs)
			select 'TEST-1', 'Changed ' || $1::bigint, 2
			on conflict (serial_number) do update
			set serial_number = excluded.serial_number, title = excluded.title, weight_lbs = excluded.weight_lbs
			returning *`,
		permitted: writers,
	},
	...[
		"serial_number = 'NEW-1'",
		"title = 'New'",
		"weight_lbs = 9",
		"quantity = 9",
	].map((assignment) => ({
		name: `set ${assignment}`,
		statement: `update api.products set ${assignment} where id = $1 returning *`,
		permitted: writers,
	})),
	{
		name: "add a quantity",
		statement: "select * from api.add_quantity($1, 2)",
		permitted: writers,
	},
	{
		name: "delete a product",
		statement: "delete from api.products where id = $1 returning *",
		permitted: writers,
	},
	{
		name: "choose the quantity of a new product",
		statement: `
			insert into api.products (serial_number, title, weight_lbs, quantity)
			select 'MADE-1', 'Made', 2, $1::bigint::integer returning *`,
		permitted: [service],
	},
	{
		name: "choose the id of a new product",
		statement: `
			insert into api.products (id, serial_number, title, weight_lbs)
			overriding system value
			select $1::bigint + 1, 'MADE-1', 'Made', 2 returning *`,
		permitted: [service],
	},
	...["created_at", "updated_at"].map((column) => ({
		name: `choose ${column} of a new product`,
		statement: `
			insert into api.products (serial_number, title, weight_lbs, ${column})
			select 'MADE-' || $1::bigint, 'Made', 2, now() returning *`,
		permitted: [service],
	})),
	...["id = default", "created_at = now()", "updated_at = now()"].map(
		(assignment) => ({
			name: `set ${assignment}`,
			statement: `update api.products set ${assignment} where id = $1 returning *`,
			permitted: [service],
		}),
	),
	{
		name: "lock a product",
		// This needs the same privilege as an update.
		statement: "select * from api.products where id = $1 for update",
		permitted: writers,
	},
	{
		name: "truncate the table",
		statement: "truncate api.products",
		permitted: [],
	},
];

for (const actor of everyActor) {
	describe(actor.name, () => {
		for (const { name, statement, permitted } of operations) {
			const may = permitted.includes(actor);
			it(`${may ? "may" : "may not"} ${name}`, async ({ db, expect }) => {
				const product = await addProduct(db);
				const values = statement.includes("$1") ? [product.id] : [];
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

describe("a product", () => {
	it("starts with the quantity 0 and the present time", async ({
		db,
		expect,
	}) => {
		const [product] = await db.as(
			ada,
			`insert into api.products (serial_number, title, weight_lbs) values ('TEST-1', 'Test', 1.5)
			returning *, created_at = now() and updated_at = now() as is_dated_now`,
		);
		expect(product).toMatchObject({
			serial_number: "TEST-1",
			title: "Test",
			weight_lbs: 1.5,
			quantity: 0,
			is_dated_now: true,
		});
	});

	it("keeps created_at and gets a new updated_at when it changes", async ({
		db,
		expect,
	}) => {
		const { id } = await addProduct(db);
		// The trigger would overwrite an old time.
		await db.query("set local session_replication_role = replica");
		await db.query(
			"update api.products set created_at = '2020-01-01', updated_at = '2020-01-01' where id = $1",
			id,
		);
		await db.query("set local session_replication_role = origin");

		const [product] = await db.as(
			ada,
			`update api.products set title = 'Changed' where id = $1
			returning created_at = '2020-01-01' as is_still_old, updated_at = now() as is_changed_now`,
			id,
		);
		expect(product).toEqual({ is_still_old: true, is_changed_now: true });
	});

	it("has a unique serial number", async ({ db, expect }) => {
		await addProduct(db);
		await expect(
			db.as(
				grace,
				"insert into api.products (serial_number, title, weight_lbs) values ('TEST-1', 'Other', 1)",
			),
		).rejects.toMatchObject(notUnique("serial_number_is_unique"));
	});

	for (const column of ["serial_number", "title", "weight_lbs"]) {
		it(`needs a ${column}`, async ({ db, expect }) => {
			const product = { serial_number: "TEST-1", title: "Test", weight_lbs: 1 };
			await expect(
				insert(db, { ...product, [column]: null }),
			).rejects.toMatchObject(missingValue(column));
		});
	}

	const limits = [
		["weight_lbs", 0, "weight_lbs_is_positive_and_finite"],
		["weight_lbs", -0.1, "weight_lbs_is_positive_and_finite"],
		["weight_lbs", "NaN", "weight_lbs_is_positive_and_finite"],
		["weight_lbs", "Infinity", "weight_lbs_is_positive_and_finite"],
		["weight_lbs", "-Infinity", "weight_lbs_is_positive_and_finite"],
		["title", "", "title_has_1_to_200_characters"],
		["title", "x".repeat(201), "title_has_1_to_200_characters"],
		["serial_number", "", "serial_number_has_1_to_100_characters"],
		["serial_number", "x".repeat(101), "serial_number_has_1_to_100_characters"],
	] as const;
	for (const [column, value, constraint] of limits) {
		it(`refuses the ${column} ${shown(value)}`, async ({ db, expect }) => {
			const product = { serial_number: "TEST-1", title: "Test", weight_lbs: 1 };
			await expect(
				insert(db, { ...product, [column]: value }),
			).rejects.toMatchObject(checkFailed(constraint));
		});
	}

	const extremes = [
		["weight_lbs", 5e-324],
		["weight_lbs", Number.MAX_VALUE],
		["title", "x"],
		["title", "é".repeat(200)],
		["serial_number", "x"],
		["serial_number", "é".repeat(100)],
	] as const;
	for (const [column, value] of extremes) {
		it(`takes the ${column} ${shown(value)}`, async ({ db, expect }) => {
			const product = { serial_number: "TEST-1", title: "Test", weight_lbs: 1 };
			const [inserted] = await insert(db, { ...product, [column]: value });
			expect(inserted).toMatchObject({ [column]: value });
		});
	}

	it("refuses a quantity below zero", async ({ db, expect }) => {
		const { id } = await addProduct(db);
		await expect(
			db.as(ada, "update api.products set quantity = -1 where id = $1", id),
		).rejects.toMatchObject(checkFailed("quantity_is_not_negative"));
	});
});

describe("add_quantity", () => {
	for (const actor of everyActor) {
		const may = writers.includes(actor);
		// Asks the catalog, because a caller who may not change products is refused inside the function as well.
		it(`${may ? "may" : "may not"} be executed by ${actor.name}`, async ({
			db,
			expect,
		}) => {
			const [row] = await db.query(
				"select has_function_privilege($1, 'api.add_quantity(bigint, integer)', 'execute') as may_execute",
				actor.role,
			);
			expect(row).toEqual({ may_execute: may });
		});
	}

	it("adds to the quantity, and returns the whole product", async ({
		db,
		expect,
	}) => {
		const product = await addProduct(db, 3);
		expect(
			await db.as(ada, "select * from api.add_quantity($1, 4)", product.id),
		).toEqual([{ ...product, quantity: 7 }]);
	});

	it("can reduce the quantity to zero", async ({ db, expect }) => {
		const { id } = await addProduct(db, 3);
		expect(
			await db.as(ada, "select quantity from api.add_quantity($1, -3)", id),
		).toEqual([{ quantity: 0 }]);
	});

	it("refuses to go below zero, and changes nothing", async ({
		db,
		expect,
	}) => {
		const product = await addProduct(db, 3);
		await expect(
			db.as(ada, "select from api.add_quantity($1, -4)", product.id),
		).rejects.toMatchObject(checkFailed("quantity_is_not_negative"));
		expect(
			await db.query("select * from api.products where id = $1", product.id),
		).toEqual([product]);
	});

	it("refuses a sum that an integer cannot hold", async ({ db, expect }) => {
		const { id } = await addProduct(db, 1);
		await expect(
			db.as(ada, "select from api.add_quantity($1, 2147483647)", id),
		).rejects.toMatchObject(outOfRange);
	});

	it("refuses null as the quantity", async ({ db, expect }) => {
		const { id } = await addProduct(db, 1);
		await expect(
			db.as(ada, "select from api.add_quantity($1, null)", id),
		).rejects.toMatchObject(missingValue("quantity"));
	});

	it("returns no row when there is no such product", async ({ db, expect }) => {
		expect(await db.as(ada, "select * from api.add_quantity(-1, 1)")).toEqual(
			[],
		);
	});

	it("changes no other product", async ({ db, expect }) => {
		const others = "select * from api.products where id <> $1 order by id";
		const { id } = await addProduct(db, 1);
		const before = await db.query(others, id);
		await db.as(ada, "select from api.add_quantity($1, 1)", id);
		expect(await db.query(others, id)).toEqual(before);
	});
});

function insert(db: Session, product: Row): Promise<Row[]> {
	return db.as(
		ada,
		"insert into api.products (serial_number, title, weight_lbs) values ($1, $2, $3) returning *",
		product.serial_number,
		product.title,
		product.weight_lbs,
	);
}

function shown(value: string | number): string {
	return typeof value === "string" && value.length > 20
		? `of ${value.length} characters`
		: JSON.stringify(value);
}
