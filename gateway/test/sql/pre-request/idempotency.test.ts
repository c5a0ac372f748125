// postern.pre_request(): a key is claimed in the write's own transaction, for its caller, once. Reads cost and change nothing.

import { randomUUID } from "node:crypto";
import type pg from "pg";
import { describe } from "vitest";
import { it as tracked } from "../support/tracked.ts";

const NOTES = `
	create table api.notes (id bigint generated always as identity primary key, body text);
	grant insert, select on api.notes to anon, authenticated;
	select postern.track('api.notes')`;

const it = tracked
	/** A connection of a caller's, where there are notes. */
	.extend("client", async ({ owner, connect }) => {
		await owner.query(NOTES);
		return connect();
	});

interface Write {
	role?: string;
	claims?: object;
	key?: string;
	request?: string;
	claim?: string;
	/** The whole header, where it is not made of these. */
	header?: string;
	mode?: "read only" | "read write";
}

/** Begins a transaction as PostgREST does, up to its pre-request function. */
async function begin(
	client: pg.Client,
	{
		role = "authenticated",
		claims = { role, iss: "test", sub: "ada" },
		key = "k",
		request = "r",
		claim = randomUUID(),
		header = `${claim} ${key} ${request}`,
		mode = "read write",
	}: Write = {},
	preRequest = "postern.pre_request()",
): Promise<string> {
	await client.query(`begin ${mode}`);
	await client.query(
		"select set_config('role', $1, true), set_config('request.jwt.claims', $2, true), set_config('request.headers', $3, true)",
		[
			role,
			JSON.stringify(claims),
			JSON.stringify({ accept: "*/*", "postern-claim": header }),
		],
	);
	await client.query(`select ${preRequest}`);
	return claim;
}

/** A whole request that inserts a note. @returns its claim, or how it was refused */
async function write(client: pg.Client, sent: Write = {}, preRequest?: string) {
	try {
		const claim = await begin(client, sent, preRequest);
		await client.query("insert into api.notes (body) values ('one')");
		await client.query("commit");
		return { claim };
	} catch (error) {
		await client.query("rollback");
		const { code, message, detail } = error as pg.DatabaseError;
		return { code, message, ...(detail ? { detail } : {}) };
	}
}

async function notes(owner: pg.Client): Promise<number> {
	const { rows } = await owner.query(
		"select count(*)::integer as count from api.notes",
	);
	return rows[0].count;
}

