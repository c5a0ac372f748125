// Parses Accept and Prefer, and lets through only what PostgREST itself answers in known ways. Media types that functions of
// the database make, and query plans, are not cached.
import { NotCacheable } from "../plan.ts";

/** PostgREST's own media types that functions of the database cannot replace. */
const FIXED =
	/^application\/vnd\.pgrst\.(?:object(?:\+json)?|array(?:\+json)? *; *nulls=stripped)(?: *; *nulls=stripped)?$/;

/** Plain JSON under another name, as it has no parameter. */
const ARRAY = /^application\/vnd\.pgrst\.array(?:\+json)?$/;
const JSON_TYPE = "application/json";
const ANY = "*/*";
const REPLACEABLE = new Set([JSON_TYPE, "text/csv", ANY]);

/** Some version of PostgREST answers these in its own way. */
const OTHER =
	/^(?:application\/(?:vnd\.pgrst\..*|geo\+json|openapi\+json|octet-stream|x-www-form-urlencoded)|text\/(?:plain|xml))$/;

const QUALITY = /;\s*q=[\d.]+\s*$/;

/**
 * @param accept the request's header
 * @param madeByDatabase media types that functions of the database make
 * @returns the header, the same text for values that mean the same
 * @throws {NotCacheable}
 */
export function parseAccept(
	accept: string | null,
	madeByDatabase: ReadonlySet<string>,
): string {
	const types = (accept ?? ANY).toLowerCase().split(",").map(withoutQuality);
	for (const type of types) checkMediaType(type, madeByDatabase);
	// PostgREST treats both alike.
	return accept === null || accept === ANY ? JSON_TYPE : accept;
}

function checkMediaType(type: string, made: ReadonlySet<string>): void {
	if (FIXED.test(type)) return;
	const essence = ARRAY.test(type) ? JSON_TYPE : essenceOf(type);
	if (REPLACEABLE.has(essence)) {
		const isReplaced =
			made.has(ANY) ||
			made.has(essence) ||
			(essence === ANY && made.has(JSON_TYPE));
		if (!isReplaced) return;
		throw new NotCacheable(`the database may answer in ${essence} by itself`);
	}
	// PostgREST skips a media type that it cannot make and tries the next.
	const [family] = essence.split("/");
	const isMade =
		made.has(ANY) ||
		made.has(essence) ||
		(essence.endsWith("/*") &&
			[...made].some((one) => one.split("/")[0] === family));
	if (isMade || OTHER.test(essence) || !/^[\w.+-]+\/[\w.+*-]+$/.test(essence))
		throw new NotCacheable(
			`answers in ${type === "" ? "no media type" : type} are not cached`,
		);
}

function withoutQuality(type: string): string {
	return type.trim().replace(QUALITY, "");
}

function essenceOf(type: string): string {
	return type.split(";")[0]?.trim() ?? "";
}

/** Preferences without an effect on a read, or with one that follows from their text, which is in the key. */
const KNOWN_PREFERENCE =
	/^(?:count=exact|handling=(?:strict|lenient)|timezone=[\w+/-]+|return=(?:minimal|headers-only|representation)|resolution=(?:merge|ignore)-duplicates|missing=(?:default|null)|max-affected=\d+)$/;

/**
 * Parses Prefer (RFC 7240) of a read.
 * @returns the preferences in their order: PostgREST obeys the first of each kind
 * @throws {NotCacheable}
 */
export function parsePrefer(prefer: string | null): readonly string[] {
	if (prefer === null) return [];
	// Not trim(), which also removes characters that PostgREST takes for a part of the word.
	const trimmed = (text: string) => text.replaceAll(/^[ \t]+|[ \t]+$/g, "");
	if (trimmed(prefer) === "") return [];
	const preferences = prefer.split(",").map(trimmed);
	for (const preference of preferences) {
		if (!KNOWN_PREFERENCE.test(preference))
			throw new NotCacheable(
				`the preference "${preference}" is not known to be harmless`,
			);
	}
	return preferences;
}
