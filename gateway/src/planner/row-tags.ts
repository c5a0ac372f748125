// The tags of a read by primary key: those of one row, in place of the table's.
import { quoted, type Relation } from "./catalog.ts";
import type { Filter } from "./filters.ts";

/** The forms that the database's own text of a value has: another text for the same value would make another tag. */
const INTEGER = /^(?:0|-?[1-9][0-9]{0,18})$/;
const UUID = /^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/;

/** Bits of an integer type. */
const WIDTHS: Readonly<Record<string, number>> = {
	smallint: 16,
	integer: 32,
	bigint: 64,
};

/** Rows with longer keys are not named: postern.key_expression. */
const MAX_TEXT_BYTES = 200;

/**
 * @param filters all of which the rows have to meet
 * @returns undefined where they do not hold each column of the key to one value
 */
export function rowTags(
	{ tag, rowKey, columns }: Relation,
	filters: readonly Filter[],
): readonly string[] | undefined {
	if (tag === null || rowKey === null || rowKey.length === 0) return undefined;
	const values = rowKey.map((column) => {
		const [value, ...others] = filters.filter(
			({ field, operation }) =>
				field.name === column &&
				field.path === undefined &&
				operation.isEquality,
		);
		const [literal] = value?.operation.literals ?? [];
		if (literal === undefined || others.length > 0) return undefined;
		return keyValue(columns.get(column), literal);
	});
	if (!values.every((value) => value !== undefined)) return undefined;
	return [`${tag}(${values.join(",")})`, `${tag}(*)`];
}

/** A value as row tags have it; undefined for text that the database would write differently, or not at all. */
function keyValue(type: string | undefined, text: string): string | undefined {
	switch (type) {
		case "smallint":
		case "integer":
		case "bigint": {
			if (!INTEGER.test(text)) return undefined;
			const value = BigInt(text);
			return BigInt.asIntN(WIDTHS[type] ?? 0, value) === value
				? text
				: undefined;
		}
		case "uuid":
			return UUID.test(text) ? text : undefined;
		case "text":
		case "character varying":
			return text !== "" && byteLength(text) <= MAX_TEXT_BYTES
				? quoted(text)
				: undefined;
		default:
			return undefined;
	}
}

function byteLength(text: string): number {
	return new TextEncoder().encode(text).length;
}
