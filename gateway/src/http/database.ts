// A postgrest-js client whose fetch is the pipeline: how routes ask the database.
import { PostgrestClient } from "@supabase/postgrest-js";
import { GATEWAY, type Identity } from "../identity/identity.ts";
import { wholeBodyOf } from "../origin/whole-body.ts";
import { PIPELINE_URL, type Pipeline } from "../pipeline.ts";
import { asksForToken } from "./anonymous-401.ts";
import { Refusal } from "./refusals.ts";

interface DatabaseOptions {
	/** The schema to ask; without it, PostgREST's first. */
	schema?: string;
	/** Ends the requests when the caller goes away. */
	signal?: AbortSignal;
}

/** Ask it with `throwOnError()`: it throws refusals of the pipeline as they are, and PostgREST's errors as PostgrestError. */
export function openDatabase(
	pipeline: Pipeline,
	identity: Identity,
	{ schema, signal }: DatabaseOptions = {},
): PostgrestClient {
	return new PostgrestClient(PIPELINE_URL, {
		...(schema === undefined ? {} : { schema }),
		fetch: (input, init) =>
			askDatabase(
				pipeline,
				identity,
				new Request(input, signal ? { ...init, signal } : init),
			),
		retry: false,
		// The type of an untyped client names the schema public; which one is asked is told at run time.
	}) as PostgrestClient;
}

/** PostgREST's answer, its errors included. Refuses where the caller has no credentials, or the gateway no privilege. */
export async function askDatabase(
	pipeline: Pipeline,
	identity: Identity,
	request: Request,
): Promise<Response> {
	const response = await pipeline(request, identity);
	if (asksForToken(response)) throw new Refusal("unauthenticated");
	// A privilege that the gateway's own role lacks is not one that the caller lacks.
	if (identity === GATEWAY && response.status === 403)
		throw new Refusal("origin_refused", {
			cause: new Error(`For the role postern: ${await response.text()}`),
		});
	// Whole, since postgrest-js would throw what a body that breaks off throws.
	return response.body === null
		? response
		: new Response(await wholeBodyOf(response), response);
}