describe("a key", () => {
	it("lets one write pass, and tells a repeat which attempt that was", async ({
		owner,
		client,
		expect,
	}) => {
		const { claim } = await write(client);
		expect(await write(client)).toEqual({
			code: "PT409",
			message: "idempotency_done",
			detail: claim,
		});
		expect(await notes(owner)).toBe(1);
	});

	it("is free again where its write is rolled back", async ({
		owner,
		client,
		expect,
	}) => {
		await begin(client);
		await client.query("insert into api.notes (body) values ('lost')");
		await client.query("rollback");
		expect(await write(client)).toHaveProperty("claim");
		expect(await notes(owner)).toBe(1);
	});

	it("is free again where the connection ends before the commit", async ({
		owner,
		connect,
		client,
		expect,
	}) => {
		const killed = await connect();
		killed.on("error", () => {});
		await begin(killed);
		const { rows } = await killed.query("select pg_backend_pid() as pid");
		await owner.query("select pg_terminate_backend($1, 5000)", [rows[0].pid]);
		expect(await write(client)).toHaveProperty("claim");
		expect(await notes(owner)).toBe(1);
	});

	it("refuses another request", async ({ client, expect }) => {
		await write(client);
		expect(await write(client, { request: "other" })).toEqual({
			code: "PT422",
			message: "idempotency_key_reused",
		});
	});

	it("is refused at once while its write is under way", async ({
		connect,
		client,
		expect,
	}) => {
		const slow = await connect();
		const claim = await begin(slow);
		await client.query("set lock_timeout = '2s'");
		expect(await write(client)).toEqual({
			code: "PT409",
			message: "idempotency_in_flight",
		});
		await slow.query("insert into api.notes (body) values ('slow')");
		await slow.query("commit");
		expect(await write(client)).toMatchObject({ detail: claim });
	});

	it.for<[string, Write]>([
		["another subject", { claims: { iss: "test", sub: "bob" } }],
		["another issuer's subject", { claims: { iss: "other", sub: "ada" } }],
		["another role", { role: "anon" }],
		["no subject", { claims: { role: "authenticated" } }],
		["an empty subject", { claims: { iss: "test", sub: "", name: "x" } }],
		["another key", { key: "k2" }],
	])(
		"is independent of the same key of %s",
		async ([_, other], { owner, client, expect }) => {
			expect(await write(client)).toHaveProperty("claim");
			expect(await write(client, other)).toHaveProperty("claim");
			expect(await write(client, other)).toHaveProperty("detail");
			expect(await notes(owner)).toBe(2);
		},
	);

	it("stays a caller's when their token is refreshed", async ({
		client,
		expect,
	}) => {
		for (const claims of [{ iss: "test", sub: "ada" }, { name: "robot" }]) {
			const key = JSON.stringify(claims).replaceAll(" ", "");
			await write(client, { key, claims: { ...claims, exp: 1, iat: 0 } });
			expect(
				await write(client, { key, claims: { ...claims, exp: 9, jti: "2" } }),
			).toHaveProperty("message", "idempotency_done");
		}
	});

	it("may be claimed twice by one request", async ({
		owner,
		client,
		expect,
	}) => {
		const twice = "postern.pre_request(), postern.pre_request()";
		expect(await write(client, {}, twice)).toHaveProperty("claim");
		expect(await notes(owner)).toBe(1);
	});

	it("can be used again when it has expired, and is pruned later", async ({
		owner,
		client,
		expect,
	}) => {
		await write(client);
		await write(client, { key: "k2" });
		const age = (hours: number) =>
			owner.query(
				`update postern.idempotency_claims set claimed_at = clock_timestamp() - interval '${hours} hours'`,
			);
		await age(24.1);
		expect(await write(client, { request: "other" })).toHaveProperty("claim");
		const count = async () =>
			(await owner.query("select from postern.idempotency_claims")).rowCount;
		await owner.query("select postern.prune()");
		expect(await count()).toBe(2);
		await age(25.1);
		await owner.query("select postern.prune(batch => 1)");
		expect(await count()).toBe(1);
		await owner.query("select postern.prune()");
		expect(await count()).toBe(0);
	});

	it("is not pruned while it is claimed again, which pruning does not wait for", async ({
		owner,
		client,
		expect,
	}) => {
		await write(client);
		await owner.query(
			"update postern.idempotency_claims set claimed_at = clock_timestamp() - interval '26 hours'",
		);
		const claim = await begin(client);
		await owner.query("set lock_timeout = '2s'");
		await owner.query("select postern.prune()");
		await client.query("commit");
		await owner.query("select postern.prune()");
		expect(await write(client)).toMatchObject({ detail: claim });
	});
});

it("a random history applies no write twice", async ({
	owner,
	connect,
	expect,
}) => {
	await owner.query(NOTES);
	await owner.query("alter table api.notes add constraint once unique (body)");
	const keys = Array.from({ length: 40 }, (_, number) => `key${number}`);
	const done = new Set<string>();
	const outcomes: string[] = [];
	const work = async () => {
		const killer = await connect();
		let client = await connect();
		client.on("error", () => {});
		for (let step = 0; step < 60; step += 1) {
			const key = keys[Math.floor(Math.random() * keys.length)] ?? "";
			try {
				await begin(client, { key });
				await client.query("insert into api.notes (body) values ($1)", [key]);
				if (Math.random() < 0.1) {
					const { rows } = await client.query("select pg_backend_pid() as pid");
					await killer.query("select pg_terminate_backend($1, 5000)", [
						rows[0].pid,
					]);
				}
				await client.query(Math.random() < 0.3 ? "rollback" : "commit");
			} catch (error) {
				const { message } = error as Error;
				outcomes.push(message);
				if (message === "idempotency_done") done.add(key);
				await client.query("rollback").catch(async () => {
					client = await connect();
					client.on("error", () => {});
				});
			}
		}
	};
	await Promise.all(Array.from({ length: 6 }, work));
	// A second write of a key would have broken the constraint.
	expect(outcomes.filter((outcome) => /duplicate/.test(outcome))).toEqual([]);
	expect(outcomes).toContain("idempotency_done");
	const { rows } = await owner.query("select body from api.notes");
	const written = rows.map(({ body }) => body);
	expect(written).toEqual(expect.arrayContaining([...done]));
});

