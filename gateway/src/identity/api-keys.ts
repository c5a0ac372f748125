// The look-up of API keys: opaque texts, of which the database knows only the SHA-256. How long a result stands: key-memory.ts.
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

const PREFIX = "postern_";
const FORMAT = /^postern_(publishable|secret)_[A-Za-z0-9_-]{43}$/;

/** Whether a credential is meant to be an API key, rather than a token. */
export function isApiKey(text: string): boolean {
	return text.startsWith(PREFIX);
}

/** Builds the look-up. Needs nothing of the accounts. */
export function createFindApiKey(
	pipeline: Pipeline,
	deps: Omit<KeyMemoryDeps, "lookUp">,
) {
	const database = openDatabase(pipeline, GATEWAY, { schema: "postern" });
	const find = createKeyMemory({ ...deps, lookUp });

	/** @returns `undefined` for a key that is unknown or revoked */
	return async function findApiKey(key: string): Promise<ApiKey | undefined> {
		return FORMAT.test(key) ? find(await sha256Hex(key)) : undefined;
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
