// Parses Accept and Prefer, and lets through only what PostgREST itself answers in known ways. Media types that functions of
// the database make, and query plans, are not cached.
import { NotCacheable } from "../plan.ts";

/** PostgREST's own media types that functions of the database cannot replace. */
const FIXED =
	/^application\/vnd\.pgrst\.(?:object(?:\+json)?|array(?:\+json)?;nulls=stripped)(?:;nulls=stripped)?$/;

/** Plain JSON under another name, as it has no parameter. */
const ARRAY = /^application\/vnd\.pgrst\.array(?:\+json)?$/;
const JSON_TYPE = "application/json";
const ANY = "*/*";
const REPLACEABLE = new Set([JSON_TYPE, "text/csv", ANY]);

/** Some version of PostgREST answers these in its own way. */
const OTHER =
	/^(?:application\/(?:vnd\.pgrst\..*|geo\+json|openapi\+json|octet-stream|x-www-form-urlencoded)|text\/(?:plain|xml))$/;

/**
 * A media type with its parameters and, last, its quality. In upper case it means something else to PostgREST 12 than to later
 * versions; what follows a quality is ignored by some.
 */
const ACCEPTED =
	/^(?<type>[a-z\d.+*-]+\/[a-z\d.+*-]+(?:;(?!q=)[a-z\d-]+=[\w.+/-]*)*)(?:;q=(?<quality>0(?:\.\d{1,3})?|1(?:\.0{1,3})?))?$/;

/**
 * Finds the media type that PostgREST picks: the first that it can make.
 * @param accept the request's header
 * @param madeByDatabase media types that functions of the database make
 * @throws {NotCacheable} also where a type that versions of PostgREST, or the database, may make comes before
 */
export function parseAccept(
	accept: string | null,
	madeByDatabase: ReadonlySet<string>,
): string {
	for (const type of inOrderOfPreference(accept ?? ANY)) {
		// Both mean JSON.
		if (isPicked(type, madeByDatabase)) return type === ANY ? JSON_TYPE : type;
	}
	throw new NotCacheable(`PostgREST answers in none of ${accept}`);
}

/** By quality, then by the number of parameters less that of asterisks, then as they come: `parseHttpAccept` of wai-extra. */
function inOrderOfPreference(accept: string): string[] {
	const count = (text: string, character: string) =>
		text.split(character).length - 1;
	return accept
		.split(",")
		.map((item) => {
			const text = item.trim().replaceAll(/ *; */g, ";");
			const { type, quality = "1" } = ACCEPTED.exec(text)?.groups ?? {};
			if (type === undefined) throw notCached(text);
			const specificity = count(type, ";") - count(type, "*");
			return { type, quality: Number(quality), specificity };
		})
		.toSorted(
			(one, other) =>
				other.quality - one.quality || other.specificity - one.specificity,
		)
		.map(({ type }) => type);
}

function isPicked(type: string, made: ReadonlySet<string>): boolean {
	if (FIXED.test(type)) return true;
	const essence = ARRAY.test(type) ? JSON_TYPE : essenceOf(type);
	if (REPLACEABLE.has(essence)) {
		const isReplaced =
			made.has(ANY) ||
			made.has(essence) ||
			(essence === ANY && made.has(JSON_TYPE));
		if (!isReplaced) return true;
		throw new NotCacheable(`the database may answer in ${essence} by itself`);
	}
	const [family] = essence.split("/");
	const isMade =
		made.has(ANY) ||
		made.has(essence) ||
		(essence.endsWith("/*") &&
			[...made].some((one) => one.split("/")[0] === family));
	if (isMade || OTHER.test(essence)) throw notCached(type);
	return false;
}

function notCached(type: string): NotCacheable {
	return new NotCacheable(
		`answers in ${type === "" ? "no media type" : type} are not cached`,
	);
}

function essenceOf(type: string): string {
	return type.split(";")[0] ?? "";
}

/** Preferences without an effect on a read, or with one that follows from their text, which is in the key. */
const KNOWN_PREFERENCE =
	/^(?:count=(?:exact|planned|estimated)|handling=(?:strict|lenient)|timezone=[\w+/-]+|return=(?:minimal|headers-only|representation)|resolution=(?:merge|ignore)-duplicates|missing=(?:default|null)|max-affected=\d+)$/;

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

/** Whether a preference asks for a count that the database takes from its statistics. */
export function isEstimated(preferences: readonly string[]): boolean {
	return preferences.some(
		(one) => one === "count=planned" || one === "count=estimated",
	);
}