describe("a read", () => {
	it("claims nothing, with a key or without", async ({
		owner,
		client,
		expect,
	}) => {
		await begin(client, { mode: "read only" });
		await client.query("commit");
		const { rowCount } = await owner.query(
			"select from postern.idempotency_claims",
		);
		expect(rowCount).toBe(0);
		expect(await write(client)).toHaveProperty("claim");
	});
});

describe("a malformed claim", () => {
	it.for(["", "one two"])(
		"is refused: %j",
		async (header, { owner, client, expect }) => {
			expect(await write(client, { header })).toMatchObject({ code: "PT400" });
			expect(await notes(owner)).toBe(0);
		},
	);
});

describe("answers", () => {
	it("are kept for the claim that committed, and for no other", async ({
		connect,
		client,
		expect,
	}) => {
		const { claim } = await write(client);
		const gateway = await connect();
		await gateway.query("set role postern");
		const kept = async (asked: unknown) =>
			(await gateway.query("select postern.kept_answer($1) as answer", [asked]))
				.rows[0].answer;
		const keep = async (asked: unknown) =>
			(
				await gateway.query("select postern.keep_answer($1, $2) as is_kept", [
					asked,
					{ status: 201 },
				])
			).rows[0].is_kept;
		expect(await kept(claim)).toBeNull();
		expect(await keep(randomUUID())).toBe(false);
		expect(await keep(claim)).toBe(true);
		expect(await kept(claim)).toEqual({ status: 201 });
	});

	it.for(["anon", "authenticated"])(
		"are not for %s, nor are the claims",
		async (role, { owner, connect, expect }) => {
			await owner.query(NOTES);
			const caller = await connect();
			await caller.query(`set role ${role}`);
			for (const statement of [
				"select postern.kept_answer(gen_random_uuid())",
				"select postern.keep_answer(gen_random_uuid(), '{}')",
				"select postern.prune_claims(1)",
				"select from postern.idempotency_claims",
			])
				await expect(caller.query(statement)).rejects.toThrow(
					"permission denied",
				);
		},
	);
});

describe("the gateway", () => {
	it("learns whether the function is called before its requests", async ({
		owner: _,
		connect,
		expect,
	}) => {
		const client = await connect();
		const claimsKeys = async () => {
			const { rows } = await client.query(
				"select postern.claims_keys() as found",
			);
			await client.query("commit");
			return rows[0].found;
		};
		const probe = { role: "postern", header: "probe" };
		await begin(client, probe);
		expect(await claimsKeys()).toBe(true);
		await begin(client, probe, "1");
		expect(await claimsKeys()).toBe(false);
	});
});

describe("caching", () => {
	const preRequestOf = async (owner: pg.Client, name: string) =>
		(
			await owner.query(
				"select postern.catalog('{api}', $1) -> 'preRequest' as found",
				[name],
			)
		).rows[0].found;

	it("goes on with the function, and depends on nothing more", async ({
		owner,
		expect,
	}) => {
		await owner.query(NOTES);
		expect(await preRequestOf(owner, "postern.pre_request")).toMatchObject({
			reads: [],
			claims: [],
			headers: [],
			cookies: [],
			readsClock: false,
			reasons: [],
		});
	});

	it.for<[string, string]>([
		[
			"a body that is parsed",
			"begin atomic %s; select postern.pre_request(); end",
		],
		["a body of text", "as 'select postern.pre_request()'"],
	])(
		"goes on with a function of the operator's own that calls it: %s",
		async ([_, form], { owner, connect, expect }) => {
			await owner.query(NOTES);
			const read = "select from api.notes where body = current_user";
			await owner.query(
				`create schema private; grant usage on schema private to public;
			create function private.check() returns void language sql stable ${form.replace("%s", read)}`,
			);
			await owner.query("select postern.analyze_functions()");
			expect(await preRequestOf(owner, "private.check")).toMatchObject({
				reasons: [],
				headers: [],
				reads: form.includes("%s") ? ["api.notes"] : [],
			});
			const client = await connect();
			const own = "private.check()";
			expect(await write(client, {}, own)).toHaveProperty("claim");
			expect(await write(client, {}, own)).toHaveProperty("detail");
		},
	);
});
