// The catalog: what the answers from each relation and function of the database depend on, to be looked up by name. Knows nothing
// about requests.
import {
	checkedForeignKeys,
	checkedFunctions,
	checkedParts,
	checkedRelation,
	type Dependencies,
	type ForeignKey,
	type RelationEntry,
	type Routine,
} from "../feed/catalog-shape.ts";
import { contractReason } from "../feed/contract.ts";
import { relationTag } from "../feed/tag.ts";

export interface Relation extends Omit<RelationEntry, "columns" | "computed"> {
	/** Types by column name, as format_type writes them. */
	readonly columns: ReadonlyMap<string, string>;
	/** Computed columns: functions of a row, by name. Only those of the relation's own schema are on the search path. */
	readonly computed: ReadonlyMap<string, Routine>;
}

export interface Catalog {
	/** What PostgREST's pre-request functions depend on. They run before every answer. */
	readonly preRequest: Dependencies | null;
	relation(schema: string, name: string): Relation | undefined;
	/** By `schema.name`, quoted as in tags. */
	relationNamed(quotedName: string): Relation | undefined;
	/** All functions of a name. */
	routines(schema: string, name: string): readonly Routine[];
	/** Keys from and to the tables of this tag. */
	foreignKeysOf(tag: string): readonly ForeignKey[];
	/** Relations with rows from a table of this tag. */
	relationsReading(tag: string): readonly Relation[];
	/** Relations for which it is unknown which foreign keys their columns stand for. */
	readonly opaque: ReadonlySet<Relation>;
	/** The maximum staleness of a tag's relations, in seconds; null if they do not set one, undefined if the catalog has none of them. */
	maxStalenessOf(tag: string): number | null | undefined;
	/** Media types that functions of the database may answer in. Lower case. */
	readonly mediaTypes: ReadonlySet<string>;
	/** There is a user-defined cast between built-in types, or a user-defined type may be named as a built-in one is. */
	readonly hasUserDefinedCasts: boolean;
	/** A user-defined function may be called in place of a built-in aggregate. */
	readonly hasUserDefinedAggregates: boolean;
}

/**
 * @param parts what `catalogParts` made
 * @throws {Error} when they are not, or of another contract. A part that is not understood throws when it is asked for.
 */
export function parseCatalog(parts: unknown): Catalog {
	const reason = contractReason(parts);
	if (reason !== undefined) throw new Error(reason);
	const read = checkedParts(parts);
	const texts = new Map(Object.entries(read.relations));
	const bounds = new Map(Object.entries(read.maxStaleness));
	const functions = lazily(() =>
		checkedFunctions(JSON.parse(read.functions), ".functions"),
	);
	const routines = lazily(() => Map.groupBy(functions(), nameOf));
	const foreignKeys = lazily(() =>
		groupByEach(
			checkedForeignKeys(JSON.parse(read.foreignKeys), ".foreignKeys"),
			({ from, to }) => [from.tag, to.tag],
		),
	);
	const made = new Map<string, Relation>();
	const tables = new Map(Object.entries(read.tables));
	const tablesOf = lazily(() =>
		Map.groupBy(tables.keys(), (name) => tables.get(name)),
	);
	/** Views and the like. */
	const others = lazily(() =>
		[...texts]
			.filter(([name]) => !tables.has(name))
			.map(([name, text]) => relationOf(name, text)),
	);
	const tagsOfOthers = lazily(() => new Set(others().map(({ tag }) => tag)));
	const readers = lazily(() => groupByEach(others(), basesOf));
	const opaque = lazily(() => new Set(others().filter(isOpaque)));

	function relationOf(name: string, text: string): Relation {
		const known = made.get(name);
		if (known !== undefined) return known;
		const { columns, computed, ...entry } = checkedRelation(
			JSON.parse(text),
			`.relations: ${name}`,
		);
		const relation = {
			...entry,
			columns: new Map(columns.map(({ name, type }) => [name, type])),
			computed: computedOf(entry.schema, Object.values(computed), functions),
		};
		made.set(name, relation);
		return relation;
	}

	function relationNamed(name: string): Relation | undefined {
		const text = texts.get(name);
		return text === undefined ? undefined : relationOf(name, text);
	}

	/** A materialized view's tag does not tell the tables behind it. Nor does the tag of a relation in a schema that is not exposed, unless it has a key. */
	function isOpaque(relation: Relation): boolean {
		return relation.reads.some(
			(tag) =>
				tagsOfOthers().has(tag) ||
				!(tablesOf().has(tag) || foreignKeys().has(tag)),
		);
	}

	const { preRequest } = read;
	return {
		preRequest: preRequest && {
			...preRequest,
			reasons: preRequest.reasons.map(
				(it) => `the pre-request function: ${it}`,
			),
		},
		relation: (schema, name) => relationNamed(nameOf({ schema, name })),
		relationNamed,
		routines: (schema, name) => routines().get(nameOf({ schema, name })) ?? [],
		foreignKeysOf: (tag) => foreignKeys().get(tag) ?? [],
		relationsReading: (tag) => [
			...(tablesOf().get(tag) ?? [])
				.map(relationNamed)
				.filter((relation) => relation !== undefined),
			...(readers().get(tag) ?? []),
		],
		get opaque() {
			return opaque();
		},
		maxStalenessOf: (tag) => bounds.get(tag),
		mediaTypes: new Set(read.mediaTypes.map((type) => type.toLowerCase())),
		hasUserDefinedCasts: read.hasUserDefinedCasts,
		hasUserDefinedAggregates: read.hasUserDefinedAggregates,
	};
}

/** The tags of the tables that a relation's rows come from. */
export function basesOf({ kind, tag, reads }: Relation): readonly string[] {
	if (kind === "view") return reads;
	return tag === null ? [] : [tag];
}

function nameOf({ schema, name }: { schema: string; name: string }): string {
	return relationTag(schema, name);
}

/** The catalog names one function for each computed column. Those of the relation's schema are found by their argument's type. */
function computedOf(
	schema: string,
	signatures: readonly string[],
	functions: () => readonly Routine[],
): ReadonlyMap<string, Routine> {
	const [first] = signatures;
	if (first === undefined) return new Map();
	const routines = functions();
	const known = routines.find(({ signature }) => signature === first);
	const row = known?.arguments[0]?.type;
	return new Map(
		routines
			.filter((routine) => {
				const [argument, ...others] = routine.arguments;
				return (
					routine.schema === schema &&
					argument !== undefined &&
					argument.type === row &&
					others.length === 0
				);
			})
			.map((routine) => [routine.name, routine]),
	);
}

/** @returns calls `make` the first time, and gives its result each time */
function lazily<T extends object>(make: () => T): () => T {
	let made: T | undefined;
	return () => {
		made ??= make();
		return made;
	};
}

function groupByEach<T>(
	values: readonly T[],
	keysOf: (value: T) => readonly string[],
): ReadonlyMap<string, readonly T[]> {
	const groups = new Map<string, T[]>();
	for (const value of values) {
		for (const key of new Set(keysOf(value))) {
			const group = groups.get(key);
			if (group === undefined) groups.set(key, [value]);
			else group.push(value);
		}
	}
	return groups;
}
