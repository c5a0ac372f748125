// The few values that rows and claims share, so that callers see some rows and not others, and that nearly equal each other.
import fc from "fast-check";

/** Differ in case, in space, in the form of Unicode, or stand for something else where quoting is forgotten. */
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

/** Now and then of the first, usually of the second. */
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

/** Text as SQL has it. */
export function literal(value: string | null): string {
	return value === null ? "null" : `'${value.replaceAll("'", "''")}'`;
}

/** The same two come up often, so that rows and claims meet. */
export const text: fc.Arbitrary<string> = seldom(
	fc.constantFrom(...TEXTS),
	fc.constantFrom("a", "A"),
	8,
);
