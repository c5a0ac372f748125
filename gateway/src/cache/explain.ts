// Explains to operators how an answer came about. Only their roles are told, because tags and claims name tables and
// policies that others may not see.
import { Refusal } from "../http/refusals.ts";
import type { PipelineRequest } from "../pipeline.ts";
import type { PlannedRead } from "./plan-read.ts";

export const EXPLAIN_HEADER = "Postern-Explain";

export interface Explanation {
	note(planned: PlannedRead): void;
	/** Puts the explanation into the answer, as JSON in one header. */
	tell(headers: Headers): void;
}

/**
 * @returns undefined where the request asks for no explanation
 * @throws {Refusal} `denied` where the caller may not have one
 */
export function explain(
	request: PipelineRequest,
	isAllowed: boolean,
): Explanation | undefined {
	if (!request.headers.has(EXPLAIN_HEADER)) return undefined;
	if (!isAllowed) {
		throw new Refusal("denied", {
			details: `${EXPLAIN_HEADER} is for the roles that EXPLAIN_ROLES names`,
		});
	}
	let noted: PlannedRead | undefined;
	return {
		note(planned) {
			noted = planned;
		},
		tell(headers) {
			if (noted !== undefined)
				headers.set(EXPLAIN_HEADER, toAscii(explanationOf(noted)));
		},
	};
}

function explanationOf({ plan, view }: PlannedRead): object {
	if (view === undefined) return { reason: plan.reason };
	return {
		key: plan.key,
		tags: plan.tags,
		callerKey: plan.callerKey,
		maxStalenessSeconds: plan.maxStalenessMs / 1_000,
		view: {
			feedEpoch: view.feedEpoch,
			seq: view.seq,
			prunedBelow: view.prunedBelow,
		},
	};
}

/** Escapes what is not ASCII, which a header must not contain. */
function toAscii(value: object): string {
	return JSON.stringify(value).replace(
		/[^\x20-\x7e]/g,
		(unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
	);
}
