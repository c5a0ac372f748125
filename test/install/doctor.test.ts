// `postern doctor` before a real Postgres and PostgREST: each mistake is planted, named with exit code 1, and gone by what doctor prints.
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Mend } from "../../gateway/cli/doctor/finding.ts";
import { migrate } from "../../gateway/cli/migrate.ts";
import { issueToken } from "../../gateway/cli/stack/tokens.ts";
import { startApiGateway } from "../support/api-gateway.ts";
import { MISTAKES, type Mistake } from "../support/doctor/mistakes.ts";
import { makeWorld, type World } from "../support/doctor/world.ts";

const SCHEMA = `
	create schema api;
	grant usage on schema api to anon, authenticated;
	create table api.notes (id bigint primary key, body text);
	grant select on api.notes to anon, authenticated;
	select postern.track('api.notes', '2 seconds');
`;

/** A mistake may hide others, which are found when it is mended. */
const MAX_ROUNDS = 4;

const DECLARATION =
	/^select postern\.declare_cacheable\('api\.latest\(text\)', reads => '\{.*\}', claims => '\{\}'\)$/;

let world: World;

beforeAll(async () => {
	world = await makeWorld(SCHEMA);
});

afterAll(() => world.end());

it("exits with 0 where nothing is wrong, and with 1 where something is", async () => {
	expect(await world.postern("doctor")).toEqual({
		code: 0,
		output: "Nothing is wrong.\n",
		error: "",
	});
	world.set("DB_SCHEMAS", "public");
	expect(await world.postern("doctor")).toEqual({
		code: 1,
		output: `wrong: DB_SCHEMAS: PostgREST exposes the schemas api, the Worker plans for public
  mend (Worker's settings): DB_SCHEMAS='api'
`,
		error: "error: 1 thing is wrong.\n",
	});
	world.unset("DB_SCHEMAS");
	const { code, output } = await world.postern("doctor", "--json");
	expect(JSON.parse(output)).toEqual({
		findings: [],
		unchecked: [],
		notCacheable: [],
	});
	expect(code).toBe(0);
});

it("notes which roles of callers have no statement_timeout, and prints what sets one", async () => {
	const { owner } = world;
	const noted = async () => {
		const { findings } = await world.diagnose();
		return findings.map(({ problem, mend }) => [problem, mend.text]);
	};
	await owner.query(`
		alter role authenticator reset statement_timeout;
		alter role anon set statement_timeout = '0s';
		alter role authenticated set statement_timeout = '5s';
	`);
	const found = await noted();
	expect(found).toContainEqual([
		"A statement of the role anon may take for ever: it has no statement_timeout",
		`alter role "anon" set statement_timeout = '10s'`,
	]);
	expect(found.flat().join()).not.toContain("role authenticated");
	const { code, output } = await world.postern("doctor");
	expect([code, output]).toEqual([
		0,
		expect.stringMatching(
			/^note: statement timeouts: [\s\S]*^Nothing is wrong/m,
		),
	]);
	for (const [, statement = ""] of found) await owner.query(statement);
	expect(await noted()).toEqual([]);
	await owner.query(`
		alter role anon reset statement_timeout;
		alter role authenticator set statement_timeout = '8s';
	`);
	expect(await noted()).toEqual([]);
});

