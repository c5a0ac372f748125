// Contention, as PostgREST makes it: many connections, one short transaction each. These tests commit.

import { setTimeout as delay } from "node:timers/promises";
import fc from "fast-check";
import pg from "pg";
import { describe } from "vitest";
import { actors, it as base } from "../../gateway/test/sql/support/session.ts";

const CONNECTIONS = 40;

const it = base
	.extend("pool", { scope: "file" }, async ({ authenticatorUrl }, fixture) => {
		const pool = new pg.Pool({
			connectionString: authenticatorUrl,
			max: CONNECTIONS,
		});
		fixture.onCleanup(() => pool.end());
		return pool;
	})
	.extend("owner", async ({ ownerUrl }, { onCleanup }) => {
		const client = new pg.Client({ connectionString: ownerUrl });
		await client.connect();
		onCleanup(async () => {
			await client.query(
				"delete from api.rescues where species = 'concurrent'",
			);
			await client.end();
		});
		return client;
	})
	.extend("makeProduct", async ({ ownerUrl }, { onCleanup }) => {
		const client = new pg.Client({ connectionString: ownerUrl });
		await client.connect();
		onCleanup(async () => {
			await client.query(
				"delete from api.products where serial_number like 'CONCURRENT-%'",
			);
			await client.end();
		});
		return async (quantity: number) => {
			const { rows } = await client.query<{ id: string }>(
				`insert into api.products (serial_number, title, weight_lbs, quantity)
				values ('CONCURRENT-' || gen_random_uuid(), 'Concurrent', 1, $1) returning id`,
				[quantity],
			);
			return new Product(rows[0]?.id ?? "", client);
		};
	});

/** The product as its owner sees it, after the calls. */
class Product {
	readonly id: string;
	readonly #client: pg.Client;

	constructor(id: string, client: pg.Client) {
		this.id = id;
		this.#client = client;
	}

	async quantity(): Promise<number> {
		const { rows } = await this.#client.query<{ quantity: number }>(
			"select quantity from api.products where id = $1",
			[this.id],
		);
		return rows[0]?.quantity ?? Number.NaN;
	}

	async setQuantity(quantity: number): Promise<void> {
		await this.#client.query(
			"update api.products set quantity = $2 where id = $1",
			[this.id, quantity],
		);
	}
}

describe("200 concurrent calls of add_quantity", () => {
	it("lose no change", async ({ pool, makeProduct, expect }) => {
		const product = await makeProduct(100);
		const changes = alternating(200);
		const quantities = await addAll(pool, product, changes);
		expect(await product.quantity()).toBe(100);
		// From 100 back to 100, every step up from a quantity is matched by a step down to it.
		const up = quantities.flatMap((quantity, call) =>
			quantity !== "refused" && changes[call] === 1 ? [quantity - 1] : [],
		);
		const down = quantities.filter((_, call) => changes[call] === -1);
		expect(up.toSorted(byValue)).toEqual(down.toSorted(byValue));
	});

	it("never go below zero, and add up the calls that were not refused", async ({
		pool,
		makeProduct,
		expect,
	}) => {
		const product = await makeProduct(0);
		const changes = alternating(200);
		const quantities = await addAll(pool, product, changes);

		const accepted = changes.filter(
			(_, call) => quantities[call] !== "refused",
		);
		expect(accepted.filter((change) => change > 0)).toHaveLength(100);
		expect(await product.quantity()).toBe(sum(accepted));
		for (const quantity of quantities) {
			expect(quantity === "refused" || quantity >= 0).toBe(true);
		}
	});

	it("sell 50 pieces to exactly 50 of 200 buyers", async ({
		pool,
		makeProduct,
		expect,
	}) => {
		const product = await makeProduct(50);
		const quantities = await addAll(pool, product, Array(200).fill(-1));
		const sold = quantities.filter((quantity) => quantity !== "refused");
		// Each buyer saw a different quantity.
		expect(sold.toSorted(byValue)).toEqual(
			Array.from({ length: 50 }, (_, quantity) => quantity),
		);
		expect(await product.quantity()).toBe(0);
	});
});

