// Resolves an embed to the relations that it may mean. PostgREST relates tables by their foreign keys, and views by the
// columns that they show of tables. The catalog does not list those columns, so for views all possible relations are taken.
// Taking too many is never wrong: where PostgREST finds an embed ambiguous, it answers an error, and errors are not cached.

import type { Dependencies, ForeignKey } from "../feed/catalog-shape.ts";
import { basesOf, type Catalog, type Relation } from "./catalog.ts";
import {
	isSameTable,
	keysBetween,
	keysOf,
	keysTo,
	mayBeOfJunction,
	relationAt,
	shows,
} from "./foreign-keys.ts";
import { NotCacheable } from "./plan.ts";

/** A relation that an embed may mean, and how it is reached. */
interface Relationship {
	readonly relation: Relation;
	/** What else is read on the way: a junction or a function. */
	readonly through: readonly Dependencies[];
}

/** An embed as a request names it. */
interface EmbedName {
	/** The name of a relation, a function, a foreign key or a column of one. */
	readonly target: string;
	readonly hint: string | undefined;
}

/**
 * @returns at least one relationship, always including the one that PostgREST takes
 * @throws {NotCacheable} where that cannot be known
 */
export function resolveEmbed(
	catalog: Catalog,
	source: Relation,
	{ target, hint }: EmbedName,
): readonly Relationship[] {
	const certain = certainRelationships(catalog, source, target, hint);
	if (certain.length > 1)
		throw new NotCacheable(`"${target}" may be embedded in more than one way`);
	// If PostgREST sees further ones, it answers that the embed is ambiguous.
	return certain.length === 1
		? certain
		: rememberedRelationships(catalog, source, target);
}

function certainRelationships(
	catalog: Catalog,
	source: Relation,
	target: string,
	hint: string | undefined,
): readonly Relationship[] {
	// PostgREST prefers computed relationships to those by keys.
	const computed = computedRelationship(catalog, source, target);
	if (computed !== undefined) return [computed];
	const relation = catalog.relation(source.schema, target);
	if (relation?.kind !== "table" || source.kind !== "table") return [];
	// A key or column of the target's name may lead elsewhere, and PostgREST may not offer the table by its name.
	const byKey = tablesByKey(catalog, source, target);
	if (byKey.some((other) => other !== relation)) return [];
	return [
		...keysBetween(catalog, source, relation)
			.filter((key) => isHinted(key, hint))
			.map(() => ({ relation, through: [] })),
		...certainJunctions(catalog, source, relation)
			.filter(({ name }) => hint === undefined || hint === name)
			.map((junction) => ({ relation, through: [junction] })),
	];
}

/** A function of a row that returns rows. */
function computedRelationship(
	catalog: Catalog,
	source: Relation,
	target: string,
): Relationship | undefined {
	const routine = source.computed.get(target);
	if (routine === undefined || routine.returnsRelation === null)
		return undefined;
	const relation = catalog.relationNamed(routine.returnsRelation);
	if (relation?.schema !== source.schema)
		throw new NotCacheable(`"${target}" returns rows of another schema`);
	return { relation, through: [routine] };
}

/** A hint names the key, or the key's only column on either side. */
function isHinted(
	{ name, from, to }: ForeignKey,
	hint: string | undefined,
): boolean {
	return (
		hint === undefined ||
		hint === name ||
		(from.columns.length === 1 &&
			(hint === from.columns[0] || hint === to.columns[0]))
	);
}

/** Tables with a key to each of the two, and the columns of both keys in their primary key. */
function certainJunctions(
	catalog: Catalog,
	source: Relation,
	target: Relation,
): readonly Relation[] {
	if (source === target) return [];
	const toTarget = keysTo(catalog, target);
	return keysTo(catalog, source).flatMap((one) => {
		const junction = relationAt(catalog, one.from);
		if (junction === undefined || one.isOneToOne) return [];
		return toTarget
			.filter(
				(other) =>
					isSameTable(one.from, other.from) &&
					!other.isOneToOne &&
					mayBeOfJunction(catalog, one) &&
					mayBeOfJunction(catalog, other),
			)
			.map(() => junction);
	});
}

