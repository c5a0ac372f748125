// `postern init`: the Worker's files in a folder, as docs/adoption.md has them, and what is to be done then. Replaces no file unless
// it is told to, and secrets and tsconfig.json never.
import { existsSync } from "node:fs";
import { appendFile, mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { type ProjectSecrets, secretsOf } from "./init-secrets.ts";

/** What is asked for, with the default. */
export const QUESTIONS = {
	name: { text: "Name of the Worker", usual: "my-api" },
	origin: { text: "PostgREST's address", usual: "http://127.0.0.1:3000" },
	schemas: {
		text: "PostgREST's db-schemas without postern, separated by commas",
		usual: "api",
	},
} as const;

export type InitAnswers = Readonly<Record<keyof typeof QUESTIONS, string>>;

/** A Supabase project whose users call. */
export interface SupabaseProject {
	url: string;
	/** Whether its own PostgREST is the origin. Otherwise it is one with keys of the gateway's. */
	isOrigin: boolean;
}

interface InitOptions {
	folder: string;
	answers: InitAnswers;
	supabase?: SupabaseProject | undefined;
	/** What is known of the project's. */
	secrets: ProjectSecrets;
	/** Without a Worker of one's own, the package's is deployed. */
	withWorker: boolean;
	force: boolean;
}

const CONFIG = "wrangler.jsonc";
const WORKER = "src/index.ts";
const TSCONFIG = "tsconfig.json";
const SECRETS = ".dev.vars";
const PREPARATION = "prepare-database.sql";
const READY_MADE = "node_modules/postern/dist/worker.js";

/**
 * @returns what is to be done next
 * @throws {Error} naming a file that is there already; none is written then
 */
export async function init(options: InitOptions): Promise<string> {
	const { folder, supabase, secrets, withWorker, force } = options;
	const files: Readonly<Record<string, string>> = {
		[CONFIG]: configOf(options),
		...(withWorker ? { [WORKER]: WORKER_CODE } : {}),
		[PREPARATION]: preparationOf(options),
	};
	const names = Object.keys(files);
	const present = names.filter((name) => existsSync(join(folder, name)));
	if (present.length > 0 && !force)
		throw new Error(
			`${folder} has ${present.join(" and ")} already: --force replaces what is there.`,
		);
	for (const [name, text] of Object.entries(files)) {
		const file = join(folder, name);
		await mkdir(dirname(file), { recursive: true });
		await writeFile(file, text);
	}
	const kept: string[] = [];
	const writeOnce = async (name: string, text: string, mode?: number) => {
		const isThere = existsSync(join(folder, name));
		(isThere ? kept : names).push(name);
		if (!isThere) await writeFile(join(folder, name), text, { mode });
	};
	if (withWorker) await writeOnce(TSCONFIG, COMPILER_OPTIONS);
	if (supabase?.isOrigin)
		await writeOnce(SECRETS, secretsOf(supabase.url, secrets), 0o600);
	const ignored = await ignore(folder, supabase?.isOrigin ? SECRETS : ".env");
	const done = [
		`Written: ${names.join(", ")}`,
		...kept.map((name) => `Kept as it is: ${name}`),
		...ignored.map((name) => `Kept out of git by .gitignore: ${name}`),
	];
	return `${done.join("\n")}\n\n${nextSteps(options)}`;
}

/** @returns the name, unless it is in .gitignore already */
async function ignore(folder: string, name: string): Promise<string[]> {
	const file = join(folder, ".gitignore");
	const before = existsSync(file) ? await readFile(file, "utf8") : "";
	if (before.split("\n").some((line) => line.trim() === name)) return [];
	const lineEnd = before === "" || before.endsWith("\n") ? "" : "\n";
	await appendFile(file, `${lineEnd}${name}\n`);
	return [name];
}

function namesOf({ schemas }: InitAnswers): string[] {
	return schemas.split(",").map((name) => name.trim());
}

/** May be run again. */
function preparationOf({ answers, supabase }: InitOptions): string {
	const exposed = [...namesOf(answers), "postern"].join(", ");
	const settings = `
-- The schemas that PostgREST exposes.
alter role authenticator set pgrst.db_schemas = '${exposed}';
notify pgrst, 'reload config';
`;
	return `-- Run it as the owner of your tables: psql "$DATABASE_URL" -f ${PREPARATION}
do $$
begin
  if to_regrole('postern') is null then
    create role postern nologin noinherit;
  end if;
end
$$;
-- authenticator is the user of PostgREST's db-uri: if yours has another name, write that.
grant postern to authenticator;
${supabase?.isOrigin ? settings : ""}`;
}

const WORKER_CODE = `import { createPostern } from "postern";

export { ChangeFeed } from "postern";

export default createPostern();
`;

/** Without `lib`, TypeScript's own types of the DOM contradict those that `wrangler types` writes. */
const COMPILER_OPTIONS = `{
	"compilerOptions": {
		"target": "es2023",
		"lib": ["es2023"],
		"module": "esnext",
		"moduleResolution": "bundler",
		"strict": true,
		"noEmit": true
	},
	"include": ["src", "worker-configuration.d.ts"]
}
`;

function configOf({ answers, supabase, withWorker }: InitOptions): string {
	const { name, origin, schemas } = answers;
	return `{
	"name": ${JSON.stringify(name)},
	"main": ${JSON.stringify(withWorker ? WORKER : READY_MADE)},
	"compatibility_date": "2026-11-01",
	// A client that goes away ends its request to PostgREST, too.
	"compatibility_flags": [
		"enable_request_signal",
		"request_signal_passthrough"
	],
	// Without it, the bundler has each function that a request makes given its name, which costs CPU.
	"keep_names": false,
	// A small Worker starts sooner. The maps give stack traces their names and lines back.
	"minify": true,
	"upload_source_maps": true,
	// docs/settings.md has all of them. Secrets are not written here: \`npx wrangler secret put NAME\`.
	"vars": {
		// PostgREST's address.
		"ORIGIN_URL": ${JSON.stringify(origin)},
		// PostgREST's db-schemas without postern, in the same order.
		"DB_SCHEMAS": ${JSON.stringify(schemas)},
		// For each caller, and for each address.
		"RATE_LIMITS": "requests=6000/1m, misses=100/10s, misses@address=500/10s, writes=50/10s, writes@address=250/10s"${supabase ? varsOf(supabase) : ""}
	},
	// Cloudflare counts requests for all isolates of a location, by the limit "requests".
	"ratelimits": [
		{
			"name": "REQUEST_LIMIT",
			"namespace_id": "1001",
			"simple": { "limit": 6000, "period": 60 }
		}
	],
	// Stored answers, for all isolates.
	"kv_namespaces": [{ "binding": "CACHE" }],
	// One object follows the database's changes.
	"exports": {
		"ChangeFeed": { "type": "durable-object", "storage": "sqlite" }
	},
	"durable_objects": {
		"bindings": [{ "name": "CHANGE_FEED", "class_name": "ChangeFeed" }]
	}
}
`;
}

function varsOf({ url, isOrigin }: SupabaseProject): string {
	return isOrigin
		? `,
		// The project's PostgREST expects no audience, and its policies may read what a user's token says.
		"ORIGIN_AUDIENCE": "",
		"ORIGIN_CLAIMS": "caller",
		// Auth, storage, functions and Realtime.
		"UPSTREAM_URL": ${JSON.stringify(new URL(url).origin)}
		// In .dev.vars, and deployed as secrets: ORIGIN_JWT_SECRET, ORIGIN_API_KEY, ISSUERS.`
		: `,
		// Whose tokens are accepted: docs/identity.md.
		"ISSUERS": ${JSON.stringify(JSON.stringify([{ supabase: url }]))}`;
}

function nextSteps({ answers, supabase }: InitOptions): string {
	const { origin } = answers;
	const names = namesOf(answers);
	if (supabase?.isOrigin)
		return `1. Prepare the database, as the owner of its tables, and let PostgREST expose the schema postern:
     psql "$DATABASE_URL" -f ${PREPARATION}
     npx postern migrate
     npx postern track --schema public
2. See that .dev.vars has the project's JWT secret, and its key anon or sb_publishable_…
3. Find out whether anything is wrong, and try it:
     npx postern doctor
     npx postern dev --origin ${origin}
4. Deploy. Paste the values of .dev.vars, or send them all by npx wrangler secret bulk .dev.vars:
     npx wrangler secret put ORIGIN_JWT_SECRET
     npx wrangler secret put ORIGIN_API_KEY
     npx wrangler secret put ISSUERS
     npx wrangler deploy`;
	return `1. Make the keys of the Worker and PostgREST in .env:
     npx postern env
2. Prepare the database, as the owner of its tables:
     psql "$DATABASE_URL" -f ${PREPARATION}
     npx postern migrate
     npx postern track --schema ${names.join(" ")}
3. Let PostgREST accept only the Worker. Set in its configuration, and remove db-anon-role:
     db-schemas = "${[...names, "postern"].join(", ")}"
     jwt-secret = "ORIGIN_JWKS from .env"
     jwt-aud = "postgrest"
4. Find out whether anything is wrong, and try it:
     npx postern doctor
     npx postern dev --origin ${origin}
5. Deploy:
     npx wrangler secret put ORIGIN_SIGNING_KEY     # paste the value from .env
     npx wrangler secret put TOKEN_JWKS
     npx wrangler deploy`;
}
