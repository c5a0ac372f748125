// The shape of what postern.catalog returns. It is checked by hand: every isolate does so before its first hit, with code that is not
// compiled yet, and for a large schema zod takes most of the CPU time that this may cost.

/** @returns the place where a value differs, such as `.relations[3].name`; undefined if nowhere */
type Check = (value: unknown) => string | undefined;

const text = ofType("string");
const flag = ofType("boolean");
const texts = listOf(text);

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
	maxStalenessSeconds: orNull((value) =>
		typeof value === "number" && value > 0 ? undefined : "",
	),
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

export interface CatalogEntries {
	readonly preRequest: Dependencies | null;
	readonly relations: readonly RelationEntry[];
	readonly functions: readonly Routine[];
	readonly foreignKeys: readonly ForeignKey[];
	readonly mediaTypes: readonly string[];
	readonly hasUserDefinedCasts: boolean;
	readonly hasUserDefinedAggregates: boolean;
}

const entries = entryOf({
	preRequest: orNull(entryOf(dependencies)),
	relations: listOf(relation),
	functions: listOf(routine),
	foreignKeys: listOf(
		entryOf({ name: text, from: keyEnd, to: keyEnd, isOneToOne: flag }),
	),
	mediaTypes: texts,
	hasUserDefinedCasts: flag,
	hasUserDefinedAggregates: flag,
});

/**
 * Fields that are not known here are left alone.
 * @throws {Error} naming the first place where this is not a catalog
 */
export function checkCatalog(json: unknown): asserts json is CatalogEntries {
	const fault = entries(json);
	if (fault !== undefined)
		throw new Error(
			`postern.catalog: ${fault || "all of it"} is not understood`,
		);
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
