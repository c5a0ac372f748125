// The fast path: answers a plain GET from the isolate's memory, synchronously and before the router. The caller, the plan, the view
// and the entry have to be known already, and to satisfy what the full path would demand. Anything else is left to the full path.
import { NO_DIRECTIVES, parseDirectives } from "../cache/directives.ts";
import { EXPLAIN_HEADER } from "../cache/explain.ts";
import type { CacheParts } from "../cache/read-cache.ts";
import { consistencyTokensIn } from "../consistency/consistency-token.ts";
import type { CorsHeaders } from "../http/cors.ts";
import { isOverHttps } from "../http/own-answers.ts";
import { Refusal } from "../http/refusals.ts";
import { toPipeline } from "../http/rest.ts";
import { partsOf } from "../http/url-parts.ts";
import { type Identity, isAmong } from "../identity/identity.ts";
import { MemoryStore } from "../memory/memory-store.ts";
import type { Catalog } from "../planner/catalog.ts";
import { type Question, textOf } from "../planner/planner.ts";
import type { FindHit } from "./find-hit.ts";
import { createHitAnswers, HEAD_BYTES } from "./hit-answers.ts";

interface FastPathDeps
	extends Pick<CacheParts, "planner" | "freshness" | "ownWrites" | "memory"> {
	findHit: FindHit;
	/** The path that stands for PostgREST's root. */
	mount: string;
	/** Schemas by the other names that clients use. */
	profileAliases: ReadonlyMap<string, string>;
	/** A longer URL is refused. */
	maxUrlBytes: number;
	/** The roles whose callers may ask for a newer answer than the cache has. */
	noCacheRoles: readonly string[];
	cors: CorsHeaders;
	recall: (request: Request) => Identity | undefined;
	/** Counts the hit. False where a rate limit does not allow it. */
	admits: (request: Request, identity: Identity) => boolean;
	now: () => number;
	log: (error: unknown) => void;
}

/** What is remembered of the requests of one text. */
interface Remembered {
	readonly isOverHttps: boolean;
	/** Null where it is left to the full path; undefined until it is asked a second time. */
	question: Question | null | undefined;
}

/** For the texts of requests and the questions in them. */
const REMEMBERED_BYTES = 4_194_304;
const QUESTION_BYTES = 1_024;

/** @returns undefined for a request that the full path has to answer */
export type FastPath = (request: Request) => Response | undefined;

export function createFastPath(deps: FastPathDeps): FastPath {
	const { planner, freshness, ownWrites, memory, findHit } = deps;
	const { recall, now, log } = deps;
	/** In the URL of every request that it answers. */
	const below = `${deps.mount}/`;
	let remembered = rememberedTexts();
	let plannedBy: Catalog | undefined;
	const { answerWith } = createHitAnswers(deps.cors, (name) =>
		memory.grow(name, HEAD_BYTES),
	);

	return function fastPath(request) {
		if (request.method !== "GET") return undefined;
		try {
			return answer(request);
		} catch (error) {
			// The full path refuses in its own words.
			if (!(error instanceof Refusal)) log(error);
			return undefined;
		}
	};

	function answer(request: Request): Response | undefined {
		const { url, headers } = request;
		const catalog = freshness.lastCatalog();
		if (catalog === undefined || !url.includes(below) || !isPlain(request))
			return undefined;
		const asked = rememberedOf(request, url, catalog);
		const question = asked?.question;
		if (asked === undefined || !question) return undefined;
		const directives = parseDirectives(headers);
		if (directives.isNoCache || directives.isNoStore) return undefined;
		const identity = recall(request);
		if (identity === undefined) return undefined;
		// The full path takes no directives from callers of other roles.
		if (directives !== NO_DIRECTIVES && !isAmong(identity, deps.noCacheRoles))
			return undefined;
		const found = findHit({
			question,
			catalog,
			identity,
			headers,
			directives,
			consistencyTokens: ownWrites.tokensFor(
				identity,
				consistencyTokensIn(headers),
			),
		});
		if (found === undefined || !deps.admits(request, identity))
			return undefined;
		return answerWith(found, headers, asked.isOverHttps, now());
	}

	/** What is remembered of the request, if it has been asked before by this catalog. */
	function rememberedOf(
		request: Request,
		url: string,
		catalog: Catalog,
	): Remembered | undefined {
		if (catalog !== plannedBy) {
			remembered = rememberedTexts();
			plannedBy = catalog;
		}
		const text = textOf({ url, headers: request.headers });
		const known = remembered.get(text);
		if (known === undefined) {
			// Most texts are asked once.
			remembered.put(text, {
				question: undefined,
				isOverHttps: isOverHttps(url),
			});
			return undefined;
		}
		if (known.question === undefined)
			known.question = plannedQuestion(request, catalog) ?? null;
		return known;
	}

	function plannedQuestion(
		request: Request,
		catalog: Catalog,
	): Question | undefined {
		const { mount, profileAliases, maxUrlBytes } = deps;
		const { url } = request;
		if (url.length > maxUrlBytes) return undefined;
		// The router takes other spellings of the mount, too.
		if (!URL.canParse(url) || !partsOf(url).pathname.startsWith(below))
			return undefined;
		const asked = toPipeline(request, mount, profileAliases);
		const question = planner.question(catalog, asked);
		return question.kind === "question" ? question : undefined;
	}
}

/** Values of Connection that name no header of the request. */
const OF_CONNECTIONS = [null, "close", "keep-alive", "Keep-Alive"];

/** Whether the request asks for nothing that the full path alone gives. */
function isPlain({ headers, body }: Request): boolean {
	return (
		body === null &&
		!headers.has(EXPLAIN_HEADER) &&
		// A GET reads no schema that it names, but the full path refuses some of them.
		!headers.has("content-profile") &&
		OF_CONNECTIONS.includes(headers.get("connection"))
	);
}

function rememberedTexts() {
	return new MemoryStore<Remembered>(REMEMBERED_BYTES, () => QUESTION_BYTES);
}
