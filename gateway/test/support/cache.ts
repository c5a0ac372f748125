// A cache over plain functions: a feed whose changes the test makes, a planner by the whole request, and an origin that records
// its requests.
import { type CacheDeps, createCache } from "../../src/cache/cache.ts";
import { type Entry, type Store, sizeOf } from "../../src/cache/entry.ts";
import { createSecondAsks } from "../../src/cache/second-asks.ts";
import { FORCING_TOKEN } from "../../src/consistency/consistency-token.ts";
import type { Freshness } from "../../src/consistency/freshness.ts";
import { createOwnWrites } from "../../src/consistency/own-writes.ts";
import { createSingleFlight } from "../../src/consistency/single-flight.ts";
import type { Needs, View } from "../../src/consistency/view.ts";
import type { Identity } from "../../src/identity/identity.ts";
import { MemoryStore } from "../../src/memory/memory-store.ts";
import type { Pipeline, PipelineRequest } from "../../src/pipeline.ts";
import { PIPELINE_URL } from "../../src/pipeline.ts";
import type { Catalog } from "../../src/planner/catalog.ts";
import type { CallArguments } from "../../src/planner/grammar/call-arguments.ts";
import type { Plan } from "../../src/planner/plan.ts";
import { type Member, parseList } from "./structured-fields.ts";
import { NOW } from "./tokens.ts";

export const FEED_EPOCH = "epoch1";
const OBJECT_RUN = "run1";
export const MAX_STALENESS_MS = 5_000;
export const OUTAGE_STALENESS_MS = 600_000;

export const ANYBODY: Identity = { role: "anon", claims: {} };
export const OPERATOR: Identity = { role: "service", claims: {} };

/** Its content is not read in these tests. */
export const CATALOG = {} as Catalog;

export function bytesOf(text: string): Uint8Array<ArrayBuffer> {
	return new Uint8Array([...new TextEncoder().encode(text)]);
}

export function entryOf(changes: Partial<Entry> = {}): Entry {
	return {
		feedEpoch: FEED_EPOCH,
		seq: 7,
		tags: ["api.notes", "catalog"],
		consistencyToken: tokenAt(NOW),
		reader: "reader",
		askedAt: NOW,
		filledAt: NOW,
		status: 200,
		statusText: "OK",
		headers: [
			["content-profile", "api"],
			["content-range", "0-0/*"],
			["content-type", "application/json; charset=utf-8"],
		],
		echoed: [],
		etag: '"tag"',
		body: bytesOf('[{"id":1}]'),
		...changes,
	};
}

/** A consistency token of the feed. */
export function tokenAt(asOf: number, objectRun = OBJECT_RUN): string {
	return `${FEED_EPOCH}.${objectRun}.${asOf.toString(36)}`;
}

export function viewOf({
	changes = {},
	...given
}: Partial<Omit<View, "lastChange" | "covers">> & {
	changes?: Readonly<Record<string, number>>;
} = {}): View {
	const view = {
		feedEpoch: FEED_EPOCH,
		seq: 7,
		prunedBelow: 0,
		cursor: "cursor",
		asOf: NOW,
		isSchemaLoaded: true,
		...given,
	};
	const consistencyToken = given.consistencyToken ?? tokenAt(view.asOf);
	return {
		...view,
		consistencyToken,
		lastChange: (tag) => changes[tag] ?? 0,
		covers(other) {
			const [feedEpoch, objectRun, asOf = ""] = other.split(".");
			return (
				`${feedEpoch}.${objectRun}` === `${FEED_EPOCH}.${OBJECT_RUN}` &&
				Number.parseInt(asOf, 36) <= view.asOf
			);
		},
	};
}

/** An answer as PostgREST gives it. */
export function rows(
	body: BodyInit | null = '[{"id":1}]',
	{
		status = 200,
		statusText = "OK",
		headers = {},
	}: { status?: number; statusText?: string; headers?: HeadersInit } = {},
): Response {
	const all = new Headers({
		"Content-Type": "application/json; charset=utf-8",
		"Content-Profile": "api",
		"Content-Range": "0-0/*",
		Date: new Date(NOW).toUTCString(),
		Server: "postgrest/12.0.2",
	});
	for (const [name, value] of new Headers(headers)) all.set(name, value);
	return new Response(body, { status, statusText, headers: all });
}

interface CacheOptions extends Partial<CacheDeps> {
	answer?: (
		request: PipelineRequest,
		identity: Identity,
	) => Response | Promise<Response>;
	plan?: (
		request: PipelineRequest,
		identity: Identity,
		callArguments?: CallArguments,
	) => Plan;
}

export type Ask = RequestInit & { identity?: Identity };

