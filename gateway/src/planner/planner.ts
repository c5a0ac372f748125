// Plans a read from the request and the database's catalog: whether its answer may be cached, under which key, and which
// changes make it outdated. Reads nothing else. A request that it does not understand is not cached.

import type { CallerReads } from "../feed/catalog-shape.ts";
import { partsOf } from "../http/url-parts.ts";
import type { Identity } from "../identity/identity.ts";
import { MemoryStore } from "../memory/memory-store.ts";
import type { PipelineRequest } from "../pipeline.ts";
import { cacheKey, questionKey } from "./cache-key.ts";
import { callerKeyOf } from "./caller-key.ts";
import type { Catalog } from "./catalog.ts";
import type { DependencySet } from "./dependencies.ts";
import type { CallArguments } from "./grammar/call-arguments.ts";
import { type Parameter, parseQuery } from "./grammar/parameters.ts";
import {
	isEstimated,
	parseAccept,
	parsePrefer,
} from "./grammar/request-headers.ts";
import { parsePath, parseProfile, type Target } from "./grammar/target.ts";
import {
	type BypassPlan,
	type CacheablePlan,
	NotCacheable,
	type Plan,
} from "./plan.ts";
import { resolveCall } from "./resolve-call.ts";
import { resolveRead } from "./resolve-read.ts";
import { type WrittenRow, writtenRow } from "./written-row.ts";

/** What a read asks, without its caller. */
export interface Question
	extends Pick<
		CacheablePlan,
		"schema" | "tags" | "readsClock" | "maxStalenessMs"
	> {
	readonly kind: "question";
	/** The part of the key that is the same for all callers. */
	readonly key: string;
	readonly callerReads: CallerReads;
}

export interface Planner {
	/**
	 * @param request to PIPELINE_URL, its profile already renamed to the schema's real name
	 * @param callArguments of a call by POST. Without them, no POST is cacheable.
	 */
	plan(
		catalog: Catalog,
		request: PipelineRequest,
		identity: Identity,
		callArguments?: CallArguments,
	): Plan;
	/** Whether PostgREST may run the request in a transaction that can write. */
	mayWrite(catalog: Catalog | undefined, request: PipelineRequest): boolean;
}

export interface WritePlanner {
	/** The row that a write is about, or why it is not known to be about one. */
	writtenRow(catalog: Catalog, request: PipelineRequest): WrittenRow | string;
}

/** Plans a read in two steps. The first is remembered as long as the catalog is the same. */
export interface QuestionPlanner {
	/** The part of a plan that is the same for all callers. */
	question(
		catalog: Catalog,
		request: PipelineRequest,
		callArguments?: CallArguments,
	): Question | BypassPlan;
	/** @param headers of the request */
	planFor(
		question: Question,
		identity: Identity,
		headers: Headers,
	): CacheablePlan;
}

interface PlannerSettings {
	/** The schemas that PostgREST exposes to callers, its default first. */
	readonly schemas: readonly string[];
	/** For answers whose relations do not set a maximum staleness themselves. */
	readonly maxStalenessMs: number;
	/** `aud` of a caller's origin token. */
	readonly audienceOf: (identity: Identity) => unknown;
}

interface LastPlan {
	/** An isolate has one object for a verified token, as long as it remembers the token. */
	readonly identity: WeakRef<Identity>;
	readonly plan: CacheablePlan;
}

const READ_METHODS = ["GET", "HEAD"];

/** Headers that decide what a GET asks. */
const ASKING_HEADERS = [
	"accept",
	"accept-profile",
	"prefer",
	"range",
	"range-unit",
] as const;

/** For questions with their texts. */
const REMEMBERED_BYTES = 2_097_152;

