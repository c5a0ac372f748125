// A small model of a deployment, in simulated time: a database, its change feed, isolates with the real cache, a KV that lags
// behind, clients that carry tokens. Every step takes a random time, which the seed decides.
import { causal } from "../../client/causal.ts";
import { createCache } from "../../src/cache/cache.ts";
import { sizeOf } from "../../src/cache/entry.ts";
import { createSecondAsks } from "../../src/cache/second-asks.ts";
import { openConsistencyScope } from "../../src/consistency/consistency-scope.ts";
import { TRANSACTION_HEADER } from "../../src/consistency/consistency-token.ts";
import {
	createFreshness,
	type Freshness,
} from "../../src/consistency/freshness.ts";
import { createOwnWrites } from "../../src/consistency/own-writes.ts";
import { createSingleFlight } from "../../src/consistency/single-flight.ts";
import type { Feed } from "../../src/feed/feed.ts";
import { createRelay } from "../../src/feed/relay.ts";
import { Refusal } from "../../src/http/refusals.ts";
import { createFailOpenStore } from "../../src/kv/fail-open-store.ts";
import { KvStore } from "../../src/kv/kv-store.ts";
import type { Namespace } from "../../src/kv/sealed-values.ts";
import { MemoryStore } from "../../src/memory/memory-store.ts";
import type { Pipeline } from "../../src/pipeline.ts";
import { PIPELINE_URL } from "../../src/pipeline.ts";
import type { Catalog } from "../../src/planner/catalog.ts";
import type { Planner } from "../../src/planner/planner.ts";
import { ANYBODY, CATALOG, rows } from "./cache.ts";
import { kvOf } from "./kv.ts";
import { startFeed } from "./memory-feed.ts";
import { createRandom } from "./random.ts";

/** One step of a history. It begins `afterMs` milliseconds after the step before it. */
export type Deed = { readonly afterMs: number } & (
	| {
			readonly kind: "read";
			readonly client: number;
			readonly isolate: number;
			readonly tags: readonly string[];
			readonly directives: string;
	  }
	| {
			readonly kind: "write";
			readonly client: number;
			readonly isolate: number;
			readonly tag: string;
	  }
	/** A write that does not pass the gateway. */
	| { readonly kind: "commit"; readonly tag: string }
	| { readonly kind: "restart isolate"; readonly isolate: number }
	| { readonly kind: "restart relay" }
	| { readonly kind: "restart feed" }
	| { readonly kind: "lose feed" }
	/** From now on the origin is away, or back. */
	| { readonly kind: "outage"; readonly isDown: boolean }
);

export interface WorldOptions {
	readonly seed: number;
	readonly isolates: number;
	readonly clients: number;
	/** Oldest that an answer may be, in milliseconds. */
	readonly maxStalenessMs: number;
	/** Oldest that an answer may be while the origin is away, in milliseconds; none by default. */
	readonly outageStalenessMs?: number;
	/** Isolates 0 and 1 ask a relay in place of the change feed. */
	readonly hasRelay?: boolean;
	/** The parts that a mutant replaces. */
	readonly mutant?: {
		freshness?: (freshness: Freshness) => Freshness;
		client?: (fetch: typeof globalThis.fetch) => typeof globalThis.fetch;
		relay?: (relay: Feed) => Feed;
	};
}

/** A port chooses the isolate. */
const FIRST_PORT = 1_000;

/** Versions by tag. */
type Versions = Readonly<Record<string, number>>;

