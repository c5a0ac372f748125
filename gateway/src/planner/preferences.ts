// The Prefer header (RFC 7240) of a read: what PostgREST may be asked for without the answer depending on more.
import { NotCacheable } from "./bypass.ts";

/** Of no effect on a read but to be named in Preference-Applied, or of an effect that follows from the text. */
const KNOWN =
	/^(?:count=exact|handling=(?:strict|lenient)|timezone=[\w+/-]+|return=(?:minimal|headers-only|representation)|resolution=(?:merge|ignore)-duplicates|missing=(?:default|null)|max-affected=\d+)$/;

/** @returns the preferences in their order, of which PostgREST heeds the first of a kind */
export function parsePrefer(prefer: string | null): readonly string[] {
	if (prefer === null) return [];
	// What JavaScript takes for a blank beyond these is a part of the word to PostgREST.
	const trimmed = (text: string) => text.replaceAll(/^[ \t]+|[ \t]+$/g, "");
	if (trimmed(prefer) === "") return [];
	const preferences = prefer.split(",").map(trimmed);
	for (const preference of preferences) {
		if (!KNOWN.test(preference))
			throw new NotCacheable(
				`the preference "${preference}" is not known to be harmless`,
			);
	}
	return preferences;
}
