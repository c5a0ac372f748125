// `postern types` in an application's folder: tsc checks supabase-js by what it writes for a database.
import { randomBytes } from "node:crypto";
import { mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { query } from "../../gateway/test/sql/support/query.ts";
import { stack } from "../support/client.ts";
import {
	COMMAND,
	type Outcome,
	ownEnvironment,
	runScript,
} from "../support/command.ts";
import { PROJECT } from "../support/project.ts";

const TSC = join(PROJECT, "node_modules", "typescript", "bin", "tsc");
const DATABASE = `postern_types_${randomBytes(4).toString("hex")}`;

const SCHEMA = `
	create schema shop;
	create schema hidden;
	create type shop.state as enum ('open', 'paid');
	create table shop.customers (id bigint generated always as identity primary key, name text not null, tags text[] not null default '{}');
	create table shop.orders (id bigint primary key, customer_id bigint not null references shop.customers, state shop.state not null, note text);
	create table hidden.secrets (id int primary key);
	create view shop.open_orders as select id, note from shop.orders where state = 'open';
	create function shop.total(customer bigint, since date default null) returns numeric language sql stable return 1;
	create table public.pages (id int primary key, body jsonb);
`;

/** tsc has to refuse the lines that end in "refused", and no other. */
const CLIENT = `import { createClient } from "@supabase/supabase-js";
import type { Database, Enums, Tables } from "./made/database.js";

const client = createClient<Database, "shop">("http://localhost", "key", { db: { schema: "shop" } });

export async function right() {
	const { data } = await client.from("orders").select("id, note, customers(name, tags)").eq("state", "paid").single().throwOnError();
	const note: string | null = data.note;
	const tags: string[] = data.customers.tags;
	await client.from("customers").insert({ name: "ada" });
	await client.from("orders").update({ note: null }).eq("id", 1);
	const open = await client.from("open_orders").select("note").throwOnError();
	const total = await client.rpc("total", { customer: 1 }).throwOnError();
	const sum: number = total.data;
	const page = await client.schema("public").from("pages").select("body").throwOnError();
	const order: Tables<"orders"> = { id: 1, customer_id: 1, state: "open", note: null };
	return [note, tags, open.data[0]?.note, sum, page.data[0]?.body, order];
}

export async function wrong() {
	const { data } = await client.from("orders").select("id, note").single().throwOnError();
	const note: number = data.note; // refused
	const { customer_id } = data; // refused
	const { data: other } = await client.from("orders").select("id, total").single().throwOnError();
	const id: number = other.id; // refused
	client.from("invoices"); // refused
	client.from("secrets"); // refused
	client.from("customers").insert({ tags: [] }); // refused
	client.from("customers").insert({ id: 1, name: "ada" }); // refused
	client.from("orders").update({ state: "lost" }); // refused
	client.rpc("sum"); // refused
	client.rpc("total", { customer: "ada" }); // refused
	client.schema("hidden"); // refused
	const state: Enums<"state"> = "lost"; // refused
	return [note, customer_id, id, state];
}
`;

const TSCONFIG = {
	compilerOptions: {
		target: "es2024",
		lib: ["es2024", "dom"],
		module: "esnext",
		moduleResolution: "bundler",
		types: [],
		strict: true,
		skipLibCheck: true,
		noEmit: true,
	},
	files: ["client.ts"],
};

let folder: string;
let databaseUrl: string;

beforeAll(async () => {
	const url = new URL(stack.databaseUrl);
	url.pathname = DATABASE;
	databaseUrl = url.href;
	await query(stack.databaseUrl, `create database ${DATABASE}`);
	await query(databaseUrl, SCHEMA);
	folder = await mkdtemp(join(tmpdir(), "postern-types-"));
	await symlink(join(PROJECT, "node_modules"), join(folder, "node_modules"));
	await writeFile(join(folder, "client.ts"), CLIENT);
	await writeFile(join(folder, "tsconfig.json"), JSON.stringify(TSCONFIG));
});

afterAll(async () => {
	await rm(folder, { recursive: true });
	await query(stack.databaseUrl, `drop database ${DATABASE} with (force)`);
});

it("writes types by which supabase-js accepts what the database has, and refuses all else", async () => {
	const call = ["--schemas", "shop, public", "--out", "made/database.ts"];
	expect(await types(...call)).toEqual({ code: 0, output: "", error: "" });
	const { output } = await run(TSC, []);
	const lines = [...output.matchAll(/^client\.ts\((\d+),\d+\): error TS/gm)];
	expect(lines.map(([, line]) => CLIENT.split("\n")[Number(line) - 1])).toEqual(
		CLIENT.split("\n").filter((line) => line.endsWith("// refused")),
	);
});

it("writes to standard output without --out, the schemas of DB_SCHEMAS", async () => {
	const { output } = await run(COMMAND, ["types"], { DB_SCHEMAS: "public" });
	expect(output).toMatch(/^export type Json =[\s\S]*\bpages: \{/);
	expect(output).not.toContain("customers");
});

it("names a schema that the database does not have, and a file that it cannot write", async () => {
	expect(await types("--schemas", "shop,store,api")).toEqual({
		code: 1,
		output: "",
		error:
			"error: The database has no schema store, api: --schemas names PostgREST's db-schemas.\n",
	});
	const { code, error } = await types("--schemas", "shop", "--out", ".");
	expect(error).toMatch(/^error: --out: EISDIR[^\n]+\n$/);
	expect(code).toBe(1);
});

function types(...options: string[]) {
	return run(COMMAND, ["types", ...options]);
}

function run(
	script: string,
	args: readonly string[],
	variables: Record<string, string> = {},
): Promise<Outcome> {
	const env = ownEnvironment({ DATABASE_URL: databaseUrl, ...variables });
	return runScript(script, args, { cwd: folder, env });
}
