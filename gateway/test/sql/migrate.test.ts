// `postern migrate` and `postern sql` on databases of the test's own.

import { execFile } from "node:child_process";
import { readdir, readFile } from "node:fs/promises";
import { promisify } from "node:util";
import { describe, expect } from "vitest";
import { migrate, sqlText } from "../../cli/migrate.ts";
import { readCatalog } from "./support/catalog.ts";
import { it } from "./support/databases.ts";

const run = promisify(execFile);
const FOLDER = new URL("../../sql/", import.meta.url);

/** The README requires nothing but Node and npm. */
const hasPsql = await run("psql", ["--version"]).then(
	() => true,
	() => {
		console.log("What is tried with psql is skipped: this machine has none.");
		return false;
	},
);

describe("a program", () => {
	for (const { name, path } of [
		{ name: "postern", path: "postern.sql" },
		{ name: "accounts", path: "accounts/accounts.sql" },
	]) {
		const file = new URL(path, FOLDER);

		it(`${name} includes every file of its folders`, async () => {
			const text = await readFile(file, "utf8");
			const included = [...text.matchAll(/^\\ir (.+)$/gm)].map(
				([, included]) => included,
			);
			const files: string[] = [];
			for (const folder of ["migrations", "code"]) {
				const names = await readdir(new URL(folder, file), {
					recursive: true,
				}).catch(() => []);
				files.push(
					...names
						.filter((name) => name.endsWith(".sql"))
						.map((name) => `${folder}/${name}`),
				);
			}
			expect(
				included.filter((name) => !name?.endsWith("begin.sql")).toSorted(),
			).toEqual(files.toSorted());
		});

		it(`${name} names its version and its newest migration`, async () => {
			const text = await readFile(file, "utf8");
			const { version } = JSON.parse(
				await readFile(new URL("../package.json", FOLDER), "utf8"),
			);
			const numbers = [...text.matchAll(/^\\ir migrations\/(\d{4})_/gm)].map(
				([, number]) => Number(number),
			);
			expect(numbers).toEqual(numbers.map((_, index) => index + 1));
			expect(text).toContain(
				`begin_program('${name}', '${version}', newest => ${numbers.length})`,
			);
		});
	}
});

describe("migrate", () => {
	it("changes nothing when it runs twice", async ({ database }) => {
		const options = optionsFor(database.url);
		await migrate(options);
		const before = await readCatalog(database.client);
		await migrate(options);
		expect(await readCatalog(database.client)).toEqual(before);
		expect(options.lines).toEqual([]);
	});

	it("is applied once by twenty commands at the same time", async ({
		database,
	}) => {
		await Promise.all(
			Array.from({ length: 20 }, () => migrate(optionsFor(database.url))),
		);
		const { rows } = await database.client.query(
			"select program, count(*)::int = max(number) as is_whole from postern.migrations group by 1",
		);
		expect(rows).toContainEqual({ program: "postern", is_whole: true });
	});

	it("refuses a database that is ahead by a breaking migration, and leaves it as it was", async ({
		database: { client, url },
	}) => {
		await migrate(optionsFor(url));
		await client.query(
			"insert into postern.migrations (program, number, name, is_breaking) values ('postern', 998, 'later', false), ('postern', 999, 'last', true); update postern.programs set version = '9.9.9'",
		);
		const before = await readCatalog(client);
		await expect(migrate(optionsFor(url))).rejects.toThrow(
			/^postern.sql: the database has migration 999 of postern, version \S+ knows migrations up to \d+ and cannot work with it$/,
		);
		expect(await readCatalog(client)).toEqual(before);
		const { rows } = await client.query(
			"select distinct version from postern.programs",
		);
		expect(rows).toEqual([{ version: "9.9.9" }]);
	});

	it("warns where the database is ahead by a migration that breaks nothing", async ({
		database: { client, url },
	}) => {
		await migrate(optionsFor(url));
		await client.query(
			"insert into postern.migrations (program, number, name, is_breaking) values ('postern', 999, 'later', false)",
		);
		const options = optionsFor(url);
		await migrate(options);
		expect(options.lines).toEqual([
			expect.stringMatching(
				/^warning: the database has migration 999 of postern/,
			),
		]);
	});

	it("says that the role postern is missing", async ({
		database: { client },
	}) => {
		const text = await sqlText();
		await expect(
			// Other tests on this server need the role.
			client.query(
				text.replaceAll("to_regrole('postern')", "to_regrole('missing')"),
			),
		).rejects.toMatchObject({
			message: "the role postern is missing",
			hint: expect.stringContaining("create role postern"),
		});
	});
});

describe("postern sql", () => {
	for (const [name, psql] of Object.entries({
		"its text": async (url: string) =>
			runText(url, await sqlText({ accounts: true })),
		"the files themselves": async (url: string) => {
			for (const path of ["postern.sql", "accounts/accounts.sql"])
				await runFile(url, new URL(path, FOLDER).pathname);
		},
	})) {
		it.runIf(hasPsql)(
			`makes in psql what migrate makes, also when it runs twice: ${name}`,
			async ({ database, ownerUrl }) => {
				await migrate(optionsFor(database.url));
				const expected = await readCatalog(database.client);
				const { rows } = await database.client.query(
					"select program, number, name, is_breaking from postern.migrations order by 1, 2",
				);
				await database.client.query("drop schema postern cascade");
				expect(ownerUrl).not.toBe(database.url);
				for (const _ of ["once", "twice"]) {
					await psql(database.url);
					expect(await readCatalog(database.client)).toEqual(expected);
				}
				expect(
					(
						await database.client.query(
							"select program, number, name, is_breaking from postern.migrations order by 1, 2",
						)
					).rows,
				).toEqual(rows);
			},
		);
	}

	it("leaves out migrations that were applied", async () => {
		const [whole, rest] = [await sqlText(), await sqlText({ from: 1 })];
		expect(whole).toContain("begin_migration('postern', 1, ");
		expect(rest).not.toContain("begin_migration('postern', 1, ");
		expect(rest).toContain("begin_program('postern'");
	});

	it.runIf(hasPsql)("fails outside of a transaction", async ({ database }) => {
		await expect(
			run("psql", [
				"--no-psqlrc",
				"--set=ON_ERROR_STOP=1",
				`--file=${new URL("postern.sql", FOLDER).pathname}`,
				database.url,
			]),
		).rejects.toThrow("this has to run in one transaction");
	});
});

function optionsFor(databaseUrl: string) {
	const lines: string[] = [];
	return {
		databaseUrl,
		accounts: true,
		lines,
		log: (line: string) => lines.push(line),
	};
}

async function runText(url: string, text: string): Promise<void> {
	const child = run("psql", [...PSQL, url]);
	child.child.stdin?.end(text);
	await child;
}

const PSQL = [
	"--no-psqlrc",
	"--quiet",
	"--single-transaction",
	"--set=ON_ERROR_STOP=1",
];

async function runFile(url: string, path: string): Promise<void> {
	await run("psql", [...PSQL, `--file=${path}`, url]);
}
