// From a request and the database's catalog: whether the answer may come from the cache, under which key, for how long, and
// what a change of which makes it another. Looks at nothing but the request and the catalog; what it does not know is bypassed.
import type { Identity } from "../identity/identity.ts";
import { NotCacheable } from "./bypass.ts";
import { type CallerKey, callerKeyOf } from "./caller-key.ts";
import type { Catalog } from "./catalog.ts";
import type { DependencySet } from "./dependencies.ts";
import { keyOf } from "./key.ts";
import { parseAccept } from "./media-types.ts";
import { parsePrefer } from "./preferences.ts";
import { type Parameter, parseQuery } from "./query.ts";
import { resolveCall, resolveRead } from "./reading.ts";
import { parsePath, parseProfile, type Target } from "./target.ts";

export interface CacheablePlan {
	readonly kind: "cacheable";
	/** The schema that answers: PostgREST's Content-Profile has to say the same. */
	readonly schema: string;
	/** Everything that the answer depends on, but for the state of the database; equal for equal questions. */
	readonly key: string;
	/** While none of them changed, the answer is the same. Always with `catalog`. */
	readonly tags: readonly string[];
	/** The part of the caller that is in the key. */
	readonly callerKey: CallerKey;
	/** How old the answer may be. */
	readonly maxStalenessMs: number;
}

export interface BypassPlan {
	readonly kind: "bypass";
	readonly reason: string;
}

export type Plan = CacheablePlan | BypassPlan;

export interface Planner {
	/** @param request to PIPELINE_URL, with the schema's own name as its profile */
	plan(catalog: Catalog, request: Request, identity: Identity): Plan;
	/** Whether PostgREST may run the request in a transaction that can write. */
	mayWrite(catalog: Catalog | undefined, request: Request): boolean;
}

interface PlannerSettings {
	/** Those that PostgREST exposes to callers, its default first. */
	readonly schemas: readonly string[];
	/** How old an answer may be, where its relations have no bound of their own. */
	readonly maxStalenessMs: number;
}

const READ_METHODS = ["GET", "HEAD"];

export function createPlanner(settings: PlannerSettings): Planner {
	return {
		plan(catalog, request, identity) {
			try {
				return planRead(settings, catalog, request, identity);
			} catch (error) {
				if (!(error instanceof NotCacheable)) throw error;
				return { kind: "bypass", reason: error.message };
			}
		},
		mayWrite(catalog, request) {
			const { method } = request;
			if (READ_METHODS.includes(method) || method === "OPTIONS") return false;
			return !(
				method === "POST" &&
				catalog !== undefined &&
				isReadOnlyCall(settings, catalog, request)
			);
		},
	};
}

function planRead(
	{ schemas, maxStalenessMs }: PlannerSettings,
	catalog: Catalog,
	{ method, url, headers }: Request,
	identity: Identity,
): CacheablePlan {
	if (!READ_METHODS.includes(method))
		throw new NotCacheable(`the method is ${method}`);
	const { pathname, search } = new URL(url);
	const target = parsePath(pathname);
	const schema = parseProfile(headers.get("accept-profile"), schemas);
	const parameters = parseQuery(search);
	const accept = parseAccept(headers.get("accept"), catalog.mediaTypes);
	const preferences = parsePrefer(headers.get("prefer"));
	const uses = usesOf(catalog, schema, target, parameters);
	const sum = uses.sum(catalog, identity.role, maxStalenessMs);
	const callerKey = callerKeyOf(identity, sum.claims);
	const key = keyOf({
		...target,
		method,
		schema,
		parameters,
		accept,
		preferences,
		range: headers.get("range"),
		rangeUnit: headers.get("range-unit"),
		callerKey,
	});
	const { tags, maxStalenessMs: ownStalenessMs } = sum;
	return {
		kind: "cacheable",
		schema,
		key,
		tags,
		callerKey,
		maxStalenessMs: ownStalenessMs,
	};
}

function usesOf(
	catalog: Catalog,
	schema: string,
	{ kind, name }: Target,
	parameters: readonly Parameter[],
): DependencySet {
	if (kind === "relation") {
		const relation = catalog.relation(schema, name);
		if (relation === undefined)
			throw new NotCacheable(`the schema ${schema} has no relation "${name}"`);
		return resolveRead(catalog, relation, parameters);
	}
	const [routine, ...others] = catalog.routines(schema, name);
	if (routine === undefined)
		throw new NotCacheable(`the schema ${schema} has no function "${name}"`);
	if (others.length > 0)
		throw new NotCacheable(`there are several functions "${name}"`);
	return resolveCall(catalog, routine, parameters);
}

/** A call that no function of the name could use to write: PostgREST runs those in a transaction that may not. */
function isReadOnlyCall(
	{ schemas }: PlannerSettings,
	catalog: Catalog,
	{ url, headers }: Request,
): boolean {
	try {
		const { kind, name } = parsePath(new URL(url).pathname);
		if (kind !== "function") return false;
		const schema = parseProfile(headers.get("content-profile"), schemas);
		const routines = catalog.routines(schema, name);
		return (
			routines.length > 0 &&
			routines.every(({ volatility }) => volatility !== "volatile")
		);
	} catch (error) {
		if (!(error instanceof NotCacheable)) throw error;
		return false;
	}
}
