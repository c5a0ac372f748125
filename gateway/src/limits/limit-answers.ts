// Refuses answers to reads that are too large. One whose length is not told is counted as it streams, and breaks off: the client sees
// that it is not whole. The answer to anything else than GET may be that of a write, which was done.
import { Refusal } from "../http/refusals.ts";
import { GATEWAY } from "../identity/identity.ts";
import type { Origin } from "../pipeline.ts";
import { counted } from "./limit-sizes.ts";

export function limitAnswers(origin: Origin, limit: number): Origin {
	if (limit === Number.POSITIVE_INFINITY) return origin;
	const tooLarge = () =>
		new Refusal("answer_too_large", { details: `the limit is ${limit} bytes` });

	return async (request, identity, told) => {
		const answer = await origin(request, identity, told);
		const { body, headers } = answer;
		if (request.method !== "GET" || identity === GATEWAY || body === null)
			return answer;
		if (Number(headers.get("content-length")) > limit) {
			await body.cancel();
			throw tooLarge();
		}
		return new Response(counted(body, limit, tooLarge), answer);
	};
}
