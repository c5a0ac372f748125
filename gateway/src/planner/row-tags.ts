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
	relation: Relation,
	filters: readonly Filter[],
): readonly string[] | undefined {
	return rowNamedBy(relation, relation.rowKey, filters)?.tags;
}

/** The row that the filters name. */
export interface NamedRow {
	/** The columns of the primary key, and a text for each. */
	readonly columns: readonly string[];
	readonly key: readonly string[];
	/** Its tag, and that of any row. */
	readonly tags: readonly string[];
}

/**
 * @param keyColumns of the primary key
 * @returns undefined unless the filters fix each of them to one value
 */
export function rowNamedBy(
	{ tag, columns }: Relation,
	keyColumns: readonly string[] | null,
	filters: readonly Filter[],
): NamedRow | undefined {
	if (tag === null || keyColumns === null || keyColumns.length === 0)
		return undefined;
	const values: string[] = [];
	const key: string[] = [];
	for (const column of keyColumns) {
		const [filter, ...others] = filters.filter(
			({ field, operation }) =>
				field.name === column &&
				field.path === undefined &&
				operation.isEquality,
		);
		const [literal] = filter?.operation.literals ?? [];
		if (literal === undefined || others.length > 0) return undefined;
		const value = keyValue(columns.get(column), literal);
		if (value === undefined) return undefined;
		values.push(value);
		key.push(literal);
	}
	return {
		columns: keyColumns,
		key,
		tags: [rowTag(tag, values), anyRowTag(tag)],
	};
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
