// What a read asks for: resolves each name in its parameters to what the database has under it, as PostgREST does, and notes
// what the answer depends on. A name that means nothing here is a reason not to cache, not an error: PostgREST has the last word.
import { NotCacheable } from "./bypass.ts";
import type { Catalog, Relation, Routine } from "./catalog.ts";
import { checkAggregate, checkCast, checkLiteral } from "./column-types.ts";
import { DependencySet } from "./dependencies.ts";
import {
	type Filter,
	looksLikeOperation,
	parseLogic,
	parseOperation,
} from "./filters.ts";
import { type OrderTerm, parseOrder } from "./order.ts";
import type { Parameter } from "./query.ts";
import { resolveEmbed } from "./relationships.ts";
import { rowTags } from "./row-tags.ts";
import { type Field, Scanner } from "./scanner.ts";
import { parseSelect, type SelectedEmbed, type SelectItem } from "./select.ts";

/** A relation in the answer, and what is embedded in it. Several, where an embed may mean any of them. */
interface Node {
	readonly relations: readonly Relation[];
	readonly embeds: { readonly name: SelectedEmbed; readonly node: Node }[];
}

/** Parameters that are about the request as a whole. The last two mean something to writes only. */
const RESERVED = new Set(["select", "columns", "on_conflict"]);

/** Parameters that may be about an embedded relation, by the last part of their name. */
const PLACED = new Set(["order", "limit", "offset", "and", "or"]);

/** More names than this in one request would be expensive to look up. */
const MAX_EMBEDS = 50;

export function resolveRead(
	catalog: Catalog,
	relation: Relation,
	parameters: readonly Parameter[],
): DependencySet {
	const reading = new Reading(catalog, relation);
	const filters = reading.readAll(parameters);
	reading.uses.setRoot(relation, rowTags(relation, filters));
	return reading.uses;
}

/** @param routine of which there is no other with its name */
export function resolveCall(
	catalog: Catalog,
	routine: Routine,
	parameters: readonly Parameter[],
): DependencySet {
	const { name, volatility, isVariadic, returns } = routine;
	if (volatility === "volatile")
		throw new NotCacheable(`the function "${name}" is volatile`);
	if (isVariadic) throw new NotCacheable(`the function "${name}" is variadic`);
	// PostgREST takes the type's name for the answer's media type.
	if (returns.includes("/"))
		throw new NotCacheable(
			`the function "${name}" answers in a media type of its own`,
		);
	const { given, others } = splitArguments(routine, parameters);
	checkArguments(routine, given);
	const relation =
		routine.returnsRelation === null
			? undefined
			: catalog.relationNamed(routine.returnsRelation);
	if (relation === undefined || relation.schema !== routine.schema) {
		for (const [parameter, value] of others) checkRowless(parameter, value);
		const uses = new DependencySet();
		uses.add(routine);
		return uses;
	}
	const reading = new Reading(catalog, relation);
	// The rows have the relation's type, and with it the functions that make and read values of its columns.
	reading.uses.add(relation);
	reading.uses.add(routine);
	reading.readAll(others);
	return reading.uses;
}

class Reading {
	readonly uses = new DependencySet();
	readonly #catalog: Catalog;
	readonly #root: Node;
	#embeds = 0;

	constructor(catalog: Catalog, relation: Relation) {
		this.#catalog = catalog;
		this.#root = { relations: [relation], embeds: [] };
	}

