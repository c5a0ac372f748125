// The package as adopters install it: packed, installed in an empty folder, and used there as docs/adoption.md says, in front of a real PostgREST.
import { execFile } from "node:child_process";
import {
	mkdir,
	mkdtemp,
	readdir,
	readFile,
	rm,
	symlink,
	writeFile,
} from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import { promisify } from "node:util";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { freePort } from "../../gateway/cli/stack/ports.ts";
import {
	startWranglerDev,
	workerVariables,
} from "../../gateway/cli/stack/wrangler.ts";
import { shellBlocks } from "../support/adoption/document.ts";
import {
	makeProject,
	type SupabaseProject,
} from "../support/adoption/project.ts";
import { beginStory } from "../support/adoption/story.ts";
import { stack } from "../support/client.ts";
import { MAX_BYTES } from "../support/workerd/bundle.ts";

const execute = promisify(execFile);
const ROOT = join(import.meta.dirname, "..", "..");
const PACKAGE = join(ROOT, "gateway");

/** The adopter's other tools, taken from this repository so that they are not downloaded again. */
const TOOLS = ["wrangler", "typescript"];

const { postgrestUrl, credentials } = stack;

let folder: string;
let tarballFile: string;
let packed: string[];
let adoption: string;

beforeAll(async () => {
	folder = await mkdtemp(join(tmpdir(), "postern-adopter-"));
	adoption = await readFile(join(ROOT, "docs", "adoption.md"), "utf8");
	const { stdout } = await npm(
		["pack", "--json", "--pack-destination", folder],
		PACKAGE,
	);
	const [tarball] = JSON.parse(stdout.slice(stdout.indexOf("[\n")));
	tarballFile = join(folder, tarball.filename);
	packed = tarball.files.map(({ path }: { path: string }) => path);
	await write("package.json", '{ "private": true, "type": "module" }');
	await npm(["install", "--no-audit", "--no-fund", tarball.filename], folder);
	for (const tool of TOOLS) {
		await symlink(packageFolder(tool), join(folder, "node_modules", tool));
	}
	await execute("npx", ["postern", "init", "--worker"], { cwd: folder });
}, 300_000);

afterAll(() => rm(folder, { recursive: true }));

describe("the tarball", () => {
	it("contains the build, the SQL and the documents, and nothing else", async () => {
		const sql = await filesBelow("sql");
		const cli = await filesBelow("cli");
		// A chunk that several entries share has a hash in its name.
		const others = packed.filter(
			(path) => !SHARED.test(path) && !path.startsWith(OF_THE_WORKER),
		);
		expect(others.sort()).toEqual(
			[
				"LICENSE",
				"README.md",
				"dist/client/index.d.ts",
				"dist/client/index.js",
				"dist/index.d.ts",
				"dist/index.js",
				"dist/routes.d.ts",
				"dist/routes.js",
				"dist/worker.d.ts",
				"dist/worker.js",
				"dist/zod.d.ts",
				"dist/zod.js",
				"package.json",
				...cli.map((path) => `dist/${path.replace(/\.ts$/, ".js")}`),
				...sql,
			].sort(),
		);
	});
});

describe("an empty folder with the package", { timeout: 120_000 }, () => {
	it("gets from `postern init` the files that docs/adoption.md shows", async () => {
		for (const file of ["wrangler.jsonc", "src/index.ts", "tsconfig.json"])
			expect(await readFile(join(folder, file), "utf8")).toBe(
				snippet(`\`${file}\`:`),
			);
	});

	it("answers requests through the Worker of five lines", async () => {
		expect(await askThrough("wrangler.jsonc")).toEqual([200, "0-0/*"]);
	});

	it("answers requests through the Worker that needs no code", async () => {
		const [, main] = /"main": "(node_modules\/[^"]+)"/.exec(adoption) ?? [];
		const config = snippet("`wrangler.jsonc`:");
		await write(
			"no-code.jsonc",
			config.replace('"main": "src/index.ts"', `"main": "${main}"`),
		);
		expect(await askThrough("no-code.jsonc")).toEqual([200, "0-0/*"]);
	});

	it("makes of it a small Worker", async () => {
		await node("wrangler", [
			...["deploy", "--dry-run"],
			...["--config", "no-code.jsonc", "--outdir", "bundled"],
		]);
		const bundle = await readFile(join(folder, "bundled", "worker.js"));
		expect(gzipSync(bundle).length).toBeLessThan(MAX_BYTES.withoutRoutes);
	});

	it("has the command", async () => {
		const help = await execute("npx", ["postern", "--help"], { cwd: folder });
		const sql = await execute("npx", ["postern", "sql"], { cwd: folder });
		expect([help.stdout, sql.stdout]).toEqual([
			expect.stringContaining("Usage: postern"),
			expect.stringContaining("create schema"),
		]);
	});

	it("type-checks every declaration of the package, and a route with a typed database", async () => {
		await write("src/routes/authors.ts", snippet("`src/routes/authors.ts`:"));
		await write("src/typed.ts", TYPED);
		await write("tsconfig.json", snippet("`tsconfig.json`:"));
		await node("wrangler", ["types"]);
		expect(await typeErrors()).toEqual([]);
		expect(await typeErrors("--exactOptionalPropertyTypes")).toEqual([]);
	});

	it("rejects code that contradicts the types of the database, of the refusals and of the client", async () => {
		await write("src/typed.ts", MISTYPED);
		expect(await typeErrors()).toEqual([
			"src/typed.ts(14,34): error TS2769",
			"src/typed.ts(20,20): error TS2345",
			"src/typed.ts(24,17): error TS2322",
			"src/typed.ts(27,31): error TS2345",
		]);
	});
});