describe("a random sequence of calls of add_quantity", () => {
	it("gives the results of a simple counter", async ({
		pool,
		makeProduct,
		expect,
	}) => {
		const product = await makeProduct(0);
		await fc.assert(
			fc.asyncProperty(
				fc.nat({ max: 50 }),
				fc.array(fc.integer({ min: -30, max: 30 }), { maxLength: 20 }),
				async (start, changes) => {
					await product.setQuantity(start);
					let counted = start;
					for (const change of changes) {
						const isPossible = counted + change >= 0;
						counted += isPossible ? change : 0;
						expect(await add(pool, product, change)).toBe(
							isPossible ? counted : "refused",
						);
					}
					expect(await product.quantity()).toBe(counted);
				},
			),
			{ numRuns: 50 },
		);
	});
});

describe("rescues that are made at once", () => {
	it("never get an id that a client chose", async ({ pool, owner, expect }) => {
		const { rows } = await owner.query(
			"select last_value::integer as last from private.rescue_ids",
		);
		// Each second id that the database is about to give is chosen by a client.
		const chosen = Array.from({ length: 50 }, (_, n) => rows[0].last + 2 * n);
		const answers = await Promise.all([
			...chosen.map((id) => addRescue(pool, id)),
			...chosen.map(() => addRescue(pool, null)),
		]);
		expect(answers.slice(50)).not.toContain("refused");
		const made = answers.filter((answer) => answer !== "refused");
		expect(new Set(made).size).toBe(made.length);
	});

	it("wait for a chosen id that is not committed yet", async ({
		pool,
		owner,
		expect,
	}) => {
		const { rows } = await owner.query(
			"select last_value::integer + 1 as next from private.rescue_ids",
		);
		const client = await pool.connect();
		await client.query("begin; set local role authenticated");
		await client.query(INSERT_RESCUE, [rows[0].next]);
		const given = addRescue(pool, null);
		// Long enough for it to begin to wait.
		await delay(100);
		await client.query("commit");
		client.release();
		expect(await given).toBe(rows[0].next + 1);
	});
});

const INSERT_RESCUE =
	"insert into api.rescues (id, name, age, species) values ($1, 'Zip', 2, 'concurrent') returning id::integer";

/** The id of a new rescue, or "refused" when the chosen one is taken. */
async function addRescue(pool: pg.Pool, id: number | null): Promise<Answer> {
	const client = await pool.connect();
	try {
		await client.query("begin; set local role authenticated");
		const { rows } = await client.query(INSERT_RESCUE, [id]);
		await client.query("commit");
		return rows[0].id;
	} catch (error) {
		await client.query("rollback");
		if (error instanceof pg.DatabaseError && error.code === "23505")
			return "refused";
		throw error;
	} finally {
		client.release();
	}
}

type Answer = number | "refused";

function addAll(
	pool: pg.Pool,
	product: Product,
	changes: readonly number[],
): Promise<Answer[]> {
	return Promise.all(changes.map((change) => add(pool, product, change)));
}

/** One call: the new quantity, or "refused" when it would fall below zero. */
async function add(
	pool: pg.Pool,
	product: Product,
	change: number,
): Promise<Answer> {
	const client = await pool.connect();
	try {
		await client.query("begin");
		await client.query(
			"select set_config('role', $1, true), set_config('request.jwt.claims', $2, true)",
			[actors.ada.role, JSON.stringify(actors.ada.claims)],
		);
		const { rows } = await client.query<{ quantity: number }>(
			"select quantity from api.add_quantity($1, $2)",
			[product.id, change],
		);
		await client.query("commit");
		return rows[0]?.quantity ?? Number.NaN;
	} catch (error) {
		await client.query("rollback");
		if (isRefusal(error)) return "refused";
		throw error;
	} finally {
		client.release();
	}
}

function isRefusal(error: unknown): boolean {
	return (
		error instanceof pg.DatabaseError &&
		error.constraint === "quantity_is_not_negative"
	);
}

function alternating(length: number): number[] {
	return Array.from({ length }, (_, index) => (index % 2 === 0 ? -1 : 1));
}

function byValue(one: Answer, other: Answer): number {
	return Number(one) - Number(other);
}

function sum(numbers: readonly number[]): number {
	return numbers.reduce((total, number) => total + number, 0);
}
