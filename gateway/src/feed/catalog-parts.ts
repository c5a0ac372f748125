// The catalog as the change feed hands it to isolates: most of it as JSON. An isolate parses what its requests ask for, because all
// of a large schema takes more CPU time than a free plan gives a request.
import { type CatalogParts, checkedCatalog } from "./catalog-shape.ts";
import { relationTag } from "./tag.ts";

/**
 * @param json what postern.catalog returned
 * @throws {Error} naming the first place where it is not a catalog
 */
export function catalogParts(json: unknown): CatalogParts {
	const { relations, functions, foreignKeys, ...rest } = checkedCatalog(json);
	const maxStaleness: Record<string, number | null> = {};
	for (const { tag, maxStalenessSeconds } of relations) {
		if (tag !== null)
			maxStaleness[tag] = smaller(maxStaleness[tag], maxStalenessSeconds);
	}
	return {
		...rest,
		relations: Object.fromEntries(
			relations.map((relation) => [
				relationTag(relation.schema, relation.name),
				JSON.stringify(relation),
			]),
		),
		tables: Object.fromEntries(
			relations
				.filter(({ kind }) => kind === "table")
				.map(({ schema, name, tag }) => [relationTag(schema, name), tag]),
		),
		maxStaleness,
		functions: JSON.stringify(functions),
		foreignKeys: JSON.stringify(foreignKeys),
	};
}

function smaller(
	one: number | null | undefined,
	other: number | null,
): number | null {
	const known = [one, other].filter((bound) => typeof bound === "number");
	return known.length === 0 ? null : Math.min(...known);
}
