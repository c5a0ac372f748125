// The catalog: what the answers from each relation and function of the database depend on, parsed from what postern.catalog
// returns, to be looked up by name. Knows nothing about requests.
import { contractReason } from "../feed/contract.ts";
import { relationTag } from "../feed/tag.ts";
import {
	checkCatalog,
	type Dependencies,
	type ForeignKey,
	type RelationEntry,
	type Routine,
} from "./catalog-shape.ts";

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

/** @throws {Error} when this is not a catalog, or one of another contract or shape */
export function parseCatalog(json: unknown): Catalog {
	const reason = contractReason(json);
	if (reason !== undefined) throw new Error(reason);
	checkCatalog(json);
	const read = json;
	// What a first hit does not need is made when it is asked for: an isolate parses all relations and plans a few.
	const routines = lazily(() => Map.groupBy(read.functions, nameOf));
	const entries = new Map(
		read.relations.map((entry) => [nameOf(entry), entry]),
	);
	const byTag = groupByEach(read.relations, ({ tag }) =>
		tag === null ? [] : [tag],
	);
	const made = new Map<string, Relation>();
	const foreignKeys = lazily(() =>
		groupByEach(read.foreignKeys, ({ from, to }) => [from.tag, to.tag]),
	);
	const all = lazily(() =>
		[...entries].map(([name, entry]) => relationOf(name, entry)),
	);
	const readers = lazily(() => groupByEach(all(), basesOf));
	const opaque = lazily(() => new Set(all().filter(isOpaque)));

	function relationOf(
		name: string,
		{ columns, computed, ...entry }: RelationEntry,
	): Relation {
		const known = made.get(name);
		if (known !== undefined) return known;
		const relation = {
			...entry,
			columns: new Map(columns.map(({ name, type }) => [name, type])),
			computed: computedOf(
				entry.schema,
				Object.values(computed),
				read.functions,
			),
		};
		made.set(name, relation);
		return relation;
	}

	function relationNamed(name: string): Relation | undefined {
		const entry = entries.get(name);
		return entry && relationOf(name, entry);
	}

	/** A materialized view's tag does not tell the tables behind it. Nor does the tag of a relation in a schema that is not exposed, unless it has a key. */
	function isOpaque(relation: Relation): boolean {
		return (
			relation.kind !== "table" &&
			relation.reads.some((tag) => {
				const tagged = byTag.get(tag);
				return tagged === undefined
					? !foreignKeys().has(tag)
					: tagged.some(({ kind }) => kind !== "table");
			})
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
		relationsReading: (tag) => readers().get(tag) ?? [],
		get opaque() {
			return opaque();
		},
		maxStalenessOf: (tag) => {
			const bounds = byTag
				.get(tag)
				?.map(({ maxStalenessSeconds }) => maxStalenessSeconds);
			const own = bounds?.filter((bound) => bound !== null);
			if (own === undefined) return undefined;
			return own.length === 0 ? null : Math.min(...own);
		},
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
	routines: readonly Routine[],
): ReadonlyMap<string, Routine> {
	const [first] = signatures;
	if (first === undefined) return new Map();
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
