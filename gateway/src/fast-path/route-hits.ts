// Answers what a route asks of the database from the isolate's memory: synchronously, and without a Request, Headers or a Response,
// which cost more than the rest. Anything that is not known already is left to the pipeline.
import type { Entry } from "../cache/entry.ts";
import { knownRightAt, tokensOf, ttlOf } from "../cache/entry-freshness.ts";
import type { CacheParts } from "../cache/read-cache.ts";
import { ageOf, memberOf } from "../cache/respond.ts";
import { Refusal } from "../http/refusals.ts";
import type { Identity } from "../identity/identity.ts";
import { asksLimitedForm } from "../limits/limit-forms.ts";
import { MemoryStore } from "../memory/memory-store.ts";
import type { PlainRead } from "../pipeline.ts";
import type { Catalog } from "../planner/catalog.ts";
import { type Question, textOf } from "../planner/planner.ts";
import type { FindHit } from "./find-hit.ts";

/** An entry with what the headers of its answer would say. */
export interface RouteHit {
	readonly entry: Entry;
	readonly age: number;
	readonly cacheStatus: string;
	readonly consistencyTokens: readonly string[];
}

export type FindRouteHit = (
	read: PlainRead,
	identity: Identity,
	consistencyTokens: readonly string[],
) => RouteHit | undefined;

interface RouteHitsDeps
	extends Pick<CacheParts, "planner" | "freshness" | "ownWrites"> {
	findHit: FindHit;
	maxEmbedDepth: number;
	now: () => number;
	log: (error: unknown) => void;
}

/** A read with any other header is left to the pipeline. */
const KNOWN = [
	"accept",
	"accept-profile",
	"range",
	"range-unit",
	"x-client-info",
];
const NO_HEADERS = new Headers();

/** For the texts of reads and the questions in them. */
const REMEMBERED_BYTES = 2_097_152;
const QUESTION_BYTES = 1_024;

export function createRouteHits(deps: RouteHitsDeps): FindRouteHit {
	const { planner, freshness, ownWrites, findHit, now, log } = deps;
	/** Null where the pipeline has to answer. */
	let remembered = rememberedQuestions();
	let plannedBy: Catalog | undefined;

	return function findRouteHit(read, identity, consistencyTokens) {
		try {
			return find(read, identity, consistencyTokens);
		} catch (error) {
			// The pipeline refuses in its own words.
			if (!(error instanceof Refusal)) log(error);
			return undefined;
		}
	};

	function find(
		read: PlainRead,
		identity: Identity,
		consistencyTokens: readonly string[],
	): RouteHit | undefined {
		const catalog = freshness.lastCatalog();
		if (catalog === undefined) return undefined;
		const question = questionOf(read, catalog);
		if (question === null) return undefined;
		const found = findHit({
			question,
			catalog,
			identity,
			headers: NO_HEADERS,
			directives: undefined,
			consistencyTokens: ownWrites.tokensFor(identity, consistencyTokens),
		});
		if (found === undefined) return undefined;
		const { entry, view, maxAgeMs } = found;
		const asOf = knownRightAt(entry, view);
		const ttlMs = ttlOf(asOf, maxAgeMs, now());
		return {
			entry,
			age: ageOf(asOf, now()),
			cacheStatus: memberOf({ isHit: true, detail: "memory", ttlMs }),
			consistencyTokens: tokensOf(entry, view),
		};
	}

	function questionOf(read: PlainRead, catalog: Catalog): Question | null {
		if (catalog !== plannedBy) {
			remembered = rememberedQuestions();
			plannedBy = catalog;
		}
		const { url, headers } = read;
		if (!Object.keys(headers).every((name) => KNOWN.includes(name)))
			return null;
		const get = (name: string) => headers[name] ?? null;
		const text = textOf({ url, headers: { get } });
		const known = remembered.get(text);
		if (known !== undefined) return known.question;
		const question = planned(read, catalog);
		remembered.put(text, { question });
		return question;
	}

	function planned(
		{ url, headers }: PlainRead,
		catalog: Catalog,
	): Question | null {
		const request = new Request(url, { headers });
		if (asksLimitedForm(request, deps.maxEmbedDepth)) return null;
		const question = planner.question(catalog, request);
		if (question.kind !== "question") return null;
		const { callerReads } = question;
		// The pipeline knows all headers that PostgREST is sent.
		const readsHeaders =
			callerReads.headers.length > 0 || callerReads.cookies.length > 0;
		return readsHeaders ? null : question;
	}
}

function rememberedQuestions() {
	return new MemoryStore<{ question: Question | null }>(
		REMEMBERED_BYTES,
		() => QUESTION_BYTES,
	);
}
