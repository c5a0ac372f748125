// What may be done with a column of a type, by the name that format_type gives it, without the value depending on anything
// but the column: comparing, casting, aggregating. A type that is not known here is the database's own.
import { NotCacheable } from "./bypass.ts";

const INTEGERS = ["smallint", "integer", "bigint"];
const FLOATS = ["real", "double precision"];
const TEXTS = ["text", "character varying", "character", '"char"', "name"];
const DATES = [
	"date",
	"timestamp without time zone",
	"timestamp with time zone",
];

/** No text that these types read means another value tomorrow. */
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

/** Their text is read by the clock (the offset of a zone is today's) or by the catalog. */
const READ_ANEW = /^(?:time with time zone|reg[a-z]+)$/;

/** The date and time texts that mean another moment each time they are read. */
const MOVING = /now|today|tomorrow|yesterday/i;

/** In arrays, ranges and rows a value may be quoted and escaped, also in part. */
const ESCAPES = /[\\"]/g;

/** @throws {NotCacheable} when the text does not always mean the same value of the type */
export function checkLiteral(type: string, literal: string): void {
	const element = elementOf(type);
	if (TIMELESS.has(element)) return;
	const text = literal.replaceAll(ESCAPES, "");
	if (READ_ANEW.test(element) || MOVING.test(text))
		throw new NotCacheable(
			`a value of type ${type} may mean another each time it is read`,
		);
}

/** Types that PostgreSQL itself has, by the names that a cast may have. */
const TIMELESS_TARGETS = new Set([
	...["text", "varchar", "character varying", "char", "character", "bpchar"],
	...["smallint", "integer", "bigint", "int", "int2", "int4", "int8"],
	...["real", "double precision", "float", "float4", "float8"],
	...["numeric", "decimal", "boolean", "bool", "json", "jsonb", "uuid"],
]);
const DATE_TARGETS = new Set([
	...DATES,
	...["timestamp", "timestamptz", "time", "time without time zone"],
]);

/** @throws {NotCacheable} when a cast from one to the other is not known to be PostgreSQL's own and without a clock */
export function checkCast(from: string, to: string): void {
	const target = to.toLowerCase();
	if (!isOwn(from) && TIMELESS_TARGETS.has(target)) return;
	if (DATES.includes(from) && DATE_TARGETS.has(target)) return;
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

/** @throws {NotCacheable} when there might be an aggregate of the database's own for the type */
export function checkAggregate(aggregate: string, type: string): void {
	if (aggregate === "count" || AGGREGATED[aggregate]?.has(type)) return;
	throw new NotCacheable(
		`${aggregate} of ${type} is not known to be PostgreSQL's own`,
	);
}

/** PostgreSQL's own types are named without a schema. */
function isOwn(type: string): boolean {
	return type.includes(".");
}

function elementOf(type: string): string {
	return type.replace(/(\[\])+$/, "");
}
