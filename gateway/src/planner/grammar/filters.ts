// The grammar of filters, `column=op.value` and `or=(…)`. Does not look into the catalog.
import { type Field, Scanner } from "./scanner.ts";

export interface Operation {
	/** `=` and one value, neither negated nor quantified. */
	readonly isEquality: boolean;
	/** `is.null` or `not.is.null`. */
	readonly isNullTest: boolean;
	/** The texts that the column is compared with. The database casts them to the column's type. */
	readonly literals: readonly string[];
}

export interface Filter {
	readonly field: Field;
	readonly operation: Operation;
}

/** Conditions nested deeper are not cached: parsing them would cost too much. */
const MAX_DEPTH = 20;

const SIMPLE = /(?:neq|cs|cd|ov|sl|sr|nxr|nxl|adj|isdistinct)\./y;
const QUANTIFIED =
	/(eq|gte|gt|lte|lt|like|ilike|match|imatch)(\((?:any|all)\))?\./y;
const TEXT_SEARCH = /(?:fts|plfts|phfts|wfts)(?:\([\p{L}0-9_ $]+\))?\./uy;
const STATE = /(null|not_null|true|false|unknown)/iy;
const UP_TO_SEPARATOR = /[^,)]*/y;
const ARRAY = /\{[^{}]*\}/y;
const LOGIC = /(?:not\.)?(?:and|or)/y;

/** Texts that some version of PostgREST takes for an operation, and not for the value of a function's argument. */
const LOOKS_LIKE_OPERATION =
	/^(?:not|in|is|isdistinct|fts|plfts|phfts|wfts|neq|cs|cd|ov|sl|sr|nxr|nxl|adj|eq|gte|gt|lte|lt|like|ilike|match|imatch)(?:[.(]|$)/;

export function looksLikeOperation(text: string): boolean {
	return LOOKS_LIKE_OPERATION.test(text);
}

/** Parses the value of a filter. `eq.1`, `not.in.(a,b)` */
export function parseOperation(text: string): Operation {
	const scanner = new Scanner(text, "a filter");
	const operation = parseOperationAt(scanner, () => scanner.rest());
	scanner.expectEnd();
	return operation;
}

/** Parses the value of `and` or `or`. @returns all filters in it, without how they are joined */
export function parseLogic(text: string): readonly Filter[] {
	const scanner = new Scanner(text, "a condition");
	const filters: Filter[] = [];
	parseGroup(scanner, filters, 0);
	scanner.expectEnd();
	return filters;
}

function parseGroup(scanner: Scanner, filters: Filter[], depth: number): void {
	if (depth === MAX_DEPTH) throw scanner.fail();
	scanner.skipBlanks();
	scanner.expect("(");
	scanner.skipBlanks();
	do {
		scanner.skipBlanks();
		const filter = scanner.attempt(() => parseFilter(scanner));
		if (filter !== undefined) filters.push(filter);
		else if (scanner.match(LOGIC) === undefined) throw scanner.fail();
		else parseGroup(scanner, filters, depth + 1);
		scanner.skipBlanks();
	} while (scanner.takes(","));
	scanner.expect(")");
	scanner.skipBlanks();
}

function parseFilter(scanner: Scanner): Filter {
	const field = scanner.field();
	scanner.expect(".");
	const operation = parseOperationAt(scanner, () => parseValue(scanner));
	return { field, operation };
}

function parseOperationAt(scanner: Scanner, value: () => string): Operation {
	const isNegated = scanner.takes("not.");
	if (scanner.takes("in.")) return compared(parseList(scanner));
	if (scanner.takes("is.")) {
		const [, state] = scanner.match(STATE) ?? [];
		if (state === undefined) throw scanner.fail();
		return {
			isEquality: false,
			isNullTest: state.toLowerCase() === "null",
			literals: [],
		};
	}
	if (scanner.match(TEXT_SEARCH) !== undefined) {
		// A text search compares with text in a column of any type.
		value();
		return compared([]);
	}
	if (scanner.match(SIMPLE) !== undefined) return compared([value()]);
	const quantified = scanner.match(QUANTIFIED);
	if (quantified === undefined) throw scanner.fail();
	const [, operator, quantifier] = quantified;
	const isEquality =
		operator === "eq" && quantifier === undefined && !isNegated;
	return { ...compared([value()]), isEquality };
}

function compared(literals: readonly string[]): Operation {
	return { isEquality: false, isNullTest: false, literals };
}

function parseList(scanner: Scanner): readonly string[] {
	const values: string[] = [];
	scanner.skipBlanks();
	scanner.expect("(");
	scanner.skipBlanks();
	do {
		values.push(parseQuotedValue(scanner) ?? upToSeparator(scanner));
	} while (scanner.takes(","));
	scanner.expect(")");
	scanner.skipBlanks();
	return values;
}

/** A value inside a condition ends at the next comma or parenthesis, unless it is quoted or an array. */
function parseValue(scanner: Scanner): string {
	return (
		parseQuotedValue(scanner) ??
		scanner.match(ARRAY)?.[0] ??
		upToSeparator(scanner)
	);
}

function parseQuotedValue(scanner: Scanner): string | undefined {
	return scanner.attempt(() => {
		const value = scanner.quoted();
		const isWhole = scanner.isAtEnd || scanner.sees(",") || scanner.sees(")");
		return isWhole ? value : undefined;
	});
}

function upToSeparator(scanner: Scanner): string {
	return scanner.match(UP_TO_SEPARATOR)?.[0] ?? "";
}
