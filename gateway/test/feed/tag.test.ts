// The grammar of tags, tested against the vectors that SQL is tested against as well.
import { describe, expect, it } from "vitest";
import {
	anyRowTag,
	anyRowTagOf,
	CATALOG_TAG,
	quoted,
	relationTag,
	relationTagOf,
	rowTag,
} from "../../src/feed/tag.ts";
import vectors from "../vectors/tags.json";

describe("a tag", () => {
	it.each(vectors.quoted)("writes $value as $quoted", (vector) => {
		expect(quoted(vector.value)).toBe(vector.quoted);
	});

	it.each(vectors.relations)("of a relation is $tag", (vector) => {
		expect(relationTag(vector.schema, vector.name)).toBe(vector.tag);
	});

	it.each(vectors.rows)("of a row is $tag", ({ schema, name, key, tag }) => {
		expect(rowTag(relationTag(schema, name), key.map(quoted))).toBe(tag);
	});

	it.each(vectors.anyRow)("of any row is $tag", ({ schema, name, tag }) => {
		expect(anyRowTag(relationTag(schema, name))).toBe(tag);
	});

	it("of the catalog is the vectors' tag of everything", () => {
		expect(CATALOG_TAG).toBe(vectors.everything);
	});

	it.each([...vectors.relations, ...vectors.rows, ...vectors.anyRow])(
		"names its relation: $tag",
		({ schema, name, tag }) => {
			expect(relationTagOf(tag)).toBe(relationTag(schema, name));
		},
	);

	it.each(vectors.rows)(
		"of a row names any row of its relation: $tag",
		({ schema, name, tag }) => {
			expect(anyRowTagOf(tag)).toBe(anyRowTag(relationTag(schema, name)));
		},
	);

	it.each([...vectors.relations, ...vectors.anyRow, { tag: CATALOG_TAG }])(
		"of anything but one row names no any-row tag: $tag",
		({ tag }) => {
			expect(anyRowTagOf(tag)).toBeUndefined();
		},
	);

	it.each([CATALOG_TAG, "", "api"])(
		"without a relation is returned as it is: %j",
		(tag) => {
			expect(relationTagOf(tag)).toBe(tag);
		},
	);
});
