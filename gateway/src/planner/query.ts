// The query of a request as PostgREST takes it apart: http-types' parseQueryReplacePlus, then UTF-8.
import { NotCacheable } from "./bypass.ts";

/** A parameter without `=` has no value. */
export type Parameter = readonly [name: string, value: string | undefined];

/** @param search as in a URL: nothing, or a question mark and the query */
export function parseQuery(search: string): readonly Parameter[] {
	const query = search.replace(/^\?/, "");
	if (query === "") return [];
	// PostgREST takes it for a separator, which others do not.
	if (query.includes(";"))
		throw new NotCacheable("the query has a semicolon that is not escaped");
	// Nothing comes after a separator at the end.
	return query
		.replace(/&$/, "")
		.split("&")
		.map((pair) => {
			const equals = pair.indexOf("=");
			if (equals === -1) return [decode(pair), undefined];
			return [decode(pair.slice(0, equals)), decode(pair.slice(equals + 1))];
		});
}

function decode(text: string): string {
	try {
		const decoded = decodeURIComponent(text.replaceAll("+", " "));
		// Where it ends a text, the text is not what it seems.
		if (!decoded.includes("\0")) return decoded;
	} catch {
		// What escapes nothing is taken as it stands, what is no UTF-8 is an error: neither is worth an entry.
	}
	throw new NotCacheable("the query is not well-formed");
}
