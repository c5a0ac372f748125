// A postgrest-js client whose fetch is the pipeline: how the gateway's own routes speak to the database.
import { PostgrestClient } from "@supabase/postgrest-js";
import type { Identity } from "../identity/identity.ts";
import { PIPELINE_URL, type Pipeline } from "../pipeline.ts";

interface DatabaseOptions {
	/** The schema that is asked, where it is not PostgREST's first. */
	schema?: string;
	/** Ends the requests when the caller goes away. */
	signal?: AbortSignal;
}

/** Ask it with `throwOnError()`: refusals of the pipeline are thrown as they are, PostgREST's as PostgrestError. */
export function openDatabase(
	pipeline: Pipeline,
	identity: Identity,
	{ schema, signal }: DatabaseOptions = {},
): PostgrestClient {
	return new PostgrestClient(PIPELINE_URL, {
		...(schema === undefined ? {} : { schema }),
		fetch: async (input, init) => {
			const request = new Request(input, signal ? { ...init, signal } : init);
			return pipeline(request, identity);
		},
		retry: false,
		// The type of an untyped client names the schema public; which one is asked is told at run time.
	}) as PostgrestClient;
}