/** Possible relationships by catalog, source and target. Bounded by the number of relationships in the catalog. */
const remembered = new WeakMap<
	Catalog,
	Map<Relation, Map<string, readonly Relationship[]>>
>();

function rememberedRelationships(
	catalog: Catalog,
	source: Relation,
	target: string,
): readonly Relationship[] {
	const ofCatalog = remembered.get(catalog) ?? new Map();
	remembered.set(catalog, ofCatalog);
	const ofSource = ofCatalog.get(source) ?? new Map();
	ofCatalog.set(source, ofSource);
	const known = ofSource.get(target);
	if (known !== undefined) return known;
	const found = possibleRelationships(catalog, source, target);
	ofSource.set(target, found);
	return found;
}

/** Ignores the hint: a view may have renamed the columns that the hint names. */
function possibleRelationships(
	catalog: Catalog,
	source: Relation,
	target: string,
): readonly Relationship[] {
	const named = catalog.relation(source.schema, target);
	for (const relation of [source, named]) {
		if (relation !== undefined && catalog.opaque.has(relation))
			throw new NotCacheable(
				`what "${relation.name}" is related to is not known`,
			);
	}
	const found = [
		...(named === undefined ? [] : waysBetween(catalog, source, named)),
		...tablesByKey(catalog, source, target).map((relation) => ({
			relation,
			through: [],
		})),
	];
	if (found.length === 0)
		throw new NotCacheable(`nothing relates "${source.name}" to "${target}"`);
	return found;
}

/** The tables that a foreign key of this name, or a key with a column of this name, leads to: PostgREST accepts these names too. */
function tablesByKey(
	catalog: Catalog,
	source: Relation,
	name: string,
): readonly Relation[] {
	// A view may have given the column another name.
	const mayBeRenamed = source.kind !== "table" && source.columns.has(name);
	return keysOf(catalog, source)
		.filter(
			(key) =>
				mayBeRenamed ||
				key.name === name ||
				key.from.columns.includes(name) ||
				key.to.columns.includes(name),
		)
		.flatMap(({ from, to }) => [
			...(shows(source, from) ? [to] : []),
			...(shows(source, to) ? [from] : []),
		])
		.filter(({ schema }) => schema === source.schema)
		.map((end) => relationAt(catalog, end))
		.filter((relation) => relation !== undefined);
}

/** All possible ways from one to the other: by a key, or through a relation that may show a key to each. */
function waysBetween(
	catalog: Catalog,
	source: Relation,
	target: Relation,
): readonly Relationship[] {
	const isDirect = keysBetween(catalog, source, target).length > 0;
	const junctions = possibleJunctions(catalog, source, target);
	if (!isDirect && junctions.size === 0) return [];
	return [
		...(isDirect ? [{ relation: target, through: [] }] : []),
		...[...junctions, ...catalog.opaque].map((junction) => ({
			relation: target,
			through: [junction],
		})),
	];
}

function possibleJunctions(
	catalog: Catalog,
	source: Relation,
	target: Relation,
): ReadonlySet<Relation> {
	const ofJunctions = (relation: Relation) =>
		keysTo(catalog, relation).filter((key) => mayBeOfJunction(catalog, key));
	const toTarget = Map.groupBy(ofJunctions(target), ({ from }) => from.tag);
	const junctions = new Set<Relation>();
	for (const one of ofJunctions(source)) {
		const showing = [
			relationAt(catalog, one.from),
			...catalog.relationsReading(one.from.tag),
		]
			.filter((relation) => relation !== undefined)
			.filter((relation) => shows(relation, one.from));
		const others = (tag: string) =>
			(toTarget.get(tag) ?? []).filter((other) => other !== one);
		for (const relation of showing) {
			const isJunction = basesOf(relation)
				.flatMap(others)
				.some((other) => shows(relation, other.from));
			if (isJunction) junctions.add(relation);
		}
		const isHidden =
			showing.length === 0 &&
			others(one.from.tag).some((other) => isSameTable(one.from, other.from));
		if (isHidden)
			throw new NotCacheable(
				`"${source.name}" and "${target.name}" may be related through ${one.from.tag}, which is in a schema that is not known`,
			);
	}
	return junctions;
}
