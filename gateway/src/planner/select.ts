// The grammar of `select`: columns, aggregates and embedded relations, as a tree. Knows nothing of what there is.
import { type Field, Scanner } from "./scanner.ts";

export interface SelectedField {
	readonly kind: "field";
	/** Undefined for `count()`. */
	readonly field: Field | undefined;
	/** Types to cast to: of the value, of the aggregate. */
	readonly cast: string | undefined;
	readonly aggregate: string | undefined;
	readonly aggregateCast: string | undefined;
}

export interface SelectedEmbed {
	readonly kind: "embed";
	readonly target: string;
	readonly alias: string | undefined;
	readonly hint: string | undefined;
	readonly items: readonly SelectItem[];
}

export type SelectItem =
	| { readonly kind: "all" }
	| SelectedField
	| SelectedEmbed;

const ALL = { kind: "all" } as const;

/** Whoever nests deeper than this is not asking for data. */
const MAX_DEPTH = 20;

const TYPE = /::([\p{L}0-9_ $]+)/uy;
const AGGREGATE = /\.(sum|avg|count|max|min)\(\)/y;
const COUNT = /count\(\)/y;
const JOIN = /!(?:left|inner)(?=[!(])/y;

export function parseSelect(text: string): readonly SelectItem[] {
	const scanner = new Scanner(text, "select");
	const items = readItems(scanner, 0);
	scanner.expectEnd();
	return items;
}

function readItems(scanner: Scanner, depth: number): readonly SelectItem[] {
	const items: SelectItem[] = [];
	scanner.skipBlanks();
	if (scanner.isAtEnd || scanner.sees(")")) return items;
	do {
		items.push(readItem(scanner, depth));
	} while (scanner.takes(","));
	return items;
}

function readItem(scanner: Scanner, depth: number): SelectItem {
	scanner.skipBlanks();
	if (scanner.takes("*")) {
		scanner.skipBlanks();
		return ALL;
	}
	if (scanner.takes("..."))
		return readEmbed(scanner, scanner.name(), undefined, depth);
	const alias = scanner.attempt(() => aliasIfAny(scanner));
	if (scanner.match(COUNT) !== undefined)
		return readFieldEnd(scanner, undefined, "count");
	const target = scanner.attempt(() => targetIfAny(scanner));
	if (target !== undefined) return readEmbed(scanner, target, alias, depth);
	const field = scanner.field();
	return readFieldEnd(scanner, field, undefined);
}

function aliasIfAny(scanner: Scanner): string | undefined {
	const alias = scanner.nameIfAny();
	return scanner.takes(":") && !scanner.sees(":") ? alias : undefined;
}

function targetIfAny(scanner: Scanner): string | undefined {
	const name = scanner.nameIfAny();
	// PostgREST takes the name for the aggregate's.
	if (name === "count") return undefined;
	return scanner.sees("!") || scanner.sees("(") ? name : undefined;
}

/** What may follow a column: `::type.aggregate()::type`. */
function readFieldEnd(
	scanner: Scanner,
	field: Field | undefined,
	counted: "count" | undefined,
): SelectedField {
	const cast = counted === undefined ? readCast(scanner) : undefined;
	const aggregate = counted ?? scanner.match(AGGREGATE)?.[1];
	const aggregateCast = aggregate === undefined ? undefined : readCast(scanner);
	scanner.skipBlanks();
	return { kind: "field", field, cast, aggregate, aggregateCast };
}

function readCast(scanner: Scanner): string | undefined {
	return scanner.match(TYPE)?.[1]?.trim();
}

/** What follows the name of a relation: `!hint!inner(items)`. */
function readEmbed(
	scanner: Scanner,
	target: string,
	alias: string | undefined,
	depth: number,
): SelectedEmbed {
	if (depth === MAX_DEPTH) throw scanner.fail();
	let hint: string | undefined;
	for (let count = 0; count < 2 && scanner.sees("!"); count++) {
		if (scanner.match(JOIN) !== undefined) continue;
		if (hint !== undefined) throw scanner.fail();
		scanner.expect("!");
		hint = scanner.name();
	}
	scanner.expect("(");
	const items = readItems(scanner, depth + 1);
	scanner.expect(")");
	scanner.skipBlanks();
	return { kind: "embed", target, alias, hint, items };
}