/** @returns the broken promises, and how many reads were hits */
export async function live(
	deeds: readonly Deed[],
	options: WorldOptions,
): Promise<{
	violations: string[];
	reads: number;
	hits: number;
	marked: number;
}> {
	const { maxStalenessMs, mutant = {} } = options;
	const time = startTime();
	const random = createRandom(options.seed);
	/** A short pause, or seldom a long one. */
	const pause = (typicalMs: number) =>
		time.sleep(
			random() < 0.03 ? typicalMs * 10 : Math.floor(random() * typicalMs),
		);
	/** A clock that differs from all others. */
	const clock = () => {
		const offsetMs = Math.floor((random() - 0.5) * 40_000);
		return () => time.now() + offsetMs;
	};

	const commits: { tag: string; at: number }[] = [];
	const versionsAt = (moment: number): Versions => {
		const versions: Record<string, number> = {};
		for (const { tag, at } of commits) {
			if (at <= moment) versions[tag] = (versions[tag] ?? 0) + 1;
		}
		return versions;
	};
	const feed = startFeed({ now: clock(), pause: () => pause(60) });
	const commit = (tag: string) => {
		commits.push({ tag, at: time.now() });
		feed.commit(tag);
	};
	let isDown = false;
	const overNetwork = (to: () => Feed): Feed => ({
		async sync(request) {
			await pause(40);
			if (random() < 0.05) throw new Error("connection lost");
			const answer = await to().sync(request);
			await pause(40);
			return structuredClone(answer);
		},
		async catalog() {
			await pause(40);
			return to().catalog();
		},
	});
	const object = overNetwork(() => ({
		...feed,
		sync: async (request) =>
			isDown ? feed.answerWithoutPoll(request) : feed.sync(request),
	}));
	const startRelay = () => {
		const relay = createRelay({
			feed: object,
			now: clock(),
			sleep: time.sleep,
		});
		return mutant.relay?.(relay) ?? relay;
	};
	let relay = options.hasRelay ? startRelay() : undefined;
	const feedOf = (isolate: number) =>
		relay !== undefined && isolate < 2
			? overNetwork(() => relay ?? object)
			: object;
	const namespace = laggingNamespace(random, pause);

	/** What PostgREST answers: the versions of the tables that were asked for. */
	const origin: Pipeline = async (request) => {
		await pause(200);
		if (isDown) throw new Refusal("origin_unreachable");
		const tags = tagsOf(request.url);
		const written = request.method === "POST" ? await write(tags) : "";
		const all = versionsAt(time.now());
		const body = JSON.stringify(tags.map((tag) => [tag, all[tag] ?? 0]));
		await pause(200);
		return rows(body, {
			headers: written === "" ? {} : { [TRANSACTION_HEADER]: written },
		});
	};
	/** @returns the name of its transaction */
	const write = async (tags: readonly string[]) => {
		const { name, end } = feed.begin();
		await pause(200);
		for (const tag of tags) commit(tag);
		end();
		return name;
	};
	/** A PostgREST that does not call postern.pre_request(). */
	const unnaming: Pipeline = async (...asked) => {
		const answer = await origin(...asked);
		answer.headers.delete(TRANSACTION_HEADER);
		return answer;
	};

	function startIsolate(number: number): Pipeline {
		const now = clock();
		const background = (promise: Promise<unknown>) => {
			promise.catch((problem) => violations.push(String(problem)));
		};
		const freshness = createFreshness({
			onOriginBack() {},
			feed: feedOf(number),
			parseCatalog: () => CATALOG as Catalog,
			now,
			sleep: time.sleep,
			waitUntil: background,
			log() {},
		});
		const flights = createSingleFlight({
			now,
			sleep: time.sleep,
			limitMs: 1_000,
			maxFlights: 100,
		});
		const store = createFailOpenStore({
			store: new KvStore(kvOf(namespace)),
			now,
			sleep: time.sleep,
			log() {},
		});
		return createCache({
			origin,
			writes: number % 2 === 0 ? origin : unnaming,
			planner: plannerOf(maxStalenessMs),
			freshness: mutant.freshness?.(freshness) ?? freshness,
			ownWrites: createOwnWrites(),
			// Has space for a few entries, so that it forgets some.
			memory: new MemoryStore(4_500, sizeOf),
			store,
			checkMisses() {},
			secondAsks: createSecondAsks({
				store,
				storedFromAsk: 1 + (options.seed % 2),
				waitUntil: background,
			}),
			flights,
			maxStalenessMs,
			outageStalenessMs: options.outageStalenessMs ?? 0,
			explainRoles: [],
			deadlineMs: 30_000,
			now,
			waitUntil: background,
			log: (problem) => violations.push(String(problem)),
		});
	}

	const violations: string[] = [];
	const isolates = Array.from({ length: options.isolates }, (_, number) =>
		startIsolate(number),
	);
	let reads = 0;
	let hits = 0;
	let marked = 0;
	const hasOutages = deeds.some(({ kind }) => kind === "outage");

	/** A client's fetch, to the isolate that its URL names. */
	const fetchVia: typeof globalThis.fetch = async (input, init) => {
		await pause(100);
		const request = new Request(input, init);
		const { pathname, port } = new URL(request.url);
		const isolate = isolates[Number(port) - FIRST_PORT];
		if (isolate === undefined) throw new Error("no such isolate");
		const scope = openConsistencyScope(request, isolate, false);
		const { method, headers } = request;
		const answer = await scope.pipeline(
			new Request(PIPELINE_URL + pathname, { method, headers }),
			ANYBODY,
		);
		scope.close(answer.headers);
		await pause(100);
		return answer;
	};

	const clients = Array.from({ length: options.clients }, () => ({
		fetch: (mutant.client ?? causal)(fetchVia),
		/** The newest versions that it read or wrote. */
		seen: {} as Record<string, number>,
	}));

	async function ask(
		deed: Extract<Deed, { kind: "read" | "write" }>,
	): Promise<void> {
		const client = clients[deed.client];
		if (client === undefined) throw new Error("no such client");
		const began = time.now();
		const known = { ...client.seen };
		const isRead = deed.kind === "read";
		const tags = isRead ? deed.tags : [deed.tag];
		const answer = await client.fetch(
			`http://isolate:${FIRST_PORT + deed.isolate}/${tags.join("+")}`,
			isRead
				? { headers: { "Cache-Control": deed.directives } }
				: { method: "POST" },
		);
		const shown: [tag: string, version: number][] = await answer.json();
		const status = answer.headers.get("Cache-Status") ?? "";
		const isMarked = status.includes('detail="origin-');
		if (isMarked) marked++;
		if (isRead) {
			reads++;
			if (/; (hit|collapsed)/.test(status)) hits++;
			// A marked answer shows what was committed before its Age. Clocks of two isolates differ by 40 s at most.
			const age = Number(answer.headers.get("Age")) * 1_000 + 40_000;
			const due = versionsAt(began - (isMarked ? age : maxStalenessMs));
			for (const [tag, version] of shown) {
				const at = `${tag} at ${began} as of version ${version} (${status})`;
				if (version < (due[tag] ?? 0))
					violations.push(`${at}: ${due[tag]} was due`);
				if (version < (known[tag] ?? 0))
					violations.push(
						`${at}: client ${deed.client} had seen ${known[tag]}`,
					);
			}
		}
		for (const [tag, version] of shown)
			client.seen[tag] = Math.max(version, client.seen[tag] ?? 0);
	}

	const asked: Promise<void>[] = [];
	const run = time.run();
	for (const deed of deeds) {
		await time.sleep(deed.afterMs);
		switch (deed.kind) {
			case "read":
			case "write":
				asked.push(
					ask(deed).catch((problem) => {
						const isRefused = problem.code === "origin_unreachable";
						if (!hasOutages || !isRefused) violations.push(String(problem));
					}),
				);
				break;
			case "commit":
				commit(deed.tag);
				break;
			case "restart isolate":
				isolates[deed.isolate] = startIsolate(deed.isolate);
				break;
			case "restart relay":
				relay &&= startRelay();
				break;
			case "restart feed":
				feed.restart();
				break;
			case "outage":
				isDown = deed.isDown;
				break;
			case "lose feed":
				feed.beginEpoch();
		}
	}
	await Promise.all(asked);
	time.stop();
	await run;
	return { violations, reads, hits, marked };
}

