// API keys, and a database that knows some of them.

import { bytes } from "./forging.ts";
import type { Answer } from "./origin.ts";

/** Has the form of an API key, and is unknown. */
export function keyOf(kind: string, character = "a"): string {
	return `postern_${kind}_${character.repeat(43)}`;
}

export const PUBLISHABLE = keyOf("publishable", "p");
export const SECRET_KEY = keyOf("secret", "s");
export const OTHER_SECRET_KEY = keyOf("secret", "o");

interface FoundKey {
	kind: string;
	role?: string;
}

/** The keys that the database knows, by their texts. Mutable: a key is revoked by deleting it. */
export function knownKeys(): Map<string, FoundKey> {
	return new Map([
		[PUBLISHABLE, { kind: "publishable", role: "anon" }],
		[SECRET_KEY, { kind: "secret", role: "service" }],
		[OTHER_SECRET_KEY, { kind: "secret", role: "clerk" }],
	]);
}

/** The database's answer about a key, found by its hash; `[]` for any other request. */
export function answeringKeys(keys: ReadonlyMap<string, FoundKey>): Answer {
	return async ({ url, body }) => {
		if (url.pathname !== "/rpc/find_api_key") return Response.json([]);
		const { key_hash } = JSON.parse(body);
		for (const [text, found] of keys) {
			if ((await sha256Hex(text)) === key_hash) {
				return Response.json({ outcome: "ok", ...found });
			}
		}
		return Response.json({ outcome: "unknown" });
	};
}

export async function sha256Hex(text: string): Promise<string> {
	const digest = await crypto.subtle.digest("SHA-256", bytes(text));
	return [...new Uint8Array(digest)]
		.map((byte) => byte.toString(16).padStart(2, "0"))
		.join("");
}