	/** @returns the filters that all rows of the root have to meet */
	readAll(parameters: readonly Parameter[]): readonly Filter[] {
		// The first counts, and it may have no value.
		const [, select] = parameters.find(([name]) => name === "select") ?? [];
		this.#select(this.#root, parseSelect(select ?? "*"));
		const ofRoot: Filter[] = [];
		for (const [name, value] of parameters) {
			if (value === undefined || RESERVED.has(name)) continue;
			const last = name.slice(name.lastIndexOf(".") + 1);
			if (PLACED.has(last)) this.#readPlaced(name, last, value);
			else ofRoot.push(...this.#readFilter(name, value));
		}
		return ofRoot;
	}

	#select(node: Node, items: readonly SelectItem[]): void {
		for (const item of items) {
			if (item.kind === "field") {
				const { field, cast, aggregate, aggregateCast } = item;
				if (
					(cast ?? aggregateCast) !== undefined &&
					this.#catalog.hasUserDefinedCasts
				)
					throw new NotCacheable("a cast may be one of the database's own");
				const types = field === undefined ? [] : this.#typesOf(node, field);
				for (const type of types) {
					if (cast !== undefined) checkCast(type, cast);
					if (aggregate !== undefined) checkAggregate(aggregate, cast ?? type);
				}
				// Whatever it is of, the aggregate's value is of a type of PostgreSQL's.
				if (aggregateCast !== undefined) checkCast("text", aggregateCast);
			} else if (item.kind === "embed") {
				node.embeds.push({ name: item, node: this.#embed(node, item) });
			}
		}
	}

	#embed({ relations }: Node, embed: SelectedEmbed): Node {
		if (++this.#embeds > MAX_EMBEDS)
			throw new NotCacheable(`there are more than ${MAX_EMBEDS} embeds`);
		const targets = new Set<Relation>();
		for (const source of relations) {
			for (const found of resolveEmbed(this.#catalog, source, embed)) {
				targets.add(found.relation);
				this.uses.add(found.relation);
				for (const other of found.through) this.uses.add(other);
			}
		}
		const node = { relations: [...targets], embeds: [] };
		this.#select(node, embed.items);
		return node;
	}

	#readPlaced(name: string, last: string, value: string): void {
		const { path, field } = parseParameterName(name);
		if (field.name !== last || field.path !== undefined)
			throw new NotCacheable(`the parameter "${name}" is not understood`);
		if (last === "and" || last === "or") {
			const nodes = this.#nodesAt(path.filter((one) => one !== "not"));
			for (const filter of parseLogic(value)) this.#check(nodes, filter);
			return;
		}
		const nodes = this.#nodesAt(path);
		if (last !== "order") return;
		for (const term of parseOrder(value)) this.#order(nodes, term);
	}

	#order(nodes: readonly Node[], { embed, field }: OrderTerm): void {
		const ordered =
			embed === undefined
				? nodes
				: nodes.flatMap((node) => embeddedAs(node, embed));
		this.#checkKnown(ordered, embed);
		for (const node of ordered) this.#typesOf(node, field);
	}

	/** @returns the filter, if it is about the root */
	#readFilter(name: string, value: string): readonly Filter[] {
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

	/** The types that a column may have, which may be a function of the row. */
	#typesOf(node: Node, { name, path }: Field): readonly string[] {
		const types = node.relations.flatMap((relation) => {
			const type = relation.columns.get(name);
			if (type !== undefined) return [type];
			const routine = relation.computed.get(name);
			if (routine === undefined)
				throw new NotCacheable(`"${relation.name}" has no column "${name}"`);
			this.uses.add(routine);
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

/** PostgREST takes the first that has the name or the alias: which that is does not matter to those who look at all. */
function embeddedAs({ embeds }: Node, name: string): readonly Node[] {
	return embeds
		.filter((one) => one.name.alias === name || one.name.target === name)
		.map(({ node }) => node);
}

/** The name of a parameter: where, and which column there. */
function parseParameterName(name: string): {
	path: readonly string[];
	field: Field;
} {
	const scanner = new Scanner(name, `the parameter "${name}"`);
	const path: string[] = [];
	let field = scanner.fieldInName();
	while (field.path === undefined && scanner.takes(".")) {
		path.push(field.name);
		field = scanner.fieldInName();
	}
	scanner.expectEnd();
	return { path, field };
}

/** Of the parameters of a function's call, those that are arguments: their values do not look like a filter's. */
function splitArguments(
	routine: Routine,
	parameters: readonly Parameter[],
): { given: ReadonlyMap<string, string>; others: readonly Parameter[] } {
	const given = new Map<string, string>();
	const others: Parameter[] = [];
	for (const [name, value] of parameters) {
		const last = name.slice(name.lastIndexOf(".") + 1);
		const isOther =
			value === undefined ||
			RESERVED.has(name) ||
			PLACED.has(last) ||
			looksLikeOperation(value);
		if (isOther) {
			others.push([name, value]);
			continue;
		}
		const isArgument = routine.arguments.some(
			(argument) => argument.name === name,
		);
		if (!isArgument || !/^[\p{L}0-9_$]+$/u.test(name))
			throw new NotCacheable(
				`the function "${routine.name}" has no argument "${name}"`,
			);
		if (given.has(name))
			throw new NotCacheable(`the argument "${name}" is given more than once`);
		given.set(name, value);
	}
	return { given, others };
}

function checkArguments(
	{ name, arguments: all }: Routine,
	given: ReadonlyMap<string, string>,
): void {
	for (const argument of all) {
		const value = given.get(argument.name);
		if (value !== undefined) checkLiteral(argument.type, value);
		// What a default reads, the clock for one, is not in the catalog.
		else
			throw new NotCacheable(
				`the function "${name}" is called without "${argument.name}"`,
			);
	}
}

/** Of the columns of what the function returns nothing is known. */
function checkRowless(name: string, value: string | undefined): void {
	const isHarmless =
		value === undefined ||
		name === "limit" ||
		name === "offset" ||
		name === "columns" ||
		name === "on_conflict" ||
		(name === "select" && value === "*");
	if (!isHarmless)
		throw new NotCacheable(
			`the parameter "${name}" is about columns that are not known`,
		);
}
