// Random changes of random tables in SQL, each of which can be undone.
import fc from "fast-check";
import type pg from "pg";

interface Column {
	readonly name: string;
	readonly type: string;
	/** Whether it is part of the primary key. */
	readonly isKey: boolean;
}

export interface Table {
	/** The name in SQL. */
	readonly name: string;
	/** JSON of the schema and the name. */
	readonly id: string;
	readonly columns: readonly Column[];
}

export interface Mutation {
	/** The change in words. */
	readonly statement: string;
	undo(): Promise<void>;
}

/** A change as numbers that choose the table, the row, the column and the kind. */
export const randomChange = fc.record({
	table: fc.nat(),
	row: fc.nat(),
	column: fc.nat(),
	kind: fc.nat(99),
	value: fc.nat(),
});

export type Change =
	typeof randomChange extends fc.Arbitrary<infer T> ? T : never;

/** The tables that contain rows themselves. */
export async function readTables(client: pg.Client): Promise<Table[]> {
	const { rows } = await client.query<Table>(`
		select
			format('%I.%I', nspname, relname) as name,
			json_build_array(nspname, relname) as id,
			(
				select json_agg(json_build_object(
					'name', quote_ident(attname),
					'type', format_type(atttypid, atttypmod),
					'isKey', exists (select from pg_index where indrelid = attrelid and indisprimary and attnum = any (indkey))
				) order by attnum)
				from pg_attribute
				where attrelid = pg_class.oid and attnum > 0 and not attisdropped and attgenerated = ''
			) as columns
		from pg_class
		join pg_namespace on pg_namespace.oid = relnamespace
		where nspname in ('api', 'other', 'hidden') and relkind = 'r'
		order by 1`);
	return rows.map((table) => ({ ...table, id: JSON.stringify(table.id) }));
}

/** The table that a change affects. */
export function tableOf(tables: readonly Table[], change: Change): Table {
	return pick(tables, change.table);
}

/** @returns undefined if there was nothing to change, or a constraint forbids the change */
export function mutate(
	client: pg.Client,
	table: Table,
	change: Change,
): Promise<Mutation | undefined> {
	return execute(client, table, statementOf(table, change));
}

/** Changes the columns of a row outside its key; deletes the row if it has none. */
export function overwrite(
	client: pg.Client,
	table: Table,
	row: number,
): Promise<Mutation | undefined> {
	const { name, columns } = table;
	const others = columns.filter(
		(column) => !column.isKey && fresh(column, row) !== "null",
	);
	const one = `ctid = (select ctid from only ${name} as row order by row::text offset ${row} limit 1)`;
	const values = others.map(
		(column) => `${column.name} = ${fresh(column, row + 11)}`,
	);
	return execute(
		client,
		table,
		others.length === 0
			? `delete from only ${name} where ${one}`
			: `update only ${name} set ${values.join()} where ${one}`,
	);
}

async function execute(
	client: pg.Client,
	table: Table,
	statement: string,
): Promise<Mutation | undefined> {
	const before = await contents(client, table);
	try {
		// Foreign keys are not checked, and the triggers of tracking still fire.
		await client.query("set session_replication_role = replica");
		const { rowCount } = await client.query(statement);
		if (rowCount === 0) return undefined;
	} catch {
		return undefined;
	}
	return {
		statement,
		async undo() {
			await client.query(`delete from only ${table.name}`);
			await client.query(
				`insert into ${table.name} overriding system value
				select * from jsonb_populate_recordset(null::${table.name}, $1)`,
				[before],
			);
		},
	};
}

async function contents(client: pg.Client, { name }: Table): Promise<string> {
	const { rows } = await client.query(
		`select coalesce(jsonb_agg(row), '[]')::text as rows from only ${name} as row`,
	);
	return rows[0].rows;
}

function statementOf(table: Table, { row, column, kind, value }: Change) {
	const { name, columns } = table;
	const chosen = pick(columns, column);
	const rowBy = (number: number) =>
		`(select ctid from only ${name} order by md5(ctid::text || ${number}) limit 1)`;
	const one = `ctid = ${rowBy(row)}`;
	const source = `(select ${chosen.name} from only ${name} where ctid = ${rowBy(value)})`;
	if (kind < 15) return `delete from only ${name} where ${one}`;
	if (kind < 17) return `delete from only ${name}`;
	if (kind < 19) return `truncate only ${name}`;
	if (kind < 34)
		return `insert into ${name} select changed.* from only ${name} as original,
			lateral jsonb_populate_record(original, jsonb_build_object(${columns
				.slice(0, 2)
				.map(
					(key) =>
						`'${key.name.replaceAll(/"/g, "").replaceAll("'", "''")}', ${fresh(key, value)}`,
				)
				.join()})) as changed
			where original.${one}`;
	if (kind < 60)
		return `update only ${name} set ${chosen.name} = ${source} where ${one}`;
	if (kind < 66)
		return `update only ${name} set ${chosen.name} = null where ${one}`;
	if (kind < 70)
		return `update only ${name} set ${chosen.name} = ${chosen.name}`;
	return `update only ${name} set ${chosen.name} = ${fresh(chosen, value)} where ${one}`;
}

/** A value that is probably new. */
function fresh({ type }: Column, value: number): string {
	const number = (value % 20) - 2;
	if (/int|numeric|double/.test(type)) return String(number);
	if (type === "text" || type === "api.title") return `'t${number}'`;
	if (type === "uuid")
		return `'00000000-0000-4000-8000-00000000000${Math.abs(number) % 10}'`;
	if (type.startsWith("timestamp") || type === "date")
		return `'2026-06-0${1 + (value % 9)}'`;
	if (type === "boolean") return String(value % 2 === 0);
	if (type === "api.mood") return value % 2 === 0 ? "'calm'" : "'wild'";
	if (type === "jsonb") return `'{"minutes": ${number}}'`;
	return "null";
}

function pick<T>(values: readonly T[], number: number): T {
	const value = values[number % values.length];
	if (value === undefined) throw new Error("there is nothing to choose from");
	return value;
}
