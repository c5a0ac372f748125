// A Worker that asks Postgres itself, as users of Hyperdrive write it. In Hyperdrive's place is a pool of connections, PgBouncer
// (Debian: pgbouncer): the Worker opens a connection to it for each request, and it keeps those to Postgres open.
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort, LOOPBACK } from "../../gateway/cli/stack/ports.ts";
import {
	type Service,
	startService,
	untilReady,
} from "../../gateway/cli/stack/service.ts";
import { startWorkerd } from "../../test/support/workerd/workerd.ts";
import { bundled } from "../cost/floor.ts";
import { findCommand } from "../freshness/nginx.ts";
import type { Cleanup } from "../freshness/stack.ts";

/** `prepare: false`: this PgBouncer does not know which of its connections has which statement. */
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
			const [id, author] = ["id", "author_id"].map((name) => searchParams.get(name)?.slice("eq.".length));
			const sql = postgres(env.DATABASE_URL, { max: 5, fetch_types: false, prepare: false });
			const rows = id
				? await sql\`select id, title, author_id, version, body from api.articles where id = \${id}\`
				: await sql\`select id, title, author_id, version from api.articles where author_id = \${author}\`;
			context.waitUntil(sql.end());
			return Response.json(rows);
		},
	};
`;

interface SqlWorker {
	readonly url: string;
	readonly pid: number;
	readonly poolerPid: number;
}

/** @returns undefined if this machine has no PgBouncer */
export async function startSqlWorker(
	databaseUrl: string,
	cleanup: Cleanup,
): Promise<SqlWorker | undefined> {
	const command = await findCommand("pgbouncer", "--version");
	if (command === undefined) return undefined;
	const pooler = await startPooler(command, new URL(databaseUrl));
	cleanup.push(pooler.stop);
	const worker = await startWorkerd({
		bundle: await bundled(SOURCE),
		variables: { DATABASE_URL: pooler.url },
		port: await freePort(),
		log: () => {},
	});
	cleanup.push(worker.stop);
	return {
		url: worker.url,
		pid: worker.pid ?? 0,
		poolerPid: pooler.pid ?? 0,
	};
}

async function startPooler(
	command: string,
	{ hostname, port, username, password, pathname }: URL,
): Promise<Service & { url: string }> {
	const directory = await mkdtemp(join(tmpdir(), "postern-pooler-"));
	const file = join(directory, "pgbouncer.ini");
	const ownPort = await freePort();
	const database = pathname.slice(1);
	await chmod(directory, 0o755);
	await writeFile(
		file,
		`[databases]
${database} = host=${hostname} port=${port} user=${username} password='${decodeURIComponent(password)}'
[pgbouncer]
${process.getuid?.() === 0 ? "user = nobody" : ""}
listen_addr = ${LOOPBACK}
listen_port = ${ownPort}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 10
max_client_conn = 1000
log_connections = 0
log_disconnections = 0
`,
	);
	const service = startService({
		command,
		args: [file],
		stopSignal: "SIGTERM",
		log: () => {},
	});
	await untilReady("PgBouncer", service, () => isListening(ownPort));
	return {
		...service,
		url: `postgres://${username}@${LOOPBACK}:${ownPort}/${database}`,
		async stop() {
			await service.stop();
			await rm(directory, { recursive: true, force: true });
		},
	};
}

function isListening(port: number): Promise<boolean> {
	return new Promise((resolve) => {
		const socket = connect(port, LOOPBACK);
		socket.on("error", () => resolve(false));
		socket.on("connect", () => {
			socket.destroy();
			resolve(true);
		});
	});
}
