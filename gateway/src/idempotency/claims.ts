// The answers of writes that were done with an idempotency key, as the database keeps them. Asked as the role `postern`.
import * as z from "zod/mini";
import { openDatabase } from "../http/database.ts";
import { GATEWAY_FOR_CODES } from "../identity/identity.ts";
import { answerOf, type PreRequestProbe } from "../origin/pre-request-probe.ts";
import type { Origin } from "../pipeline.ts";

/** An answer as the database keeps it. */
const keptAnswer = z.lazy(() =>
	z.object({
		status: z.int().check(z.minimum(200), z.maximum(599)),
		headers: z.array(z.tuple([z.string(), z.string()])),
		/** Null where the status allows none. */
		body: z.nullable(z.string()),
	}),
);

export type KeptAnswer = z.infer<typeof keptAnswer>;

export function createClaims(origin: Origin, preRequest: PreRequestProbe) {
	const database = openDatabase(
		(request, identity) => origin(request, identity),
		GATEWAY_FOR_CODES,
		{ schema: "postern" },
	);

	return {
		/** Keeps the answer of a write, if the write has claimed its key. */
		async keep(claim: string, answer: KeptAnswer): Promise<void> {
			const { data } = await database
				.rpc("keep_answer", { claim, answer })
				.throwOnError();
			// A write that claimed nothing may have been rolled back by preference, or PostgREST's configuration has changed.
			if (data !== true) preRequest.forget();
		},
		async keptAnswer(claim: string): Promise<KeptAnswer | undefined> {
			const { data } = await answerOf(
				database.rpc("kept_answer", { claim }).throwOnError(),
			);
			return data === null ? undefined : keptAnswer.parse(data);
		},
	};
}
