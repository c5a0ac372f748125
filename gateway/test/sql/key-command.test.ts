// `postern key` before a database whose roles have other names than PostgREST's examples.
import { Command } from "commander";
import { vi } from "vitest";
import { addKey } from "../../cli/commands/key.ts";
import { it as base } from "./support/databases.ts";

const it = base.extend("world", async ({ database }, { onCleanup }) => {
	await database.applyPrograms();
	const { client, url } = database;
	await client.query(`
		create role web_login nologin noinherit;
		create role web_anon nologin noinherit;
		create role robot nologin noinherit;
		grant postern, web_anon, robot to web_login;
	`);
	const lines: unknown[] = [];
	const log = vi.spyOn(console, "log").mockImplementation((line) => {
		lines.push(line);
	});
	onCleanup(async () => {
		log.mockRestore();
		await client.query("drop role web_login, web_anon, robot");
	});
	const run = async (...args: string[]) => {
		const program = new Command();
		addKey(program);
		await program.parseAsync(["key", ...args, "--database", url], {
			from: "user",
		});
		return lines.at(-1);
	};
	const stored = async () => {
		const { rows } = await client.query(
			"select name, kind, role from postern.api_keys order by id",
		);
		return rows;
	};
	return { run, stored };
});

it("creates a publishable key without a role, and a secret key of a role that PostgREST can become", async ({
	world: { run, stored },
	expect,
}) => {
	expect(await run("create", "Website")).toMatch(/^postern_publishable_/);
	expect(await run("create", "Robot", "--role", "robot")).toMatch(
		/^postern_secret_/,
	);
	expect(await stored()).toEqual([
		{ name: "Website", kind: "publishable", role: null },
		{ name: "Robot", kind: "secret", role: "robot" },
	]);
});

it("refuses the role that PostgREST logs in as", async ({
	world: { run, stored },
	expect,
}) => {
	await expect(run("create", "Robot", "--role", "web_login")).rejects.toThrow(
		"web_login is not a role for a key",
	);
	expect(await stored()).toEqual([]);
});
