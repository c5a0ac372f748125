// Whether PostgREST calls postern.pre_request() before a write. Asked as the role `postern`, and remembered for a while.
import { PostgrestError } from "@supabase/postgrest-js";
import { openDatabase } from "../http/database.ts";
import { Refusal } from "../http/refusals.ts";
import { GATEWAY_FOR_CODES } from "../identity/identity.ts";
import type { Origin } from "../pipeline.ts";

/** How long PostgREST is taken to go on calling it. */
const REMEMBERED_MS = 60_000;

/** PostgREST's codes and SQLSTATEs of a database that lacks the functions, or does not let the gateway call them. */
const ABSENCE = /^(PGRST106|PGRST202|3F000|42501|42883)$/;

/** What postern.claim_key() answers instead of claiming anything. */
const PROBE = { claim: "probe" };

export interface PreRequestProbe {
	/** Whether PostgREST calls the function. */
	isCalled(): Promise<boolean>;
	/** PostgREST's configuration may have changed. */
	forget(): void;
}

export function createPreRequestProbe(
	origin: Origin,
	now: () => number,
): PreRequestProbe {
	const probing = openDatabase(
		(request, identity) => origin(request, identity, PROBE),
		GATEWAY_FOR_CODES,
		{ schema: "postern" },
	);
	let calledUntil = Number.NEGATIVE_INFINITY;

	return {
		async isCalled() {
			if (now() < calledUntil) return true;
			const askedAt = now();
			const isCalled = await ask();
			if (isCalled) calledUntil = askedAt + REMEMBERED_MS;
			return isCalled;
		},
		forget() {
			calledUntil = Number.NEGATIVE_INFINITY;
		},
	};

	async function ask(): Promise<boolean> {
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
export async function answerOf<T>(query: PromiseLike<T>): Promise<T> {
	try {
		return await query;
	} catch (error) {
		const isKnown = error instanceof PostgrestError && error.code !== "";
		if (isKnown || error instanceof Refusal) throw error;
		throw new Refusal("origin_unreachable", { cause: error });
	}
}
