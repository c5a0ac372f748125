// What the gateway asks of the database about idempotency keys: whether PostgREST claims them, and the answers of writes that were
// done. Asked as the role `postern`.
import { PostgrestError } from "@supabase/postgrest-js";
import { z } from "zod";
import { openDatabase } from "../http/database.ts";
import { Refusal } from "../http/refusals.ts";
import { GATEWAY, type Identity } from "../identity/identity.ts";
import type { Origin } from "../pipeline.ts";

/** An answer as the database keeps it. */
const keptAnswer = z.object({
	status: z.int().min(200).max(599),
	headers: z.array(z.tuple([z.string(), z.string()])),
	/** Null where the status allows none. */
	body: z.string().nullable(),
});

export type KeptAnswer = z.infer<typeof keptAnswer>;

/** The gateway, but not `GATEWAY` itself: for that, openDatabase replaces a 403 of PostgREST. */
const GATEWAY_FOR_CODES: Identity = Object.freeze({ ...GATEWAY });

/** How long PostgREST is taken to go on claiming keys. */
const CLAIMS_MS = 60_000;

/** PostgREST's codes and SQLSTATEs of a database that lacks the functions, or does not let the gateway call them. */
const ABSENCE = /^(PGRST106|PGRST202|3F000|42501|42883)$/;

/** What postern.claim_key() answers instead of claiming anything. */
const PROBE = "probe";

export function createClaims(origin: Origin, now: () => number) {
	const open = (claim?: string) =>
		openDatabase(
			(request, identity) => origin(request, identity, claim),
			GATEWAY_FOR_CODES,
			{ schema: "postern" },
		);
	const database = open();
	const probing = open(PROBE);
	let claimsUntil = Number.NEGATIVE_INFINITY;

	return {
		/** @throws {Refusal} idempotency_unsupported where a write would be done without claiming its key */
		async require(): Promise<void> {
			if (now() < claimsUntil) return;
			const askedAt = now();
			if (!(await claimsKeys())) throw new Refusal("idempotency_unsupported");
			claimsUntil = askedAt + CLAIMS_MS;
		},
		/** Keeps the answer of a write, if the write has claimed its key. */
		async keep(claim: string, answer: KeptAnswer): Promise<void> {
			const { data } = await database
				.rpc("keep_answer", { claim, answer })
				.throwOnError();
			// A write that claimed nothing may have been rolled back by preference, or PostgREST's configuration has changed.
			if (data !== true) claimsUntil = Number.NEGATIVE_INFINITY;
		},
		async keptAnswer(claim: string): Promise<KeptAnswer | undefined> {
			const { data } = await answerOf(
				database.rpc("kept_answer", { claim }).throwOnError(),
			);
			return data === null ? undefined : keptAnswer.parse(data);
		},
	};

	async function claimsKeys(): Promise<boolean> {
		try {
			const { data } = await answerOf(
				probing.rpc("claims_keys").throwOnError(),
			);
			return data === true;
		} catch (error) {
			if (error instanceof PostgrestError && ABSENCE.test(error.code))
				return false;
			throw error;
		}
	}
}

/** @throws {Refusal} origin_unreachable where the answer is cut off, so that the client sends the write again */
async function answerOf<T>(query: PromiseLike<T>): Promise<T> {
	try {
		return await query;
	} catch (error) {
		const isKnown = error instanceof PostgrestError && error.code !== "";
		if (isKnown || error instanceof Refusal) throw error;
		throw new Refusal("origin_unreachable", { cause: error });
	}
}
