// Plays a history: sessions that read and write through randomly chosen isolates, other writers in SQL, and faults.
// Every choice follows from the seed; the order of concurrent events does not.
import { setTimeout as sleep } from "node:timers/promises";
import type pg from "pg";
import { callersOf, directCallersOf } from "./callers.ts";
import type { History, Promises } from "./check/check.ts";
import { add } from "./check/figures.ts";
import { type Event, now } from "./check/history.ts";
import { beginAnew, readClock, readCommits } from "./check/log.ts";
import { type Caller, Session, type Target } from "./client.ts";
import type { Database } from "./database/database.ts";
import { schemaChange } from "./database/schema-changes.ts";
import { transact } from "./database/transact.ts";
import type { Cluster } from "./faults/cluster.ts";
import { FAULTS, type FaultKind } from "./faults/faults.ts";
import { Interest } from "./interest.ts";
import { QUERIES, type SentQuery } from "./queries.ts";
import { pickWeighted, type Random } from "./random.ts";
import { GATEWAY_WRITES, type GatewayWrite, SQL_WRITES } from "./writes.ts";

export interface Workload {
	readonly operations: number;
	/** The numbers of sessions that carry tokens and that do not. */
	readonly causalSessions: number;
	readonly plainSessions: number;
	readonly sqlWriters: number;
	/** The share of a session's operations that write. */
	readonly writeShare: number;
	/** The share of all operations that are transactions in SQL. */
	readonly sqlShare: number;
	/** Operations in a second, as far as the machine can. */
	readonly rate: number;
	/** Operations between two faults, on average. 0 means no faults. */
	readonly faultEvery: number;
	/** Operations between two changes of the schema or of roles, on average. 0 means no changes. */
	readonly schemaChangeEvery: number;
}

interface Scene {
	readonly database: Database;
	readonly cluster: Cluster;
	readonly promises: Promises;
	readonly random: Random;
	readonly workload: Workload;
	/** Sets this round's operations apart from others'. */
	readonly name: string;
}

export interface Played extends History {
	/** The number of faults of each kind. */
	readonly faults: Readonly<Record<string, number>>;
}

/** Cache directives (RFC 9111, section 5.2.1) with their weights. */
const DIRECTIVES: readonly {
	readonly weight: number;
	readonly field?: string;
	/** The maximum staleness that it asks for, in milliseconds. */
	readonly bound?: (maxStalenessMs: number) => number;
}[] = [
	{ weight: 90 },
	{ weight: 2, field: "no-cache", bound: () => 0 },
	{ weight: 2, field: "max-age=0", bound: () => 0 },
	{ weight: 2, field: "max-age=1", bound: (ms) => Math.min(ms, 1_000) },
	{ weight: 2, field: "max-stale=3", bound: (ms) => ms + 3_000 },
	{ weight: 2, field: "only-if-cached" },
];
const CONDITIONAL = 0.2;
const HANDOVER = 0.01;
/** The patience of readers who disconnect before they are answered. */
const IMPATIENT = 0.01;
const IMPATIENCE_MS = 40;
/** The number of writers in SQL at the same time. */
const MAX_FAULTS = 3;
/** The share of reads that go to PostgREST itself, which test the test. */
const CONTROL_SHARE = 0.02;

export async function play(scene: Scene): Promise<Played> {
	const round = await Round.begin(scene);
	try {
		return await round.play();
	} finally {
		await round.end();
	}
}

class Round {
	readonly #scene: Scene;
	readonly #callers: readonly Caller[];
	readonly #direct: readonly Caller[];
	readonly #client: pg.Client;
	readonly #events: Event[] = [];
	readonly #faults: Record<string, number> = {};
	readonly #sessions: Session[] = [];
	#done = 0;
	#isOver = false;

	static async begin(scene: Scene): Promise<Round> {
		const { credentials } = scene.database;
		return new Round(
			scene,
			await callersOf(credentials),
			await directCallersOf(credentials),
			await scene.database.connect(),
		);
	}

	private constructor(
		scene: Scene,
		callers: readonly Caller[],
		direct: readonly Caller[],
		client: pg.Client,
	) {
		this.#scene = scene;
		this.#callers = callers;
		this.#direct = direct;
		this.#client = client;
	}

	end(): Promise<void> {
		return this.#client.end();
	}