describe("the commands of docs/adoption.md, in an empty folder", {
	timeout: 240_000,
}, () => {
	let project: SupabaseProject;
	let parent: string;
	let installed: string | undefined;

	beforeAll(async () => {
		project = await makeProject();
		parent = await mkdtemp(join(tmpdir(), "postern-adoption-"));
	}, 60_000);

	afterAll(async () => {
		await project.end();
		await rm(parent, { recursive: true });
	});

	const supabase = (owner: string) => ({
		DATABASE_URL: owner,
		SUPABASE: project.url,
		JWT_SECRET: project.jwtSecret,
	});
	const PATHS: [heading: string, () => Record<string, string>][] = [
		[
			"### In front of PostgREST",
			() => ({
				DATABASE_URL: project.superuserUrl,
				POSTGREST_DB_URI: project.as("authenticator"),
				SCHEMA: "public",
			}),
		],
		[
			"### In front of a self-hosted Supabase",
			() => ({
				...supabase(project.superuserUrl),
				ANON_KEY: project.anonKey,
			}),
		],
		[
			"### In front of a hosted Supabase",
			() => ({
				...supabase(project.as("project_owner")),
				PUBLISHABLE_KEY: project.publishableKey,
			}),
		],
	];

	it.each(PATHS)(
		"%s: at most ten lead to a hit, and those below `Take it away` back",
		async (heading, own) => {
			const ports = heading.endsWith("PostgREST") ? ["PGRST_SERVER_PORT"] : [];
			const before = await project.read("/films?limit=1");
			const story = await beginStory({
				page: adoption,
				heading,
				variables: {
					...own(),
					POSTERN: tarballFile,
					TABLE: "films",
					...(await freePorts("POSTERN_PORT", ...ports)),
				},
				folder: await mkdtemp(join(parent, "path-")),
				installed,
			});
			installed = story.folder;
			try {
				expect(story.length).toBeLessThanOrEqual(10);
				await expect
					.poll(story.ask, { timeout: 60_000, interval: 300 })
					.toEqual([
						expect.stringMatching(
							/^HTTP\/1.1 200[\s\S]*^cache-status: Postern; hit/im,
						),
						before,
					]);
				expect(await story.check()).toMatch(/^Nothing is wrong/m);
			} finally {
				await story.end();
			}
			const [remove = "", forget = ""] = shellBlocks(
				adoption,
				"## Take it away",
				2,
			);
			if (heading.endsWith("Supabase")) await story.run(forget);
			await story.run(remove);
			expect(await project.findAdded()).toEqual([]);
			expect(await project.read("/films?limit=1")).toBe(before);
		},
	);
});

async function freePorts(...names: string[]): Promise<Record<string, string>> {
	const ports: Record<string, string> = {};
	for (const name of names) ports[name] = String(await freePort());
	return ports;
}

/** The command goes by the Worker's own rules: of settings, contracts, tokens. */
const OF_THE_WORKER = "dist/cli/src/";

/** A chunk that several entries of the library share. */
const SHARED = /^dist\/[\w-]+-[\w-]{8}\.(d\.ts|js)$/;

