// The one row that a write is about, where its filters name one by its whole primary key. Rows of views and functions have no name.
import { partsOf } from "../http/url-parts.ts";
import type { PipelineRequest } from "../pipeline.ts";
import type { Catalog } from "./catalog.ts";
import { type Filter, parseOperation } from "./grammar/filters.ts";
import {
	isReserved,
	parseParameterName,
	parseQuery,
	placedKeyword,
} from "./grammar/parameters.ts";
import { parsePath, parseProfile } from "./grammar/target.ts";
import { NotCacheable } from "./plan.ts";
import { type NamedRow, rowNamedBy } from "./row-tags.ts";

export interface WrittenRow extends NamedRow {
	readonly schema: string;
	/** The table's. */
	readonly name: string;
}

/** @returns the row, or why the write is not known to be about one */
export function writtenRow(
	catalog: Catalog,
	schemas: readonly string[],
	{ url, headers }: PipelineRequest,
): WrittenRow | string {
	try {
		const { pathname, search } = partsOf(url);
		const { kind, name } = parsePath(pathname);
		const schema = parseProfile(headers.get("content-profile"), schemas);
		const relation =
			kind === "relation" ? catalog.relation(schema, name) : undefined;
		if (relation?.kind !== "table") return `"${name}" is not a table`;
		// Not `rowKey`, which is null where a row's answer depends on other rows of its table.
		const { primaryKey } = relation;
		if (primaryKey.length === 0) return `"${name}" has no primary key`;
		const row = rowNamedBy(relation, primaryKey, rootFilters(search));
		if (row === undefined)
			return `the filters have to name one row by its primary key of integers, uuids or texts of at most 200 bytes: ${primaryKey.map((column) => `${column}=eq.(value)`).join("&")}`;
		return { schema, name, ...row };
	} catch (error) {
		if (error instanceof NotCacheable) return error.message;
		throw error;
	}
}

/** Filters that the written row has to meet. What `and` and `or` add only leaves out more rows. */
function rootFilters(search: string): readonly Filter[] {
	return parseQuery(search).flatMap(([name, value]) => {
		const isFilter =
			value !== undefined &&
			!isReserved(name) &&
			placedKeyword(name) === undefined;
		if (!isFilter) return [];
		const { path, field } = parseParameterName(name);
		const filter = { field, operation: parseOperation(value) };
		return path.length === 0 ? [filter] : [];
	});
}
