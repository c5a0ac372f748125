// Builds an answer from an entry, and writes the cache's headers: how the answer came about, and that no one downstream may
// give it to others.
import { setConsistencyTokens } from "../consistency/consistency-token.ts";
import { headersOf } from "../origin/headers.ts";
import type { PipelineRequest } from "../pipeline.ts";
import type { Entry } from "./entry.ts";
import { etagOf } from "./etag.ts";

/** One member of Cache-Status (RFC 9211, section 2). */
export interface CacheStatus {
	/** The answer comes from the cache. */
	readonly isHit?: boolean;
	/** Why the origin was asked (section 2.2). */
	readonly forwarded?:
		| "bypass"
		| "method"
		| "request"
		| "stale"
		| "uri-miss"
		| undefined;
	/** The status with which the origin did not give the answer (section 2.3). */
	readonly forwardedStatus?: number | undefined;
	/** How long the answer may be given without asking the feed again. Negative where it is older than that. */
	readonly ttlMs?: number | undefined;
	readonly isStored?: boolean;
	/** The request waited for another one's answer. */
	readonly isCollapsed?: boolean;
	readonly detail?: string | undefined;
}

/** What decides which answer a client gets, besides the URL. */
const VARY = [
	"Accept",
	"Accept-Profile",
	"Authorization",
	"Apikey",
	"Prefer",
	"Range",
	"Range-Unit",
];

const ALL_VARY = VARY.join(", ");

/** Browsers may keep an answer if they revalidate it. Shared caches may not (RFC 9111, section 5.2.2). */
const DOWNSTREAM = "private, no-cache";

/** Builds a response from an entry. The ETag is for a GET: the body of a HEAD was never seen, and a POST has no conditions. */
export function fromEntry(entry: Entry, request: PipelineRequest): Response {
	const { status, statusText, headers, echoed, body } = entry;
	const isHead = request.method === "HEAD";
	const answer = new Response(isHead ? null : body, {
		status,
		statusText,
		headers: headersOf(headers),
	});
	for (const name of echoed)
		answer.headers.set(name, request.headers.get(name) ?? "");
	if (request.method === "GET") answer.headers.set("ETag", etagOf(entry));
	return answer;
}

/** Whole seconds, rounded up, since the answer was last known to be right. */
export function ageOf(asOf: number, now: number): number {
	return Math.max(0, Math.ceil((now - asOf) / 1_000));
}

/** Sets Age (RFC 9111, section 5.1) and Date by the moment up to which the answer is known to be right. */
export function setAge(headers: Headers, asOf: number, now: number): void {
	headers.set("Age", String(ageOf(asOf, now)));
	headers.set("Date", new Date(asOf).toUTCString());
}

/** Adds this cache's member to Cache-Status, behind those of caches nearer to the origin. */
export function setStatus(headers: Headers, status: CacheStatus): void {
	headers.append("Cache-Status", memberOf(status));
}

/** This cache's member of Cache-Status. */
export function memberOf(status: CacheStatus): string {
	const {
		isHit,
		forwarded,
		forwardedStatus,
		ttlMs,
		isStored,
		isCollapsed,
		detail,
	} = status;
	const parts = ["Postern"];
	if (isHit) parts.push("hit");
	if (forwarded !== undefined) parts.push(`fwd=${forwarded}`);
	if (forwardedStatus !== undefined)
		parts.push(`fwd-status=${forwardedStatus}`);
	if (isStored) parts.push("stored");
	if (isCollapsed) parts.push("collapsed");
	if (ttlMs !== undefined) parts.push(`ttl=${Math.floor(ttlMs / 1_000)}`);
	if (detail !== undefined) parts.push(`detail=${quoted(detail)}`);
	return parts.join("; ");
}

/** Forbids caches downstream to answer in the Worker's place, unless the origin set Cache-Control itself. */
export function setDownstream(headers: Headers): void {
	if (!headers.has("Cache-Control")) headers.set("Cache-Control", DOWNSTREAM);
	const vary = headers.get("Vary");
	const others = vary === null ? ALL_VARY : varyBesides(vary);
	if (others !== "") headers.append("Vary", others);
}

/** Is nearly always asked for the same value. */
let lastVary = { vary: "", others: ALL_VARY };

function varyBesides(vary: string): string {
	if (lastVary.vary === vary) return lastVary.others;
	const named = new Set(vary.toLowerCase().split(/\s*,\s*/));
	const others = VARY.filter((name) => !named.has(name.toLowerCase()));
	lastVary = { vary, others: named.has("*") ? "" : others.join(", ") };
	return lastVary.others;
}

/** Adds a token that stands for everything that the origin's answer may show, and the cache's status. */
export function labelled(
	response: Response,
	consistencyToken: string,
	status: CacheStatus,
): Response {
	setConsistencyTokens(response.headers, [consistencyToken]);
	setStatus(response.headers, status);
	return response;
}

/** A String of RFC 8941, section 3.3.3: printable ASCII. */
function quoted(text: string): string {
	const printable = text.replace(/[^\x20-\x7e]/g, "?");
	return `"${printable.replace(/[\\"]/g, "\\$&")}"`;
}
