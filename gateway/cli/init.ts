// `postern init`: the Worker's files in a folder, as docs/adoption.md has them, and what is to be done then. Replaces no file unless
// it is told to.
import { existsSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";

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
	/** Without a Worker of one's own, the package's is deployed. */
	withWorker: boolean;
	force: boolean;
}

const CONFIG = "wrangler.jsonc";
const WORKER = "src/index.ts";
const READY_MADE = "node_modules/postern/dist/worker.js";

/**
 * @returns what is to be done next
 * @throws {Error} naming a file that is there already; none is written then
 */
export async function init(options: InitOptions): Promise<string> {
	const { folder, withWorker, force } = options;
	const files: Readonly<Record<string, string>> = {
		[CONFIG]: configOf(options),
		...(withWorker ? { [WORKER]: WORKER_CODE } : {}),
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
	return `Written: ${names.join(", ")}\n\n${nextSteps(options)}`;
}

const WORKER_CODE = `import { createPostern } from "postern";

export { ChangeFeed } from "postern";

export default createPostern();
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
	// docs/settings.md has all of them. Secrets are not written here: \`npx wrangler secret put NAME\`.
	"vars": {
		// PostgREST's address.
		"ORIGIN_URL": ${JSON.stringify(origin)},
		// PostgREST's db-schemas without postern, in the same order.
		"DB_SCHEMAS": ${JSON.stringify(schemas)},
		// For each caller, and for each address.
		"RATE_LIMITS": "requests=6000/1m, misses=600/1m, misses@address=3000/1m, writes=300/1m, writes@address=1500/1m"${supabase ? varsOf(supabase) : ""}
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
	const { origin, schemas } = answers;
	const names = schemas.split(",").map((name) => name.trim());
	if (supabase?.isOrigin)
		return `1. Prepare the database, as the owner of its tables, and let PostgREST expose the schema postern:
     psql "$DATABASE_URL" -c 'create role postern nologin noinherit' -c 'grant postern to authenticator' \\
       -c "alter role authenticator set pgrst.db_schemas = '${[...names, "postern"].join(", ")}'" -c "notify pgrst, 'reload config'"
     npx postern migrate
     npx postern track --schema public
2. Put the secrets into .dev.vars, and keep it out of git:
     ORIGIN_JWT_SECRET='the JWT secret of the project'
     ORIGIN_API_KEY='its key anon, or sb_publishable_…'
     ISSUERS='[{"supabase":"${supabase.url}","secret":"the JWT secret of the project"}]'
3. Find out whether anything is wrong, and try it:
     npx postern doctor
     npx postern dev --origin ${origin}
4. Deploy:
     npx wrangler secret bulk .dev.vars
     npx wrangler deploy`;
	return `1. Make the keys of the Worker and PostgREST in .env, and keep it out of git:
     npx postern env
2. Prepare the database, as the owner of its tables. Instead of authenticator, name the user of PostgREST's db-uri:
     psql "$DATABASE_URL" -c 'create role postern nologin noinherit' -c 'grant postern to authenticator'
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
