// The look-up of API keys: opaque texts, of which the database knows only the SHA-256. What was found is remembered for a few
// seconds, so that a revoked key is refused soon and a busy one is not looked up for every request.
import { z } from "zod";
import { BoundedMap } from "../cache/bounded-map.ts";
import { openDatabase } from "../http/database.ts";
import type { Pipeline } from "../pipeline.ts";
import { callersRole } from "../settings/variables.ts";
import { GATEWAY } from "./identity.ts";

const apiKey = z.object({
	/** `publishable` stands for no caller, `secret` for its role. */
	kind: z.enum(["publishable", "secret"]),
	// The database refuses a key of the gateway's own role as well.
	role: callersRole,
});

export type ApiKey = z.infer<typeof apiKey>;

const outcome = z.looseObject({ outcome: z.string() });

/** A revoked key is refused, and a new one accepted, within this time. */
const REMEMBERED_MS = 5_000;
const MAX_REMEMBERED = 1_000;

const PREFIX = "postern_";
const FORMAT = /^postern_(publishable|secret)_[A-Za-z0-9_-]{43}$/;

/** Whether a credential is meant to be an API key, rather than a token. */
export function isApiKey(text: string): boolean {
	return text.startsWith(PREFIX);
}

/**
 * Builds the look-up. Needs nothing of the accounts.
 * @param now the clock, in milliseconds since the epoch
 */
export function createFindApiKey(pipeline: Pipeline, now: () => number) {
	const database = openDatabase(pipeline, GATEWAY, { schema: "postern" });
	const remembered = new BoundedMap<{
		found: ApiKey | undefined;
		until: number;
	}>(MAX_REMEMBERED);

	/** @returns `undefined` for a key that is unknown or revoked */
	return async function findApiKey(key: string): Promise<ApiKey | undefined> {
		if (!FORMAT.test(key)) return undefined;
		const hash = await sha256Hex(key);
		const known = remembered.get(hash);
		if (known !== undefined && now() < known.until) return known.found;
		// The time before the database is asked: a key that is revoked meanwhile is remembered no longer than another.
		const until = now() + REMEMBERED_MS;
		const found = await find(hash);
		remembered.set(hash, { found, until });
		return found;
	};

	async function find(sha256Hex: string): Promise<ApiKey | undefined> {
		const { data } = await database
			.rpc("find_api_key", { key_hash: sha256Hex })
			.throwOnError();
		return outcome.parse(data).outcome === "ok"
			? apiKey.parse(data)
			: undefined;
	}
}

async function sha256Hex(text: string): Promise<string> {
	const bytes = new TextEncoder().encode(text);
	const digest = await crypto.subtle.digest("SHA-256", bytes);
	return [...new Uint8Array(digest)]
		.map((byte) => byte.toString(16).padStart(2, "0"))
		.join("");
}
