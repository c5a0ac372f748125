// The grammar of tags, which name what changed: `schema.relation`, `schema.relation(key,…)` for one row,
// `schema.relation(*)` for any of its rows, and `catalog`. SQL writes the same grammar: gateway/test/vectors/tags.json has
// the examples that both are tested against.

/** Changes with the schema, policies, grants and roles. */
export const CATALOG_TAG = "catalog";

const PART = /[A-Za-z0-9_-]+|"(?:[^"]|"")*"/;
const PLAIN = /^[A-Za-z0-9_-]+$/;
const RELATION = RegExp(`^(?:${PART.source})\\.(?:${PART.source})`);
const ONE_ROW = /^\((?!\*\)$).+\)$/s;

/** Writes a name or a key's value. One that is not plain is quoted, and so is a key whose value is `*`. */
export function quoted(part: string): string {
	return PLAIN.test(part) ? part : `"${part.replaceAll('"', '""')}"`;
}

export function relationTag(schema: string, name: string): string {
	return `${quoted(schema)}.${quoted(name)}`;
}

/** @param key the key's values, as `quoted` writes them */
export function rowTag(relation: string, key: readonly string[]): string {
	return `${relation}(${key.join(",")})`;
}

export function anyRowTag(relation: string): string {
	return `${relation}(*)`;
}

/** The relation's tag, of its own tag or of a row's. Another text is returned as it is. */
export function relationTagOf(tag: string): string {
	return RELATION.exec(tag)?.[0] ?? tag;
}

/** The tag of any row, of the tag of one row; undefined for other tags. */
export function anyRowTagOf(tag: string): string | undefined {
	const relation = RELATION.exec(tag)?.[0];
	if (relation === undefined) return undefined;
	return ONE_ROW.test(tag.slice(relation.length))
		? anyRowTag(relation)
		: undefined;
}
