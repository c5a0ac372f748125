// Restarts, crashes and a failover of the test's own server, as a poller sees them, and transactions that
// are prepared before and committed after.

import { execFile } from "node:child_process";
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import pg from "pg";
import { it as base } from "vitest";
import { freePort } from "../../cli/stack/ports.ts";
import { startPostgres } from "../../cli/stack/postgres.ts";
import { Poller } from "./support/poller.ts";
import { program } from "./support/tracked.ts";

const run = promisify(execFile);

/** A server on a data directory, which can be stopped, crashed and started again. */
class Server {
	readonly #directory: string;
	readonly #clients: pg.Client[] = [];
	#running: Awaited<ReturnType<typeof startPostgres>> | undefined;

	constructor(directory: string) {
		this.#directory = directory;
	}

	get dataDirectory(): string {
		return this.#directory;
	}

	get url(): string {
		if (!this.#running) throw new Error("the server is not running");
		return this.#running.url;
	}

	async start(): Promise<void> {
		this.#running = await startPostgres({
			dataDirectory: this.#directory,
			port: await freePort(),
			password: "restarts",
			log: () => {},
		});
	}

	async stop(): Promise<void> {
		await Promise.all(this.#clients.splice(0).map((client) => client.end()));
		await this.#running?.stop();
		this.#running = undefined;
	}

	/** Stops the server as a loss of power would. */
	async crash(): Promise<void> {
		const server = this.#running;
		if (!server?.pid) throw new Error("the server is not running");
		this.#clients.length = 0;
		this.#running = undefined;
		process.kill(server.pid, "SIGKILL");
		await server.exited;
	}

	async connect(): Promise<pg.Client> {
		const client = new pg.Client({ connectionString: this.url });
		// The server may go first.
		client.on("error", () => {});
		await client.connect();
		this.#clients.push(client);
		return client;
	}
}

const it = base
	.extend("folder", async ({ task: _ }, { onCleanup }) => {
		const folder = await mkdtemp(join(tmpdir(), "postern-restarts-"));
		onCleanup(() => rm(folder, { recursive: true, force: true }));
		// If root runs this, Postgres runs as another user, who has to pass through this directory.
		await chmod(folder, 0o755);
		return folder;
	})
	/** A server with a tracked table api.notes and prepared transactions. */
	.extend("server", async ({ folder }, { onCleanup }) => {
		const server = new Server(join(folder, "primary"));
		onCleanup(() => server.stop());
		await server.start();
		const client = await server.connect();
		await client.query("alter system set max_prepared_transactions = 5");
		await client.query("create role postern; create role authenticated");
		await client.query(program);
		await client.query(
			"create schema api; create table api.notes (id int primary key); select postern.track('api.notes')",
		);
		await server.stop();
		await server.start();
		return server;
	});

const notes = (...ids: number[]) => [
	"api.notes",
	...ids.map((id) => `api.notes(${id})`),
];

const OTHER_INCARNATION =
	"the server or the database is another, or was restarted or restored";

it("a prepared transaction is reported when it is committed, not when it is prepared or rolled back", async ({
	server,
	expect,
}) => {
	const writer = await server.connect();
	const poller = new Poller(await server.connect());
	await poller.poll();
	for (const id of [1, 2]) {
		await writer.query(
			`begin; insert into api.notes values (${id}); prepare transaction 'write ${id}'`,
		);
	}
	expect(await poller.tags()).toEqual([]);
	await writer.query("insert into api.notes values (3)");
	expect(await poller.tags()).toEqual(notes(3));
	await writer.query("commit prepared 'write 1'");
	expect(await poller.tags()).toEqual(notes(1));
	await writer.query("rollback prepared 'write 2'");
	expect(await poller.tags()).toEqual([]);
});

for (const [name, end] of Object.entries({
	"a restart": (server: Server) => server.stop(),
	"a crash": (server: Server) => server.crash(),
})) {
	it(`${name} begins another database incarnation, in which an earlier prepared transaction is reported when it is committed`, async ({
		server,
		expect,
	}) => {
		const before = new Poller(await server.connect());
		await before.poll();
		const writer = await server.connect();
		await writer.query(
			"begin; insert into api.notes values (1); prepare transaction 'write'",
		);
		await end(server);
		await server.start();

		const poller = new Poller(await server.connect());
		poller.cursor = before.cursor;
		expect(await poller.poll()).toMatchObject({
			reset: true,
			reason: OTHER_INCARNATION,
		});
		expect(await poller.tags()).toEqual([]);
		const other = await server.connect();
		await other.query("commit prepared 'write'");
		expect(await poller.tags()).toEqual(notes(1));
	});
}

it("the crash of one session begins another database incarnation", async ({
	server,
	expect,
}) => {
	const before = new Poller(await server.connect());
	await before.poll();
	const victim = await server.connect();
	const { rows } = await victim.query("select pg_backend_pid() as pid");
	const startOf = async (client: pg.Client) =>
		(await client.query("select pg_postmaster_start_time()::text as start"))
			.rows;
	const start = await startOf(victim);
	// The server ends all sessions after the crash of one.
	const other = await server.connect();
	const allEnded = new Promise<void>((resolve) => {
		other.once("end", resolve);
	});
	process.kill(rows[0].pid, "SIGKILL");
	await allEnded;
	const survivor = await connectAgain(server);
	// The server itself went on.
	expect(await startOf(survivor)).toEqual(start);
	expect(await new Poller(survivor).since(before.cursor)).toMatchObject({
		reset: true,
		reason: OTHER_INCARNATION,
	});
});

it("a standby answers no polls, and begins another database incarnation when it is promoted", async ({
	server,
	folder,
	expect,
}) => {
	const primary = await server.connect();
	const before = new Poller(await server.connect());
	await before.poll();
	await primary.query(
		"begin; insert into api.notes values (1); prepare transaction 'write'",
	);

	const standby = new Server(join(folder, "standby"));
	await copyServer(primary, server, standby);
	try {
		await standby.start();
		const client = await standby.connect();
		await expect(new Poller(client).since(before.cursor)).rejects.toMatchObject(
			{ code: "PT503" },
		);
		await client.query("select pg_promote()");
		const poller = new Poller(client);
		expect(await poller.since(before.cursor)).toMatchObject({
			reset: true,
			reason: OTHER_INCARNATION,
		});
		await poller.poll();
		await client.query("commit prepared 'write'");
		expect(await poller.tags()).toEqual(notes(1));
	} finally {
		await standby.stop();
	}
});

/** Waits until a recovering server accepts a connection. */
async function connectAgain(server: Server): Promise<pg.Client> {
	for (;;) {
		try {
			return await server.connect();
		} catch {
			await new Promise((resolve) => setTimeout(resolve, 50));
		}
	}
}

/** Makes the data directory of a standby of a server. */
async function copyServer(
	client: pg.Client,
	server: Server,
	standby: Server,
): Promise<void> {
	await client.query("select pg_backup_start('standby', fast => true)");
	// With its owner, who differs from the user of the tests if that is root.
	await run("cp", ["-a", server.dataDirectory, standby.dataDirectory]);
	await rm(join(standby.dataDirectory, "postmaster.pid"));
	const { rows } = await client.query("select labelfile from pg_backup_stop()");
	for (const [name, text] of Object.entries({
		backup_label: rows[0].labelfile,
		"standby.signal": "",
		"postgresql.auto.conf": `max_prepared_transactions = 5\nprimary_conninfo = '${server.url}'\n`,
	})) {
		const file = join(standby.dataDirectory, name);
		await writeFile(file, text);
		await chmod(file, 0o666);
	}
}
