// `postern key`: the API keys of the local stack, or of DATABASE_URL.
import type { Command } from "commander";
import { type DatabaseOptions, withDatabase } from "../options.ts";
import { query } from "../query.ts";

export function addKey(postern: Command): void {
	const key = postern
		.command("key")
		.description("create, list and revoke API keys");
	withDatabase(key.command("create <name>"))
		.description("print a new key")
		.option(
			"--role <role>",
			"make a secret key for this role (without: a publishable key, for browsers, which gives no role)",
		)
		.action(create);
	withDatabase(key.command("list")).description("list the keys").action(list);
	withDatabase(key.command("revoke <id>"))
		.description("refuse a key from now on")
		.action(revoke);
}

async function create(
	name: string,
	{ role, ...options }: DatabaseOptions & { role?: string },
): Promise<void> {
	const kind = role === undefined ? "publishable" : "secret";
	const { rows } = await query(
		options,
		"select postern.create_api_key($1, $2, $3) as key",
		[name, kind, role ?? null],
	);
	console.log(rows[0].key);
}

async function list(options: DatabaseOptions): Promise<void> {
	const { rows } = await query(
		options,
		"select id, name, hint, kind, role, created_at, revoked_at from postern.api_keys order by id",
	);
	console.table(rows);
}

async function revoke(id: string, options: DatabaseOptions): Promise<void> {
	await query(options, "select postern.revoke_api_key($1)", [id]);
	console.log(
		`Key ${id} is refused within a minute if it is secret, within a day if it is publishable; sooner while it is in use.`,
	);
}
