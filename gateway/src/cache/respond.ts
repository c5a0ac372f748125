// The cache's part in an answer: what it tells a client of how the answer came about, and nobody downstream may keep.
import type { Entry } from "./entry.ts";

/** One member of Cache-Status (RFC 9211, section 2). */
export interface CacheStatus {
	/** The answer is the cache's own. */
	readonly isHit?: boolean;
	/** Why the origin was asked (section 2.2). */
	readonly forwarded?:
		| "bypass"
		| "method"
		| "request"
		| "stale"
		| "uri-miss"
		| undefined;
	/** For how long the answer may be given, in milliseconds. */
	readonly ttlMs?: number | undefined;
	readonly isStored?: boolean;
	/** Another request's answer was waited for. */
	readonly isCollapsed?: boolean;
	readonly detail?: string | undefined;
}

/** What decides which answer a client gets, beside the URL. */
const VARY = [
	"Accept",
	"Accept-Profile",
	"Authorization",
	"Apikey",
	"Prefer",
	"Range",
	"Range-Unit",
];

/** Browsers may keep an answer, and have to ask whether it is still right; nobody else may (RFC 9111, section 5.2.2). */
const DOWNSTREAM = "private, no-cache";

/** Headers that a 304 repeats (RFC 9110, section 15.4.5), and the cache's own. */
const IN_304 = [
	"Age",
	"Cache-Control",
	"Cache-Status",
	"Content-Location",
	"Date",
	"ETag",
	"Postern-Token",
	"Vary",
];

/** An answer made of an entry. That of a HEAD knows no body to have a tag of. */
export function fromEntry(
	{ status, statusText, headers, echoed, etag, body }: Entry,
	request: Request,
): Response {
	const isHead = request.method === "HEAD";
	const answer = new Response(isHead ? null : body, {
		status,
		statusText,
		headers: headers.map(([name, value]) => [name, value]),
	});
	for (const name of echoed)
		answer.headers.set(name, request.headers.get(name) ?? "");
	if (!isHead) answer.headers.set("ETag", etag);
	return answer;
}

/** When the answer was last known to be right: RFC 9111, section 5.1, in seconds, rounded up. */
export function setAge(headers: Headers, asOf: number, now: number): void {
	headers.set("Age", String(Math.max(0, Math.ceil((now - asOf) / 1_000))));
	headers.set("Date", new Date(asOf).toUTCString());
}

/** Adds the cache's member to the Cache-Status of caches nearer to the origin. */
export function setStatus(headers: Headers, status: CacheStatus): void {
	const { isHit, forwarded, ttlMs, isStored, isCollapsed, detail } = status;
	const parts = ["Postern"];
	if (isHit) parts.push("hit");
	if (forwarded !== undefined) parts.push(`fwd=${forwarded}`);
	if (isStored) parts.push("stored");
	if (isCollapsed) parts.push("collapsed");
	if (ttlMs !== undefined) parts.push(`ttl=${Math.floor(ttlMs / 1_000)}`);
	if (detail !== undefined) parts.push(`detail=${quoted(detail)}`);
	headers.append("Cache-Status", parts.join("; "));
}

/** Forbids everybody downstream to answer in our place; the origin's own word, where it has one, stands. */
export function setDownstream(headers: Headers): void {
	if (!headers.has("Cache-Control")) headers.set("Cache-Control", DOWNSTREAM);
	const named = new Set(
		(headers.get("Vary") ?? "").toLowerCase().split(/\s*,\s*/),
	);
	if (named.has("*")) return;
	const others = VARY.filter((name) => !named.has(name.toLowerCase()));
	if (others.length > 0) headers.append("Vary", others.join(", "));
}

/** 304 in place of an answer of ours that the client has already (RFC 9110, section 13.1.2). */
export function conditional(request: Request, answer: Response): Response {
	const etag = answer.headers.get("ETag");
	const wanted = request.headers.get("If-None-Match");
	if (etag === null || wanted === null || !matches(wanted, etag)) return answer;
	const headers = new Headers();
	for (const name of IN_304) {
		const value = answer.headers.get(name);
		if (value !== null) headers.set(name, value);
	}
	return new Response(null, { status: 304, headers });
}

/** Weak comparison (section 8.8.3.2): a proxy may have made our validator weak. */
function matches(wanted: string, etag: string): boolean {
	if (wanted.trim() === "*") return true;
	const validators = wanted.match(/(W\/)?"[^"]*"/g) ?? [];
	return validators.some((validator) => validator.replace(/^W\//, "") === etag);
}

/** A String of RFC 8941, section 3.3.3: printable ASCII. */
function quoted(text: string): string {
	const printable = text.replace(/[^\x20-\x7e]/g, "?");
	return `"${printable.replace(/[\\"]/g, "\\$&")}"`;
}
