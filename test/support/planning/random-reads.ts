// Random reads of everything that a catalog names: columns, computed ones, embeds by every kind of name and
// hint, filters with existing values, mostly keys. PostgREST refuses the reads that make no sense.
import fc from "fast-check";
import type { Identity } from "../../../gateway/src/identity/identity.ts";
import type { Ask, Facts } from "./origin.ts";

/** Existing rows by `schema.relation`, with their values as text. */
export type Samples = ReadonlyMap<
	string,
	readonly Readonly<Record<string, string | null>>[]
>;

export interface Read {
	readonly ask: Ask;
	readonly identity: Identity;
}

/** The columns of the fixtures' keys. */
const KEYS = [
	...["id", "code", "film_id", "actor_id", "region", "n"],
	...["note_id", "team_id", "person", "review_id", "critic_id"],
];

const page = fc.constantFrom<Parameter[]>(
	[],
	[],
	[["limit", "2"]],
	[
		["limit", "1"],
		["offset", "1"],
	],
);

type Relation = Facts["relations"][number];
type Parameter = [name: string, value: string];

/** A part of a request: its select, and its parameters, whose names lack the path to the embed. */
interface Part {
	readonly items: readonly string[];
	readonly parameters: readonly Parameter[];
}

/** What is read; with a body, by POST. */
interface Target {
	readonly schema: string;
	readonly path: string;
	readonly part: Part;
	readonly body?: string;
}

export const randomIdentity: fc.Arbitrary<Identity> = fc.record({
	role: fc.constantFrom(
		"authenticated",
		"authenticated",
		"anon",
		"editor",
		"service",
	),
	claims: fc.record(
		{
			sub: fc.constantFrom("ada", "grace", "joan", "unknown"),
			person: fc.constantFrom("ada", "grace", null),
			nick: fc.constantFrom("ada", "joan"),
			level: fc.constantFrom(0, 1, 2, "3"),
			session_id: fc.constantFrom("a", "b", "c"),
			jti: fc.constantFrom("1", "2"),
		},
		{ requiredKeys: [] },
	),
});

const headers = fc
	.record(
		{
			accept: fc.constantFrom(
				"application/json",
				"*/*",
				"text/csv",
				"application/vnd.pgrst.object+json",
				"application/vnd.pgrst.array+json;nulls=stripped",
			),
			prefer: fc.constantFrom(
				"count=exact",
				"handling=lenient, timezone=Asia/Tokyo",
			),
			range: fc.constantFrom("0-0", "0-9", "1-3"),
		},
		{ requiredKeys: [] },
	)
	.map((fields): Record<string, string> => ({ ...fields }));

