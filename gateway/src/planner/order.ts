// The grammar of `order`. Knows nothing of what there is.
import { type Field, Scanner } from "./scanner.ts";

export interface OrderTerm {
	/** The embedded relation that the column is of, by its alias or name. */
	readonly embed: string | undefined;
	readonly field: Field;
}

const DIRECTION = /(?:\.(?:asc|desc))?(?:\.(?:nullsfirst|nullslast))?[ \t]*/y;

export function parseOrder(text: string): readonly OrderTerm[] {
	const scanner = new Scanner(text, "order");
	const terms: OrderTerm[] = [];
	do {
		terms.push(
			scanner.attempt(() => embeddedTermIfAny(scanner)) ?? readTerm(scanner),
		);
	} while (scanner.takes(","));
	scanner.expectEnd();
	return terms;
}

function readTerm(scanner: Scanner): OrderTerm {
	const field = scanner.field();
	scanner.match(DIRECTION);
	return { embed: undefined, field };
}

function embeddedTermIfAny(scanner: Scanner): OrderTerm | undefined {
	scanner.skipBlanks();
	const embed = scanner.nameIfAny();
	if (!scanner.takes("(")) return undefined;
	const field = scanner.field();
	scanner.expect(")");
	scanner.match(DIRECTION);
	return { embed, field };
}
