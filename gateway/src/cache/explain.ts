// For operators: how an answer came about. Told to their roles alone, since tags and claims speak of what others may not see.
import { Refusal } from "../http/refusals.ts";
import type { Planned } from "./cache.ts";

const HEADER = "Postern-Explain";

export interface Explanation {
	note(planned: Planned): void;
	/** Puts the explanation into the answer, as JSON in one header. */
	tell(headers: Headers): void;
}

/**
 * @returns nothing where the request asks for no explanation
 * @throws {Refusal} `denied` for callers who may not have one
 */
export function explain(
	request: Request,
	isAllowed: boolean,
): Explanation | undefined {
	if (!request.headers.has(HEADER)) return undefined;
	if (!isAllowed) {
		throw new Refusal("denied", {
			details: `${HEADER} is for the roles that EXPLAIN_ROLES names`,
		});
	}
	let noted: Planned | undefined;
	return {
		note(planned) {
			noted = planned;
		},
		tell(headers) {
			if (noted !== undefined) headers.set(HEADER, toAscii(inWords(noted)));
		},
	};
}

function inWords({ plan, view }: Planned): object {
	if (view === undefined) return { bypass: plan.reason };
	return {
		key: plan.key,
		tags: plan.tags,
		callerKey: plan.callerKey,
		stalenessSeconds: plan.maxStalenessMs / 1_000,
		view: {
			feedEpoch: view.feedEpoch,
			seq: view.seq,
			prunedBelow: view.prunedBelow,
		},
	};
}

/** Header fields are ASCII; JSON can say everything in it. */
function toAscii(value: object): string {
	return JSON.stringify(value).replace(
		/[^\x20-\x7e]/g,
		(unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
	);
}
