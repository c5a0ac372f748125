// Answers from entries in memory, with headers that are made once for each entry. Only the headers that move are set again: Age
// and Date, the tokens, Cache-Status, what https alone has and, where CORS_ORIGINS is a list, the allowed origin.
import type { Entry } from "../cache/entry.ts";
import { knownRightAt, tokensOf, ttlOf } from "../cache/entry-freshness.ts";
import { etagOf, matches, notModifiedHeaders } from "../cache/etag.ts";
import { ageOf, memberOf, setAge, setDownstream } from "../cache/respond.ts";
import { setConsistencyTokens } from "../consistency/consistency-token.ts";
import type { View } from "../consistency/view.ts";
import type { CorsHeaders } from "../http/cors.ts";
import { HTTPS_ONLY, NO_SNIFFING } from "../http/own-answers.ts";
import { headersOf } from "../origin/headers.ts";
import type { FreshEntry } from "./find-hit.ts";

const ALLOW_ORIGIN = "Access-Control-Allow-Origin";
const EXPOSE_HEADERS = "Access-Control-Expose-Headers";

/** Headers that the cache does not know: the full path adds them to each answer, a 304 as well. */
const NOT_OF_ENTRIES = [
	ALLOW_ORIGIN,
	EXPOSE_HEADERS,
	NO_SNIFFING[0],
	HTTPS_ONLY[0],
];

/** The heads of an entry's answers, and what their headers say now. To copy a head costs the runtime less than to read its parts. */
interface HitHeads {
	/** Has no body. */
	readonly head: Response;
	/** That of a 304. Undefined until it is wanted, and after a change of the other's headers. */
	notModified: Response | undefined;
	is304Counted: boolean;
	view: View | undefined;
	age: number;
	/** In whole seconds. */
	ttl: number;
	allowedOrigin: string | undefined;
	isOverHttps: boolean;
}

/** What the runtime takes for the head of an answer, as measured: see `npm run bench -- --only memory`. */
export const HEAD_BYTES = 8_704;

/** @param onHeadKept counts a head that is kept with the entry of a name */
export function createHitAnswers(
	cors: CorsHeaders,
	onHeadKept: (name: string) => void,
) {
	/** Kept as long as the entry. */
	const hitHeads = new WeakMap<Entry, HitHeads>();

	return { answerWith };

	/** @param sent the request's headers */
	function answerWith(
		fresh: FreshEntry,
		sent: Headers,
		isOverHttps: boolean,
		now: number,
	): Response {
		const { entry } = fresh;
		const made = hitHeads.get(entry) ?? newHeads(fresh);
		move(made, fresh, now);
		if (made.isOverHttps !== isOverHttps) setScheme(made, isOverHttps);
		if (cors.isByOrigin) allow(made, cors.allowedOrigin(sent.get("origin")));
		const wanted = sent.get("if-none-match");
		if (wanted !== null && matches(wanted, entry.etag)) {
			if (!made.is304Counted) onHeadKept(fresh.name);
			made.is304Counted = true;
			made.notModified ??= in304(made.head.headers);
			return new Response(null, made.notModified);
		}
		return new Response(entry.body, made.head);
	}

	function newHeads({ name, entry }: FreshEntry): HitHeads {
		onHeadKept(name);
		const { status, statusText } = entry;
		const head = new Response(null, {
			...{ status, statusText, headers: headersOf(entry.headers) },
		});
		const { headers } = head;
		headers.set("ETag", etagOf(entry));
		setDownstream(headers);
		headers.set(...NO_SNIFFING);
		headers.set(EXPOSE_HEADERS, cors.exposedHeaders);
		if (cors.isByOrigin) headers.append("Vary", "Origin");
		else headers.set(ALLOW_ORIGIN, "*");
		const made = {
			head,
			notModified: undefined,
			is304Counted: false,
			view: undefined,
			age: -1,
			ttl: -1,
			allowedOrigin: undefined,
			isOverHttps: false,
		};
		hitHeads.set(entry, made);
		return made;
	}

	function move(
		made: HitHeads,
		{ entry, view, maxAgeMs }: FreshEntry,
		now: number,
	): void {
		const { headers } = made.head;
		const asOf = knownRightAt(entry, view);
		const age = ageOf(asOf, now);
		const ttlMs = ttlOf(asOf, maxAgeMs, now);
		const ttl = Math.floor(ttlMs / 1_000);
		const isMoved = made.view !== view || made.age !== age;
		if (!isMoved && made.ttl === ttl) return;
		if (isMoved) setAge(headers, asOf, now);
		if (made.view !== view)
			setConsistencyTokens(headers, tokensOf(entry, view));
		const status = { isHit: true, detail: "memory", ttlMs };
		headers.set("Cache-Status", memberOf(status));
		Object.assign(made, { view, age, ttl, notModified: undefined });
	}

	function setScheme(made: HitHeads, isOverHttps: boolean): void {
		const { headers } = made.head;
		if (isOverHttps) headers.set(...HTTPS_ONLY);
		else headers.delete(HTTPS_ONLY[0]);
		Object.assign(made, { isOverHttps, notModified: undefined });
	}

	function allow(made: HitHeads, origin: string | undefined): void {
		if (made.allowedOrigin === origin) return;
		const { headers } = made.head;
		if (origin === undefined) headers.delete(ALLOW_ORIGIN);
		else headers.set(ALLOW_ORIGIN, origin);
		Object.assign(made, { allowedOrigin: origin, notModified: undefined });
	}
}

function in304(headers: Headers): Response {
	const kept = notModifiedHeaders(headers);
	for (const name of NOT_OF_ENTRIES) {
		const value = headers.get(name);
		if (value !== null) kept.set(name, value);
	}
	return new Response(null, { status: 304, headers: kept });
}
