// `postern types`: the type `Database` of supabase-js and postgrest-js, by the library behind `supabase gen types`.
import { mkdir, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { pathToFileURL } from "node:url";
import { type Command, Option } from "commander";
import { Pool } from "pg";
import { feedVariables } from "../../src/settings/feed-settings.ts";
import {
	by,
	type DatabaseOptions,
	databaseOf,
	withDatabase,
} from "../options.ts";
import { resolvePackage } from "../stack/packages.ts";

interface Options extends DatabaseOptions {
	schemas: string;
	out?: string;
}

export function addTypes(postern: Command): void {
	withDatabase(postern.command("types"))
		.description(
			"write the type `Database` for supabase-js: tables, views, functions and enums of the schemas that clients see",
		)
		.addOption(
			new Option(
				"--schemas <names>",
				"PostgREST's db-schemas without postern, separated by commas",
			)
				.env("DB_SCHEMAS")
				.default("api")
				.argParser(by(feedVariables.shape.DB_SCHEMAS)),
		)
		.option("--out <file>", "write to this file (default: standard output)")
		.action(async ({ schemas, out, ...options }: Options) => {
			const names = feedVariables.shape.DB_SCHEMAS.parse(schemas);
			const types = await typesOf(options, names);
			if (out === undefined) process.stdout.write(types);
			else await writeTo(out, types);
		});
}

async function typesOf(
	options: DatabaseOptions,
	schemas: string[],
): Promise<string> {
	const { introspect } = await load<Introspection>("introspection");
	const generation = await load<Generation>("generation");
	// The library asks ten questions at once: they wait for the one connection.
	const pool = new Pool({
		connectionString: await databaseOf(options),
		max: 1,
	});
	try {
		const found = await introspect(pool, { includedSchemas: schemas });
		const absent = schemas.filter(
			(schema) => !found.schemas.some(({ name }) => name === schema),
		);
		if (absent.length > 0)
			throw new Error(
				`The database has no schema ${absent.join(", ")}: --schemas names PostgREST's db-schemas.`,
			);
		return await generation.generateTypescript(
			generation.sortGeneratorMetadata(found),
			{ defaultSchema: schemas[0], detectOneToOneRelationships: true },
		);
	} finally {
		await pool.end();
	}
}

async function writeTo(file: string, text: string): Promise<void> {
	try {
		await mkdir(dirname(file), { recursive: true });
		await writeFile(file, text);
	} catch (cause) {
		throw new Error(`--out: ${(cause as Error).message}`, { cause });
	}
}

/** What is used of the application's `@supabase/postgrest-typegen`. */
interface Introspection {
	introspect(
		pool: Pool,
		options: { includedSchemas: string[] },
	): Promise<Metadata>;
}
interface Generation {
	sortGeneratorMetadata(metadata: Metadata): Metadata;
	generateTypescript(metadata: Metadata, options: object): Promise<string>;
}
interface Metadata {
	schemas: { name: string }[];
}

/** @throws {Error} one line that says how to install the package */
function load<Part>(part: string): Promise<Part> {
	return import(
		pathToFileURL(resolvePackage("@supabase/postgrest-typegen", part)).href
	);
}
