// Postern on one machine as it is deployed: several isolates with their own memory, one change feed, one KV that
// is behind, and a faulty link wherever one process speaks to another.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Credentials } from "../../../gateway/cli/stack/credentials.ts";
import { freePort, LOOPBACK } from "../../../gateway/cli/stack/ports.ts";
import type { Service } from "../../../gateway/cli/stack/service.ts";
import { workerVariables } from "../../../gateway/cli/stack/wrangler.ts";
import { startKv } from "../../support/workerd/kv.ts";
import { startWorkerd } from "../../support/workerd/workerd.ts";
import type { Random } from "../random.ts";
import { FRONT, RELAY } from "./feed-relay.ts";
import { type Link, startLink } from "./link.ts";
import { createStaleKv, type StaleKv } from "./stale-kv.ts";

/** A process that can be killed and comes back at the same address. */
export interface Restartable {
	restart(): Promise<void>;
}

/** One isolate. */
export interface Instance extends Restartable {
	readonly name: string;
	readonly url: string;
	/** The link to PostgREST. */
	readonly originLink: Link;
	/** The link to the change feed's object. */
	readonly feedLink: Link;
}

/** The process of the change feed's object. */
export interface FeedObject extends Restartable {
	/** The link to PostgREST for its polls. */
	readonly pollLink: Link;
	/** Restarts the object with empty storage. */
	lose(): Promise<void>;
}

export interface Cluster {
	readonly instances: readonly Instance[];
	readonly feed: FeedObject;
	readonly kv: StaleKv;
	/** Requests on any link that have not been answered. */
	underWay(): number;
	stop(): Promise<void>;
}

interface ClusterOptions {
	bundle: string;
	credentials: Credentials;
	postgrestUrl: string;
	instances: number;
	maxStalenessSeconds: number;
	random: Random;
	log?: (line: string) => void;
}

/** The objects' class and the KV namespace have these names in wrangler.jsonc. */
const KV_BINDING = "CACHE";

export async function startCluster(options: ClusterOptions): Promise<Cluster> {
	const cleanup: (() => Promise<unknown>)[] = [];
	const stop = async () => {
		for (const end of cleanup.reverse()) await end();
		cleanup.length = 0;
	};
	try {
		return await start(options, cleanup, stop);
	} catch (error) {
		await stop();
		throw error;
	}
}

async function start(
	options: ClusterOptions,
	cleanup: (() => Promise<unknown>)[],
	stop: () => Promise<void>,
): Promise<Cluster> {
	const { bundle, credentials, random, log = () => {} } = options;
	const postgrest = new URL(options.postgrestUrl).host;
	const kv = createStaleKv(random.stream("kv"));
	const kvServer = await startKv(kv);
	cleanup.push(kvServer.stop);
	const storage = await mkdtemp(join(tmpdir(), "postern-feed-"));
	cleanup.push(() => rm(storage, { recursive: true, force: true }));
	const links: Link[] = [];
	const linkTo = async (...[target, dropped]: Parameters<typeof startLink>) => {
		const link = await startLink(target, dropped);
		links.push(link);
		cleanup.push(link.stop);
		return link;
	};
	const common = { log, kv: { [KV_BINDING]: kvServer.address } };
	const variables = (originLink: Link) => ({
		...workerVariables(originLink.url, credentials),
		MAX_STALENESS_SECONDS: String(options.maxStalenessSeconds),
	});

	const pollLink = await linkTo(postgrest);
	const [feedPort, frontPort] = [await freePort(), await freePort()];
	const clocks = random.stream("clocks");
	const object = await restartable(() =>
		startWorkerd({
			...common,
			bundle: withClock(bundle, clocks),
			port: feedPort,
			variables: variables(pollLink),
			storageDirectory: storage,
			companions: [{ name: "front", source: FRONT, port: frontPort }],
		}),
	);
	cleanup.push(object.stop);

	const instances: Instance[] = [];
	for (let number = 1; number <= options.instances; number += 1) {
		// Writes have the tokens of their transactions in every other isolate, and in the rest those of a poll.
		const isNaming = number % 2 === 0;
		const originLink = await linkTo(
			postgrest,
			isNaming ? undefined : "postern-transaction",
		);
		const feedLink = await linkTo(`${LOOPBACK}:${frontPort}`);
		const port = await freePort();
		const process = await restartable(() =>
			startWorkerd({
				...common,
				bundle: withClock(bundle, clocks),
				port,
				variables: {
					...variables(originLink),
					// Both kinds beside each other.
					KV_FROM_ASK: String(2 - (number % 2)),
					FEED_RELAYS: number > 1 ? "on" : "off",
				},
				companions: [
					{
						name: "relay",
						source: RELAY,
						servers: { OBJECT: feedLink.address },
					},
				],
				objectsIn: "relay",
			}),
		);
		cleanup.push(process.stop);
		instances.push({
			name: `instance ${number}`,
			url: `http://${LOOPBACK}:${port}`,
			originLink,
			feedLink,
			restart: () => process.restart(),
		});
	}

	return {
		instances,
		feed: {
			pollLink,
			restart: () => object.restart(),
			lose: () =>
				object.restart(() => rm(storage, { recursive: true, force: true })),
		},
		kv,
		underWay: () => links.reduce((sum, link) => sum + link.underWay, 0),
		stop,
	};
}

/** PostgREST accepts tokens from up to 30 seconds in the future. */
const CLOCK_OFFSET_MS = 20_000;
const CLOCK_DRIFT = 0.0005;

/** The Worker on a machine whose clock is wrong, and a little too fast or too slow. Each start is on a different machine. */
function withClock(bundle: string, random: Random): string {
	const offsetMs = random.between(-CLOCK_OFFSET_MS, CLOCK_OFFSET_MS);
	const pace = random.between(1 - CLOCK_DRIFT, 1 + CLOCK_DRIFT);
	// Not read in the Worker, where the time is zero at its start.
	const start = Date.now();
	return `{
	const now = Date.now;
	Date.now = () => Math.floor(${start} + (now() - ${start}) * ${pace} + ${offsetMs});
}
${bundle}`;
}

/** Kills the process with SIGKILL, so that it finishes nothing. */
async function restartable(start: () => Promise<Service>) {
	let service = await start();
	let isStopped = false;
	let turn = Promise.resolve();
	return {
		/** @param meanwhile done while the process is gone */
		restart(meanwhile?: () => Promise<void>): Promise<void> {
			const restarted = turn.then(async () => {
				if (isStopped) return;
				if (service.pid !== undefined) process.kill(-service.pid, "SIGKILL");
				await service.exited;
				await meanwhile?.();
				service = await start();
			});
			turn = restarted.catch(() => {});
			return restarted;
		},
		async stop() {
			isStopped = true;
			await turn;
			await service.stop();
		},
	};
}
