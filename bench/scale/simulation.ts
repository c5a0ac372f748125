// The change feed of many data centres in simulated time: the gateway's own follower, relays and isolates' views, with the calls
// between them counted. Only the network, the readers and the database are made up.
import {
	createFreshness,
	type Freshness,
} from "../../gateway/src/consistency/freshness.ts";
import type { Feed } from "../../gateway/src/feed/feed.ts";
import { createFollower } from "../../gateway/src/feed/follower.ts";
import { createRelay } from "../../gateway/src/feed/relay.ts";
import { createRandom } from "../../gateway/test/support/random.ts";

/** Node's. This file is checked with the Worker's sources, whose types do not have it. */
declare const setImmediate: (run: (value?: unknown) => void) => void;

export interface Deployment {
	readonly dataCentres: number;
	readonly isolatesPerDataCentre: number;
	/** Of all data centres, reads alone. */
	readonly readsPerSecond: number;
	/** Of all data centres. After each, its isolate asks the feed for a token. None without it. */
	readonly writesPerSecond?: number;
	readonly maxStalenessMs: number;
	readonly hasRelays: boolean;
	/** Without the time before, in which isolates are new. */
	readonly seconds: number;
	readonly seed: number;
}

export interface Outcome {
	/** Calls of the one object, a second: on average, and in the worst second. */
	readonly calls: number;
	readonly peakCalls: number;
	/** Calls of all relays, and of the one that is asked most, a second. */
	readonly relayCalls: number;
	readonly mostRelayCalls: number;
	/** Polls of the database, a second. */
	readonly polls: number;
	/** Share of reads that wait for the feed, or are left to the origin, because the isolate's view is too old. NaN without reads. */
	readonly waiting: number;
	/** Mean age of the views that reads are answered by, in milliseconds, and the oldest of all. NaN without such reads. */
	readonly viewAgeMs: number;
	readonly oldestViewMs: number;
}

/** Half a round trip between the object and a data centre, in milliseconds: evenly spread from the same city to the antipodes. */
const NEAR_MS = 2;
const FAR_MS = 150;
/** The same between an isolate and its relay, which Cloudflare makes near the first caller. */
const RELAY_MS = 3;
/** What a poll takes: the way through the tunnel and PostgREST. */
const POLL_MS = 20;
/** A message takes up to this much longer than usual, as a share. */
const JITTER = 0.2;
/** While a call is under way, a reader looks this often at most. The reads between do nothing. */
const LOOK_MS = 10;

