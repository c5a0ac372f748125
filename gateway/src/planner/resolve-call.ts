// Resolves a call of a function by GET: its arguments, and the parameters about the rows that it returns.
import type { Catalog, Routine } from "./catalog.ts";
import { checkLiteral } from "./column-types.ts";
import { DependencySet } from "./dependencies.ts";
import { looksLikeOperation } from "./grammar/filters.ts";
import {
	isReserved,
	type Parameter,
	placedKeyword,
} from "./grammar/parameters.ts";
import { NotCacheable } from "./plan.ts";
import { ReadResolver } from "./resolve-read.ts";

/** @param routine the only one of its name */
export function resolveCall(
	catalog: Catalog,
	routine: Routine,
	parameters: readonly Parameter[],
): DependencySet {
	const { name, volatility, isVariadic, returns } = routine;
	if (volatility === "volatile")
		throw new NotCacheable(`the function "${name}" is volatile`);
	if (isVariadic) throw new NotCacheable(`the function "${name}" is variadic`);
	// PostgREST takes such a type's name for the media type of the answer.
	if (returns.includes("/"))
		throw new NotCacheable(
			`the function "${name}" answers in a media type of its own`,
		);
	const { given, others } = splitArguments(routine, parameters);
	checkArguments(routine, given);
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

/** Tells arguments from the other parameters of a call: their values do not look like a filter's. */
function splitArguments(
	routine: Routine,
	parameters: readonly Parameter[],
): { given: ReadonlyMap<string, string>; others: readonly Parameter[] } {
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
		// The catalog does not say what a default reads. It may read the clock.
		else
			throw new NotCacheable(
				`the function "${name}" is called without "${argument.name}"`,
			);
	}
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
