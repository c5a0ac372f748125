// While the origin is away, answers again what was answered before: marked, for a bounded time, only to callers whom the entry is
// for, and never past a change of the schema, the policies or the grants that the feed has told of.
import {
	consistencyTokensIn,
	setConsistencyTokens,
} from "../consistency/consistency-token.ts";
import type { Freshness, LastKnown } from "../consistency/freshness.ts";
import type { View } from "../consistency/view.ts";
import { Refusal, type RefusalCode } from "../http/refusals.ts";
import type { Identity } from "../identity/identity.ts";
import type { MemoryStore } from "../memory/memory-store.ts";
import { withinDeadline } from "../origin/deadline.ts";
import {
	absenceIn,
	absenceOf,
	type OriginAbsence,
} from "../origin/origin-absence.ts";
import { wholeBodyOf } from "../origin/whole-body.ts";
import type { PipelineRequest } from "../pipeline.ts";
import type { CacheablePlan, Plan } from "../planner/plan.ts";
import type { Planner } from "../planner/planner.ts";
import { type ArrivedRead, isStreaming } from "./arrived-read.ts";
import { acceptedAgeMs } from "./directives.ts";
import { type Entry, readerOf, type Store } from "./entry.ts";
import {
	hasSameCatalog,
	isCovered,
	isNewer,
	isUnchanged,
	ofAnotherIsolate,
	rightUntil,
	tokensOf,
} from "./entry-freshness.ts";
import { conditional } from "./etag.ts";
import { MAX_BODY_BYTES } from "./fill.ts";
import { fromEntry, setAge, setStatus } from "./respond.ts";

/** Longest wait for an origin that the feed finds away as well, where there is an answer to give in its place. */
const PATIENCE_MS = 2_000;

/** The feed's object has to have been heard within this time: it may know of a change of policies that the isolate does not. */
const MAX_SILENCE_MS = 5_000;

interface OutageDeps {
	planner: Planner;
	freshness: Freshness;
	memory: MemoryStore<Entry>;
	store: Store | undefined;
	/** The oldest answer. 0: there is none. */
	outageStalenessMs: number;
	now: () => number;
	log: (error: unknown) => void;
}

type Read = (request: PipelineRequest) => Promise<Response>;

/** What there is to give in the origin's place. */
interface Candidate {
	readonly entry: Entry;
	readonly view: View;
	readonly ageMs: number;
	readonly ttlMs: number;
}

/** There is nothing to give: nothing at all, or nothing that satisfies this of the request. */
interface None {
	readonly unmet: string | undefined;
}

/** The client forbids asking the origin, which the feed finds away. */
const NOT_ASKED: OriginAbsence = {
	reason: "origin-unreachable",
	wasAsked: false,
};

const NOTHING: None = { unmet: undefined };

/** What a read ended in. While the origin is away that is its error, or a refusal. */
interface Outcome {
	readonly answer?: Response;
	readonly refusal?: unknown;
	readonly absence?: OriginAbsence | undefined;
}

