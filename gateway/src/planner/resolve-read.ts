// Resolves each name in the parameters of a read to what the database has under it, as PostgREST does, and collects what the
// answer depends on. A name that resolves to nothing is a reason not to cache, not an error: the error is PostgREST's to give.
import type { Catalog, Relation } from "./catalog.ts";
import {
	canonicalType,
	checkAggregate,
	checkCast,
	checkLiteral,
} from "./column-types.ts";
import { DependencySet } from "./dependencies.ts";
import { type Filter, parseLogic, parseOperation } from "./grammar/filters.ts";
import {
	isReserved,
	type Parameter,
	parseParameterName,
	placedKeyword,
} from "./grammar/parameters.ts";
import type { Field } from "./grammar/scanner.ts";
import {
	type OrderTerm,
	parseOrder,
	parseSelect,
	type SelectedEmbed,
	type SelectedField,
	type SelectItem,
} from "./grammar/select.ts";
import { NotCacheable } from "./plan.ts";
import { resolveEmbed } from "./resolve-embed.ts";
import { rowTags } from "./row-tags.ts";

/** A place in the answer: the root or an embed, with the embeds in it. An embed may mean one of several relations. */
interface Node {
	readonly relations: readonly Relation[];
	readonly embeds: { readonly name: SelectedEmbed; readonly node: Node }[];
}

/** More embeds in one request would be expensive to resolve. */
const MAX_EMBEDS = 50;

export function resolveRead(
	catalog: Catalog,
	relation: Relation,
	parameters: readonly Parameter[],
): DependencySet {
	const dependencies = new DependencySet();
	const resolver = new ReadResolver(catalog, relation, dependencies);
	const filters = resolver.resolveAll(parameters);
	dependencies.setRoot(relation, rowTags(relation, filters));
	return dependencies;
}

/** Resolves the parameters of one request, and adds what they read to the dependencies. */
export class ReadResolver {
	readonly #catalog: Catalog;
	readonly #dependencies: DependencySet;
	readonly #root: Node;
	#embeds = 0;

	constructor(
		catalog: Catalog,
		relation: Relation,
		dependencies: DependencySet,
	) {
		this.#catalog = catalog;
		this.#dependencies = dependencies;
		this.#root = { relations: [relation], embeds: [] };
	}

	/** @returns the filters that all rows of the root have to meet */
	resolveAll(parameters: readonly Parameter[]): readonly Filter[] {
		// PostgREST reads the first `select`, even if it has no value.
		const [, select] = parameters.find(([name]) => name === "select") ?? [];
		this.#select(this.#root, parseSelect(select ?? "*"));
		const ofRoot: Filter[] = [];
		for (const [name, value] of parameters) {
			if (value === undefined || isReserved(name)) continue;
			const keyword = placedKeyword(name);
			if (keyword === undefined)
				ofRoot.push(...this.#resolveFilter(name, value));
			else this.#resolvePlaced(name, keyword, value);
		}
		return ofRoot;
	}

	#select(node: Node, items: readonly SelectItem[]): void {
		for (const item of items) {
			if (item.kind === "field") this.#selectField(node, item);
			else if (item.kind === "embed")
				node.embeds.push({ name: item, node: this.#embed(node, item) });
		}
	}

	#selectField(node: Node, selected: SelectedField): void {
		const { field, cast, aggregate, aggregateCast } = countIfLegacy(
			node,
			selected,
		);
		const { hasUserDefinedCasts, hasUserDefinedAggregates } = this.#catalog;
		if ((cast ?? aggregateCast) !== undefined && hasUserDefinedCasts)
			throw new NotCacheable("a cast may be user-defined");
		if (aggregate !== undefined && hasUserDefinedAggregates)
			throw new NotCacheable("an aggregate may be user-defined");
		const target = cast && canonicalType(cast);
		const types = field === undefined ? [] : this.#typesOf(node, field);
		for (const type of types) {
			if (target !== undefined) checkCast(type, target);
			if (aggregate !== undefined) checkAggregate(aggregate, target ?? type);
		}
		// The value of an aggregate always has a built-in type.
		if (aggregateCast !== undefined)
			checkCast("text", canonicalType(aggregateCast));
	}

	#embed({ relations }: Node, embed: SelectedEmbed): Node {
		if (++this.#embeds > MAX_EMBEDS)
			throw new NotCacheable(`there are more than ${MAX_EMBEDS} embeds`);
		const targets = new Set<Relation>();
		for (const source of relations) {
			for (const found of resolveEmbed(this.#catalog, source, embed)) {
				targets.add(found.relation);
				this.#dependencies.add(found.relation);
				for (const other of found.through) this.#dependencies.add(other);
			}
		}
		const node = { relations: [...targets], embeds: [] };
		this.#select(node, embed.items);
		return node;
	}

	#resolvePlaced(name: string, keyword: string, value: string): void {
		const { path, field } = parseParameterName(name);
		if (field.name !== keyword || field.path !== undefined)
			throw new NotCacheable(`the parameter "${name}" is not understood`);
		if (keyword === "and" || keyword === "or") {
			const nodes = this.#nodesAt(path.filter((one) => one !== "not"));
			for (const filter of parseLogic(value)) this.#check(nodes, filter);
			return;
		}
		const nodes = this.#nodesAt(path);
		if (keyword !== "order") return;
		for (const term of parseOrder(value)) this.#resolveOrder(nodes, term);
	}

	#resolveOrder(nodes: readonly Node[], { embed, field }: OrderTerm): void {
		const ordered =
			embed === undefined
				? nodes
				: nodes.flatMap((node) => embeddedAs(node, embed));
		this.#checkKnown(ordered, embed);
		for (const node of ordered) this.#typesOf(node, field);
	}

