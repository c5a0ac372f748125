// What the database says of itself (postern.catalog): what answers from each relation and function depend on, ready to be
// looked up by name. Says nothing of requests.
import { z } from "zod";

const names = z.array(z.string());

/** What something reads, and why its value might depend on more. */
const reading = {
	/** Tags. */
	reads: names,
	/** Names of the caller's claims. */
	claims: names,
	/** Why it cannot be cached; none, if it can. */
	reasons: names,
};

const policy = z.object({
	relation: z.string(),
	name: z.string(),
	roles: names,
	...reading,
});

const dependence = {
	...reading,
	stalenessSeconds: z.number().positive().nullable(),
	policies: z.array(policy),
};

const relationShape = z.object({
	schema: z.string(),
	name: z.string(),
	kind: z.enum(["table", "view", "materialized view", "foreign table"]),
	tag: z.string().nullable(),
	rowKey: names.nullable(),
	columns: z.array(z.object({ name: z.string(), type: z.string() })),
	keys: z.array(z.object({ isPrimary: z.boolean(), columns: names })),
	computed: z.record(z.string(), z.string()),
	...dependence,
});

const routineShape = z.object({
	schema: z.string(),
	name: z.string(),
	signature: z.string(),
	arguments: z.array(
		z.object({ name: z.string(), type: z.string(), hasDefault: z.boolean() }),
	),
	isVariadic: z.boolean(),
	returns: z.string(),
	returnsRelation: z.string().nullable(),
	returnsSet: z.boolean(),
	volatility: z.enum(["immutable", "stable", "volatile"]),
	...dependence,
});

const keyEnd = z.object({
	schema: z.string(),
	name: z.string(),
	tag: z.string(),
	columns: names,
});

const foreignKeyShape = z.object({
	name: z.string(),
	from: keyEnd,
	to: keyEnd,
	isOneToOne: z.boolean(),
});

const catalogShape = z.object({
	version: z.string(),
	relations: z.array(relationShape),
	functions: z.array(routineShape),
	foreignKeys: z.array(foreignKeyShape),
	roles: z.record(z.string(), z.object({ memberOf: names })),
	mediaTypes: names.default([]),
	hasOwnCasts: z.boolean(),
});

/** One reason why answers differ from caller to caller. */
export type Policy = Readonly<z.infer<typeof policy>>;

/** What the value of a relation or function depends on. */
export interface Dependence {
	readonly reads: readonly string[];
	readonly claims: readonly string[];
	readonly reasons: readonly string[];
	readonly stalenessSeconds: number | null;
	/** Of every table on the way, whoever the caller is. */
	readonly policies: readonly Policy[];
}

export interface Relation extends Dependence {
	readonly schema: string;
	readonly name: string;
	readonly kind: z.infer<typeof relationShape>["kind"];
	readonly tag: string | null;
	/** The columns that name a row in tags. */
	readonly rowKey: readonly string[] | null;
	/** Types by name, as format_type has them. */
	readonly columns: ReadonlyMap<string, string>;
	readonly primaryKey: readonly string[];
	/** Functions of a row that can be read like columns, by name. Those of other schemas are not on the search path. */
	readonly computed: ReadonlyMap<string, Routine>;
}

export interface Routine extends Dependence {
	readonly schema: string;
	readonly name: string;
	readonly signature: string;
	readonly arguments: readonly {
		readonly name: string;
		readonly type: string;
		readonly hasDefault: boolean;
	}[];
	readonly isVariadic: boolean;
	/** Type, as format_type has it. */
	readonly returns: string;
	/** Tag-like name of the relation whose rows it returns. */
	readonly returnsRelation: string | null;
	readonly returnsSet: boolean;
	readonly volatility: "immutable" | "stable" | "volatile";
}

export type KeyEnd = Readonly<z.infer<typeof keyEnd>>;
export type ForeignKey = Readonly<z.infer<typeof foreignKeyShape>>;

