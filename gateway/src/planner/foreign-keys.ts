// The foreign keys that a relation may show, as the tables that its rows come from have them.

import type { ForeignKey, KeyEnd } from "../feed/catalog-shape.ts";
import { basesOf, type Catalog, type Relation } from "./catalog.ts";

/** PostgREST takes for a junction a table whose primary key contains the columns of its keys, or a view of such a table. */
export function mayBeOfJunction(
	catalog: Catalog,
	{ from }: ForeignKey,
): boolean {
	const primaryKey = relationAt(catalog, from)?.primaryKey;
	return (
		primaryKey === undefined ||
		from.columns.every((column) => primaryKey.includes(column))
	);
}

/** Keys between the two, in either direction. */
export function keysBetween(
	catalog: Catalog,
	source: Relation,
	target: Relation,
): readonly ForeignKey[] {
	return keysOf(catalog, source).filter(
		({ from, to }) =>
			(shows(source, from) && shows(target, to)) ||
			(shows(source, to) && shows(target, from)),
	);
}

export function keysTo(
	catalog: Catalog,
	relation: Relation,
): readonly ForeignKey[] {
	return keysOf(catalog, relation).filter(({ to }) => shows(relation, to));
}

export function keysOf(
	catalog: Catalog,
	relation: Relation,
): readonly ForeignKey[] {
	const [tag, ...others] = basesOf(relation);
	if (tag === undefined) return [];
	if (others.length === 0) return catalog.foreignKeysOf(tag);
	return [
		...new Set([tag, ...others].flatMap((one) => catalog.foreignKeysOf(one))),
	];
}

/** Whether the relation may show the columns of the key. */
export function shows(relation: Relation, end: KeyEnd): boolean {
	return relation.kind === "table"
		? relation.schema === end.schema && relation.name === end.name
		: basesOf(relation).includes(end.tag);
}

export function relationAt(
	catalog: Catalog,
	{ schema, name }: KeyEnd,
): Relation | undefined {
	return catalog.relation(schema, name);
}

export function isSameTable(one: KeyEnd, other: KeyEnd): boolean {
	return one.schema === other.schema && one.name === other.name;
}
