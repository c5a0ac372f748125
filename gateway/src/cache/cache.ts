// The read cache, shaped like the pipeline that it wraps. A read is answered from a store only while the change feed shows
// that the entry is fresh. Otherwise the origin is asked. The token of a write names its transaction, or a poll of the feed after it.
import { takeTransactionToken } from "../consistency/consistency-token.ts";
import type { Freshness } from "../consistency/freshness.ts";
import type { OwnWrites } from "../consistency/own-writes.ts";
import type { SingleFlight } from "../consistency/single-flight.ts";
import { Refusal } from "../http/refusals.ts";
import { type Identity, isAmong } from "../identity/identity.ts";
import { createMemoryBudget } from "../memory/memory-budget.ts";
import { MemoryStore } from "../memory/memory-store.ts";
import { withinDeadline } from "../origin/deadline.ts";
import type { Pipeline, PipelineRequest } from "../pipeline.ts";
import type { Planner } from "../planner/planner.ts";
import {
	type ArrivedRead,
	arrivalOf,
	hasSmallBody,
	isStreaming,
	withArguments,
} from "./arrived-read.ts";
import { type Entry, readerOf, type Store } from "./entry.ts";
import { ttlOf } from "./entry-freshness.ts";
import { conditional } from "./etag.ts";
import { type Explanation, explain } from "./explain.ts";
import { fill } from "./fill.ts";
import { type CacheableRead, createFromStore } from "./from-store.ts";
import { createOutageAnswers } from "./outage-answers.ts";
import { createPlanRead, type PlannedRead } from "./plan-read.ts";
import { type CacheStatus, labelled, setDownstream } from "./respond.ts";
import type { SecondAsks } from "./second-asks.ts";

/** Bodies that are being read at once. Beyond this, answers are streamed and not stored. */
const MAX_FILLING_BYTES = 16_777_216;
/** A body that is not read by then no longer counts: the runtime may have cancelled its request. */
const FILLING_MS = 30_000;

/** How often a request waits for another one's answer before it asks the origin itself. */
const MAX_ROUNDS = 2;

/** After an answer could not be stored, no request waits for another one's answer to the same question for this long. */
const NOT_STORED_MS = 10_000;
const NOT_STORED_BYTES = 1_048_576;

export interface CacheDeps {
	origin: Pipeline;
	/** The origin for what may write. */
	writes: Pipeline;
	planner: Planner;
	freshness: Freshness;
	ownWrites: OwnWrites;
	memory: MemoryStore<Entry>;
	/** Beyond the isolate, if there is one. Never rejects, and never takes long. */
	store: Store | undefined;
	/** Before a look-up beyond the isolate, which costs, too. @throws {Refusal} where the caller has no misses left */
	checkMisses: (identity: Identity) => void;
	/** Puts answers into the store. */
	secondAsks: SecondAsks;
	/** One request at a time asks the origin for an answer that others can use. */
	flights: SingleFlight;
	/** For answers whose relations do not set a maximum staleness themselves. */
	maxStalenessMs: number;
	/** The oldest that an answer may be while the origin is away. */
	outageStalenessMs: number;
	explainRoles: readonly string[];
	/** The longest that a read takes, in milliseconds. */
	deadlineMs: number;
	now: () => number;
	waitUntil: (promise: Promise<unknown>) => void;
	log: (error: unknown) => void;
}

/** A read that asks the origin. */
interface NamedRead extends CacheableRead {
	/** The request, with its deadline. */
	readonly limited: PipelineRequest;
}

type Forwarded = NonNullable<CacheStatus["forwarded"]>;

