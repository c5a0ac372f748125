// Which media types an answer may have that the cache knows how PostgREST makes. Those that the database makes itself, by
// functions of its own, and query plans are not among them.
import { NotCacheable } from "./bypass.ts";

/** PostgREST's own, which functions of the database cannot take the place of. */
const FIXED =
	/^application\/vnd\.pgrst\.(?:object(?:\+json)?|array(?:\+json)? *; *nulls=stripped)(?: *; *nulls=stripped)?$/;

/** Without the parameter it is plain JSON by another name. */
const ARRAY = /^application\/vnd\.pgrst\.array(?:\+json)?$/;
const JSON_TYPE = "application/json";
const ANY = "*/*";
const REPLACEABLE = new Set([JSON_TYPE, "text/csv", ANY]);

/** Made or once made by PostgREST in ways of their own. */
const OTHER =
	/^(?:application\/(?:vnd\.pgrst\..*|geo\+json|openapi\+json|octet-stream|x-www-form-urlencoded)|text\/(?:plain|xml))$/;

const QUALITY = /;\s*q=[\d.]+\s*$/;

/**
 * @param accept the request's header
 * @param made the media types that the database makes itself
 * @returns the header as it matters to the answer
 * @throws {NotCacheable}
 */
export function parseAccept(
	accept: string | null,
	made: ReadonlySet<string>,
): string {
	const types = (accept ?? ANY).toLowerCase().split(",").map(withoutQuality);
	for (const type of types) check(type, made);
	// For both PostgREST takes the same road.
	return accept === null || accept === ANY ? JSON_TYPE : accept;
}

function check(type: string, made: ReadonlySet<string>): void {
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
	// What nobody makes PostgREST passes over, on to the next.
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