export function randomRead(facts: Facts, samples: Samples): fc.Arbitrary<Read> {
	const relations = facts.relations.filter(
		({ name }) => !["numbers", "vault"].includes(name),
	);
	const callable = facts.functions.filter(
		({ arguments: all, volatility }) =>
			volatility !== "volatile" && !all.some(({ type }) => type.includes(".")),
	);
	const ofRelation = fc
		.constantFrom(...relations)
		.chain((relation) => fc.tuple(fc.constant(relation), root(relation)))
		.map(
			([{ schema, name }, part]): Target => ({
				schema,
				path: `/${name}`,
				part,
			}),
		);
	const ofFunction = fc
		.constantFrom(...callable)
		.chain((routine): fc.Arbitrary<Target> => {
			const relation = facts.relations.find(
				({ schema, name }) => `${schema}.${name}` === routine.returnsRelation,
			);
			const given = fc.tuple(
				...routine.arguments.map(({ name, type }) =>
					fc
						.option(argumentOf(type), { freq: 3 })
						.map((value): Parameter[] =>
							value === null ? [] : [[name, value]],
						),
				),
			);
			const part =
				relation === undefined
					? fc.constant<Part>({ items: [], parameters: [] })
					: root(relation);
			return fc
				.tuple(given, part, fc.boolean())
				.map(([values, { items, parameters }, isPost]) => ({
					schema: routine.schema,
					path: `/rpc/${routine.name}`,
					part: {
						items,
						parameters: isPost ? parameters : [...values.flat(), ...parameters],
					},
					...(isPost && {
						body: JSON.stringify(Object.fromEntries(values.flat())),
					}),
				}));
		});

	return fc
		.record({
			method: fc.constantFrom("GET", "GET", "GET", "GET", "HEAD"),
			target: fc.oneof(
				{ weight: 6, arbitrary: ofRelation },
				{ weight: 1, arbitrary: ofFunction },
			),
			headers: fc.oneof(fc.constant({}), headers),
			identity: randomIdentity,
		})
		.map(({ method, target, headers: fields, identity }) => {
			const { schema, path, part, body } = target;
			const profile = body === undefined ? "accept-profile" : "content-profile";
			const inSchema =
				schema === "api" ? fields : { ...fields, [profile]: schema };
			const select: Parameter[] =
				part.items.length === 0 ? [] : [["select", part.items.join()]];
			const query = new URLSearchParams([...select, ...part.parameters]);
			const separator = query.size === 0 ? "" : "?";
			const { href } = new URL(
				`http://postgrest${path.split("/").map(encodeURIComponent).join("/")}${separator}${query}`,
			);
			return {
				ask: {
					method,
					path: href.slice("http://postgrest".length),
					headers: inSchema,
					...(body !== undefined && {
						method: "POST",
						headers: { ...inSchema, "content-type": "application/json" },
						body,
					}),
				},
				identity,
			};
		});

	function root(relation: Relation): fc.Arbitrary<Part> {
		return fc
			.tuple(part(relation, 2), fc.option(key(relation), { freq: 2 }), page)
			.map(([{ items, parameters }, pinned, pages]) => ({
				items,
				parameters: [...parameters, ...(pinned ?? []), ...pages],
			}));
	}

	function part(relation: Relation, depth: number): fc.Arbitrary<Part> {
		const embeds =
			depth === 0
				? fc.constant([])
				: fc.array(embed(relation, depth), { maxLength: 2 });
		return fc
			.tuple(
				fc.uniqueArray(item(relation), { maxLength: 3 }),
				embeds,
				fc.array(condition(relation), { maxLength: 1 }),
				fc.option(order(relation), { freq: 3 }),
			)
			.map(([items, inner, conditions, terms]) => ({
				items: [
					...(items.length === 0 && inner.length > 0 ? ["*"] : items),
					...inner.flatMap((one) => one.items),
				],
				parameters: [
					...conditions,
					...(terms === null ? [] : [terms]),
					...inner.flatMap((one) => one.parameters),
				],
			}));
	}

	function item(relation: Relation): fc.Arbitrary<string> {
		const column = fc.constantFrom(
			...relation.columns.map(({ name }) => quoted(name)),
		);
		const computed = Object.keys(relation.computed);
		return fc.oneof(
			{ weight: 6, arbitrary: column },
			{ weight: 1, arbitrary: fc.constant("*") },
			{
				weight: 1,
				arbitrary: fc
					.tuple(column, fc.constantFrom("text", "varchar", "int4", "FLOAT8"))
					.map(([name, type]) => `other:${name}::${type}`),
			},
			{ weight: 1, arbitrary: fc.constantFrom("count()", "count") },
			{ weight: 1, arbitrary: column.map((name) => `${name}.max()`) },
			...(computed.length === 0
				? []
				: [{ weight: 3, arbitrary: fc.constantFrom(...computed) }]),
		);
	}

	function embed(relation: Relation, depth: number): fc.Arbitrary<Part> {
		const ways = waysFrom(relation);
		return fc
			.record({
				way: fc.constantFrom(...ways),
				alias: fc.option(fc.constantFrom("one", "two"), { freq: 3 }),
				hint: fc.option(fc.constantFrom(...hintsFor(relation)), { freq: 2 }),
				join: fc.constantFrom("", "", "!inner", "!left"),
				isSpread: fc.nat(5).map((number) => number === 0),
				isNull: fc.option(fc.constantFrom("is.null", "not.is.null"), {
					freq: 5,
				}),
			})
			.chain(({ way, alias, hint, join, isSpread, isNull }) =>
				part(way.relation, depth - 1).map((inner) => {
					const prefix = isSpread ? "..." : alias === null ? "" : `${alias}:`;
					const name = quoted(way.name);
					const hinted = hint === null ? "" : `!${quoted(hint)}`;
					const place = !isSpread && alias !== null ? alias : name;
					return {
						items: [`${prefix}${name}${hinted}${join}(${inner.items.join()})`],
						parameters: [
							...inner.parameters.map(
								([parameter, value]): Parameter => [
									`${place}.${parameter}`,
									value,
								],
							),
							...(isNull === null ? [] : [[place, isNull] satisfies Parameter]),
						],
					};
				}),
			);
	}

	/** Names of embeds in a relation with their targets, and some names that lead nowhere. */
	function waysFrom(
		relation: Relation,
	): { name: string; relation: Relation }[] {
		const bases = relation.kind === "table" ? [relation.tag] : relation.reads;
		const keys = facts.foreignKeys.filter(
			({ from, to }) => bases.includes(from.tag) || bases.includes(to.tag),
		);
		const near = new Set(keys.flatMap(({ from, to }) => [from.tag, to.tag]));
		const further = facts.foreignKeys.filter(
			({ from, to }) => near.has(from.tag) || near.has(to.tag),
		);
		const tags = new Set(further.flatMap(({ from, to }) => [from.tag, to.tag]));
		const related = relations.filter(
			({ schema, tag, reads }) =>
				schema === relation.schema &&
				[tag ?? "", ...reads].some((one) => tags.has(one)),
		);
		const byName = [...related, relation].map((one) => ({
			name: one.name,
			relation: one,
		}));
		const byKey = keys.flatMap((one) =>
			[one.from, one.to].flatMap((end) => {
				const at = relations.find(
					({ schema, name }) => schema === end.schema && name === end.name,
				);
				return at === undefined
					? []
					: [one.name, ...one.from.columns].map((name) => ({
							name,
							relation: at,
						}));
			}),
		);
		const byFunction = Object.entries(relation.computed).flatMap(
			([name, signature]) => {
				const routine = facts.functions.find(
					(one) => one.signature === signature,
				);
				const at = relations.find(
					(one) => `${one.schema}.${one.name}` === routine?.returnsRelation,
				);
				return at === undefined ? [] : [{ name, relation: at }];
			},
		);
		return [...byName, ...byName, ...byKey, ...byFunction, ...byFunction];
	}

	function hintsFor(relation: Relation): string[] {
		const near = facts.foreignKeys.filter(
			({ from, to }) => relation.tag === from.tag || relation.tag === to.tag,
		);
		const used = near.length === 0 ? facts.foreignKeys : near;
		return used.flatMap(({ name, from }) => [
			name,
			...from.columns,
			from.name,
			"labelings",
			"casts",
		]);
	}

	function condition(relation: Relation): fc.Arbitrary<Parameter> {
		const one = comparison(relation);
		return fc.oneof(
			{ weight: 4, arbitrary: one },
			{
				weight: 1,
				arbitrary: fc
					.tuple(
						fc.constantFrom("or", "and", "not.or"),
						fc.array(one, { minLength: 1, maxLength: 3 }),
					)
					.map(
						([name, all]): Parameter => [
							name,
							`(${all.map(([column, test]) => `${column}.${test}`).join()})`,
						],
					),
			},
		);
	}

	function comparison(relation: Relation): fc.Arbitrary<Parameter> {
		const column = fc.constantFrom(...relation.columns);
		const computed = Object.keys(relation.computed);
		return fc.oneof(
			{
				weight: 5,
				arbitrary: column.chain(({ name }) =>
					fc
						.tuple(
							fc.constantFrom("eq", "neq", "neq", "gte", "lte", "not.eq"),
							valueIn(relation, name),
						)
						.map(
							([operator, value]): Parameter => [
								quoted(name),
								`${operator}.${value}`,
							],
						),
				),
			},
			{
				weight: 1,
				arbitrary: column.map(
					({ name }): Parameter => [quoted(name), "not.is.null"],
				),
			},
			...(computed.length === 0
				? []
				: [
						{
							weight: 1,
							arbitrary: fc
								.constantFrom(...computed)
								.map((name): Parameter => [name, "not.is.null"]),
						},
					]),
		);
	}

	/** Equality filters on the columns of a key, usually with the values of a row. */
	function key(relation: Relation): fc.Arbitrary<Parameter[]> {
		const columns = relation.columns.filter(({ name }) => KEYS.includes(name));
		const ofOne = fc
			.constantFrom({}, ...rowsOf(relation))
			.map((row: Readonly<Record<string, string | null>>) =>
				columns.map(({ name }) => row[name] ?? "1"),
			);
		const ofAny = fc.tuple(
			...columns.map(({ name }) => valueIn(relation, name)),
		);
		return fc
			.oneof({ weight: 3, arbitrary: ofOne }, { weight: 1, arbitrary: ofAny })
			.map((values) =>
				columns.map(
					({ name }, index): Parameter => [name, `eq.${values[index]}`],
				),
			);
	}

	function valueIn(relation: Relation, column: string): fc.Arbitrary<string> {
		const values = rowsOf(relation)
			.map((row) => row[column] ?? null)
			.filter((value) => value !== null);
		return fc.constantFrom(...(values.length === 0 ? ["1"] : values));
	}

	function rowsOf({ schema, name }: Relation) {
		return samples.get(`${schema}.${name}`) ?? [];
	}

	function order(relation: Relation): fc.Arbitrary<Parameter> {
		return fc
			.constantFrom(...relation.columns)
			.map(({ name }): Parameter => ["order", `${quoted(name)}.desc`]);
	}
}

function argumentOf(type: string): fc.Arbitrary<string> {
	if (type === "text") return fc.constantFrom("ada", "grace", "now", "a");
	if (type.startsWith("timestamp"))
		return fc.constantFrom("2026-01-15", "2020-01-01T00:00:00Z");
	if (type.endsWith("[]")) return fc.constant("{1,2,3}");
	return fc.constantFrom("1", "2", "8", "1970");
}

/** A name quoted as PostgREST requires if it has more than letters and digits. */
function quoted(name: string): string {
	return /^[A-Za-z_][\w]*$/.test(name)
		? name
		: `"${name.replaceAll(/["\\]/g, "\\$&")}"`;
}
