// The If-Match of a write (RFC 9110, section 13.1.1): the moments of the feed that its ETags stand for.
import { type Moment, momentOf } from "../cache/etag.ts";
import { Refusal } from "../http/refusals.ts";
import type { PipelineRequest } from "../pipeline.ts";

/** Any version of the row, or one that has not changed since one of these moments. */
export type Condition = "*" | readonly Moment[];

/** One member of a list, which may be empty (section 5.6.1), and the separator after it. Section 8.8.3 has the grammar of an ETag. */
const MEMBER = /[ \t]*(?:(W\/)?"([!#-~\x80-\xff]*)"[ \t]*)?(?:,|$)/y;

/** What PostgREST runs in a transaction that cannot write. */
const SAFE_METHODS = ["GET", "HEAD", "OPTIONS"];

/**
 * @returns undefined where the request has no condition, or writes nothing. A weak ETag, and one that is not Postern's, stand for no moment.
 * @throws {Refusal} precondition_invalid; precondition_failed where all ETags are weak
 */
export function conditionOf({
	method,
	headers,
}: PipelineRequest): Condition | undefined {
	const sent = headers.get("If-Match");
	if (sent === null || SAFE_METHODS.includes(method)) return undefined;
	if (sent.trim() === "*") return "*";
	const moments: Moment[] = [];
	let count = 0;
	let isAllWeak = true;
	for (let position = 0; position < sent.length; ) {
		MEMBER.lastIndex = position;
		const [member, weak, opaque] = MEMBER.exec(sent) ?? [];
		if (member === undefined) throw invalid();
		position += member.length;
		if (opaque === undefined) continue;
		count++;
		if (weak !== undefined) continue;
		isAllWeak = false;
		const moment = momentOf(opaque);
		if (moment !== undefined) moments.push(moment);
	}
	if (count === 0) throw invalid();
	if (isAllWeak)
		throw new Refusal("precondition_failed", {
			details: "a weak ETag matches nothing; send it without W/",
		});
	return moments;
}

function invalid(): Refusal {
	return new Refusal("precondition_invalid", {
		details: 'it has to be * or ETags in quotes, such as "a", "b"',
	});
}
