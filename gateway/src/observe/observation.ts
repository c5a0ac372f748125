// What is seen of one request while it is served: how long its phases took, and its trace. Any step may add to it, without being
// handed it. The fast path makes none.

import type { Context, MiddlewareHandler } from "hono";
import type { Refusal } from "../http/refusals.ts";
import { contextOfRequest } from "./request-context.ts";
import {
	newTraceContext,
	type TraceContext,
	traceContextIn,
} from "./trace-context.ts";

/** `view`: waiting for the change feed. `origin`: until the head of PostgREST's answer, with every wait for a free place. */
export type Phase = "identity" | "view" | "plan" | "kv" | "origin";

export interface Observation {
	/** Milliseconds. On Cloudflare the clock stands still between two I/O operations, so that work of the CPU takes none. */
	readonly phases: ReadonlyMap<Phase, number>;
	/** The client's valid trace, or the one that was made when the origin was asked. */
	readonly trace: TraceContext | undefined;
	readonly startedAt: number;
	/** What the request was refused with, if it was. */
	readonly refusal: Refusal | undefined;
}

interface Observed extends Observation {
	readonly phases: Map<Phase, number>;
	trace: TraceContext | undefined;
	refusal: Refusal | undefined;
}

interface ObservedEnv {
	Variables: { observation: Observed };
}

/** Serves a request under observation, and hands that on when the answer is there. */
export function observe(
	onAnswer: (context: Context, observation: Observation) => void,
): MiddlewareHandler<ObservedEnv> {
	return async (context, next) => {
		const observation: Observed = {
			phases: new Map(),
			trace: traceContextIn(context.req.raw.headers),
			startedAt: performance.now(),
			refusal: undefined,
		};
		context.set("observation", observation);
		await next();
		onAnswer(context, observation);
	};
}

function observed(): Observed | undefined {
	// `var` would make an object of all variables.
	return contextOfRequest<ObservedEnv>()?.get("observation");
}

/** Notes what the request at hand is refused with, or that it is not. */
export function noteRefusal(refusal: Refusal | undefined): void {
	const observation = observed();
	if (observation !== undefined) observation.refusal = refusal;
}

/** The trace of the request at hand, which is made where the client sent none. Undefined outside of a request. */
export function traceOfRequest(): TraceContext | undefined {
	const observation = observed();
	if (observation !== undefined) observation.trace ??= newTraceContext();
	return observation?.trace;
}

/** Adds the time that the work takes to a phase of the request at hand. */
export async function timed<Result>(
	phase: Phase,
	work: () => Promise<Result>,
): Promise<Result> {
	const startedAt = performance.now();
	try {
		return await work();
	} finally {
		addTo(phase, startedAt);
	}
}

/** As `timed`, for work without a wait. */
export function timedNow<Result>(phase: Phase, work: () => Result): Result {
	const startedAt = performance.now();
	try {
		return work();
	} finally {
		addTo(phase, startedAt);
	}
}

function addTo(phase: Phase, startedAt: number): void {
	const phases = observed()?.phases;
	phases?.set(phase, (phases.get(phase) ?? 0) + performance.now() - startedAt);
}

/** Puts Postern's phases before PostgREST's, which keep their names (`plan`, `transaction` …). */
export function addServerTiming(
	headers: Headers,
	{ phases, startedAt }: Observation,
): void {
	const all = [...phases, ["total", performance.now() - startedAt] as const];
	const members = all.map(
		([name, ms]) => `postern-${name};dur=${ms.toFixed(1)}`,
	);
	const ofOrigin = headers.get("Server-Timing") ?? [];
	headers.set("Server-Timing", members.concat(ofOrigin).join(", "));
}
