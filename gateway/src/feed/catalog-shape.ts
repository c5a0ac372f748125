// The shape of what postern.catalog returns. It is checked by hand: isolates do so too, with code that is not compiled yet, and for
// a large schema zod takes most of the CPU time that a first hit may cost.

/** @returns the place where a value differs, such as `.relations[3].name`; undefined if nowhere */
type Check = (value: unknown) => string | undefined;

const text = ofType("string");
const flag = ofType("boolean");
const texts = listOf(text);
const seconds = orNull((value) =>
	typeof value === "number" && value > 0 ? undefined : "",
);

/** What something and the policies of all tables behind it read, and why its value may depend on more. */
export interface Dependencies extends CallerReads {
	/** Tags. */
	readonly reads: readonly string[];
	readonly readsClock: boolean;
	/** Why it cannot be cached. Empty if it can. */
	readonly reasons: readonly string[];
	readonly maxStalenessSeconds: number | null;
}

/** What is read of a caller. */
export interface CallerReads {
	/** Paths of the caller's claims. */
	readonly claims: readonly string[];
	/** Names of headers and cookies of the request. */
	readonly headers: readonly string[];
	readonly cookies: readonly string[];
}

const dependencies = {
	reads: texts,
	claims: texts,
	headers: texts,
	cookies: texts,
	readsClock: flag,
	reasons: texts,
	maxStalenessSeconds: seconds,
};

export interface RelationEntry extends Dependencies {
	readonly schema: string;
	readonly name: string;
	readonly kind: "table" | "view" | "materialized view" | "foreign table";
	readonly tag: string | null;
	/** The columns that name a row in tags. */
	readonly rowKey: readonly string[] | null;
	/** Types as format_type writes them. */
	readonly columns: readonly { readonly name: string; readonly type: string }[];
	readonly primaryKey: readonly string[];
	/** Signatures of functions of a row, by name. */
	readonly computed: Readonly<Record<string, string>>;
}

const relation = entryOf({
	schema: text,
	name: text,
	kind: oneOf("table", "view", "materialized view", "foreign table"),
	tag: orNull(text),
	rowKey: orNull(texts),
	columns: listOf(entryOf({ name: text, type: text })),
	primaryKey: texts,
	computed: recordOf(text),
	...dependencies,
});

export interface Routine extends Dependencies {
	readonly schema: string;
	readonly name: string;
	readonly signature: string;
	readonly arguments: readonly {
		readonly name: string;
		readonly type: string;
		readonly hasDefault: boolean;
	}[];
	readonly isVariadic: boolean;
	/** A type, as format_type writes it. */
	readonly returns: string;
	/** The relation whose rows it returns, named as in a tag. */
	readonly returnsRelation: string | null;
	readonly returnsSet: boolean;
	/** `volatile` only where it is not known that it writes nothing. */
	readonly volatility: "immutable" | "stable" | "volatile";
}

const routine = entryOf({
	schema: text,
	name: text,
	signature: text,
	arguments: listOf(entryOf({ name: text, type: text, hasDefault: flag })),
	isVariadic: flag,
	returns: text,
	returnsRelation: orNull(text),
	returnsSet: flag,
	volatility: oneOf("immutable", "stable", "volatile"),
	...dependencies,
});

export interface KeyEnd {
	readonly schema: string;
	readonly name: string;
	readonly tag: string;
	readonly columns: readonly string[];
}

export interface ForeignKey {
	readonly name: string;
	readonly from: KeyEnd;
	readonly to: KeyEnd;
	readonly isOneToOne: boolean;
}

const keyEnd = entryOf({
	schema: text,
	name: text,
	tag: text,
	columns: texts,
});

const functions = listOf(routine);
const foreignKeys = listOf(
	entryOf({ name: text, from: keyEnd, to: keyEnd, isOneToOne: flag }),
);

export interface CatalogEntries {
	readonly preRequest: Dependencies | null;
	readonly relations: readonly RelationEntry[];
	readonly functions: readonly Routine[];
	readonly foreignKeys: readonly ForeignKey[];
	readonly mediaTypes: readonly string[];
	readonly hasUserDefinedCasts: boolean;
	readonly hasUserDefinedAggregates: boolean;
}

/** The same, with most of it as JSON. */
export interface CatalogParts
	extends Omit<CatalogEntries, "relations" | "functions" | "foreignKeys"> {
	/** The JSON of each relation, by its name as in tags. */
	readonly relations: Readonly<Record<string, string>>;
	/** The tag of each table, by the same name: a table's rows are its own, so a search for what reads a tag need not parse it. */
	readonly tables: Readonly<Record<string, string | null>>;
	/** The maximum staleness of each tag's relations, in seconds; null if they do not set one. */
	readonly maxStaleness: Readonly<Record<string, number | null>>;
	readonly functions: string;
	readonly foreignKeys: string;
}

const rest = {
	preRequest: orNull(entryOf(dependencies)),
	mediaTypes: texts,
	hasUserDefinedCasts: flag,
	hasUserDefinedAggregates: flag,
};
const entries = entryOf({
	relations: listOf(relation),
	functions,
	foreignKeys,
	...rest,
});
const parts = entryOf({
	relations: recordOf(text),
	tables: recordOf(orNull(text)),
	maxStaleness: recordOf(seconds),
	functions: text,
	foreignKeys: text,
	...rest,
});

export const checkedCatalog = checkedBy<CatalogEntries>(entries);
export const checkedParts = checkedBy<CatalogParts>(parts);
export const checkedRelation = checkedBy<RelationEntry>(relation);
export const checkedFunctions = checkedBy<readonly Routine[]>(functions);
export const checkedForeignKeys = checkedBy<readonly ForeignKey[]>(foreignKeys);

/**
 * Fields that are not known here are left alone.
 * @returns the value itself. `place` is where it is in the catalog.
 * @throws {Error} naming the first place where it is something else
 */
function checkedBy<Value>(
	check: Check,
): (value: unknown, place?: string) => Value {
	return (value, place = "") => {
		const fault = check(value);
		if (fault === undefined) return value as Value;
		throw new Error(
			`postern.catalog: ${place + fault || "all of it"} is not understood`,
		);
	};
}

function ofType(type: "string" | "boolean"): Check {
	return (value) => (typeof value === type ? undefined : "");
}

function oneOf(...values: readonly unknown[]): Check {
	return (value) => (values.includes(value) ? undefined : "");
}

function orNull(check: Check): Check {
	return (value) => (value === null ? undefined : check(value));
}

function listOf(check: Check): Check {
	return (value) => {
		if (!Array.isArray(value)) return "";
		for (let index = 0; index < value.length; index++) {
			const fault = check(value[index]);
			if (fault !== undefined) return `[${index}]${fault}`;
		}
		return undefined;
	};
}

function recordOf(check: Check): Check {
	return (value) => {
		if (!isRecord(value)) return "";
		for (const name in value) {
			const fault = check(value[name]);
			if (fault !== undefined) return `.${name}${fault}`;
		}
		return undefined;
	};
}

function entryOf(checks: Readonly<Record<string, Check>>): Check {
	const names = Object.keys(checks);
	return (value) => {
		if (!isRecord(value)) return "";
		for (const name of names) {
			const fault = checks[name]?.(value[name]);
			if (fault !== undefined) return `.${name}${fault}`;
		}
		return undefined;
	};
}

function isRecord(value: unknown): value is Record<string, unknown> {
	return typeof value === "object" && value !== null;
}
