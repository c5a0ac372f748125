// The look-up of API keys: opaque texts, of which the database, or for Supabase's the settings, know only the SHA-256. How long a result stands: key-memory.ts.
import { z } from "zod";
import { openDatabase } from "../http/database.ts";
import type { Pipeline } from "../pipeline.ts";
import { callersRole } from "../settings/variables.ts";
import { type ApiKey, GATEWAY } from "./identity.ts";
import { createKeyMemory, type KeyMemoryDeps } from "./key-memory.ts";

const apiKey = z.object({
	kind: z.enum(["publishable", "secret"]),
	// The database refuses a key of the gateway's own role as well.
	role: callersRole,
});

const outcome = z.looseObject({ outcome: z.string() });

const FORMAT = /^postern_(publishable|secret)_[A-Za-z0-9_-]{43}$/;
/** What Supabase's keys begin with, and their kind. */
const SUPABASE = /^sb_(publishable|secret)_/;

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
export function createFindApiKey(
	pipeline: Pipeline,
	configured: ReadonlyMap<string, ApiKey>,
	deps: Omit<KeyMemoryDeps, "lookUp">,
) {
	const database = openDatabase(pipeline, GATEWAY, { schema: "postern" });
	const find = createKeyMemory({ ...deps, lookUp });

	/** @returns `undefined` for a key that is unknown or revoked */
	return async function findApiKey(key: string): Promise<ApiKey | undefined> {
		if (FORMAT.test(key)) return find(await sha256Hex(key));
		const kind = SUPABASE.exec(key)?.[1];
		if (kind === undefined) return undefined;
		const found = configured.get(await sha256Hex(key));
		// A public key among the secret ones would give everybody their role.
		return found?.kind === kind ? found : undefined;
	};

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