export function createPlanner(
	settings: PlannerSettings,
): Planner & QuestionPlanner & WritePlanner {
	let remembered = rememberedQuestions();
	let plannedBy: Catalog | undefined;
	/** The last plan of each question that asks nothing of its caller but the role and claims. */
	const lastPlans = new WeakMap<Question, LastPlan>();

	return {
		plan(catalog, request, identity, callArguments) {
			const question = questionOf(catalog, request, callArguments);
			return question.kind === "question"
				? planFor(question, identity, request.headers)
				: question;
		},
		question: questionOf,
		planFor,
		mayWrite(catalog, request) {
			const { method } = request;
			if (READ_METHODS.includes(method) || method === "OPTIONS") return false;
			return !(
				method === "POST" &&
				catalog !== undefined &&
				isReadOnlyCall(settings, catalog, request)
			);
		},
		writtenRow: (catalog, request) =>
			writtenRow(catalog, settings.schemas, request),
	};

	function questionOf(
		catalog: Catalog,
		request: PipelineRequest,
		callArguments?: CallArguments,
	): Question | BypassPlan {
		if (!READ_METHODS.includes(request.method))
			return askedBy(catalog, request, callArguments);
		if (catalog !== plannedBy) {
			remembered = rememberedQuestions();
			plannedBy = catalog;
		}
		const text = `${request.method} ${textOf(request)}`;
		const known = remembered.get(text);
		if (known !== undefined) return known;
		const question = askedBy(catalog, request, undefined);
		remembered.put(text, question);
		return question;
	}

	function askedBy(
		catalog: Catalog,
		request: PipelineRequest,
		callArguments: CallArguments | undefined,
	): Question | BypassPlan {
		try {
			return parseQuestion(settings, catalog, request, callArguments);
		} catch (error) {
			if (!(error instanceof NotCacheable)) throw error;
			const { message: reason, isOfSchema } = error;
			return { kind: "bypass", reason, ...(isOfSchema && { isOfSchema }) };
		}
	}

	function planFor(
		question: Question,
		identity: Identity,
		headers: Headers,
	): CacheablePlan {
		const { schema, tags, callerReads, readsClock, maxStalenessMs } = question;
		const last = lastPlans.get(question);
		const isForCaller =
			callerReads.claims.length === 0
				? last?.plan.callerKey.role === identity.role
				: last?.identity.deref() === identity;
		if (last !== undefined && isForCaller) return last.plan;
		const callerKey = callerKeyOf(
			identity,
			callerReads,
			headers,
			settings.audienceOf(identity),
		);
		const plan: CacheablePlan = {
			...{ kind: "cacheable", schema, tags, callerKey },
			...{ readsClock, maxStalenessMs },
			key: cacheKey(question.key, callerKey),
		};
		const { claims: _, ...others } = callerReads;
		if (Object.values(others).every(({ length }) => length === 0))
			lastPlans.set(question, { identity: new WeakRef(identity), plan });
		return plan;
	}
}

/** A text that two GETs, or two HEADs, share only if they ask the same question. */
export function textOf({
	url,
	headers,
}: {
	readonly url: string;
	readonly headers: Pick<Headers, "get">;
}): string {
	let text = url;
	// No header has a line break. An absent one is not an empty one.
	for (const name of ASKING_HEADERS) text += `\n${headers.get(name) ?? "\r"}`;
	return text;
}

function rememberedQuestions() {
	return new MemoryStore<Question | BypassPlan>(REMEMBERED_BYTES, (one) =>
		one.kind === "question"
			? // Its key is in its last plan, too.
				2 * (2 * one.key.length + one.tags.join().length) + 768
			: 2 * one.reason.length + 256,
	);
}

function parseQuestion(
	settings: PlannerSettings,
	catalog: Catalog,
	{ method, url, headers }: PipelineRequest,
	callArguments: CallArguments | undefined,
): Question {
	const isPost = method === "POST";
	if (!isPost && !READ_METHODS.includes(method))
		throw new NotCacheable(`the method is ${method}`);
	const { pathname, search } = partsOf(url);
	const target = parsePath(pathname);
	if (isPost && target.kind === "relation")
		throw new NotCacheable("the method is POST");
	if (isPost && callArguments === undefined)
		throw new NotCacheable("the body of the POST is not a small JSON object");
	const schema = parseProfile(
		headers.get(isPost ? "content-profile" : "accept-profile"),
		settings.schemas,
	);
	const parameters = parseQuery(search);
	const accept = parseAccept(headers.get("accept"), catalog.mediaTypes);
	const preferences = parsePrefer(headers.get("prefer"));
	const { tags, callerReads, readsClock, maxStalenessMs } = resolve(
		catalog,
		schema,
		target,
		parameters,
		isPost ? callArguments : undefined,
	).sum(catalog, settings.maxStalenessMs);
	const key = questionKey({
		...target,
		method,
		schema,
		parameters,
		accept,
		preferences,
		range: headers.get("range"),
		rangeUnit: headers.get("range-unit"),
		body:
			isPost && callArguments
				? { type: headers.get("content-type"), callArguments }
				: null,
	});
	return {
		kind: "question",
		schema,
		key,
		tags,
		callerReads,
		readsClock: readsClock || isEstimated(preferences),
		maxStalenessMs,
	};
}

function resolve(
	catalog: Catalog,
	schema: string,
	{ kind, name }: Target,
	parameters: readonly Parameter[],
	callArguments: CallArguments | undefined,
): DependencySet {
	if (kind === "relation") {
		const relation = catalog.relation(schema, name);
		if (relation === undefined)
			throw new NotCacheable(`the schema ${schema} has no relation "${name}"`);
		return resolveRead(catalog, relation, parameters);
	}
	const routines = catalog.routines(schema, name);
	if (routines.length === 0)
		throw new NotCacheable(`the schema ${schema} has no function "${name}"`);
	return resolveCall(catalog, routines, parameters, callArguments);
}

/** Whether no function of the called name may write. */
function isReadOnlyCall(
	{ schemas }: PlannerSettings,
	catalog: Catalog,
	{ url, headers }: PipelineRequest,
): boolean {
	try {
		const { kind, name } = parsePath(partsOf(url).pathname);
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