function tagsOf(url: string): string[] {
	return new URL(url).pathname.slice(1).split("+");
}

/** Plans each read by the tables that its path names. */
function plannerOf(maxStalenessMs: number): Planner {
	return {
		plan: (_, { method, url }) => ({
			kind: "cacheable",
			schema: "api",
			key: `${method} ${url}`,
			tags: [...tagsOf(url), "catalog"],
			callerKey: { role: "anon", claims: {}, headers: {} },
			readsClock: false,
			maxStalenessMs,
		}),
		mayWrite: (_, { method }) => method === "POST",
	};
}

/** A KV that gives any value that was ever put, or nothing. */
function laggingNamespace(
	random: () => number,
	pause: (typicalMs: number) => Promise<void>,
): Namespace {
	const versions = new Map<string, ArrayBuffer[]>();
	return {
		async get(name) {
			await pause(40);
			const known = versions.get(name) ?? [];
			// The newest value half of the time.
			const index = random() < 0.5 ? -1 : Math.floor(random() * known.length);
			return random() < 0.1 ? null : (known.at(index) ?? null);
		},
		async put(name, value) {
			await pause(40);
			versions.set(name, [...(versions.get(name) ?? []), value]);
		},
	};
}

/** Time that passes only when no other work is left. */
function startTime() {
	let ms = 1_000_000_000_000;
	let order = 0;
	let isStopped = false;
	const sleepers: { at: number; order: number; wake: () => void }[] = [];
	return {
		now: () => ms,
		sleep(forMs: number): Promise<void> {
			return new Promise((wake) => {
				sleepers.push({ at: ms + Math.max(0, forMs), order: order++, wake });
			});
		},
		async run(): Promise<void> {
			while (!isStopped) {
				await idle();
				sleepers.sort(
					(one, other) => one.at - other.at || one.order - other.order,
				);
				const next = sleepers.shift();
				if (next === undefined) continue;
				ms = next.at;
				next.wake();
			}
		},
		stop() {
			isStopped = true;
		},
	};
}

/** Waits until all work is done or asleep. Streams take a few turns of the event loop. */
async function idle(): Promise<void> {
	for (let turn = 0; turn < 3; turn++) {
		await new Response("anything").text();
		for (let link = 0; link < 20; link++) await null;
	}
}