/** A cache, what surrounds it, and `ask`, which reads `/notes`. */
export function startCache({
	answer = () => rows(),
	plan = planOf,
	...deps
}: CacheOptions = {}) {
	const asked: PipelineRequest[] = [];
	const logged: unknown[] = [];
	const background: Promise<unknown>[] = [];
	const waitUntil = (promise: Promise<unknown>) => background.push(promise);
	const memory = new MemoryStore(1_000_000, sizeOf);
	const clock = { ms: NOW };
	const now = () => clock.ms;
	const feed = startFeed(now);
	const origin: Pipeline = async (request, identity) => {
		asked.push(request);
		return answer(request, identity);
	};
	const cache = createCache({
		origin,
		writes: origin,
		planner: {
			plan: (_, ...asked) => plan(...asked),
			mayWrite: (_, { method, url }) =>
				!["GET", "HEAD"].includes(method) && !url.includes("/rpc/stable"),
		},
		freshness: feed.freshness,
		ownWrites: createOwnWrites(),
		memory,
		store: undefined,
		checkMisses() {},
		secondAsks: createSecondAsks({
			store: deps.store,
			storedFromAsk: 1,
			waitUntil,
		}),
		flights: createSingleFlight({
			now,
			async sleep(ms) {
				clock.ms += ms;
				await tick();
			},
			limitMs: 5_000,
			maxFlights: 100,
		}),
		maxStalenessMs: MAX_STALENESS_MS,
		outageStalenessMs: OUTAGE_STALENESS_MS,
		deadlineMs: 30_000,
		explainRoles: [OPERATOR.role],
		now,
		waitUntil,
		log: (error) => logged.push(error),
		...deps,
	});
	return {
		asked,
		logged,
		memory,
		clock,
		feed,
		ask(path = "/notes", { identity = ANYBODY, ...init }: Ask = {}) {
			return cache(new Request(PIPELINE_URL + path, init), identity);
		},
		/** Waits for everything that goes on after the answers. */
		async settle() {
			await Promise.all(background);
		},
	};
}

/** Takes every read for one of the table api.notes, by the whole request. */
export function planOf(
	{ method, url }: PipelineRequest,
	{ role }: Identity = ANYBODY,
): Plan {
	return {
		kind: "cacheable",
		schema: "api",
		key: JSON.stringify([method, url, role]),
		tags: ["api.notes", "catalog"],
		callerKey: { role, claims: {}, headers: {} },
		readsClock: false,
		maxStalenessMs: MAX_STALENESS_MS,
	};
}

/** The feed as the cache sees it. A change by the test is in the next view, unless the view is held. */
function startFeed(now: () => number) {
	const changes: Record<string, number> = {};
	let seq = 7;
	let held: View | undefined;
	let failsFrom = Number.POSITIVE_INFINITY;
	const feed = {
		needs: [] as Needs[],
		/** Why there is no view. Undefined while there is one. */
		reason: undefined as string | undefined,
		catalog: CATALOG as Catalog | undefined,
		lastCatalog: CATALOG as Catalog | undefined,
		isSchemaLoaded: true,
		prunedBelow: 0,
		feedEpoch: FEED_EPOCH,
		syncs: 0,
		/** Whether the feed finds the origin away. */
		isOriginAway: false,
		/** What the feed told last, where it is not what it would tell now. */
		lastView: undefined as View | undefined,
		/** By how much the isolate overestimates the feed's clock. */
		aheadMs: 100,
		change(tag: string) {
			changes[tag] = ++seq;
		},
		view(): View {
			const { feedEpoch, prunedBelow, isSchemaLoaded } = feed;
			const known = { ...changes };
			return viewOf({
				feedEpoch,
				prunedBelow,
				isSchemaLoaded,
				seq,
				asOf: now(),
				changes: known,
			});
		},
		hold() {
			held = feed.view();
		},
		letGo() {
			held = undefined;
		},
		/** After this many calls, the feed cannot be reached. */
		failFrom(count: number) {
			failsFrom = count;
		},
	};
	const freshness: Freshness = {
		async view(needs) {
			feed.needs.push(needs);
			if (feed.needs.length > failsFrom) return undefined;
			if (feed.reason !== undefined) return undefined;
			// A token that the held view does not cover forces a poll.
			const isEnough =
				held && needs.consistencyTokens.every((it) => held?.covers(it));
			return isEnough ? held : feed.view();
		},
		knownView: () => undefined,
		catalog: async () => feed.catalog,
		knownCatalog: () => feed.catalog,
		lastCatalog: () => feed.lastCatalog,
		async afterWrite() {
			feed.syncs++;
			return feed.reason === "untracked" ? FORCING_TOKEN : tokenAt(now());
		},
		consistencyTokenNow: () =>
			feed.reason === undefined ? tokenAt(now() + feed.aheadMs) : FORCING_TOKEN,
		absence: undefined,
		async lastKnown() {
			const { catalog, lastView } = feed;
			return catalog && { view: lastView ?? held ?? feed.view(), catalog };
		},
		get isOriginAway() {
			return feed.isOriginAway;
		},
		get reason() {
			return feed.reason;
		},
	};
	return Object.assign(feed, { freshness });
}

/** Waits until all settled promises have gone on. */
export function tick(): Promise<void> {
	return new Promise((resolve) => setTimeout(resolve, 0));
}

/** A store whose entries the test can read. */
export function mapStore(entries = new Map<string, Entry>()): Store & {
	entries: Map<string, Entry>;
} {
	return {
		entries,
		get: async (name) => entries.get(name),
		async put(name, entry) {
			entries.set(name, entry);
		},
	};
}

/** The gateway's member of Cache-Status, the last. */
export function statusOf({ headers }: Response): Member["parameters"] {
	const members = parseList(headers.get("Cache-Status") ?? "");
	const own = members.at(-1);
	if (own?.name !== "Postern") throw new Error("Postern says nothing");
	return own.parameters;
}

export function tokensOf({ headers }: Response): string[] {
	return headers.get("Postern-Token")?.split(", ") ?? [];
}
