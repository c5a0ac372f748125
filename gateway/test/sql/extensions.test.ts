// Every extension that comes with PostgreSQL: none of them makes a table uncacheable, whether the table uses its types or not.

import { DatabaseError } from "pg";
import { rolledBack as it } from "./support/tracked.ts";

/** Columns of the built-in types that extensions have operators, casts and indexes for. */
const PLAIN = [
	...["body text", "name varchar(20)", "code char(3)", "tags text[]"],
	...["n integer", "big bigint", "small smallint", "ids integer[]"],
	...["price numeric", "ratio double precision", "cash money"],
	...["at timestamptz", "day date", "hour time", "span interval"],
	...["doc jsonb", "raw json", "page xml", "bytes bytea", "bits bit(3)"],
	...["uid uuid", "ip inet", "net cidr", "mac macaddr", "big_mac macaddr8"],
	...["is_done boolean", "object oid", "label name", "spot point"],
	...["area box", "days daterange", "words tsvector", "query tsquery"],
];

const TYPES_OF = `
	select format_type(pg_type.oid, null) as type
	from pg_type
	join pg_depend on pg_depend.objid = pg_type.oid and pg_depend.classid = 'pg_type'::regclass
	join pg_extension on pg_extension.oid = pg_depend.refobjid and pg_depend.deptype = 'e'
	where extname <> 'plpgsql' and typtype in ('b', 'd', 'e', 'r') and typelem = 0`;

/** The languages of these need a library that the system has to have. */
const LACKS_LIBRARY = /could not (load|access) (library|file)/;

it("a table stays cacheable with each of them", async ({ owner, expect }) => {
	await owner.query(
		`create table api.plain (id bigint primary key, ${PLAIN});
		select postern.track('api.plain')`,
	);
	const { rows } = await owner.query<{ name: string }>(
		"select name from pg_available_extensions where installed_version is null order by name",
	);
	const made: string[] = [];
	for (const { name } of rows) {
		await owner.query("savepoint extended");
		if (await canCreate(name)) {
			made.push(name);
			const types = await owner.query<{ type: string }>(TYPES_OF);
			const columns = types.rows.map(({ type }, at) => `, c${at} ${type}`);
			await owner.query(
				`create table api.typed (id bigint primary key ${columns.join("")});
				select postern.track('api.typed')`,
			);
			expect(await told(), name).toEqual({
				plain: { reasons: [], readsClock: false, rowKey: ["id"] },
				typed: { reasons: [], readsClock: false, rowKey: ["id"] },
				hasUserDefinedCasts: false,
				hasUserDefinedAggregates: false,
			});
		}
		await owner.query("rollback to savepoint extended");
	}
	expect(made).toEqual(
		expect.arrayContaining([
			...["btree_gin", "btree_gist", "citext", "cube", "hstore", "intarray"],
			...["isn", "ltree", "pg_trgm", "pgcrypto", "seg", "unaccent"],
		]),
	);

	async function canCreate(name: string): Promise<boolean> {
		try {
			await owner.query(`create extension "${name}" cascade`);
			return true;
		} catch (error) {
			if (error instanceof DatabaseError && LACKS_LIBRARY.test(error.message))
				return false;
			throw error;
		}
	}

	async function told() {
		const answer = await owner.query(
			"select postern.catalog('{api}') as catalog",
		);
		const { catalog } = answer.rows[0];
		const entries = catalog.relations.map(
			({ name, reasons, readsClock, rowKey }: Record<string, unknown>) => [
				name,
				{ reasons, readsClock, rowKey },
			],
		);
		const { hasUserDefinedCasts, hasUserDefinedAggregates } = catalog;
		return {
			...Object.fromEntries(entries),
			...{ hasUserDefinedCasts, hasUserDefinedAggregates },
		};
	}
}, 120_000);