	async play(): Promise<Played> {
		const { random } = this.#scene;
		await beginAnew(this.#client);
		const before = await readClock(this.#client);
		const nemesis = this.#strike(random.stream("faults"));
		await Promise.all([...this.#clients(), ...this.#writers()]);
		this.#isOver = true;
		await nemesis;
		await this.#quiesce();
		await this.#readEverything();
		const after = await readClock(this.#client);
		return {
			events: this.#events,
			commits: await readCommits(this.#client, before, after),
			queries: QUERIES,
			users: this.#callers,
			faults: this.#faults,
		};
	}

	*#clients() {
		const { workload, random } = this.#scene;
		const { operations, sqlShare, causalSessions, plainSessions } = workload;
		const sessions = causalSessions + plainSessions;
		const share = 1 - sqlShare - CONTROL_SHARE;
		const quota = Math.ceil((operations * share) / sessions);
		for (let number = 0; number < sessions; number += 1) {
			const isCausal = number < causalSessions;
			const name = `${isCausal ? "causal" : "plain"} ${number}`;
			const session = new Session(name, isCausal);
			this.#sessions.push(session);
			yield this.#live(session, quota, random.stream(name));
		}
		yield this.#control(
			Math.ceil(operations * CONTROL_SHARE),
			random.stream("control"),
		);
	}

	*#writers() {
		const { workload, random } = this.#scene;
		const { operations, sqlShare, sqlWriters } = workload;
		const quota = Math.ceil((operations * sqlShare) / sqlWriters);
		for (let number = 0; number < sqlWriters; number += 1) {
			const name = `sql ${number}`;
			yield this.#writeInSql(name, quota, random.stream(name));
		}
	}

	/** One session's operations, one after another. */
	async #live(session: Session, quota: number, random: Random): Promise<void> {
		const { writeShare } = this.#scene.workload;
		const own = random.pick(this.#callers);
		const share = quota / this.#scene.workload.operations;
		const interest = new Interest(random);
		for (let count = 0; count < quota; count += 1) {
			const user = session.isCausal ? own : random.pick(this.#callers);
			if (session.isCausal && random.chance(HANDOVER))
				this.#handOver(session, random);
			if (random.chance(writeShare))
				interest.wrote(await this.#write(session, user, random, count));
			else await this.#read(session, interest.next(), user, random);
			await this.#pace(random, share);
		}
	}

	#handOver(session: Session, random: Random): void {
		const causal = this.#sessions.filter(
			(one) => one.isCausal && one !== session,
		);
		if (causal.length === 0) return;
		const other = random.pick(causal);
		session.hear(other);
		const time = now();
		this.#events.push({
			kind: "handover",
			session: session.name,
			of: other.name,
			sentAt: time,
			endedAt: time,
		});
	}

	async #read(
		session: Session,
		query: SentQuery,
		user: Caller,
		random: Random,
	): Promise<void> {
		const { field, bound } = pickWeighted(random, DIRECTIVES);
		const { maxStalenessMs } = this.#scene.promises;
		const directive = field && {
			field,
			maxStalenessMs: bound?.(maxStalenessMs),
		};
		await this.#keep(
			session.read({
				query,
				user,
				credential: credentialOf(user, random),
				target: this.#instance(random),
				...(directive ? { directive } : {}),
				isConditional: random.chance(CONDITIONAL),
				patienceMs: patienceOf(random),
			}),
		);
	}

	async #write(
		session: Session,
		user: Caller,
		random: Random,
		count: number,
	): Promise<GatewayWrite> {
		const value = newValue(random);
		// An anonymous caller may write nothing.
		const writer =
			user.role === "anon" ? random.pick(this.#callers.slice(0, -1)) : user;
		const chosen = pickWeighted(random, GATEWAY_WRITES);
		const write = chosen.write(random, value, writer.name);
		await this.#keep(
			session.write(
				write,
				`${this.#scene.name}/${session.name}/${count}`,
				credentialOf(writer, random),
				this.#instance(random),
				patienceOf(random),
			),
		);
		return write;
	}

	/** Reads past the gateway: a violation here is a fault of the test. */
	async #control(quota: number, random: Random): Promise<void> {
		const session = new Session("control", true);
		const share = quota / this.#scene.workload.operations;
		for (let count = 0; count < quota; count += 1) {
			await this.#readDirectly(
				session,
				pickWeighted(random, QUERIES),
				random.pick(this.#direct),
			);
			await this.#pace(random, share);
		}
	}

	async #readDirectly(
		session: Session,
		query: SentQuery,
		user: Caller,
	): Promise<void> {
		const target = {
			name: "PostgREST",
			url: this.#scene.database.postgrestUrl,
		};
		const [credential] = user.credentials;
		const directive = { field: "no-cache", maxStalenessMs: 0 };
		await this.#keep(
			session.read({ query, user, credential, target, directive }),
		);
	}

	async #writeInSql(
		name: string,
		quota: number,
		random: Random,
	): Promise<void> {
		const client = await this.#scene.database.connect();
		try {
			await client.query("set lock_timeout = '2s'");
			const { workload } = this.#scene;
			const changes = workload.schemaChangeEvery * workload.sqlShare;
			for (let count = 0; count < quota; count += 1) {
				const isChange = changes > 0 && random.chance(1 / changes);
				const { write } = pickWeighted(random, SQL_WRITES);
				const statements = isChange
					? schemaChange(random)
					: write(random, newValue(random));
				const operation = `${this.#scene.name}/${name}/${count}`;
				await this.#keep(transact(client, statements, operation, name));
				await this.#pace(random, quota / workload.operations);
			}
		} finally {
			await client.end();
		}
	}

	/** Injects one fault after another, some of them at the same time. */
	async #strike(random: Random): Promise<void> {
		const { workload } = this.#scene;
		if (workload.faultEvery === 0) return;
		const underWay = new Set<Promise<void>>();
		let next = 0;
		while (!this.#isOver) {
			next += random.between(0.3, 1.7) * workload.faultEvery;
			const fault = pickWeighted(random, FAULTS);
			const own = random.stream(`${next}`);
			while (this.#done < next && !this.#isOver) await sleep(10);
			if (this.#isOver) break;
			if (underWay.size >= MAX_FAULTS) await Promise.race(underWay);
			const striking = this.#bringAbout(fault, own).finally(() =>
				underWay.delete(striking),
			);
			underWay.add(striking);
		}
		await Promise.all(underWay);
	}

	async #bringAbout(fault: FaultKind, random: Random): Promise<void> {
		const { cluster, promises } = this.#scene;
		const sentAt = now();
		const victims = { ...cluster, client: this.#client };
		await fault.strike(victims, random, promises.maxStalenessMs);
		add(this.#faults, fault.name);
		this.#events.push({
			kind: "mishap",
			description: fault.name,
			session: "faults",
			sentAt,
			endedAt: now(),
		});
	}

	/** Waits until every request has ended and the maximum staleness has passed. */
	async #quiesce(): Promise<void> {
		const { cluster, promises } = this.#scene;
		while (cluster.underWay() > 0) await sleep(20);
		// The last transaction is known to be visible when the next one is, so make one more.
		await this.#client.query("select histories.note('end', '', null)");
		await sleep(promises.maxStalenessMs + 2 * promises.toleranceMs);
	}

	/** Reads everything as every caller, through a random isolate and past the gateway. */
	async #readEverything(): Promise<void> {
		const session = new Session("last", false);
		const control = new Session("control", true);
		const random = this.#scene.random.stream("last");
		for (const query of QUERIES) {
			await Promise.all(
				this.#callers.flatMap((user, index) => [
					this.#keep(
						session.read({
							query,
							user,
							credential: credentialOf(user, random),
							target: this.#instance(random),
						}),
					),
					this.#readDirectly(control, query, this.#direct[index] ?? user),
				]),
			);
		}
	}

	async #keep(happening: Promise<Event>): Promise<void> {
		this.#events.push(await happening);
		this.#done += 1;
	}

	/** Waits between operations to keep the rate, on average. */
	#pace(random: Random, share: number): Promise<void> {
		const meanMs = 1_000 / (this.#scene.workload.rate * share);
		return sleep(-Math.log(1 - random.fraction()) * meanMs);
	}

	#instance(random: Random): Target {
		const { name, url } = random.pick(this.#scene.cluster.instances);
		return { name, url: `${url}/rest/v1` };
	}
}

function credentialOf(
	{ credentials }: Caller,
	random: Random,
): string | undefined {
	return credentials.length === 0 ? undefined : random.pick(credentials);
}

function patienceOf(random: Random): number | undefined {
	return random.chance(IMPATIENT)
		? random.between(1, IMPATIENCE_MS)
		: undefined;
}

/** A value that with near certainty no other write has. */
function newValue(random: Random): number {
	return 1 + random.integer(2 ** 31) * 2 ** 20 + random.integer(2 ** 20);
}
