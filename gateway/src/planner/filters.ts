// The grammar of filters, `column=op.value` and `or=(…)`. Knows nothing of what there is.
import { type Field, Scanner } from "./scanner.ts";

export interface Operation {
	/** `=` and one value, neither negated nor quantified. */
	readonly isEquality: boolean;
	/** `is.null` or `not.is.null`. */
	readonly isNullTest: boolean;
	/** What the column is compared with, as text that the database makes a value of the column's type. */
	readonly literals: readonly string[];
}

export interface Filter {
	readonly field: Field;
	readonly operation: Operation;
}

/** Whoever nests deeper than this is not asking for data. */
const MAX_DEPTH = 20;

const SIMPLE = /(?:neq|cs|cd|ov|sl|sr|nxr|nxl|adj|isdistinct)\./y;
const QUANTIFIED =
	/(eq|gte|gt|lte|lt|like|ilike|match|imatch)(\((?:any|all)\))?\./y;
const TEXT_SEARCH = /(?:fts|plfts|phfts|wfts)(?:\([\p{L}0-9_ $]+\))?\./uy;
const STATE = /(null|not_null|true|false|unknown)/iy;
const UP_TO_SEPARATOR = /[^,)]*/y;
const ARRAY = /\{[^{}]*\}/y;
const LOGIC = /(?:not\.)?(?:and|or)/y;

/** Texts that some PostgREST may take for an operation; others it takes for what they are. */
const LOOKS_LIKE_OPERATION =
	/^(?:not|in|is|isdistinct|fts|plfts|phfts|wfts|neq|cs|cd|ov|sl|sr|nxr|nxl|adj|eq|gte|gt|lte|lt|like|ilike|match|imatch)(?:[.(]|$)/;

export function looksLikeOperation(text: string): boolean {
	return LOOKS_LIKE_OPERATION.test(text);
}

/** The value of a filter parameter. */
export function parseOperation(text: string): Operation {
	const scanner = new Scanner(text, "a filter");
	const operation = parseOperationAt(scanner, () => scanner.rest());
	scanner.expectEnd();
	return operation;
}

/** The value of a parameter `and` or `or`: the filters in it, however they are joined. */
export function parseLogic(text: string): readonly Filter[] {
	const scanner = new Scanner(text, "a condition");
	const filters: Filter[] = [];
	readGroup(scanner, filters, 0);
	scanner.expectEnd();
	return filters;
}

function readGroup(scanner: Scanner, filters: Filter[], depth: number): void {
	if (depth === MAX_DEPTH) throw scanner.fail();
	scanner.skipBlanks();
	scanner.expect("(");
	scanner.skipBlanks();
	do {
		scanner.skipBlanks();
		const filter = scanner.attempt(() => readFilter(scanner));
		if (filter !== undefined) filters.push(filter);
		else if (scanner.match(LOGIC) === undefined) throw scanner.fail();
		else readGroup(scanner, filters, depth + 1);
		scanner.skipBlanks();
	} while (scanner.takes(","));
	scanner.expect(")");
	scanner.skipBlanks();
}

function readFilter(scanner: Scanner): Filter {
	const field = scanner.field();
	scanner.expect(".");
	const operation = parseOperationAt(scanner, () => readValue(scanner));
	return { field, operation };
}

function parseOperationAt(scanner: Scanner, value: () => string): Operation {
	const isNegated = scanner.takes("not.");
	if (scanner.takes("in.")) return compared(readList(scanner));
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
		// A search is text, whatever the column is.
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

function readList(scanner: Scanner): readonly string[] {
	const values: string[] = [];
	scanner.skipBlanks();
	scanner.expect("(");
	scanner.skipBlanks();
	do {
		values.push(readQuotedValue(scanner) ?? upToSeparator(scanner));
	} while (scanner.takes(","));
	scanner.expect(")");
	scanner.skipBlanks();
	return values;
}

/** A value inside a condition ends where the next begins, unless it is quoted or an array. */
function readValue(scanner: Scanner): string {
	return (
		readQuotedValue(scanner) ??
		scanner.match(ARRAY)?.[0] ??
		upToSeparator(scanner)
	);
}

function readQuotedValue(scanner: Scanner): string | undefined {
	return scanner.attempt(() => {
		const value = scanner.quoted();
		const isWhole = scanner.isAtEnd || scanner.sees(",") || scanner.sees(")");
		return isWhole ? value : undefined;
	});
}

function upToSeparator(scanner: Scanner): string {
	return scanner.match(UP_TO_SEPARATOR)?.[0] ?? "";
}
