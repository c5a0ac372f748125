// The few values that rows and claims share, so that callers see some rows and not others, and that nearly equal each other.
import fc from "fast-check";

/** Texts that differ in case, in whitespace or in Unicode form, or change their meaning without quotes. */
const TEXTS = [
	"a",
	"A",
	" a",
	"1",
	"",
	"null",
	"ü",
	"u\u0308",
	"a'b",
	'a"b',
	"a\\b",
	"a,b",
	"{a}",
	"%61",
] as const;

/** Sometimes a value of the first, usually one of the second. */
export function seldom<T>(
	rare: fc.Arbitrary<T>,
	usual: fc.Arbitrary<T>,
	one: number,
): fc.Arbitrary<T> {
	return fc.oneof(
		{ weight: 1, arbitrary: rare },
		{ weight: one - 1, arbitrary: usual },
	);
}

/** A text as an SQL literal. */
export function literal(value: string | null): string {
	return value === null ? "null" : `'${value.replaceAll("'", "''")}'`;
}

/** Two values are frequent, so that rows and claims match. */
export const text: fc.Arbitrary<string> = seldom(
	fc.constantFrom(...TEXTS),
	fc.constantFrom("a", "A"),
	8,
);
