// API keys: opaque texts, of which the database knows only the SHA-256. Remembered for a few seconds, so that a revoked key
// is refused soon and a busy one is not looked up for every request.

import { BoundedMap } from "../cache/bounded-map.ts";

/** `publishable` stands for nobody; `secret` for its role. */
export interface ApiKey {
	readonly kind: "publishable" | "secret";
	readonly role: string;
}

/** Asks the database; `undefined` for a key that is unknown or revoked. */
export type FindApiKey = (sha256Hex: string) => Promise<ApiKey | undefined>;

/** A revoked key is refused, and a new one accepted, within this time. */
const REMEMBERED_MS = 5_000;
const MAX_REMEMBERED = 1_000;

const PREFIX = "postern_";
const FORMAT = /^postern_(publishable|secret)_[A-Za-z0-9_-]{43}$/;

/** Whether a credential is meant to be an API key, rather than a token. */
export function isApiKey(text: string): boolean {
	return text.startsWith(PREFIX);
}

/** @param now the clock, in milliseconds since the epoch */
export function createApiKeys(find: FindApiKey, now: () => number) {
	const remembered = new BoundedMap<{
		found: ApiKey | undefined;
		until: number;
	}>(MAX_REMEMBERED);

	return async function lookUp(key: string): Promise<ApiKey | undefined> {
		if (!FORMAT.test(key)) return undefined;
		const hash = await sha256Hex(key);
		const known = remembered.get(hash);
		if (known !== undefined && now() < known.until) return known.found;
		// Counted from before the question: a key revoked while it is asked is not remembered for longer.
		const until = now() + REMEMBERED_MS;
		const found = await find(hash);
		remembered.set(hash, { found, until });
		return found;
	};
}

async function sha256Hex(text: string): Promise<string> {
	const bytes = new TextEncoder().encode(text);
	const digest = await crypto.subtle.digest("SHA-256", bytes);
	return [...new Uint8Array(digest)]
		.map((byte) => byte.toString(16).padStart(2, "0"))
		.join("");
}