	/** @returns the filter where it is about the root */
	#resolveFilter(name: string, value: string): readonly Filter[] {
		const { path, field } = parseParameterName(name);
		const filter = { field, operation: parseOperation(value) };
		this.#check(this.#nodesAt(path), filter);
		return path.length === 0 ? [filter] : [];
	}

	#check(nodes: readonly Node[], { field, operation }: Filter): void {
		for (const node of nodes) {
			const isAboutEmbed =
				operation.isNullTest &&
				field.path === undefined &&
				node.embeds.some(
					({ name }) => (name.alias ?? name.target) === field.name,
				);
			if (isAboutEmbed) continue;
			for (const type of this.#typesOf(node, field)) {
				for (const literal of operation.literals) checkLiteral(type, literal);
			}
		}
	}

	/** The types that a column may have. A computed column is a function of the row. */
	#typesOf(node: Node, { name, path }: Field): readonly string[] {
		const types = node.relations.flatMap((relation) => {
			const type = relation.columns.get(name);
			if (type !== undefined) return [type];
			const routine = relation.computed.get(name);
			if (routine === undefined)
				throw new NotCacheable(`"${relation.name}" has no column "${name}"`);
			this.#dependencies.add(routine);
			return [routine.returns];
		});
		if (path === undefined) return types;
		return [path === "text" ? "text" : "jsonb"];
	}

	#nodesAt(path: readonly string[]): readonly Node[] {
		let nodes: readonly Node[] = [this.#root];
		for (const name of path) {
			nodes = nodes.flatMap((node) => embeddedAs(node, name));
			this.#checkKnown(nodes, name);
		}
		return nodes;
	}

	#checkKnown(nodes: readonly Node[], name: string | undefined): void {
		if (nodes.length === 0) throw new NotCacheable(`"${name}" is not embedded`);
	}
}

/**
 * A column named `count` that does not exist counts the rows: PostgreSQL reads `films.count` as `count(films)`. PostgREST keeps that
 * form, `films(count)`, whether it allows aggregates or not.
 */
function countIfLegacy(
	{ relations }: Node,
	selected: SelectedField,
): SelectedField {
	const { field, cast, aggregate } = selected;
	const isCount =
		field?.name === "count" &&
		field.path === undefined &&
		aggregate === undefined &&
		!relations.some(
			({ columns, computed }) => columns.has("count") || computed.has("count"),
		);
	if (!isCount) return selected;
	return {
		...selected,
		...{ field: undefined, cast: undefined },
		...{ aggregate: "count", aggregateCast: cast },
	};
}

/** PostgREST takes the first embed with this name or alias. Here all of them are taken, so the order does not matter. */
function embeddedAs({ embeds }: Node, name: string): readonly Node[] {
	return embeds
		.filter((one) => one.name.alias === name || one.name.target === name)
		.map(({ node }) => node);
}