/** The files below a folder of the package, by their paths in the package. */
async function filesBelow(name: string): Promise<string[]> {
	const entries = await readdir(join(PACKAGE, name), {
		recursive: true,
		withFileTypes: true,
	});
	return entries
		.filter((entry) => entry.isFile())
		.map((entry) => relative(PACKAGE, join(entry.parentPath, entry.name)));
}

/** Reads from PostgREST through the Worker of this configuration: the status, and PostgREST's mark on its answer. */
async function askThrough(config: string): Promise<[number, string | null]> {
	const worker = await startWranglerDev({
		config: join(folder, config),
		port: await freePort(),
		variables: workerVariables(postgrestUrl, credentials),
		variablesFile: join(folder, "variables.env"),
		log: () => {},
	});
	try {
		const response = await fetch(`${worker.url}/rest/v1/rescues?limit=1`);
		await response.text();
		return [response.status, response.headers.get("content-range")];
	} finally {
		await worker.stop();
	}
}

/** The code block of docs/adoption.md below the line that begins so. */
function snippet(line: string): string {
	const [, block] = adoption.split(`\n${line}\n`);
	const [, code] = /^\n```\w+\n([\s\S]*?\n)```/.exec(block ?? "") ?? [];
	if (code === undefined) throw new Error(`docs/adoption.md has no ${line}`);
	return code;
}

/** The errors of `tsc`, each as its place and number. */
async function typeErrors(...options: string[]): Promise<string[]> {
	const output = await node("typescript", options, "tsc").then(
		({ stdout }) => stdout,
		({ stdout }: { stdout: string }) => stdout,
	);
	return output
		.split("\n")
		.filter((line) => line.includes("error TS"))
		.map((line) => line.replace(/(error TS\d+).*$/, "$1"));
}

async function write(path: string, text: string) {
	const file = join(folder, path);
	await mkdir(dirname(file), { recursive: true });
	await writeFile(file, text);
}

function npm(args: string[], cwd: string) {
	return execute("npm", args, { cwd });
}

/** Runs a tool's program in the folder. */
function node(tool: string, args: string[], program = tool) {
	const bin = createRequire(import.meta.url)(`${tool}/package.json`).bin;
	return execute(
		process.execPath,
		[join(packageFolder(tool), bin[program]), ...args],
		{
			cwd: folder,
			env: { ...process.env, WRANGLER_SEND_METRICS: "false" },
		},
	);
}

function packageFolder(name: string): string {
	return dirname(
		createRequire(import.meta.url).resolve(`${name}/package.json`),
	);
}

/** The schema's types, as `supabase gen types` writes them. */
const DATABASE = `
interface Database {
	api: {
		Tables: { authors: { Row: { id: number; name: string }; Insert: { name: string }; Update: { name?: string }; Relationships: [] } };
		Views: {};
		Functions: {};
	};
}`.trim();

const TYPED = `import { createPostern } from "postern";
import { causal } from "postern/client";
import worker from "postern/worker";
import { createRouter, defineRefusals } from "postern/routes";
import { authors } from "./routes/authors.js";

${DATABASE}
const typed = createRouter<Database>();
typed.get("/", async (context) => {
	const { data } = await context.var.database.from("authors").select("id,name").throwOnError();
	const names: string[] = data.map(({ name }) => name);
	return context.json({ names, role: context.var.identity.role });
});
const own = { author_retired: { status: 409, message: "The author writes no more" } } as const;
const { Refusal, refusals } = defineRefusals(own);
export const described = refusals("not_found", "author_retired");
export const thrown = () => { throw new Refusal("author_retired", { details: "since 1999" }); };
export const fetchCausally: typeof fetch = causal(fetch);
const postern = createPostern({ routes: { "/typed": typed, "/authors": authors }, refusals: own, constraints: { author_is_active: "author_retired" } });
export default postern satisfies ExportedHandler<Env>;
export const noCode = worker satisfies ExportedHandler<Env>;
`;

const MISTYPED = `import { createPostern } from "postern";
import { causal } from "postern/client";
import { createRouter, defineRefusals } from "postern/routes";

${DATABASE}
const typed = createRouter<Database>();
typed.get("/", async (context) => {
	await context.var.database.from("poems").select();
	return context.body(null);
});
const own = { author_retired: { status: 409, message: "The author writes no more" } } as const;
const { Refusal } = defineRefusals(own);
export const thrown = () => {
	throw new Refusal("author_dead");
};
createPostern({
	refusals: own,
	constraints: { c: "author_dead" },
});

export const fetches = causal("fetch");
`;
