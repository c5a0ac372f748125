// Random reads from the parts that PostgREST knows: columns, embeds, filters, order, pages, headers.
// PostgREST answers most of them, and refuses some.
import fc from "fast-check";
import type { Question } from "./requests.ts";

type Parameter = [name: string, value: string];
interface Filter {
	column: string;
	condition: string;
}

/** One of `usual`, sometimes one of `odd`. */
function mostly<T>(usual: readonly T[], odd: readonly T[]): fc.Arbitrary<T> {
	return fc.oneof(
		{ weight: 12, arbitrary: fc.constantFrom(...usual) },
		{ weight: 1, arbitrary: fc.constantFrom(...odd) },
	);
}

const text = fc.oneof(
	fc.string({ unit: "binary", maxLength: 12 }),
	fc.constantFrom("Ran", "S*", "*", "%", "null", "a,b", '"', "\\", "(", ")"),
);
const year = fc.integer({ min: 1954, max: 2002 }).map(String);
const id = fc.integer({ min: 0, max: 9 }).map(String);

/** Columns of films, and values to compare them with. */
const VALUES: Record<string, fc.Arbitrary<string>> = {
	id,
	title: text,
	year,
	rating: mostly(["8", "8.1", "8.2"], ["x"]),
	is_color: fc.constantFrom("true", "false"),
	studio_id: id,
	"details->>minutes": fc.constantFrom("162", "110", ""),
};

const column = fc.constantFrom(...Object.keys(VALUES));

function valueFor(name: string): fc.Arbitrary<string> {
	return VALUES[name] ?? text;
}

const comparison = column.chain((name) =>
	fc.tuple(
		fc.constant(name),
		fc.constantFrom("", "not."),
		mostly(["eq", "neq", "lt", "lte", "gt", "gte", "isdistinct"], ["like"]),
		valueFor(name),
	),
);

const filter: fc.Arbitrary<Filter> = fc.oneof(
	comparison.map(([name, not, operator, value]) => ({
		column: name,
		condition: `${not}${operator}.${value}`,
	})),
	fc
		.tuple(column, fc.constantFrom("is.null", "not.is.null"))
		.map(([name, condition]) => ({ column: name, condition })),
	fc
		.tuple(fc.constantFrom("like", "not.ilike", "imatch"), text)
		.map(([operator, pattern]) => ({
			column: "title",
			condition: `${operator}.${pattern}`,
		})),
	column
		.chain((name) =>
			fc.tuple(
				fc.constant(name),
				fc.array(valueFor(name), { minLength: 1, maxLength: 3 }),
			),
		)
		.map(([name, values]) => ({
			column: name,
			condition: `in.(${values.map(quoted).join(",")})`,
		})),
);

const logic: fc.Arbitrary<Parameter> = fc
	.tuple(
		fc.constantFrom("and", "or", "not.and", "not.or"),
		fc.array(filter, { minLength: 1, maxLength: 3 }),
	)
	.map(([operator, filters]) => [
		operator,
		`(${filters.map((one) => `${one.column}.${one.condition}`).join(",")})`,
	]);

const condition: fc.Arbitrary<Parameter> = fc.oneof(
	{
		weight: 4,
		arbitrary: filter.map((one): Parameter => [one.column, one.condition]),
	},
	{ weight: 2, arbitrary: logic },
	{
		weight: 1,
		arbitrary: text.map((name): Parameter => ["studios.name", `neq.${name}`]),
	},
);

const select: fc.Arbitrary<Parameter> = fc
	.uniqueArray(
		mostly(
			[
				...Object.keys(VALUES),
				"name:title",
				"decimal:rating::text",
				"headline",
				"...premieres(city)",
				"appearances(character,actors(*))",
				"director:directors!films_director(name)",
			],
			["directors(name)", "nothing", "numbers(*)"],
		),
		{ minLength: 1, maxLength: 4 },
	)
	.map((columns) => ["select", [...columns, "studios(name)"].join(",")]);

const order: fc.Arbitrary<Parameter> = fc
	.uniqueArray(
		fc.tuple(
			column,
			fc.constantFrom("", ".asc", ".desc"),
			fc.constantFrom("", ".nullsfirst", ".nullslast"),
		),
		{ minLength: 1, maxLength: 2, selector: ([name]) => name },
	)
	.map((terms) => ["order", terms.map((term) => term.join("")).join(",")]);

const page: fc.Arbitrary<Parameter> = fc
	.tuple(
		fc.constantFrom("limit", "offset"),
		mostly(["0", "1", "2", "3"], ["-1", "50"]),
	)
	.map(([name, value]) => [name, value]);

const headers = fc.record(
	{
		accept: mostly(
			["*/*", "application/json", "text/csv"],
			[
				"application/vnd.pgrst.object+json",
				"application/vnd.pgrst.array+json;nulls=stripped",
				"image/png",
			],
		),
		prefer: fc.constantFrom(
			"count=exact",
			"count=planned",
			"count=estimated",
			"handling=strict, count=exact",
		),
		range: mostly(["0-", "0-1", "0-9", "1-3"], ["3-1", "50-60", "x"]),
		"range-unit": fc.constant("items"),
	},
	{ requiredKeys: [] },
);

export const randomRead: fc.Arbitrary<Question> = fc
	.record({
		method: fc.constantFrom("GET", "GET", "GET", "HEAD"),
		relation: mostly(["films"], ["color_films"]),
		parameters: fc
			.tuple(
				select,
				fc.array(condition, { maxLength: 2 }),
				fc.option(order),
				fc.option(page),
			)
			.map(([columns, conditions, terms, bounds]) =>
				[columns, ...conditions, terms, bounds].filter((one) => one !== null),
			),
		headers,
		as: fc.constantFrom("ada", "anonymous"),
	})
	.map(({ relation, parameters, ...rest }) => ({
		...rest,
		path: `/${relation}?${new URLSearchParams(parameters)}`,
	}));

/** A value inside a list, as PostgREST has it quoted. */
function quoted(value: string): string {
	return `"${value.replaceAll(/["\\]/g, "\\$&")}"`;
}
