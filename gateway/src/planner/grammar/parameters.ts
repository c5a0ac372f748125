// Takes the query of a request apart as PostgREST does: into parameters, and the name of each into a path and a field.
import { NotCacheable } from "../plan.ts";
import { type Field, Scanner } from "./scanner.ts";

/** A parameter without `=` has no value. */
export type Parameter = readonly [name: string, value: string | undefined];

/** Parameters about the request as a whole. `columns` and `on_conflict` have an effect on writes only. */
const RESERVED = new Set(["select", "columns", "on_conflict"]);

/** Parameters that may be about an embedded relation. The last part of their name is one of these. */
const PLACED = new Set(["order", "limit", "offset", "and", "or"]);

export function isReserved(name: string): boolean {
	return RESERVED.has(name);
}

/** @returns such as `order` for `order` and `films.order`; undefined where the parameter is none of these */
export function placedKeyword(name: string): string | undefined {
	const last = name.slice(name.lastIndexOf(".") + 1);
	return PLACED.has(last) ? last : undefined;
}

/**
 * Takes a query apart as http-types' parseQueryReplacePlus does.
 * @param search as in a URL: empty, or a question mark and the query
 */
export function parseQuery(search: string): readonly Parameter[] {
	const query = search.replace(/^\?/, "");
	if (query === "") return [];
	// PostgREST separates parameters at a semicolon; other parsers do not.
	if (query.includes(";"))
		throw new NotCacheable("the query has a semicolon that is not escaped");
	// A separator at the end does not begin another parameter.
	return query
		.replace(/&$/, "")
		.split("&")
		.map((pair) => {
			const equals = pair.indexOf("=");
			if (equals === -1) return [decode(pair), undefined];
			return [decode(pair.slice(0, equals)), decode(pair.slice(equals + 1))];
		});
}

/** The name of a parameter: the path of embeds, and the column there. `films.studio_id`, `data->>size` */
export function parseParameterName(name: string): {
	path: readonly string[];
	field: Field;
} {
	const scanner = new Scanner(name, `the parameter "${name}"`);
	const path: string[] = [];
	let field = scanner.fieldInName();
	while (field.path === undefined && scanner.takes(".")) {
		path.push(field.name);
		field = scanner.fieldInName();
	}
	scanner.expectEnd();
	return { path, field };
}

function decode(text: string): string {
	try {
		const decoded = decodeURIComponent(text.replaceAll("+", " "));
		// A null character would end the text for software written in C.
		if (!decoded.includes("\0")) return decoded;
	} catch {
		// PostgREST takes a stray percent sign literally and rejects what is not UTF-8. Neither is worth an entry.
	}
	throw new NotCacheable("the query is not well-formed");
}