export async function simulate(deployment: Deployment): Promise<Outcome> {
	const { dataCentres, isolatesPerDataCentre, seconds } = deployment;
	const { maxStalenessMs, hasRelays } = deployment;
	const time = simulatedTime();
	const random = createRandom(deployment.seed);
	const { now, sleep } = time;
	const warmUpMs = 5_000 + 2 * maxStalenessMs;
	const isCounted = () => now() >= warmUpMs;

	let polls = 0;
	const object = createFollower({
		tracking: {
			async poll() {
				if (isCounted()) polls++;
				await sleep(POLL_MS);
				return { cursor: "0", isReset: false, tags: [] };
			},
			loadCatalog: async () => ({}),
			prune: async () => true,
			markSchema: async () => "marker",
			hasLoaded: async () => true,
		},
		store: { load: () => undefined, append: () => false, rewrite() {} },
		now,
		sleep,
		wakeIn: (ms) => void sleep(ms).then(() => object.tick()),
		log() {},
	});

	const calls = new Array<number>(seconds).fill(0);
	const relayCalls = new Array<number>(dataCentres).fill(0);
	/** A feed at this distance. */
	const at = (distanceMs: number, feed: Feed, count: () => void): Feed => {
		const way = () => sleep(distanceMs * (1 + JITTER * random()));
		return {
			async sync(request) {
				await way();
				if (isCounted()) count();
				const answer = await feed.sync(request);
				await way();
				return answer;
			},
			catalog: () => feed.catalog(),
		};
	};
	const countCall = () => {
		const second = Math.floor((now() - warmUpMs) / 1_000);
		calls[second] = (calls[second] ?? 0) + 1;
	};

	const readMs =
		(1_000 * dataCentres * isolatesPerDataCentre) / deployment.readsPerSecond;
	const untilNext = (meanMs: number) => -Math.log(1 - random()) * meanMs;
	const untilNextRead = () => untilNext(readMs);
	const writeMs =
		(1_000 * dataCentres * isolatesPerDataCentre) /
		(deployment.writesPerSecond ?? 0);

	async function write(freshness: Freshness): Promise<void> {
		for (;;) {
			await sleep(untilNext(writeMs));
			void freshness.afterWrite();
		}
	}

	let waitedMs = 0;
	let agesMs = 0;
	let usableMs = 0;
	let oldestViewMs = Number.NaN;

	async function read(feed: Feed): Promise<void> {
		const freshness = createFreshness({
			feed,
			onOriginBack() {},
			parseCatalog: () => {
				throw new Error("no catalog is asked for");
			},
			now,
			sleep,
			waitUntil() {},
			log() {},
		});
		const needs = { maxAgeMs: maxStalenessMs, consistencyTokens: [] };
		await sleep(random() * maxStalenessMs);
		if (Number.isFinite(writeMs)) void write(freshness);
		for (;;) {
			const begun = now();
			const view = await freshness.view(needs);
			if (isCounted()) waitedMs += now() - begun;
			if (view === undefined) {
				const pauseMs = untilNextRead();
				if (isCounted()) waitedMs += pauseMs;
				await sleep(pauseMs);
				continue;
			}
			const ageMs = now() - view.asOf;
			// Nothing happens until a read finds the view older than half the bound.
			const dueMs = maxStalenessMs / 2 - ageMs;
			const pauseMs = Math.max(LOOK_MS, dueMs) + untilNextRead();
			if (isCounted()) {
				// Reads come at random, so that shares of time are shares of reads. One that comes later than this would wait.
				const goodMs = Math.min(pauseMs, maxStalenessMs - ageMs);
				usableMs += goodMs;
				waitedMs += pauseMs - goodMs;
				agesMs += goodMs * (ageMs + goodMs / 2);
				oldestViewMs = Math.max(ageMs, oldestViewMs || 0);
			}
			await sleep(pauseMs);
		}
	}

	for (let centre = 0; centre < dataCentres; centre++) {
		const distanceMs =
			NEAR_MS + ((FAR_MS - NEAR_MS) * centre) / Math.max(1, dataCentres - 1);
		const direct = at(distanceMs, object, countCall);
		const relay = hasRelays
			? at(RELAY_MS, createRelay({ feed: direct, now, sleep }), () => {
					relayCalls[centre] = (relayCalls[centre] ?? 0) + 1;
				})
			: direct;
		for (let isolate = 0; isolate < isolatesPerDataCentre; isolate++)
			void read(relay);
	}
	await time.runUntil(warmUpMs + 1_000 * seconds);
	const sum = (counts: readonly number[]) =>
		counts.reduce((total, count) => total + count, 0);
	return {
		calls: sum(calls) / seconds,
		peakCalls: Math.max(...calls),
		relayCalls: sum(relayCalls) / seconds,
		mostRelayCalls: Math.max(...relayCalls) / seconds,
		polls: polls / seconds,
		waiting: waitedMs / (waitedMs + usableMs),
		viewAgeMs: agesMs / usableMs,
		oldestViewMs,
	};
}

/** Time in whole milliseconds that passes when nothing is left to do. */
function simulatedTime() {
	let ms = 0;
	const sleepers = new Map<number, (() => void)[]>();
	return {
		now: () => ms,
		sleep(forMs: number): Promise<void> {
			const at = ms + Math.max(1, Math.round(forMs));
			return new Promise((wake) => {
				const others = sleepers.get(at);
				if (others === undefined) sleepers.set(at, [wake]);
				else others.push(wake);
			});
		},
		async runUntil(endMs: number): Promise<void> {
			for (; ms < endMs; ms++) {
				const due = sleepers.get(ms);
				if (due === undefined) continue;
				sleepers.delete(ms);
				for (const wake of due) wake();
				await new Promise(setImmediate);
			}
		},
	};
}
