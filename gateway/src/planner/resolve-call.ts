// Resolves a call of a function, by GET or POST: its arguments, and the parameters about the rows that it returns.

import type { Routine } from "../feed/catalog-shape.ts";
import type { Catalog } from "./catalog.ts";
import { checkLiteral } from "./column-types.ts";
import { DependencySet } from "./dependencies.ts";
import { type CallArguments, literalOf } from "./grammar/call-arguments.ts";
import { looksLikeOperation } from "./grammar/filters.ts";
import {
	isReserved,
	type Parameter,
	placedKeyword,
} from "./grammar/parameters.ts";
import { NotCacheable } from "./plan.ts";
import { ReadResolver } from "./resolve-read.ts";

/**
 * @param routines all of one name
 * @param callArguments of a call by POST, whose query has no arguments
 */
export function resolveCall(
	catalog: Catalog,
	routines: readonly Routine[],
	parameters: readonly Parameter[],
	callArguments: CallArguments | undefined,
): DependencySet {
	const { given, others } =
		callArguments === undefined
			? splitArguments(parameters)
			: { given: literalsOf(callArguments), others: parameters };
	// Of the body's arguments, PostgREST then takes those that it names.
	if (callArguments && parameters.some(([name]) => name === "columns"))
		throw new NotCacheable('the parameter "columns" chooses arguments');
	const routine = calledBy(routines, given);
	const { name, volatility, isVariadic, returns } = routine;
	if (volatility === "volatile")
		throw new NotCacheable(`the function "${name}" is volatile`);
	if (isVariadic) throw new NotCacheable(`the function "${name}" is variadic`);
	// PostgREST takes such a type's name for the media type of the answer.
	if (returns.includes("/"))
		throw new NotCacheable(
			`the function "${name}" answers in a media type of its own`,
		);
	for (const { name, type } of routine.arguments) {
		const value = given.get(name);
		if (value !== undefined) checkLiteral(type, value);
	}
	const dependencies = new DependencySet();
	const relation =
		routine.returnsRelation === null
			? undefined
			: catalog.relationNamed(routine.returnsRelation);
	if (relation === undefined || relation.schema !== routine.schema) {
		for (const [parameter, value] of others) checkRowless(parameter, value);
		dependencies.add(routine);
		return dependencies;
	}
	// The rows have the relation's type, and its columns' types may have functions of their own.
	dependencies.add(relation);
	dependencies.add(routine);
	new ReadResolver(catalog, relation, dependencies).resolveAll(others);
	return dependencies;
}

function literalsOf(callArguments: CallArguments): ReadonlyMap<string, string> {
	return new Map(
		[...callArguments].map(([name, value]) => [name, literalOf(value)]),
	);
}

/** Tells arguments from the other parameters of a call: their values do not look like a filter's. */
function splitArguments(parameters: readonly Parameter[]): {
	given: ReadonlyMap<string, string>;
	others: readonly Parameter[];
} {
	const given = new Map<string, string>();
	const others: Parameter[] = [];
	for (const [name, value] of parameters) {
		const isOther =
			value === undefined ||
			isReserved(name) ||
			placedKeyword(name) !== undefined ||
			looksLikeOperation(value);
		if (isOther) {
			others.push([name, value]);
			continue;
		}
		if (given.has(name))
			throw new NotCacheable(`the argument "${name}" is given more than once`);
		given.set(name, value);
	}
	return { given, others };
}

/**
 * Finds the function that is called: the only one that has all given arguments, and defaults for all others. PostgREST and
 * PostgreSQL choose by these names, too, and refuse where several functions fit.
 */
function calledBy(
	routines: readonly Routine[],
	given: ReadonlyMap<string, string>,
): Routine {
	const fitting = routines.filter((routine) => {
		const names = new Set(routine.arguments.map(({ name }) => name));
		return (
			[...given.keys()].every(
				(name) => names.has(name) && /^[\p{L}0-9_$]+$/u.test(name),
			) &&
			routine.arguments.every(
				({ name, hasDefault }) => hasDefault || given.has(name),
			)
		);
	});
	const [routine, ...others] = fitting;
	const named = `function "${routines[0]?.name}"`;
	const names = [...given.keys()].map((name) => `"${name}"`).join(", ");
	const taken = given.size === 0 ? "no arguments" : `just ${names}`;
	if (routine === undefined)
		throw new NotCacheable(`no ${named} takes ${taken}`);
	if (others.length > 0)
		throw new NotCacheable(`more than one ${named} takes ${taken}`);
	return routine;
}

/** Checks a parameter of a function whose returned columns are unknown. */
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
