// A schema by the other names that clients ask for it under. supabase-js asks for `public`, unless it is told otherwise.

const PROFILE_HEADERS = ["accept-profile", "content-profile"];

/** @param aliases the schema by the name that clients use */
export function renameProfile(
	headers: Headers,
	aliases: ReadonlyMap<string, string>,
): void {
	for (const header of PROFILE_HEADERS) {
		const schema = aliases.get(headers.get(header) ?? "");
		if (schema !== undefined) headers.set(header, schema);
	}
}
