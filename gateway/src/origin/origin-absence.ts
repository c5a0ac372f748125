// When the origin is away: it cannot be reached, something before it answers in its place, it does not answer in time, or it
// does not reach its database. An answer in which PostgREST or the database refuses the request is never one of these.
import { Refusal } from "../http/refusals.ts";
import { codeInHead, errorIn } from "./error-code.ts";
import { wholeBodyOf } from "./whole-body.ts";

export interface OriginAbsence {
	readonly reason: "origin-unreachable" | "origin-timeout";
	/** Whether the request was sent to the origin. */
	readonly wasAsked: boolean;
	/** The status that the origin answered with, where it answered. */
	readonly status?: number;
}

/** The cause of a refusal by the breaker or the bulkhead: the origin was not asked. */
export class NotAsked extends Error {
	override readonly name = "NotAsked";
}

const REASONS: Readonly<Record<string, OriginAbsence["reason"]>> = {
	origin_unreachable: "origin-unreachable",
	origin_timeout: "origin-timeout",
	origin_busy: "origin-timeout",
};

/** PostgREST's codes for a database that it does not reach, and SQLSTATEs of a connection that ends with its server. */
const UNREACHED = /^(PGRST00[0-2]|08\w{3}|57P0[1-3])$/;
/** PostgREST's code where no connection of its pool became free in time. */
const BUSY = "PGRST003";

/** @param error what asking the origin has thrown */
export function absenceOf(error: unknown): OriginAbsence | undefined {
	if (!(error instanceof Refusal)) return undefined;
	const reason = REASONS[error.code];
	return reason && { reason, wasAsked: !(error.cause instanceof NotAsked) };
}

/** Looks for the code of an error that means absence. The answer may have to be read for it, and is given back. */
export async function absenceIn(
	response: Response,
): Promise<{ answer: Response; absence?: OriginAbsence }> {
	const { status, headers } = response;
	// The result of a function has Content-Range, with any status.
	if (![500, 503, 504].includes(status) || headers.has("content-range"))
		return { answer: response };
	const body = await wholeBodyOf(response);
	const answer = new Response(body.byteLength === 0 ? null : body, response);
	const reason = reasonBy(codeInHead(headers) ?? errorIn(body)?.code);
	return reason
		? { answer, absence: { reason, wasAsked: true, status } }
		: { answer };
}

/** @param code PostgREST's, or an SQLSTATE */
export function reasonBy(
	code: string | undefined,
): OriginAbsence["reason"] | undefined {
	if (code === BUSY) return "origin-timeout";
	return UNREACHED.test(code ?? "") ? "origin-unreachable" : undefined;
}
