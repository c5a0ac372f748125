// Who a request counts for, where turns are shared out and rates are counted: a user, a program, or an address. The name may hold
// personal data: it is never logged and never stored as it is.

import { hasClaims, type Identity } from "../identity/identity.ts";

/** Whom a count is for. A limit whose subject is not known does not apply. */
export interface Subjects {
	readonly caller: string | undefined;
	readonly address: string | undefined;
}

/** Cloudflare sets this header and replaces what the client sent. Every other header with an address can be forged. */
export const ADDRESS_HEADER = "cf-connecting-ip";

/** Stands for an address where the header is missing. */
export const UNKNOWN_ADDRESS = "unknown";

/** An IPv6 subscriber has at least a /64, and can use another address of it for each request: four groups of the eight. */
const NETWORK_GROUPS = 4;

/** The network that a request comes from: an IPv4 address, or the /64 of an IPv6 one. Undefined where nothing tells. */
export function addressIn(headers: Headers): string | undefined {
	return networkOf(headers.get(ADDRESS_HEADER) ?? UNKNOWN_ADDRESS);
}

/** @param address UNKNOWN_ADDRESS is of no network */
export function networkOf(address: string): string | undefined {
	if (address === UNKNOWN_ADDRESS) return undefined;
	if (!address.includes(":")) return address;
	const [head = "", tail] = address.split("::");
	const groups = head === "" ? [] : head.split(":");
	const after = tail ? tail.split(":") : [];
	// IPv4 in IPv6 form is IPv4.
	const last = address.slice(address.lastIndexOf(":") + 1);
	if (last.includes(".")) return last;
	if (tail !== undefined)
		while (groups.length + after.length < 8) groups.push("0");
	return [...groups, ...after]
		.slice(0, NETWORK_GROUPS)
		.map((group) => group.toLowerCase().replace(/^0+(?=.)/, ""))
		.join(":");
}

/**
 * The name of the caller. A token without `sub` is an app's: a role of its own makes it a program, and the anonymous role one of
 * many users of the app, who are told apart by their addresses.
 */
export function callerOf(
	{ role, claims }: Identity,
	headers: Headers,
	anonRole: string,
): string {
	const { iss, sub } = claims;
	if (typeof sub === "string") return JSON.stringify([role, iss, sub]);
	if (role === anonRole) return addressIn(headers) ?? role;
	if (hasClaims(claims)) return JSON.stringify([role, claims]);
	const key = headers.get("apikey") ?? headers.get("authorization");
	return JSON.stringify([role, key]);
}
