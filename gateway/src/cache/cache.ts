// The read cache, shaped like the pipeline that it wraps. A read is answered from a store only while the change feed vouches
// for it; whatever is not certain is asked of the origin. A write is followed by a look at the feed, so that its token covers it.

import {
	consistencyTokensIn,
	setConsistencyTokens,
} from "../consistency/consistency-token.ts";
import type { Freshness, View } from "../consistency/freshness.ts";
import { Refusal } from "../http/refusals.ts";
import type { Identity } from "../identity/identity.ts";
import type { Pipeline } from "../pipeline.ts";
import type { Catalog } from "../planner/catalog.ts";
import type { BypassPlan, CacheablePlan, Plan } from "../planner/plan.ts";
import type { Planner } from "../planner/planner.ts";
import { BoundedMap } from "./bounded-map.ts";
import {
	allowedAgeMs,
	type Directives,
	parseDirectives,
} from "./directives.ts";
import { type Entry, isCovered, isFresh, nameOf, readerOf } from "./entry.ts";
import { type Explanation, explain } from "./explain.ts";
import { fill } from "./fill.ts";
import { createMemoryBudget } from "./memory-budget.ts";
import type { MemoryStore } from "./memory-store.ts";
import {
	type CacheStatus,
	conditional,
	fromEntry,
	setAge,
	setDownstream,
	setStatus,
} from "./respond.ts";
import type { SingleFlight } from "./single-flight.ts";
import type { Store } from "./store.ts";

/** After a change of the schema PostgREST may answer by the one before for a while, in milliseconds: it reads it anew when it is told. */
const SETTLING_MS = 10_000;

/** Of bodies that are being read at once. Beyond, answers go on streaming and are not kept. */
const MAX_FILLING_BYTES = 16_777_216;
/** Whoever has not finished by then is taken for gone. */
const FILLING_MS = 30_000;

/** Longest `ttl` that is told, in milliseconds. */
const MAX_TTL_MS = 3_600_000;

/** SingleFlight that a request waits for, before it asks for itself. */
const MAX_ROUNDS = 2;

/** Where an answer could not be kept, nobody waits for another's for this time, in milliseconds. */
const UNKEPT_MS = 10_000;
const MAX_UNKEPT = 10_000;

export interface CacheDeps {
	origin: Pipeline;
	planner: Planner;
	freshness: Freshness;
	memory: MemoryStore;
	/** Beyond the isolate, where there is one. Never rejects, and never takes long. */
	store: Store | undefined;
	/** Of fills: one request at a time asks the origin for an answer. */
	flights: SingleFlight;
	/** Oldest that an answer may be where its relations have no bound of their own, in milliseconds. */
	maxStalenessMs: number;
	explainRoles: readonly string[];
	now: () => number;
	waitUntil: (promise: Promise<unknown>) => void;
	log: (problem: unknown) => void;
}

/** A plan with the view that it holds for. */
export type Planned =
	| {
			readonly plan: BypassPlan;
			readonly view?: never;
			/** The reason speaks of the schema: of policies, and of tables and functions behind the exposed ones. */
			readonly isForOperators: boolean;
	  }
	| {
			readonly plan: CacheablePlan;
			readonly view: View;
			/** Oldest answer that will do, in milliseconds. */
			readonly allowedMs: number;
	  };

/** A read that may be answered from a store, as of a view. */
interface Question {
	readonly request: Request;
	readonly identity: Identity;
	readonly directives: Directives;
	readonly plan: CacheablePlan;
	readonly view: View;
	readonly allowedMs: number;
	/** What the entry is stored under. */
	readonly name: string;
	/** When the view was found good, by our clock. */
	readonly at: number;
}

type Forwarded = NonNullable<CacheStatus["forwarded"]>;