export function createOutageAnswers(deps: OutageDeps) {
	const { planner, freshness, memory, store, now, log } = deps;

	/** Reads, and where the origin is away answers again. */
	return async function readOrAgain(
		arrived: ArrivedRead,
		read: Read,
	): Promise<Response> {
		const { request } = arrived;
		if (deps.outageStalenessMs === 0 || isStreaming(arrived))
			return read(request);
		// Known beforehand, the candidate can also replace an answer that breaks off or does not come.
		const early =
			freshness.reason === "feed-unreachable" ? await find(arrived) : undefined;
		const outcome = await (early === undefined || "unmet" in early
			? attempt(read, request)
			: attemptWhole(read, request));
		const { absence, answer } = outcome;
		if (absence === undefined && answer !== undefined) return answer;
		if (absence === undefined) throw outcome.refusal;
		const found = early ?? (await find(arrived));
		return "unmet" in found
			? unanswered(outcome, found.unmet)
			: answerAgain(request, found, absence);
	};

	async function attempt(
		read: Read,
		request: PipelineRequest,
	): Promise<Outcome> {
		try {
			return await absenceIn(await read(request));
		} catch (refusal) {
			const isForbidden =
				refusal instanceof Refusal && refusal.code === "not_cached";
			return isForbidden && freshness.isOriginAway
				? { refusal, absence: NOT_ASKED }
				: { refusal, absence: absenceOf(refusal) };
		}
	}

	/** Reads with the whole body. Where the feed finds the origin away, too, gives up after a while and ends the origin's request. */
	async function attemptWhole(
		read: Read,
		request: PipelineRequest,
	): Promise<Outcome> {
		const wholly: Read = async (request) => wholeOf(await read(request));
		return freshness.isOriginAway
			? attempt(
					(request) => withinDeadline(request, PATIENCE_MS, wholly),
					request,
				)
			: attempt(wholly, request);
	}

	/** The entry of the request, if it may be given to this caller now. */
	async function find(arrived: ArrivedRead): Promise<Candidate | None> {
		const { request, identity, directives } = arrived;
		if (directives.isNoCache) return { unmet: "Cache-Control: no-cache" };
		if (directives.isNoStore) return { unmet: "Cache-Control: no-store" };
		const known = await freshness.lastKnown(MAX_SILENCE_MS);
		if (known === undefined) return NOTHING;
		const plan = planBy(known, arrived);
		if (plan?.kind !== "cacheable") return NOTHING;
		const { view } = known;
		const entry = await entryFor(plan, view, request, identity);
		if (entry === undefined) return NOTHING;
		const hasChanged = !isUnchanged(entry, plan.tags, view);
		const ageMs = Math.max(0, now() - rightUntil(entry, view, hasChanged));
		if (ageMs > deps.outageStalenessMs) return NOTHING;
		if (ageMs > acceptedAgeMs(directives, plan.maxStalenessMs))
			return { unmet: "Cache-Control" };
		const tokens = consistencyTokensIn(request.headers);
		const areCovered = !hasChanged && tokens.every(view.covers);
		if (tokens.length > 0 && !areCovered) return { unmet: "Postern-Token" };
		return { entry, view, ageMs, ttlMs: plan.maxStalenessMs - ageMs };
	}

	function planBy(
		{ catalog }: LastKnown,
		{ request, identity, callArguments }: ArrivedRead,
	): Plan | undefined {
		try {
			return planner.plan(catalog, request, identity, callArguments);
		} catch (error) {
			log(error);
			return undefined;
		}
	}

	/** The newest entry that is for the caller. */
	async function entryFor(
		{ key, tags }: CacheablePlan,
		view: View,
		request: PipelineRequest,
		identity: Identity,
	): Promise<Entry | undefined> {
		const reader = await readerOf(identity, request);
		// Other callers need a poll that began after the answer and found no change of the policies.
		const ifFor = (entry: Entry | undefined) =>
			entry !== undefined &&
			hasSameCatalog(entry, view) &&
			(entry.reader === reader || isCovered(entry, view))
				? entry
				: undefined;
		const near = ifFor(memory.get(key));
		if (near !== undefined && isUnchanged(near, tags, view)) return near;
		const stored = store && ifFor(await store.get(key));
		if (stored === undefined || (near && !isNewer(stored, near, view)))
			return near;
		const far = ofAnotherIsolate(stored);
		memory.put(key, far);
		return far;
	}

	function answerAgain(
		request: PipelineRequest,
		{ entry, view, ageMs, ttlMs }: Candidate,
		{ reason, wasAsked, status }: OriginAbsence,
	): Response {
		const response = fromEntry(entry, request);
		setAge(response.headers, now() - ageMs, now());
		setConsistencyTokens(response.headers, tokensOf(entry, view));
		// RFC 9211, section 2.1: a member has `hit` or `fwd`, by whether the request went forward.
		setStatus(response.headers, {
			...(wasAsked
				? { forwarded: "stale", forwardedStatus: status }
				: { isHit: true }),
			ttlMs,
			detail: reason,
		});
		return conditional(request, response);
	}
}

/** @throws {Refusal} where the body breaks off */
async function wholeOf(response: Response): Promise<Response> {
	const length = Number(response.headers.get("content-length"));
	if (response.body === null || length > MAX_BODY_BYTES) return response;
	return new Response(await wholeBodyOf(response), response);
}

/** The error that the read ended in, with what the request asks for that no entry satisfies. */
function unanswered(
	{ answer, refusal, absence }: Outcome,
	unmet: string | undefined,
): Response {
	if (answer !== undefined && unmet !== undefined) {
		answer.headers.delete("Cache-Status");
		setStatus(answer.headers, {
			forwarded: "stale",
			forwardedStatus: absence?.status,
			detail: `${absence?.reason}, and no stored answer satisfies ${unmet}`,
		});
	}
	if (answer !== undefined) return answer;
	if (unmet === undefined || !(refusal instanceof Refusal)) throw refusal;
	const { cause, headers } = refusal;
	// Absence has refusals of the gateway's own only.
	throw new Refusal(refusal.code as RefusalCode, {
		...{ cause, headers },
		details: `no stored answer satisfies ${unmet}`,
	});
}
