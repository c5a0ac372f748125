// A schema by the other names that clients ask for it under. supabase-js asks for `public`, unless it is told otherwise.

import { Refusal } from "./refusals.ts";

const PROFILE_HEADERS = ["accept-profile", "content-profile"];

/** The gateway's own schema, of which nothing is for callers. */
const OWN_SCHEMA = "postern";

/**
 * @param aliases the schema by the name that clients use
 * @throws {Refusal} schema_refused for the gateway's own schema
 */
export function renameProfile(
	headers: Headers,
	aliases: ReadonlyMap<string, string>,
): void {
	for (const header of PROFILE_HEADERS) {
		const schema = aliases.get(headers.get(header) ?? "");
		if (schema !== undefined) headers.set(header, schema);
		if (headers.get(header) === OWN_SCHEMA) throw new Refusal("schema_refused");
	}
}
