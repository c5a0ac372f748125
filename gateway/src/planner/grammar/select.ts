// The grammar of `select`, a tree of columns, aggregates and embeds, and of `order`. Does not look into the catalog.
import { type Field, Scanner } from "./scanner.ts";

export interface SelectedField {
	readonly kind: "field";
	/** Undefined for `count()` without a column. */
	readonly field: Field | undefined;
	/** The type that the value is cast to. */
	readonly cast: string | undefined;
	readonly aggregate: string | undefined;
	/** The type that the aggregate is cast to. */
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

/** Embeds nested deeper are not cached: parsing them would cost too much. */
const MAX_DEPTH = 20;

const TYPE = /::([\p{L}0-9_ $]+)/uy;
const AGGREGATE = /\.(sum|avg|count|max|min)\(\)/y;
const COUNT = /count\(\)/y;
const JOIN = /!(?:left|inner)(?=[!(])/y;

export function parseSelect(text: string): readonly SelectItem[] {
	const scanner = new Scanner(text, "select");
	const items = parseItems(scanner, 0);
	scanner.expectEnd();
	return items;
}

function parseItems(scanner: Scanner, depth: number): readonly SelectItem[] {
	const items: SelectItem[] = [];
	scanner.skipBlanks();
	if (scanner.isAtEnd || scanner.sees(")")) return items;
	do {
		items.push(parseItem(scanner, depth));
	} while (scanner.takes(","));
	return items;
}

function parseItem(scanner: Scanner, depth: number): SelectItem {
	scanner.skipBlanks();
	if (scanner.takes("*")) {
		scanner.skipBlanks();
		return ALL;
	}
	if (scanner.takes("..."))
		return parseEmbed(scanner, scanner.name(), undefined, depth);
	const alias = scanner.attempt(() => optionalAlias(scanner));
	if (scanner.match(COUNT) !== undefined)
		return parseFieldEnd(scanner, undefined, "count");
	const target = scanner.attempt(() => embedTarget(scanner));
	if (target !== undefined) return parseEmbed(scanner, target, alias, depth);
	const field = scanner.field();
	return parseFieldEnd(scanner, field, undefined);
}

function optionalAlias(scanner: Scanner): string | undefined {
	const alias = scanner.nameIfAny();
	return scanner.takes(":") && !scanner.sees(":") ? alias : undefined;
}

function embedTarget(scanner: Scanner): string | undefined {
	const name = scanner.nameIfAny();
	// PostgREST takes this name for the aggregate.
	if (name === "count") return undefined;
	return scanner.sees("!") || scanner.sees("(") ? name : undefined;
}

/** Parses what follows a column: `::type.aggregate()::type`. */
function parseFieldEnd(
	scanner: Scanner,
	field: Field | undefined,
	counted: "count" | undefined,
): SelectedField {
	const cast = counted === undefined ? parseCast(scanner) : undefined;
	const aggregate = counted ?? scanner.match(AGGREGATE)?.[1];
	const aggregateCast =
		aggregate === undefined ? undefined : parseCast(scanner);
	scanner.skipBlanks();
	return { kind: "field", field, cast, aggregate, aggregateCast };
}

function parseCast(scanner: Scanner): string | undefined {
	return scanner.match(TYPE)?.[1]?.trim();
}

/** Parses what follows the name of a relation: `!hint!inner(items)`. */
function parseEmbed(
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
	const items = parseItems(scanner, depth + 1);
	scanner.expect(")");
	scanner.skipBlanks();
	return { kind: "embed", target, alias, hint, items };
}

export interface OrderTerm {
	/** The embed that the column belongs to, by its alias or name. */
	readonly embed: string | undefined;
	readonly field: Field;
}

const DIRECTION = /(?:\.(?:asc|desc))?(?:\.(?:nullsfirst|nullslast))?[ \t]*/y;

export function parseOrder(text: string): readonly OrderTerm[] {
	const scanner = new Scanner(text, "order");
	const terms: OrderTerm[] = [];
	do {
		terms.push(
			scanner.attempt(() => embeddedTerm(scanner)) ?? parseTerm(scanner),
		);
	} while (scanner.takes(","));
	scanner.expectEnd();
	return terms;
}

function parseTerm(scanner: Scanner): OrderTerm {
	const field = scanner.field();
	scanner.match(DIRECTION);
	return { embed: undefined, field };
}

function embeddedTerm(scanner: Scanner): OrderTerm | undefined {
	scanner.skipBlanks();
	const embed = scanner.nameIfAny();
	if (!scanner.takes("(")) return undefined;
	const field = scanner.field();
	scanner.expect(")");
	scanner.match(DIRECTION);
	return { embed, field };
}
