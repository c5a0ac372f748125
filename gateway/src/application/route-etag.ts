// The ETag of a route's answer: a hash of what the client gets, and the moment that all reads of the route are right at.
import { conditional, entityTag, etagAt, type Moment } from "../cache/etag.ts";
import { createMemoryBudget } from "../memory/memory-budget.ts";
import { readUpTo, withBody } from "../origin/whole-body.ts";

/** A larger answer has no ETag. */
const MAX_BYTES = 1_048_576;

/** Answers that are being hashed at once. Beyond this, they have no ETag. */
const MAX_HASHING_BYTES = 8_388_608;
const HASHING_MS = 30_000;

export function createRouteEtags(now: () => number) {
	const budget = createMemoryBudget(MAX_HASHING_BYTES, HASHING_MS, now);

	/** The answer with an ETag, or the 304 in its place. What is not JSON may be endless, and has none. */
	return async function withEtag(
		request: Request,
		answer: Response,
		moment: Moment | undefined,
	): Promise<Response> {
		const { status, headers } = answer;
		const type = headers.get("Content-Type") ?? "";
		const mayHaveEtag =
			request.method === "GET" &&
			moment !== undefined &&
			status === 200 &&
			type.startsWith("application/json") &&
			!headers.has("ETag");
		if (!mayHaveEtag) return answer;
		const body = await readUpTo(answer, MAX_BYTES, budget.open());
		if (body instanceof Response) return body;
		const again = withBody(body, answer);
		const kept = [["content-type", type]] as const;
		const hash = await entityTag({ status, headers: kept, body });
		again.headers.set("ETag", etagAt(hash, moment));
		return conditional(request, again);
	};
}
