// A cluster for a schedule: a history whose every step is written, to provoke one kind of fault. Checked by the
// same checker as random histories.
import { setTimeout as sleep } from "node:timers/promises";
import type pg from "pg";
import { callersOf, USERS } from "../callers.ts";
import { check, type Promises, type Verdict } from "../check/check.ts";
import { isHit } from "../check/figures.ts";
import type { Event, Read, Write } from "../check/history.ts";
import { type ClockReading, readClock, readCommits } from "../check/log.ts";
import { type Caller, type Directive, Session } from "../client.ts";
import type { Database } from "../database/database.ts";
import { type SqlWrite, transact } from "../database/transact.ts";
import {
	type Cluster,
	type Instance,
	startCluster,
} from "../faults/cluster.ts";
import { QUERIES } from "../queries.ts";
import { randomOf } from "../random.ts";
import { OUTAGE_STALENESS_MS, TOLERANCE_MS } from "../run.ts";
import type { GatewayWrite } from "../writes.ts";

/** The smallest MAX_STALENESS_SECONDS. */
const MAX_STALENESS_SECONDS = 1;

export class Stage {
	readonly #database: Database;
	readonly #cluster: Cluster;
	readonly #client: pg.Client;
	readonly #callers: readonly Caller[];
	readonly #begun: ClockReading;
	readonly #events: Event[] = [];
	readonly #promises: Promises = {
		maxStalenessMs: MAX_STALENESS_SECONDS * 1_000,
		outageStalenessMs: OUTAGE_STALENESS_MS,
		toleranceMs: TOLERANCE_MS,
	};

	static async open(database: Database, bundle: string): Promise<Stage> {
		const cluster = await startCluster({
			bundle,
			credentials: database.credentials,
			postgrestUrl: database.postgrestUrl,
			instances: 2,
			maxStalenessSeconds: MAX_STALENESS_SECONDS,
			random: randomOf(0),
		});
		// KV works here: a fault has to be the gateway's.
		cluster.kv.isDown = true;
		const client = await database.connect();
		return new Stage(
			database,
			cluster,
			client,
			await callersOf(database.credentials),
			await readClock(client),
		);
	}

	private constructor(
		database: Database,
		cluster: Cluster,
		client: pg.Client,
		callers: readonly Caller[],
		begun: ClockReading,
	) {
		this.#database = database;
		this.#cluster = cluster;
		this.#client = client;
		this.#callers = callers;
		this.#begun = begun;
	}

	get cluster(): Cluster {
		return this.#cluster;
	}

	/** One of the isolates. */
	isolate(number: 0 | 1): Instance {
		const instance = this.#cluster.instances[number];
		if (instance === undefined) throw new Error("There is no such isolate.");
		return instance;
	}

	/** A session that carries consistency tokens. */
	session(name: string): Session {
		return new Session(name, true);
	}

	/** Reads one of the paths in queries.ts. */
	async read(
		path: string,
		{ as = "anonymous", at = 0, directive, session }: Reading = {},
	): Promise<Read> {
		const query = QUERIES.find(({ name }) => name === `GET ${path}`);
		if (query === undefined) throw new Error(`There is no query ${path}.`);
		const user = this.#caller(as);
		const read = await (session ?? new Session("reader", false)).read({
			query,
			user,
			credential: user.credentials[0],
			target: this.#target(at),
			directive,
		});
		this.#events.push(read);
		return read;
	}

	/** Reads until the answer comes from the cache. */
	async warm(path: string, reading: Reading = {}): Promise<void> {
		for (let attempt = 0; attempt < WARM_ATTEMPTS; attempt += 1) {
			if (isHit(await this.read(path, reading))) return;
			await sleep(50);
		}
		throw new Error(`${path} is never answered by the cache.`);
	}

	/** Makes the isolate ask the feed. */
	async refresh(at: 0 | 1 = 0): Promise<void> {
		const directive = { field: "max-age=0", maxStalenessMs: 0 };
		await this.read("/totals", { at, directive });
	}

	async write(
		session: Session,
		write: GatewayWrite,
		{ as = "ada", at = 0 }: { as?: string; at?: 0 | 1 } = {},
	): Promise<void> {
		const operation = this.#operation();
		const [credential] = this.#caller(as).credentials;
		const target = this.#target(at);
		this.#did(await session.write(write, operation, credential, target));
	}

	/** Transactions past the gateway. */
	async sql(...statements: SqlWrite): Promise<void> {
		this.#did(
			await transact(this.#client, statements, this.#operation(), "sql"),
		);
	}

	/** Begins a transaction. @returns a function that commits it */
	async begin(...statements: string[]): Promise<() => Promise<void>> {
		const client = await this.#database.connect();
		const { promise: end, resolve } = Promise.withResolvers<void>();
		const begun = Promise.withResolvers<void>();
		const ended = transact(
			{
				async query(text: string, values?: unknown[]) {
					if (text === "commit") {
						begun.resolve();
						await end;
					}
					return client.query(text, values);
				},
			},
			statements,
			this.#operation(),
			"sql, long",
		);
		await begun.promise;
		return async () => {
			resolve();
			this.#did(await ended);
			await client.end();
		};
	}

	/** Waits until the maximum staleness has passed. */
	async outwait(): Promise<void> {
		await this.#client.query("select histories.note('end', '', null)");
		const { maxStalenessMs, toleranceMs } = this.#promises;
		await sleep(maxStalenessMs + 2 * toleranceMs);
	}

	/** The violations that the checker finds. */
	async judge(): Promise<Verdict & { events: readonly Event[] }> {
		const ended = await readClock(this.#client);
		const commits = await readCommits(this.#client, this.#begun, ended);
		const events = this.#events;
		const history = { commits, events, queries: QUERIES, users: USERS };
		return { ...check(history, this.#promises), events };
	}

	async close(): Promise<void> {
		await this.#client.end();
		await this.#cluster.stop();
	}

	/** Throws if a step failed, because the schedule would then not be the written one. */
	#did(write: Write): void {
		if (!write.isAcknowledged)
			throw new Error(`${write.description}: ${write.outcome}`);
		this.#events.push({ ...write, hasEffect: true });
	}

	#operation(): string {
		return `step ${this.#events.length} of ${this.#begun.database}`;
	}

	#caller(name: string): Caller {
		const caller = this.#callers.find((one) => one.name === name);
		if (caller === undefined) throw new Error(`There is no caller ${name}.`);
		return caller;
	}

	#target(number: 0 | 1) {
		const { name, url } = this.isolate(number);
		return { name, url: `${url}/rest/v1` };
	}
}

interface Reading {
	as?: string;
	at?: 0 | 1;
	directive?: Directive;
	session?: Session;
}

/** Enough for PostgREST to load a changed schema on a busy machine: until then nothing is stored. */
const WARM_ATTEMPTS = 1_000;
