// The program `postern` in an empty database: applied by an owner who is no superuser, and removed with its schema.

import { randomBytes } from "node:crypto";
import pg from "pg";
import { describe } from "vitest";
import { readCatalog } from "./support/catalog.ts";
import { Poller } from "./support/poller.ts";
import { program, it as tracked } from "./support/tracked.ts";

/** The database is empty: the program is what is tested. */
const it = tracked.extend("template", async () => "template1");

/** An owner as in a managed database: it owns the database, and has no right on the server. */
const managed = it.extend(
	"owned",
	async ({ database: { client, url } }, { onCleanup }) => {
		const name = `owner_${randomBytes(4).toString("hex")}`;
		const password = randomBytes(8).toString("hex");
		await client.query(
			`create role ${name} login password '${password}'; grant create on database ${new URL(url).pathname.slice(1)} to ${name}`,
		);
		const ownerUrl = new URL(url);
		ownerUrl.username = name;
		ownerUrl.password = password;
		const owner = new pg.Client({ connectionString: ownerUrl.href });
		await owner.connect();
		const warnings: string[] = [];
		owner.on("notice", ({ severity, message }) => {
			if (severity === "WARNING") warnings.push(message ?? "");
		});
		onCleanup(async () => {
			await owner.end();
			await client.query(`drop owned by ${name} cascade; drop role ${name}`);
		});
		await owner.query(program);
		await owner.query(
			"create schema api; create table api.notes (id bigint primary key, body text); select postern.track_schema('api')",
		);
		return { owner, warnings };
	},
);

it("is removed with its schema, and leaves nothing in the tables that it tracked", async ({
	database: { client },
	expect,
}) => {
	const before = await readCatalog(client);
	await client.query(program);
	await client.query(
		"create schema api; create table api.notes (id int); select postern.track_schema('api')",
	);
	await client.query("drop schema postern cascade");
	await client.query("drop schema api cascade");
	expect(await readCatalog(client)).toEqual(before);
});

it("has API keys without the program `accounts`", async ({
	database: { client },
	expect,
}) => {
	await client.query(program);
	const { rows: made } = await client.query(
		"select postern.create_api_key('A program', 'secret', 'service') as key",
	);
	const find = async () => {
		const { rows } = await client.query(
			"select postern.find_api_key(encode(sha256(convert_to($1, 'UTF8')), 'hex')) as found",
			[made[0].key],
		);
		return rows[0].found;
	};
	expect(await find()).toEqual({
		outcome: "ok",
		kind: "secret",
		role: "service",
	});
	await client.query(
		"select postern.revoke_api_key(max(id)) from postern.api_keys",
	);
	expect(await find()).toEqual({ outcome: "unknown" });
	const { rows: users } = await client.query(
		"select to_regclass('auth.users') as users",
	);
	expect(users).toEqual([{ users: null }]);
});

describe("an owner who may not make event triggers", () => {
	managed("is warned, and told what is lost", async ({ owned, expect }) => {
		expect(owned.warnings).toEqual([
			expect.stringContaining("there are no event triggers"),
		]);
		const { rows } = await owned.owner.query(
			"select postern.status() as status",
		);
		expect(rows[0].status).toMatchObject({
			isWatched: false,
			lost: expect.arrayContaining([expect.stringContaining("REFRESH")]),
			tracked: [{ relation: "api.notes", reason: null }],
		});
	});

	managed(
		"has changes logged all the same",
		async ({ owned, connect, expect }) => {
			const poller = new Poller(await connect());
			await poller.poll();
			await owned.owner.query("insert into api.notes values (1)");
			expect(await poller.tags()).toEqual(["api.notes", "api.notes(1)"]);
			await owned.owner.query("select postern.prune()");
		},
	);

	managed(
		"sees in the catalog what is not tracked any more",
		async ({ owned: { owner }, expect }) => {
			const catalog = async () => {
				const { rows } = await owner.query(
					"select postern.catalog('{api}') as catalog",
				);
				return rows[0].catalog;
			};
			const digest = async () => {
				const { rows } = await owner.query("select postern.digest() as digest");
				return rows[0].digest;
			};
			const before = await digest();
			expect((await catalog()).relations[0]).toMatchObject({ reasons: [] });
			await owner.query(
				"alter table api.notes rename to papers; alter table api.papers drop constraint notes_pkey; create materialized view api.copied as select 1 as one",
			);
			expect(await digest()).not.toBe(before);
			expect((await catalog()).relations).toMatchObject([
				{
					name: "copied",
					reasons: [expect.stringContaining("no event triggers")],
				},
				{
					name: "papers",
					reasons: [expect.stringContaining("out of date")],
				},
			]);
			await owner.query("select postern.track('api.papers')");
			expect((await catalog()).relations[1]).toMatchObject({
				reasons: [],
				tag: "api.papers",
			});
		},
	);
});
