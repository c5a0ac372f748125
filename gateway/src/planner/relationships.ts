// Which relations an embed may mean. PostgREST finds relationships between tables by their foreign keys, and those of views by
// the columns that they show of tables, which the catalog does not tell: there, all that may be are taken together.
// Too many are never wrong: of an embed that means several things PostgREST says so, and nothing is cached.
import { NotCacheable } from "./bypass.ts";
import {
	basesOf,
	type Catalog,
	type Dependence,
	type ForeignKey,
	type KeyEnd,
	type Relation,
} from "./catalog.ts";

/** What an embed may mean. */
export interface Relationship {
	readonly relation: Relation;
	/** What else is read on the way: a junction, a function. */
	readonly through: readonly Dependence[];
}

/** An embed as a request names it. */
export interface EmbedName {
	/** The name of a relation, a function, a foreign key or a column of one. */
	readonly target: string;
	readonly hint: string | undefined;
}

/**
 * @returns one relationship or more, among them the one that PostgREST takes
 * @throws {NotCacheable} where that cannot be told
 */
export function resolveEmbed(
	catalog: Catalog,
	source: Relation,
	{ target, hint }: EmbedName,
): readonly Relationship[] {
	const certain = certainRelationships(catalog, source, target, hint);
	if (certain.length > 1)
		throw new NotCacheable(`"${target}" may be embedded in more than one way`);
	// Were there others that cannot be seen from here, PostgREST would not choose between them.
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
	// PostgREST prefers them to those that keys make.
	const computed = computedRelationship(catalog, source, target);
	if (computed !== undefined) return [computed];
	const relation = catalog.relation(source.schema, target);
	if (relation?.kind !== "table" || source.kind !== "table") return [];
	// A key or a column of that name may lead elsewhere, and the table may be one that PostgREST does not offer by its name.
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

/** By a function of a row that returns rows. */
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

/** A hint names the key, or the only column of it on one of its sides. */
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

/** Tables that have a key to each of two, and the columns of both keys in their primary key. */
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

/** Those that were found, by source and target: as many as there are relationships. */
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

/** Whatever the hint is: a view may have given the columns that it speaks of other names. */
function possibleRelationships(
	catalog: Catalog,
	source: Relation,
	target: string,
): readonly Relationship[] {
	const named = catalog.relation(source.schema, target);
	for (const relation of [source, named]) {
		if (relation !== undefined && catalog.opaque.has(relation))
			throw new NotCacheable(
				`what "${relation.name}" is related to cannot be told`,
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

/** The tables that a foreign key or a column of one leads to: PostgREST knows them by these names, too. */
function tablesByKey(
	catalog: Catalog,
	source: Relation,
	name: string,
): readonly Relation[] {
	// A view may have given the column another name.
	const isOwnColumn = source.kind !== "table" && source.columns.has(name);
	return keysOf(catalog, source)
		.filter(
			(key) =>
				isOwnColumn ||
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

/** Each way from one to the other that there may be: by a key, or through anything that may show a key to each. */
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

/** PostgREST takes for junctions only what has the columns of its keys in its primary key, views of such tables among them. */
function mayBeOfJunction(catalog: Catalog, { from }: ForeignKey): boolean {
	const primaryKey = relationAt(catalog, from)?.primaryKey;
	return (
		primaryKey === undefined ||
		from.columns.every((column) => primaryKey.includes(column))
	);
}

/** Keys from one to the other, either way. */
function keysBetween(
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

function keysTo(catalog: Catalog, relation: Relation): readonly ForeignKey[] {
	return keysOf(catalog, relation).filter(({ to }) => shows(relation, to));
}

function keysOf(catalog: Catalog, relation: Relation): readonly ForeignKey[] {
	const [tag, ...others] = basesOf(relation);
	if (tag === undefined) return [];
	if (others.length === 0) return catalog.foreignKeysOf(tag);
	return [
		...new Set([tag, ...others].flatMap((one) => catalog.foreignKeysOf(one))),
	];
}

/** Whether the columns of the key may be among those of the relation. */
function shows(relation: Relation, end: KeyEnd): boolean {
	return relation.kind === "table"
		? relation.schema === end.schema && relation.name === end.name
		: basesOf(relation).includes(end.tag);
}

function relationAt(
	catalog: Catalog,
	{ schema, name }: KeyEnd,
): Relation | undefined {
	return catalog.relation(schema, name);
}

function isSameTable(one: KeyEnd, other: KeyEnd): boolean {
	return one.schema === other.schema && one.name === other.name;
}
