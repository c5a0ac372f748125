// The line that the log has of one request. It holds nothing that a client can put a text of its own into: no path, no query, no header, no
// body, no claim, no address, and no message that may quote one of these.
import { PostgrestError } from "@supabase/postgrest-js";
import type { Context } from "hono";
import { matchedRoutes } from "hono/route";
import type { Refusal } from "../http/refusals.ts";
import type { CredentialKind } from "../identity/identify.ts";
import type { Observation, Phase } from "./observation.ts";
import { type Outcome, outcomeOf } from "./outcome.ts";

/** What the counters are told of a request. */
export interface CountedRequest {
	readonly status: number;
	/** Until the head of the answer, in milliseconds. */
	readonly ms: number;
	readonly cache: Outcome;
	/** Why the origin was asked, or why its answer was not kept. */
	readonly reason: string | undefined;
	/** The code of the refusal. */
	readonly refusal: string | undefined;
}

export interface RequestLine extends CountedRequest {
	readonly method: string;
	/** The pattern that the path fits. */
	readonly route: string;
	/** The kind of credential that was sent, accepted or not. */
	readonly identity: CredentialKind;
	readonly phases: Partial<Record<Phase, number>>;
	readonly cause: string | undefined;
	readonly traceId: string | undefined;
	/** Cloudflare's name of the request. */
	readonly ray: string | undefined;
}

const METHODS = ["GET", "HEAD", "POST", "PATCH", "PUT", "DELETE", "OPTIONS"];

const URLS = /\bhttps?:\S+/g;

const RAY = /^[\da-f]{16}(-[A-Z]{3})?$/;

/** A code of PostgREST, a SQLSTATE, or a code of jose. */
const CODE = /^[A-Z][A-Z_\d]{2,60}$|^[\dA-Z]{5}$/;

/** Of a request that took the full path. */
export function countedRequest(
	{ status, headers }: Response,
	{ startedAt, refusal }: Observation,
): CountedRequest {
	const { outcome, reason } = outcomeOf(headers);
	const ms = round(performance.now() - startedAt);
	return { status, ms, cache: outcome, reason, refusal: refusal?.code };
}

/** The line of a request that took the full path. */
export function lineOf(
	context: Context,
	counted: CountedRequest,
	{ phases, trace, refusal }: Observation,
	identity: CredentialKind,
): RequestLine {
	const rounded = [...phases].map(([phase, ms]) => [phase, round(ms)]);
	return {
		...headOf(context.req.raw),
		...counted,
		route: routeOf(context),
		identity,
		phases: Object.fromEntries(rounded),
		cause: refusal && causeOf(refusal),
		traceId: trace?.traceparent.split("-")[1],
	};
}

/** The fast path, with a line of each request that it answers. */
export function withHitLines(
	fastPath: (request: Request) => Response | undefined,
	known: {
		route: string;
		kindOf: (request: Request) => CredentialKind;
		logRequest: (line: RequestLine) => void;
	},
): typeof fastPath {
	return (request) => {
		const startedAt = performance.now();
		const answer = fastPath(request);
		if (answer !== undefined)
			known.logRequest({
				...headOf(request),
				route: known.route,
				identity: known.kindOf(request),
				status: answer.status,
				ms: round(performance.now() - startedAt),
				cache: "memory",
				reason: undefined,
				phases: {},
				refusal: undefined,
				cause: undefined,
				traceId: undefined,
			});
		return answer;
	};
}

/** The most exact pattern: what applies to every path tells nothing. */
function routeOf(context: Context): string {
	const matched = matchedRoutes(context).findLast(({ path }) => path !== "/*");
	return matched?.path ?? "none";
}

function headOf({ method, headers }: Request) {
	const ray = headers.get("cf-ray") ?? "";
	return {
		method: METHODS.includes(method) ? method : "other",
		ray: RAY.test(ray) ? ray : undefined,
	};
}

/**
 * Where the fault is the client's, its kind alone: messages quote what was sent. Of a defect the log has the error itself, in an entry of
 * its own.
 */
function causeOf(refusal: Refusal): string | undefined {
	const { code, status, cause } = refusal;
	if (code === "internal_error") return undefined;
	if (status < 500) return cause instanceof Error ? kindOf(cause) : undefined;
	const causes: string[] = [];
	let error: unknown = cause ?? refusal;
	while (error instanceof Error) {
		causes.push(
			error instanceof PostgrestError
				? kindOf(error)
				: `${error.name}: ${error.message.replace(URLS, "…")}`,
		);
		error = error.cause;
	}
	return causes.join("; by ");
}

function kindOf(error: Error): string {
	const { code } = error as { code?: unknown };
	const isKnown = typeof code === "string" && CODE.test(code);
	return isKnown ? `${error.name} ${code}` : error.name;
}

function round(ms: number): number {
	return Math.round(ms * 10) / 10;
}