export interface Catalog {
	/** Differs whenever the database's own catalog may. */
	readonly version: string;
	relation(schema: string, name: string): Relation | undefined;
	/** By `schema.name`, each quoted as in tags. */
	relationNamed(quotedName: string): Relation | undefined;
	/** All that share a name. */
	routines(schema: string, name: string): readonly Routine[];
	/** Keys from or to a table of this tag. */
	foreignKeysOf(tag: string): readonly ForeignKey[];
	/** Relations whose rows come from a table of this tag, among others. */
	relationsReading(tag: string): readonly Relation[];
	/** Relations of which nobody can tell what foreign keys their columns stand for. */
	readonly opaque: ReadonlySet<Relation>;
	/** Own bound of the relations of a tag, in seconds: null if they have none, undefined if there are none in the catalog. */
	maxStalenessOf(tag: string): number | null | undefined;
	/** The roles whose policies apply to a role, itself among them; undefined for a role that may not enter the schemas. */
	memberships(role: string): ReadonlySet<string> | undefined;
	/** Media types that functions of the database may answer in, in lower case. */
	readonly mediaTypes: ReadonlySet<string>;
	/** Somebody made a cast from one of PostgreSQL's own types to another. */
	readonly hasUserDefinedCasts: boolean;
}

/** @throws {Error} when this is no catalog, or one of another version */
export function parseCatalog(json: unknown): Catalog {
	const read = catalogShape.parse(json);
	const routines = Map.groupBy(read.functions, nameOf);
	const relations = new Map<string, Relation>();
	for (const { columns, keys, computed, ...relation } of read.relations) {
		relations.set(nameOf(relation), {
			...relation,
			columns: new Map(columns.map(({ name, type }) => [name, type])),
			primaryKey: keys.find(({ isPrimary }) => isPrimary)?.columns ?? [],
			computed: computedOf(
				relation.schema,
				Object.values(computed),
				read.functions,
			),
		});
	}
	const all = [...relations.values()];
	const foreignKeys = groupByEach(read.foreignKeys, (key) => [
		key.from.tag,
		key.to.tag,
	]);
	const byTag = groupByEach(all, ({ tag }) => (tag === null ? [] : [tag]));
	const readers = groupByEach(all, basesOf);
	const roles = new Map(
		Object.entries(read.roles).map(([role, { memberOf }]) => [
			role,
			new Set([role, ...memberOf]),
		]),
	);

	/** A materialized view's tag says nothing of what is in it; nor does that of a relation in another schema, unless it has a key. */
	function isOpaque(relation: Relation): boolean {
		return (
			relation.kind !== "table" &&
			relation.reads.some((tag) => {
				const tagged = byTag.get(tag);
				return tagged === undefined
					? !foreignKeys.has(tag)
					: tagged.some(({ kind }) => kind !== "table");
			})
		);
	}

	return {
		version: read.version,
		relation: (schema, name) => relations.get(nameOf({ schema, name })),
		relationNamed: (quotedName) => relations.get(quotedName),
		routines: (schema, name) => routines.get(nameOf({ schema, name })) ?? [],
		foreignKeysOf: (tag) => foreignKeys.get(tag) ?? [],
		relationsReading: (tag) => readers.get(tag) ?? [],
		opaque: new Set(all.filter(isOpaque)),
		maxStalenessOf: (tag) => {
			const bounds = byTag
				.get(tag)
				?.map(({ stalenessSeconds }) => stalenessSeconds);
			const own = bounds?.filter((bound) => bound !== null);
			if (own === undefined) return undefined;
			return own.length === 0 ? null : Math.min(...own);
		},
		memberships: (role) => roles.get(role),
		mediaTypes: new Set(read.mediaTypes.map((type) => type.toLowerCase())),
		hasUserDefinedCasts: read.hasOwnCasts,
	};
}

/** A name or a key value as part of a tag: postern.quoted. */
export function quoted(value: string): string {
	return /^[A-Za-z0-9_-]+$/.test(value)
		? value
		: `"${value.replaceAll('"', '""')}"`;
}

/** The tags of the tables that a relation's rows come from. */
export function basesOf({ kind, tag, reads }: Relation): readonly string[] {
	if (kind === "view") return reads;
	return tag === null ? [] : [tag];
}

function nameOf({ schema, name }: { schema: string; name: string }): string {
	return `${quoted(schema)}.${quoted(name)}`;
}

/** Of two schemas' functions of one name and argument the catalog names one: the others are found by their argument. */
function computedOf(
	schema: string,
	signatures: readonly string[],
	routines: readonly Routine[],
): ReadonlyMap<string, Routine> {
	const [first] = signatures;
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
