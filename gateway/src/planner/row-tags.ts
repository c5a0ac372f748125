// Row tags: the tags of a read by primary key, which replace the table's tag. Only values whose text is the one that the
// database would write are accepted, because another text would make another tag.
import { anyRowTag, quoted, rowTag } from "../feed/tag.ts";
import type { Relation } from "./catalog.ts";
import type { Filter } from "./grammar/filters.ts";

const INTEGER = /^(?:0|-?[1-9][0-9]{0,18})$/;
const UUID = /^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/;

/** Bits of an integer type. */
const WIDTHS: Readonly<Record<string, number>> = {
	smallint: 16,
	integer: 32,
	bigint: 64,
};

/** The database writes the any-row tag for rows with longer keys: postern.key_expression. */
const MAX_TEXT_BYTES = 200;

/**
 * @param filters that every row of the answer meets
 * @returns undefined unless they fix each column of the key to one value
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
	return [rowTag(tag, values), anyRowTag(tag)];
}

/** A value as the row tag has it; undefined for text that the database would write differently. */
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