it("lists what is not cacheable by reasons, and its statements mend them", async () => {
	await world.owner.query(`
		create table api.drafts (id bigint primary key);
		create view api.drafts_and_notes as select id from api.drafts union all select id from api.notes;
		create function api.count_notes() returns bigint language plpgsql stable set search_path = '' as 'begin return (select count(*) from api.notes); end';
		create function api.latest(kind text) returns bigint language plpgsql stable set search_path = '' as 'declare found bigint; begin execute ''select max(id) from api.notes'' into found; return found; end';
		create function api.guess() returns double precision language sql stable return random();
	`);
	const before = await world.diagnose();
	expect(before.notCacheable).toEqual([
		{
			reason: "api.drafts is not tracked",
			relations: ["api.drafts", "api.drafts_and_notes"],
			functions: [],
			reads: expect.any(Number),
			mend: { by: "sql", text: "select postern.track('api.drafts')" },
		},
		{
			reason:
				"what api.count_notes() reads is not known: it is in PL/pgSQL: run `postern analyze`, or run what select postern.declaration_of('api.count_notes()'::regprocedure) gives",
			relations: [],
			functions: ["api.count_notes()"],
			reads: expect.any(Number),
			mend: { by: "command", text: "npx postern analyze" },
		},
		{
			reason: "random() is volatile",
			relations: [],
			functions: ["api.guess()"],
			reads: expect.any(Number),
			mend: undefined,
		},
		{
			reason:
				"what api.latest(text) reads is not known: it is in PL/pgSQL: run `postern analyze`, or run what select postern.declaration_of('api.latest(text)'::regprocedure) gives",
			relations: [],
			functions: ["api.latest(text)"],
			reads: expect.any(Number),
			mend: { by: "command", text: "npx postern analyze" },
		},
	]);
	expect(before.wrong).toEqual([]);
	await world.owner.query("select postern.track('api.drafts')");
	await runCommand("npx postern analyze");
	const after = await world.diagnose();
	expect(after.notCacheable).toMatchObject([
		{ functions: ["api.guess()"] },
		{
			functions: ["api.latest(text)"],
			mend: { by: "sql", text: expect.stringMatching(DECLARATION) },
		},
	]);
	await world.owner.query(after.notCacheable[1]?.mend?.text ?? "");
	expect((await world.diagnose()).notCacheable).toMatchObject([
		{ functions: ["api.guess()"] },
	]);
	await world.owner.query(
		"drop function api.guess(), api.count_notes(), api.latest(text); drop view api.drafts_and_notes; drop table api.drafts",
	);
});

it("checks what PostgREST shows where no database is given, and says what it did not check", async () => {
	await world.owner.query(
		"alter table api.notes disable trigger postern_insert",
	);
	const { wrong, unchecked } = await world.diagnose({ database: "" });
	expect(wrong).toMatchObject([
		{
			problem:
				"api.notes has a trigger postern_insert that is not ENABLE ALWAYS",
			mend: { text: "select postern.track('api.notes', '00:00:02')" },
		},
	]);
	expect(unchecked).toEqual([
		{
			check: "database",
			reason: "there is no --database and no DATABASE_URL",
		},
	]);
	await world.owner.query("select postern.track('api.notes', '2 seconds')");
});

it("knows PostgREST's version behind a proxy that replaces its header Server", async () => {
	world.set("ORIGIN_URL", await world.behind(() => ({ server: "cloudflare" })));
	expect((await world.diagnose()).findings).toEqual([]);
	world.restore("ORIGIN_URL");
});

it("notes a version that was not tested, where the settings allow it", async () => {
	world.set(
		"ORIGIN_URL",
		await world.behind(() => ({ server: "postgrest/17.0" })),
	);
	world.set("CACHE_UNTESTED_VERSIONS", "on");
	expect((await world.diagnose()).findings).toMatchObject([
		{ problem: "PostgREST 17 was not tested", isWrong: false },
	]);
	world.restore("ORIGIN_URL");
	world.unset("CACHE_UNTESTED_VERSIONS");
});

it("says that the database is not the one behind PostgREST", async () => {
	const other = new URL(world.databaseUrl);
	other.pathname = "/other";
	await world.owner.query("create database other template template0");
	await migrate({ databaseUrl: other.href, log: () => {} });
	const { wrong } = await world.diagnose({ database: other.href });
	expect(wrong).toMatchObject([
		{
			problem: "DATABASE_URL is not the database behind PostgREST",
			mend: { by: "operator" },
		},
	]);
});

it("says that an API gateway before PostgREST asks for a key", async () => {
	const gateway = await startApiGateway({
		origin: world.postgrestUrl,
		mount: "/rest/v1",
		keys: ["gateway-key"],
	});
	world.set("ORIGIN_URL", gateway.url);
	try {
		for (const key of [undefined, "another-key"]) {
			if (key !== undefined) world.set("ORIGIN_API_KEY", key);
			const { wrong } = await world.diagnose();
			expect(wrong).toMatchObject([
				{
					problem: expect.stringContaining("does not take ORIGIN_API_KEY"),
					mend: { text: expect.stringMatching(/^set ORIGIN_API_KEY to a key/) },
				},
			]);
		}
		world.set("ORIGIN_API_KEY", "gateway-key");
		expect((await world.diagnose()).wrong).toEqual([]);
	} finally {
		world.unset("ORIGIN_API_KEY");
		world.restore("ORIGIN_URL");
		await gateway.stop();
	}
});