export function createCache(deps: CacheDeps): Pipeline {
	const { origin, planner, freshness, memory, store, flights, now } = deps;
	/** Until when nobody waits for another's answer, by name. */
	const unkept = new BoundedMap<number>(MAX_UNKEPT);
	const filling = createMemoryBudget(MAX_FILLING_BYTES, FILLING_MS, now);

	return async function cache(request, identity) {
		if (request.method === "OPTIONS") return origin(request, identity);
		if (mayWrite(request)) return write(request, identity);
		const explanation = explain(request, mayExplain(identity));
		const answer = await read(request, identity, explanation);
		explanation?.tell(answer.headers);
		if (request.method !== "POST") setDownstream(answer.headers);
		return answer;
	};

	function mayExplain({ role }: Identity): boolean {
		return deps.explainRoles.includes(role);
	}

	function mayWrite(request: Request): boolean {
		try {
			return planner.mayWrite(freshness.lastCatalog(), request);
		} catch (problem) {
			// What a request is, PostgREST says.
			deps.log(problem);
			return true;
		}
	}

	async function write(
		request: Request,
		identity: Identity,
	): Promise<Response> {
		const answer = mutable(await origin(request, identity));
		// Whatever the status: a function may set one and commit.
		const token = await freshness.afterWrite();
		return told(answer, token, { forwarded: "method" });
	}

	async function read(
		request: Request,
		identity: Identity,
		explanation: Explanation | undefined,
	): Promise<Response> {
		const directives = parseDirectives(request.headers);
		const planned = await planFor(request, identity, directives);
		explanation?.note(planned);
		if (planned.view === undefined) {
			if (directives.isOnlyIfCached) throw new Refusal("not_cached");
			const answer = mutable(await origin(request, identity));
			return told(answer, freshness.tokenForNow(), {
				forwarded: request.method === "POST" ? "method" : "bypass",
				detail:
					planned.isForOperators && !mayExplain(identity)
						? undefined
						: planned.plan.reason,
			});
		}
		const at = now();
		const name = await nameOf(planned.plan.key);
		const question = { request, identity, directives, ...planned, name, at };
		if (directives.isNoCache || directives.isNoStore) {
			if (directives.isOnlyIfCached) throw new Refusal("not_cached");
			return fromOrigin(question, "request");
		}
		const { hit, detail, isStale } = await lookUp(question);
		if (hit !== undefined) {
			const status = { isHit: true, detail };
			const answer = await fromStore(question, hit, status);
			if (answer !== undefined) return answer;
		}
		if (directives.isOnlyIfCached) throw new Refusal("not_cached");
		return collapsed(question, hit || isStale ? "stale" : "uri-miss", hit);
	}

	/** The plan by a catalog that is current as of the view, and the view no older than the plan allows. */
	async function planFor(
		request: Request,
		identity: Identity,
		directives: Directives,
	): Promise<Planned> {
		const tokens = consistencyTokensIn(request.headers);
		let catalog = freshness.lastCatalog();
		let plan = catalog && planned(catalog, request, identity);
		if (plan?.kind === "bypass") {
			// It is right to bypass by any catalog; by the next one it may not be needed.
			deps.waitUntil(keepUp());
			return { plan, isForOperators: true };
		}
		let boundMs = plan?.maxStalenessMs ?? deps.maxStalenessMs;
		// A second round where the catalog is new to us and the answer has to be newer than was thought.
		for (let round = 0; round < 2; round++) {
			const allowedMs = allowedAgeMs(directives, boundMs);
			const view = await freshness.view({ maxAgeMs: allowedMs, tokens });
			const current = view && (await freshness.catalog(view));
			if (view === undefined || current === undefined)
				return bypass(freshness.problem ?? "no view");
			if (plan === undefined || current !== catalog)
				plan = planned(current, request, identity);
			if (plan.kind === "bypass") return { plan, isForOperators: true };
			if (plan.maxStalenessMs >= boundMs) return { plan, view, allowedMs };
			catalog = current;
			boundMs = plan.maxStalenessMs;
		}
		return bypass("the schema is changing");
	}

	function planned(
		catalog: Catalog,
		request: Request,
		identity: Identity,
	): Plan {
		try {
			return planner.plan(catalog, request, identity);
		} catch (problem) {
			deps.log(problem);
			return { kind: "bypass", reason: "there is no plan for it" };
		}
	}

	async function keepUp(): Promise<void> {
		const needs = { maxAgeMs: deps.maxStalenessMs, tokens: [] };
		const view = await freshness.view(needs);
		if (view !== undefined) await freshness.catalog(view);
	}

	/** A fresh entry of the nearest store that has one. */
	async function lookUp(question: Question): Promise<{
		hit?: Entry;
		detail?: string;
		isStale?: boolean;
	}> {
		const { name } = question;
		const near = memory.look(name);
		if (near !== undefined && isGood(near, question))
			return { hit: near, detail: "memory" };
		const far = await store?.get(name);
		if (far === undefined) return { isStale: near !== undefined };
		if (!isGood(far, question)) return { isStale: true };
		memory.keep(name, far);
		return { hit: far, detail: "kv" };
	}

	function isGood(entry: Entry, { plan, view }: Question): boolean {
		return isFresh(entry, plan.tags, view, now());
	}

	/** An answer made of a good entry; nothing where it turns out not to be this caller's. */
	async function fromStore(
		question: Question,
		entry: Entry,
		status: CacheStatus,
	): Promise<Response | undefined> {
		const { request } = question;
		const view = await viewThatVouches(question, entry);
		if (view === undefined) return undefined;
		const answer = fromEntry(entry, request);
		setAge(answer.headers, view.asOf, now());
		// What the origin answered may be ahead of the view.
		const seen = isCovered(entry, view)
			? [view.token]
			: [view.token, entry.token];
		setConsistencyTokens(answer.headers, seen);
		const ttlMs = ttlOf({ ...question, view });
		setStatus(answer.headers, { ...status, ttlMs });
		return conditional(request, answer);
	}

	/**
	 * An entry may have been answered by policies that are newer than its plan, and tell callers apart who were alike. So but
	 * for the caller whose answer it was, it takes a poll that began after the answer, and found no such change.
	 */
	async function viewThatVouches(
		question: Question,
		entry: Entry,
	): Promise<View | undefined> {
		const { view, identity, request, allowedMs } = question;
		if (isCovered(entry, view) || entry.reader === (await readerOf(identity)))
			return view;
		const tokens = [...consistencyTokensIn(request.headers), entry.token];
		const newer = await freshness.view({ maxAgeMs: allowedMs, tokens });
		return newer && isGood(entry, { ...question, view: newer })
			? newer
			: undefined;
	}

	/**
	 * One request of an isolate asks for an answer, those that come meanwhile wait for it: by value, never by its promise.
	 * @param refused an entry that is not for this caller
	 */
	async function collapsed(
		question: Question,
		forwarded: Forwarded,
		refused: Entry | undefined,
	): Promise<Response> {
		const { name, request } = question;
		const look = () => {
			const entry = memory.look(name);
			const isOurs = entry !== refused && entry && isGood(entry, question);
			return isOurs ? entry : undefined;
		};
		for (let round = 0; round < MAX_ROUNDS && isShared(question); round++) {
			let answer: Response | undefined;
			// It may have come while the store was asked.
			const entry =
				look() ??
				(
					await flights.run(
						name,
						look,
						async () => {
							answer = await fromOrigin(question, forwarded);
							return undefined;
						},
						request.signal,
					)
				).value;
			if (answer !== undefined) return answer;
			if (entry === undefined) continue;
			const status = { forwarded, isCollapsed: true };
			const shared = await fromStore(question, entry, status);
			if (shared !== undefined) return shared;
			refused = entry;
		}
		return fromOrigin(question, forwarded);
	}

	/** Whether the answer is one that others will be able to use. */
	function isShared(question: Question): boolean {
		const notBefore = unkept.get(question.name) ?? Number.NEGATIVE_INFINITY;
		return now() >= notBefore && objectionTo(question) === undefined;
	}

	async function fromOrigin(
		question: Question,
		forwarded: Forwarded,
	): Promise<Response> {
		const { request, identity, plan, view, name } = question;
		// Both as known before the origin is asked: a late answer can only be taken for too old.
		const stamp = { feedEpoch: view.feedEpoch, seq: view.seq, tags: plan.tags };
		const objection = objectionTo(question);
		const response = mutable(await origin(request, identity));
		const token = freshness.tokenForNow();
		if (objection !== undefined)
			return told(response, token, { forwarded, detail: objection });
		const filled = await fill({
			request,
			response,
			schema: plan.schema,
			stamp,
			token,
			reader: await readerOf(identity),
			filling,
			now,
		});
		if (filled.entry === undefined) {
			unkept.set(name, now() + UNKEPT_MS);
			const detail = filled.reason;
			return told(filled.response, token, { forwarded, detail });
		}
		const isStored = !isKept(filled.entry, question);
		if (isStored) {
			memory.keep(name, filled.entry);
			if (store !== undefined) deps.waitUntil(store.put(name, filled.entry));
		}
		const status = { forwarded, isStored, ttlMs: ttlOf(question) };
		return conditional(request, told(filled.response, token, status));
	}

	/** The same answer is there and good: nobody is served by a newer copy, which has yet to be vouched for. */
	function isKept({ etag }: Entry, question: Question): boolean {
		const known = memory.look(question.name);
		return known?.etag === etag && isGood(known, question);
	}

	/** Why the answer to a question will not be kept. */
	function objectionTo(question: Question): string | undefined {
		const { directives, plan, view, at } = question;
		if (directives.isNoStore) return "no-store";
		const changedAt = view.catalogChangedAt ?? Number.NEGATIVE_INFINITY;
		if (now() - changedAt < SETTLING_MS) return "the schema has just changed";
		// By the plan of such a view callers may have been alike who are not now.
		if (at - view.asOf > plan.maxStalenessMs) return "the view is old";
		return undefined;
	}

	/** How long the answer might be given without another look at the feed, in milliseconds. */
	function ttlOf({ view, allowedMs }: Question): number {
		return Math.max(0, Math.min(allowedMs, MAX_TTL_MS) - (now() - view.asOf));
	}
}

/** The origin's answer, with a token that stands for whatever it shows. */
function told(
	response: Response,
	token: string,
	status: CacheStatus,
): Response {
	setConsistencyTokens(response.headers, [token]);
	setStatus(response.headers, status);
	return response;
}

function bypass(reason: string): Planned {
	return { plan: { kind: "bypass", reason }, isForOperators: false };
}

function mutable(response: Response): Response {
	return new Response(response.body, response);
}
