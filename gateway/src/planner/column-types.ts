// Which comparisons, casts and aggregates of a type give a value that depends on the column alone. Types have the names that
// format_type gives them. A type that is not listed here is user-defined, and nothing is known about it.
import { NotCacheable } from "./plan.ts";

const INTEGERS = ["smallint", "integer", "bigint"];
const FLOATS = ["real", "double precision"];
const TEXTS = ["text", "character varying", "character", '"char"', "name"];
const DATES = [
	"date",
	"timestamp without time zone",
	"timestamp with time zone",
];

/** A text always means the same value of these types. */
const TIMELESS = new Set([
	...INTEGERS,
	...FLOATS,
	...TEXTS,
	...["numeric", "money", "boolean", "uuid", "oid", "bpchar"],
	...["json", "jsonb", "xml", "bytea", "bit", "bit varying"],
	...["inet", "cidr", "macaddr", "macaddr8", "tsvector", "tsquery"],
	...["int4range", "int8range", "numrange"],
	...["int4multirange", "int8multirange", "nummultirange"],
	...["point", "line", "box", "path", "lseg", "polygon", "circle"],
	"interval",
]);

/** Reading a text of these types depends on the clock (a zone's offset is today's) or on the catalog. */
const CONTEXTUAL = /^(?:time with time zone|reg[a-z]+)$/;

/** Texts that mean another moment each time they are read. */
const MOVING = /now|today|tomorrow|yesterday/i;

/** In arrays, ranges and rows a value may be quoted and escaped, even in part. */
const ESCAPES = /[\\"]/g;

/** @throws {NotCacheable} when the text does not always mean the same value of the type */
export function checkLiteral(type: string, literal: string): void {
	const element = elementOf(type);
	if (TIMELESS.has(element)) return;
	const text = literal.replaceAll(ESCAPES, "");
	if (CONTEXTUAL.test(element) || MOVING.test(text))
		throw new NotCacheable(
			`a value of type ${type} may mean another each time it is read`,
		);
}

/** Other names of types, besides those that format_type gives them. */
const CANONICAL: Readonly<Record<string, string>> = {
	...{ int2: "smallint", int: "integer", int4: "integer", int8: "bigint" },
	...{ float4: "real", float8: "double precision", float: "double precision" },
	...{ dec: "numeric", decimal: "numeric", bool: "boolean" },
	...{ varchar: "character varying", "char varying": "character varying" },
	...{ char: "character", bpchar: "character" },
	...{ time: "time without time zone", timetz: "time with time zone" },
	timestamp: "timestamp without time zone",
	timestamptz: "timestamp with time zone",
};

/** The type that a cast names, as format_type writes it. A name that is not known is left as it is. */
export function canonicalType(name: string): string {
	const words = name.toLowerCase().trim().replaceAll(/ +/g, " ");
	return CANONICAL[words] ?? words;
}

/** Casts to these read no clock, whatever they cast. */
const TIMELESS_TARGETS = new Set([
	...[...INTEGERS, ...FLOATS, "numeric", "boolean", "uuid"],
	...["text", "character varying", "character", "json", "jsonb"],
]);
const DATE_TARGETS = new Set([...DATES, "time without time zone"]);

/**
 * @param to canonical
 * @throws {NotCacheable} unless the cast is known to be built in and independent of the clock
 */
export function checkCast(from: string, to: string): void {
	if (!isUserDefined(from) && TIMELESS_TARGETS.has(to)) return;
	if (DATES.includes(from) && DATE_TARGETS.has(to)) return;
	throw new NotCacheable(
		`a cast from ${from} to ${to} is not known to be constant`,
	);
}

const SUMMED = [...INTEGERS, ...FLOATS, "numeric", "interval"];
const COMPARED = [
	...SUMMED,
	...DATES,
	...["money", "time without time zone", "time with time zone", "text", "inet"],
];
const AGGREGATED: Readonly<Record<string, ReadonlySet<string>>> = {
	avg: new Set(SUMMED),
	sum: new Set([...SUMMED, "money"]),
	max: new Set(COMPARED),
	min: new Set(COMPARED),
};

/** @throws {NotCacheable} when the aggregate of this type might be user-defined */
export function checkAggregate(aggregate: string, type: string): void {
	if (aggregate === "count" || AGGREGATED[aggregate]?.has(type)) return;
	throw new NotCacheable(`${aggregate} of ${type} is not known to be built in`);
}

/** Built-in types are named without a schema. */
function isUserDefined(type: string): boolean {
	return type.includes(".");
}

function elementOf(type: string): string {
	return type.replace(/(\[\])+$/, "");
}
