// An entry: an answer as the cache keeps it, in bytes and text, never as a stream. And the interface of what keeps entries.
import { base64url } from "jose";
import type { Identity } from "../identity/identity.ts";
import { originFieldsOf } from "../origin/headers.ts";
import type { PipelineRequest } from "../pipeline.ts";

export interface Entry {
	/** The change feed as known before the origin was asked: the answer includes every change up to `seq`. */
	readonly feedEpoch: string;
	readonly seq: number;
	/** What the answer depends on, by the catalog of that time. */
	readonly tags: readonly string[];
	/** Stands for everything that the answer may show, which may be more than `seq` counts. */
	readonly consistencyToken: string;
	/** The caller that it was first given to, as `readerOf` names it. */
	readonly reader: string;
	/** When the origin was asked, by the clock of the isolate that asked, in milliseconds since 1970. */
	readonly askedAt: number;
	/** When the origin had answered, by the same clock. */
	readonly filledAt: number;
	/** Before the origin was asked, by the isolate's clock, where the answer depends on the clock. Such an entry stays in the isolate. */
	readonly clockReadAt?: number;
	readonly status: number;
	readonly statusText: string;
	/** PostgREST's headers, in its order. */
	readonly headers: readonly (readonly [name: string, value: string])[];
	/** Names of headers that repeat what the client sent. */
	readonly echoed: readonly string[];
	/** What a client sees, hashed, in quotes: the first part of the ETag. */
	readonly etag: string;
	readonly body: Uint8Array<ArrayBuffer>;
}

/** Keeps entries beyond the isolate. Every implementation passes one suite: gateway/test/cache/stores.test.ts. */
export interface Store {
	/**
	 * @param key of any length
	 * @returns the last entry put under the key, an older one, or undefined: a store may be behind, and may forget
	 */
	get(key: string): Promise<Entry | undefined>;
	put(key: string, entry: Entry): Promise<void>;
}

/** Of an entry's fields. */
const FIXED_BYTES = 1_024;

/** Approximate size in bytes. */
export function sizeOf(entry: Entry): number {
	const texts = [...entry.headers.flat(), ...entry.tags];
	const characters = texts.reduce((sum, { length }) => sum + length, 0);
	return entry.body.byteLength + 2 * characters + FIXED_BYTES;
}

/** Fields about caching: one client sends them at one time and not at another. */
const OF_CACHES = ["cache-control", "if-none-match", "pragma"];

/** Names a caller by all that a policy may tell callers apart by: role, claims and headers. The order of claims matters. */
export function readerOf(
	{ role, claims }: Identity,
	{ headers }: PipelineRequest,
): Promise<string> {
	const sent = originFieldsOf(headers).filter(
		([name]) => !OF_CACHES.includes(name),
	);
	return sha256(UTF8.encode(JSON.stringify([role, claims, sent])));
}

export const UTF8 = new TextEncoder();

/** In base64url, 43 characters. */
export async function sha256(bytes: Uint8Array): Promise<string> {
	const digest = await crypto.subtle.digest("SHA-256", bytes);
	return base64url.encode(new Uint8Array(digest));
}