export function createCache(deps: CacheDeps): Pipeline {
	const { origin, freshness, ownWrites, memory, secondAsks, flights, now } =
		deps;
	const { mayWrite, planRead } = createPlanRead(deps);
	const fromStore = createFromStore(deps);
	const readOrAgain = createOutageAnswers(deps);
	/** Until when no request waits for another one's answer, by the entry's key. */
	const notStoredUntil = new MemoryStore<number>(NOT_STORED_BYTES, () => 0);
	const fillBudget = createMemoryBudget(MAX_FILLING_BYTES, FILLING_MS, now);

	return async function cache(request, identity) {
		if (request.method === "OPTIONS") return origin(request, identity);
		if (mayWrite(request)) return write(request, identity);
		const explanation = explain(request, mayExplain(identity));
		const answer = await read(request, identity, explanation);
		explanation?.tell(answer.headers);
		if (request.method !== "POST") setDownstream(answer.headers);
		return answer;
	};

	function mayExplain(identity: Identity): boolean {
		return isAmong(identity, deps.explainRoles);
	}

	async function write(
		request: PipelineRequest,
		identity: Identity,
	): Promise<Response> {
		const answer = await deps.writes(request, identity);
		// With any status: a function may set an error status and commit.
		const transactionToken = takeTransactionToken(answer.headers);
		if (transactionToken !== undefined)
			ownWrites.remember(identity, transactionToken);
		const consistencyToken = transactionToken ?? (await freshness.afterWrite());
		return labelled(answer, consistencyToken, { forwarded: "method" });
	}

	async function read(
		request: PipelineRequest,
		identity: Identity,
		explanation: Explanation | undefined,
	): Promise<Response> {
		const sent = arrivalOf(request, identity, now());
		const arrived = hasSmallBody(request)
			? await withArguments(sent, now)
			: sent;
		const planned = await planRead(arrived);
		explanation?.note(planned);
		return readOrAgain(arrived, (request) =>
			readPlanned(planned, { ...arrived, request }),
		);
	}

	async function readPlanned(
		planned: PlannedRead,
		arrived: ArrivedRead,
	): Promise<Response> {
		const { request, identity, directives } = arrived;
		if (planned.view === undefined) {
			if (directives.isOnlyIfCached) throw new Refusal("not_cached");
			const answer = await inTime(arrived, (request) =>
				origin(request, identity),
			);
			return labelled(answer, freshness.consistencyTokenNow(), {
				forwarded: request.method === "POST" ? "method" : "bypass",
				detail:
					planned.isForOperators && !mayExplain(identity)
						? undefined
						: planned.plan.reason,
			});
		}
		const at = now();
		const { key } = planned.plan;
		const cacheable = { request, identity, directives, ...planned, at };
		if (directives.isNoCache || directives.isNoStore) {
			if (directives.isOnlyIfCached) throw new Refusal("not_cached");
			return inTime(arrived, (limited) =>
				fromOrigin({ ...cacheable, limited }, "request"),
			);
		}
		const found = await fromStore.lookUp(cacheable);
		const { hit, detail, isStale } = found;
		if (hit !== undefined) {
			const status = { isHit: true, detail };
			const answer = await fromStore.answer(cacheable, hit, status);
			secondAsks.given(key, hit);
			if (answer !== undefined) return answer;
		}
		if (directives.isOnlyIfCached) throw new Refusal("not_cached");
		return inTime(arrived, (limited) =>
			collapsed(
				{ ...cacheable, limited },
				hit || isStale ? "stale" : "uri-miss",
				hit,
			),
		);
	}

	/** Asks the origin within what is left of the read's time. A body that streams may take any time. */
	function inTime(
		arrived: ArrivedRead,
		ask: (request: PipelineRequest) => Promise<Response>,
	): Promise<Response> {
		const { request, arrivedAt } = arrived;
		if (isStreaming(arrived)) return ask(request);
		return withinDeadline(request, arrivedAt + deps.deadlineMs - now(), ask);
	}

	/**
	 * One request of the isolate asks the origin. Requests that arrive meanwhile wait for the entry, never for its promise.
	 * @param refused an entry that is not for this caller
	 */
	async function collapsed(
		read: NamedRead,
		forwarded: Forwarded,
		refused: Entry | undefined,
	): Promise<Response> {
		const { plan, request } = read;
		const look = () => {
			const entry = memory.get(plan.key);
			const isUsable =
				entry !== refused && entry && fromStore.isGood(entry, read);
			return isUsable ? entry : undefined;
		};
		for (let round = 0; round < MAX_ROUNDS && isShareable(read); round++) {
			let answer: Response | undefined;
			// The entry may have arrived while the store was asked.
			const entry =
				look() ??
				(await flights.run(
					plan.key,
					look,
					async () => {
						answer = await fromOrigin(read, forwarded);
						return undefined;
					},
					request.signal,
				));
			if (answer !== undefined) return answer;
			if (entry === undefined) continue;
			const status = { forwarded, isCollapsed: true };
			const shared = await fromStore.answer(read, entry, status);
			secondAsks.given(plan.key, entry);
			if (shared !== undefined) return shared;
			refused = entry;
		}
		return fromOrigin(read, forwarded);
	}

	/** Whether other requests will be able to use the answer. */
	function isShareable(read: NamedRead): boolean {
		const notBefore =
			notStoredUntil.get(read.plan.key) ?? Number.NEGATIVE_INFINITY;
		return now() >= notBefore && reasonNotToStore(read) === undefined;
	}

	async function fromOrigin(
		read: NamedRead,
		forwarded: Forwarded,
	): Promise<Response> {
		const { request, limited, identity, plan, view } = read;
		// Both are taken before the origin is asked: a late answer can then only look too old.
		const stamp = {
			feedEpoch: view.feedEpoch,
			seq: view.seq,
			tags: plan.tags,
			...(plan.readsClock && { clockReadAt: now() }),
		};
		const askedAt = now();
		const reason = reasonNotToStore(read);
		const response = await origin(limited, identity);
		const consistencyToken = freshness.consistencyTokenNow();
		if (reason !== undefined)
			return labelled(response, consistencyToken, {
				forwarded,
				detail: reason,
			});
		const filled = await fill({
			request: limited,
			response,
			schema: plan.schema,
			stamp,
			consistencyToken,
			reader: await readerOf(identity, request),
			askedAt,
			budget: fillBudget,
			now,
		});
		if (filled.entry === undefined) {
			notStoredUntil.put(plan.key, now() + NOT_STORED_MS);
			const status = { forwarded, detail: filled.reason };
			return labelled(filled.response, consistencyToken, status);
		}
		const isStored = !isAlreadyStored(filled.entry, read);
		if (isStored) {
			memory.put(plan.key, filled.entry);
			secondAsks.filled(plan.key, filled.entry);
		}
		const ttlMs = ttlOf(view.asOf, read.maxAgeMs, now());
		const status = { forwarded, isStored, ttlMs };
		return conditional(
			request,
			labelled(filled.response, consistencyToken, status),
		);
	}

	/** A newer copy of the same answer would serve no one better, and other callers would have to wait for a poll. */
	function isAlreadyStored({ etag }: Entry, read: CacheableRead): boolean {
		const known = memory.get(read.plan.key);
		return known?.etag === etag && fromStore.isGood(known, read);
	}

	function reasonNotToStore(read: CacheableRead): string | undefined {
		const { directives, plan, view, at } = read;
		if (directives.isNoStore) return "no-store";
		// Until then it answers by its old schema cache, which the plan knows nothing of.
		if (!view.isSchemaLoaded)
			return "PostgREST has not loaded the changed schema";
		// Policies may have changed since such a view, so that its plan takes callers for alike who are not.
		if (at - view.asOf > plan.maxStalenessMs) return "the view is old";
		return undefined;
	}
}
