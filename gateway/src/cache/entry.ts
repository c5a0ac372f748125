// An answer as the cache keeps it: what PostgREST said, and when it was known to be true. Bytes and text, never a stream.

import type { View } from "../consistency/freshness.ts";
import type { Identity } from "../identity/identity.ts";

export interface Entry {
	/** The state of the change feed as it was known before the origin was asked: all that it counts is in the answer. */
	readonly feedEpoch: string;
	readonly seq: number;
	/** What the answer depends on, by the catalog of that time. */
	readonly tags: readonly string[];
	/** Stands for everything that the answer may show beyond that state. */
	readonly token: string;
	/** Whom it was given to first: names a role and all of the claims. */
	readonly reader: string;
	/** When the origin had answered, in milliseconds since the epoch, by the clock of the isolate that asked. */
	readonly filledAt: number;
	readonly status: number;
	readonly statusText: string;
	/** PostgREST's headers, in its order. */
	readonly headers: readonly (readonly [name: string, value: string])[];
	/** Names of headers in which the client is told what it said itself. */
	readonly echoed: readonly string[];
	/** Strong validator (RFC 9110, section 8.8.3), with its quotes. */
	readonly etag: string;
	readonly body: Uint8Array<ArrayBuffer>;
}

/** No entry is taken for fresh for longer, in milliseconds, whatever the feed says: bounds what no feed can see. */
export const LIFETIME_MS = 3_600_000;

/** The clocks of two isolates are less apart than this, in milliseconds. */
const CLOCKS_APART_MS = 60_000;

/**
 * Whether nothing that the answer depends on has changed since it was given, as far as the view reaches.
 * @param tags what an answer depends on now: by a catalog that may be ahead of the view, which so knows of no change of the
 *   schema, and it is the entry's own tags that count
 */
export function isFresh(
	entry: Entry,
	tags: readonly string[],
	view: View,
	now: number,
): boolean {
	const isUnchanged = (tag: string) => view.lastChange(tag) <= entry.seq;
	return (
		entry.feedEpoch === view.feedEpoch &&
		entry.seq >= view.prunedBelow &&
		tags.every(isUnchanged) &&
		entry.tags.every(isUnchanged) &&
		now - entry.filledAt < LIFETIME_MS
	);
}

/** Whether the view reaches as far as everything that the answer may show. */
export function isCovered(entry: Entry, view: View): boolean {
	// The token alone would do, were it not for tokens of the feed's earlier lives, which no view covers.
	return (
		view.covers(entry.token) || view.asOf - entry.filledAt > CLOCKS_APART_MS
	);
}

/** Bytes that an entry takes up, about. */
export function sizeOf(entry: Entry): number {
	const texts = [...entry.headers.flat(), ...entry.tags];
	const characters = texts.reduce((sum, { length }) => sum + length, 0);
	return entry.body.byteLength + 2 * characters + 512;
}

/** @returns a strong validator of what a client would see: the status, the headers and the body */
export async function entityTag({
	status,
	headers,
	body,
}: Pick<Entry, "status" | "headers" | "body">): Promise<string> {
	// The body goes in by its digest, so that it need not be copied.
	const parts = [status, headers, await sha256(body)];
	return `"${(await nameOf(JSON.stringify(parts))).slice(0, 27)}"`;
}

/** A name for a caller. Of claims in another order it is another. */
export function readerOf({ role, claims }: Identity): Promise<string> {
	return nameOf(JSON.stringify([role, claims]));
}

/** A name for a text: answers are stored under that of their key. */
export function nameOf(text: string): Promise<string> {
	return sha256(new TextEncoder().encode(text));
}

/** In base64url: 43 characters. */
async function sha256(bytes: Uint8Array): Promise<string> {
	const digest = await crypto.subtle.digest("SHA-256", bytes);
	return btoa(String.fromCharCode(...new Uint8Array(digest)))
		.replaceAll("+", "-")
		.replaceAll("/", "_")
		.replace(/=+$/, "");
}