it("takes no key of .env that the application's own settings replace", async () => {
	const own = {
		ORIGIN_JWT_SECRET: "a secret of thirty-two characters",
		UPSTREAM_URL: "https://project.supabase.co",
	};
	const replaced = ["ORIGIN_SIGNING_KEY", "TOKEN_SIGNING_KEY"];
	const { originSigningKey, tokenSigningKey } = world.credentials;
	const file = join(world.folder, ".env");
	await writeFile(
		file,
		`ORIGIN_SIGNING_KEY='${originSigningKey}'\nTOKEN_SIGNING_KEY='${tokenSigningKey}'\n`,
	);
	for (const name of replaced) world.unset(name);
	for (const [name, value] of Object.entries(own)) world.set(name, value);
	try {
		const { wrong } = await world.diagnose();
		expect(wrong).toMatchObject([
			{
				mend: {
					text: "give PostgREST as jwt-secret what ORIGIN_JWT_SECRET is",
				},
			},
		]);
	} finally {
		for (const name of Object.keys(own)) world.unset(name);
		for (const name of replaced) world.restore(name);
		await rm(file);
	}
});

describe("a caller's token that is refused", () => {
	it.each([
		[
			"of an issuer that the settings do not name",
			{ iss: "stranger", aud: "authenticated" },
			"The token is of the issuer stranger, which the settings do not name",
			'add an entry to ISSUERS: "issuer": "stranger"',
		],
		[
			"for another audience",
			{ iss: "postern", aud: "app" },
			'The token is for "app", the settings accept ["authenticated"] of postern',
			'set in ISSUERS, for postern: "audience": "app"',
		],
		[
			"with another role",
			{ iss: "postern", aud: "authenticated", role: "editor" },
			"The token of postern names no role that the settings accept: anon, authenticated",
			"set roleClaim, role or roles in ISSUERS, for postern",
		],
	])("%s", async (_, claims, problem, text) => {
		const token = await issueToken(
			world.credentials.tokenSigningKey,
			{ sub: "ada", role: "authenticated", ...claims },
			60,
		);
		const { wrong } = await world.diagnose({ token });
		expect(wrong).toMatchObject([{ problem, mend: { by: "operator", text } }]);
	});

	it("is not wrong where it is accepted", async () => {
		const token = await issueToken(
			world.credentials.tokenSigningKey,
			{ iss: "postern", aud: "authenticated", role: "authenticated" },
			60,
		);
		expect((await world.diagnose({ token })).wrong).toEqual([]);
	});
});

describe("a planted mistake is named, and gone by what doctor prints", () => {
	it.each(Object.entries(MISTAKES))("%s", async (_, mistake) => {
		await mistake.plant(world);
		let { wrong } = await world.diagnose();
		expect(wrong).toContainEqual({
			check: expect.any(String),
			problem: matching(mistake.problem),
			mend: { by: mistake.by, text: matching(mistake.mend) },
			isWrong: true,
		});
		for (let round = 0; round < MAX_ROUNDS && wrong.length > 0; round++) {
			for (const { mend } of wrong) await apply(mend, mistake);
			({ wrong } = await world.diagnose());
		}
		expect(wrong).toEqual([]);
	});
});

async function runCommand(text: string): Promise<void> {
	const [, words = ""] = /^npx postern (.+)$/.exec(text) ?? [];
	expect(await world.postern(...words.split(" "))).toMatchObject({ code: 0 });
}

function matching(text: string | RegExp) {
	return typeof text === "string" ? text : expect.stringMatching(text);
}

async function apply({ by, text }: Mend, { operate }: Mistake): Promise<void> {
	switch (by) {
		case "sql":
			await world.owner.query(text);
			break;
		case "command":
			await runCommand(text);
			break;
		case "postgrest": {
			const [, name = "", value = ""] = /^([\w-]+) = (.*)$/.exec(text) ?? [];
			const variable = `PGRST_${name.toUpperCase().replaceAll("-", "_")}`;
			await world.configure(variable, String(JSON.parse(value)));
			break;
		}
		case "worker": {
			const [, name = "", value = ""] = /^(\w+)='(.*)'$/.exec(text) ?? [];
			world.set(name, value);
			break;
		}
		case "operator":
			if (operate === undefined)
				throw new Error(`The test has no step for: ${text}`);
			await operate(world);
	}
}
