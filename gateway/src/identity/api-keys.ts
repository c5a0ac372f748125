// The look-up of API keys: opaque texts, of which the database, or for Supabase's the settings, know only the SHA-256. How long a result stands: key-memory.ts.
import * as z from "zod/mini";
import { BoundedMap } from "../cache/bounded-map.ts";
import { openDatabase } from "../http/database.ts";
import type { Pipeline } from "../pipeline.ts";
import { callersRole } from "../settings/variables.ts";
import { type ApiKey, GATEWAY } from "./identity.ts";
import { createKeyMemory, type KeyMemoryDeps } from "./key-memory.ts";

const apiKey = z.lazy(() =>
	z.union([
		z.object({ kind: z.literal("publishable") }),
		// The database refuses a key of the gateway's own role as well.
		z.object({ kind: z.literal("secret"), role: callersRole }),
	]),
);

const outcome = z.lazy(() => z.looseObject({ outcome: z.string() }));

const FORMAT = /^postern_(publishable|secret)_[A-Za-z0-9_-]{43}$/;
/** What Supabase's keys begin with, and their kind. */
const SUPABASE = /^sb_(publishable|secret)_/;

/** Hashes of keys that were found are remembered: this many, of keys of at most this length. */
const MAX_HASHES = 1_000;
const MAX_HASHED_CHARACTERS = 256;

export interface ApiKeys {
	/** @returns `undefined` for a key that is unknown or revoked */
	findApiKey(key: string): Promise<ApiKey | undefined>;
	/** What `findApiKey` would give at once; undefined where it looks the key up, or finds none. */
	recallApiKey(key: string): ApiKey | undefined;
}

/** Whether a credential is meant to be an API key, rather than a token. */
export function isApiKey(text: string): boolean {
	return text.startsWith("postern_") || SUPABASE.test(text);
}

/** Whether it is meant to be a key of a Supabase project. */
export function isSupabaseKey(text: string): boolean {
	return SUPABASE.test(text);
}

/**
 * Builds the look-up. Needs nothing of the accounts.
 * @param configured Supabase's keys by their hashes: the database does not know them
 */
export function createApiKeys(
	pipeline: Pipeline,
	configured: ReadonlyMap<string, ApiKey>,
	deps: Omit<KeyMemoryDeps, "lookUp">,
): ApiKeys {
	const database = openDatabase(pipeline, GATEWAY, { schema: "postern" });
	const { find, recallKey } = createKeyMemory({ ...deps, lookUp });
	const hashes = new BoundedMap<string>(MAX_HASHES);

	return {
		async findApiKey(key) {
			if (!FORMAT.test(key) && !SUPABASE.test(key)) return undefined;
			const hash = hashes.get(key) ?? (await sha256Hex(key));
			const found = FORMAT.test(key)
				? await find(hash)
				: configuredKey(key, hash);
			// A flood of others drives none of these out.
			if (found !== undefined && key.length <= MAX_HASHED_CHARACTERS)
				hashes.set(key, hash);
			return found;
		},
		recallApiKey(key) {
			const hash = hashes.get(key);
			if (hash === undefined) return undefined;
			return FORMAT.test(key) ? recallKey(hash) : configuredKey(key, hash);
		},
	};

	function configuredKey(key: string, hash: string): ApiKey | undefined {
		const found = configured.get(hash);
		// A public key among the secret ones would give everybody their role.
		return found?.kind === SUPABASE.exec(key)?.[1] ? found : undefined;
	}

	async function lookUp(sha256Hex: string): Promise<ApiKey | undefined> {
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
