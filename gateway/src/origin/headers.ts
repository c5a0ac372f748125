// Which headers pass between a client and PostgREST, and a client and the upstream. Headers that are not named here pass, both ways.
import type { OriginSettings } from "../settings/feed-settings.ts";

/** Hop-by-hop fields: RFC 9110, section 7.6.1. They describe one connection. */
const HOP_BY_HOP = [
	"connection",
	"keep-alive",
	"proxy-authenticate",
	"proxy-authorization",
	"proxy-connection",
	"te",
	"trailer",
	"transfer-encoding",
	"upgrade",
];

/**
 * Fields with which a client could pose as the gateway, as Cloudflare or as a proxy, or name another URL than the one that the gateway
 * has planned. A function in the database reads `request.headers` and has to trust these. Between the Worker and PostgREST, Cloudflare adds its own (docs/transparency.md).
 */
const POSING = [
	"host",
	"forwarded",
	"via",
	"x-client-ip",
	"x-real-ip",
	"x-rewrite-url",
	"true-client-ip",
	"cdn-loop",
];
const POSING_PREFIXES = ["cf-", "x-forwarded-", "x-original-", "postern-"];

/** The client's credentials, which PostgREST does not get: the gateway has read them. */
const CREDENTIALS = ["authorization", "apikey"];

/** A server before PostgREST that takes one of these for the method would write where the gateway has planned a read. */
const METHODS = [
	"x-http-method",
	"x-http-method-override",
	"x-method-override",
];

/** The runtime or the tunnel may write these, or the origin gets them without the client's value. */
const SET_ON_THE_WAY = new Set([
	"accept-encoding",
	"content-length",
	"cookie",
	"expect",
	"user-agent",
]);

/**
 * Cookies that are the gateway's credentials. Clients do not get them from the origin, either: Access answers the gateway's
 * service token with a CF_Authorization cookie, which lets its holder through Access.
 */
const OWN_COOKIES = /^(cf_|__cf|postern)/i;

/**
 * The gateway answers for CORS, since PostgREST's default allows every origin, with credentials; and for its own host, where a
 * tunnel's says that it is asked over https only.
 */
const NOT_FROM_ORIGIN_PREFIXES = [
	"access-control-",
	"strict-transport-security",
];

/**
 * Removes the fields of one connection: hop-by-hop fields, and those that Connection names (RFC 9110, section 7.6.1).
 * A client's headers pass through here before the planner reads them: the key of an answer may not hold a header that the origin
 * never got.
 */
export function removeHopByHop(headers: Headers): void {
	removeFields(headers, () => false);
}

/** The fields that Connection names, but for those that it nearly always has. */
function namedByConnection(headers: Headers): string[] {
	return (headers.get("connection") ?? "")
		.split(",")
		.map((name) => name.trim().toLowerCase())
		.filter((name) => name !== "" && name !== "close" && name !== "keep-alive");
}

/** Names and values. */
type Fields = readonly (readonly [name: string, value: string])[];

/** One by one: of an array, `new Headers` costs the runtime five times as much. */
export function headersOf(fields: Fields): Headers {
	const headers = new Headers();
	for (const [name, value] of fields) headers.append(name, value);
	return headers;
}

/** The client's headers without those that must not reach the origin. */
export function toOriginHeaders(from: Headers): Headers {
	return headersOf(originFieldsOf(from));
}

/** The same, without an object of the runtime's. */
export function originFieldsOf(from: Headers): Fields {
	return fieldsOf(from, isNotForOrigin);
}

/** The client's headers without those that must not reach the upstream. It verifies the client's credentials itself. */
export function toUpstreamHeaders(from: Headers): Headers {
	return headersOf(fieldsOf(from, isPosing));
}

/** Removes those of the origin's headers that are not for clients. */
export function removeOriginsOwn(headers: Headers): void {
	removeFields(headers, (name) =>
		startsWithAny(name, NOT_FROM_ORIGIN_PREFIXES),
	);
	const cookies = headers.getSetCookie();
	if (!cookies.some((cookie) => OWN_COOKIES.test(cookie))) return;
	headers.delete("set-cookie");
	for (const cookie of cookies)
		if (!OWN_COOKIES.test(cookie)) headers.append("set-cookie", cookie);
}

/** Removes hop-by-hop fields, and others. */
function removeFields(
	headers: Headers,
	isLeftOut: (name: string) => boolean,
): void {
	const named = namedByConnection(headers);
	const removed: string[] = [];
	// An iterator would be an object of the runtime's.
	headers.forEach((_, name) => {
		if (HOP_BY_HOP.includes(name) || named.includes(name) || isLeftOut(name))
			removed.push(name);
	});
	for (const name of removed) headers.delete(name);
}

function fieldsOf(from: Headers, isLeftOut: (name: string) => boolean): Fields {
	const named = namedByConnection(from);
	const fields: [string, string][] = [];
	// An iterator would be an object of the runtime's.
	from.forEach((value, name) => {
		if (HOP_BY_HOP.includes(name) || named.includes(name) || isLeftOut(name))
			return;
		if (name === "cookie") {
			const others = withoutOwnCookies(value);
			if (others !== "") fields.push([name, others]);
		} else fields.push([name, value]);
	});
	return fields;
}

/** What lets the gateway pass to PostgREST: the key of an API gateway before it, and the service token of Cloudflare Access. */
export function setPassage(
	headers: Headers,
	{ apiKey, access }: Pick<OriginSettings, "apiKey" | "access">,
): void {
	if (apiKey !== undefined) headers.set("apikey", apiKey);
	if (access === undefined) return;
	headers.set("cf-access-client-id", access.clientId);
	headers.set("cf-access-client-secret", access.clientSecret);
}

function isPosing(name: string): boolean {
	return POSING.includes(name) || startsWithAny(name, POSING_PREFIXES);
}

function isNotForOrigin(name: string): boolean {
	return CREDENTIALS.includes(name) || METHODS.includes(name) || isPosing(name);
}

/** Whether the origin gets this header as the client sent it. */
export function reachesOrigin(name: string): boolean {
	return !(
		isNotForOrigin(name) ||
		HOP_BY_HOP.includes(name) ||
		SET_ON_THE_WAY.has(name)
	);
}

function startsWithAny(name: string, prefixes: string[]): boolean {
	return prefixes.some((prefix) => name.startsWith(prefix));
}

export function withoutOwnCookies(cookies: string): string {
	return cookies
		.split(";")
		.map((cookie) => cookie.trim())
		.filter((cookie) => !OWN_COOKIES.test(cookie))
		.join("; ");
}
