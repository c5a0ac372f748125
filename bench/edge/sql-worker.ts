// A Worker that asks Postgres itself, as users of Hyperdrive write it: a client for each request. Here it opens a connection each
// time, which Hyperdrive keeps open near the database.
import { freePort } from "../../gateway/cli/stack/ports.ts";
import { startWorkerd } from "../../test/support/workerd/workerd.ts";
import { bundled } from "../cost/floor.ts";
import type { Server } from "../cost/postern.ts";
import type { Cleanup } from "../freshness/stack.ts";

const SOURCE = `
	import { DurableObject } from "cloudflare:workers";
	import postgres from "postgres";
	// wrangler.jsonc names them.
	export class ChangeFeed extends DurableObject {}
	export class CallerLimits extends DurableObject {}
	export default {
		async fetch({ url }, env, context) {
			const { pathname, searchParams } = new URL(url);
			if (pathname === "/health") return new Response("ok");
			const sql = postgres(env.DATABASE_URL, { max: 5, fetch_types: false });
			const id = Number(searchParams.get("id").slice("eq.".length));
			const rows = await sql\`select id, title, author_id, version, body from api.articles where id = \${id}\`;
			context.waitUntil(sql.end());
			return Response.json(rows);
		},
	};
`;

export async function startSqlWorker(
	databaseUrl: string,
	cleanup: Cleanup,
): Promise<Server> {
	const worker = await startWorkerd({
		bundle: await bundled(SOURCE),
		variables: { DATABASE_URL: databaseUrl },
		compatibilityFlags: ["nodejs_compat"],
		port: await freePort(),
		log: () => {},
	});
	cleanup.push(worker.stop);
	return { url: worker.url, pids: [worker.pid ?? 0] };
}
