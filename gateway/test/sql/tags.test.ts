// The grammar of tags in SQL, against the same vectors as that in TypeScript.

import { readFile } from "node:fs/promises";
import { it } from "./support/tracked.ts";

interface Relation {
	readonly schema: string;
	readonly name: string;
	readonly tag: string;
}

const vectors: {
	readonly quoted: readonly { value: string; quoted: string }[];
	readonly relations: readonly Relation[];
	readonly rows: readonly (Relation & { key: readonly string[] })[];
	readonly anyRow: readonly Relation[];
	readonly everything: string;
} = JSON.parse(
	await readFile(new URL("../vectors/tags.json", import.meta.url), "utf8"),
);

it("quotes names and key values as the vectors do", async ({
	owner,
	expect,
}) => {
	for (const { value, quoted } of vectors.quoted) {
		const { rows } = await owner.query("select postern.quoted($1)", [value]);
		expect(rows).toEqual([{ quoted }]);
	}
});

it("writes the tags of the vectors for rows, for any row and for everything", async ({
	owner,
	poller,
	expect,
}) => {
	const written = async (statement: string, values: readonly string[] = []) => {
		await poller.poll();
		await owner.query(statement, [...values]);
		return poller.tags();
	};
	for (const { schema, name, key, tag } of vectors.rows) {
		const table = `${identifier(schema)}.${identifier(name)}`;
		const columns = key.map((_, index) => `key_${index}`);
		await owner.query(`
			create schema if not exists ${identifier(schema)};
			drop table if exists ${table};
			create table ${table} (${columns.map((column) => `${column} text`)}, primary key (${columns}));
			select postern.track('${table}')`);
		const places = key.map((_, index) => `$${index + 1}`);
		expect(
			await written(`insert into ${table} values (${places})`, key),
		).toContain(tag);
	}
	for (const [index, { schema, name, tag }] of vectors.relations.entries()) {
		const table = `${identifier(schema)}.${identifier(name)}`;
		await owner.query(`
			create schema if not exists ${identifier(schema)};
			drop table if exists ${table};
			create table ${table} (id int primary key);
			select postern.track('${table}')`);
		expect(await written(`truncate ${table}`)).toEqual(
			[tag, vectors.anyRow[index]?.tag].toSorted(),
		);
	}
	expect(await written("select postern.flush()")).toEqual([vectors.everything]);
});

function identifier(name: string): string {
	return `"${name.replaceAll('"', '""')}"`;
}
