// A postgrest-js client whose fetch is the pipeline: how the gateway's own routes speak to the database.
import { PostgrestClient } from "@supabase/postgrest-js";
import type { Identity } from "../identity/identity.ts";
import { PIPELINE_URL, type Pipeline } from "../pipeline.ts";
import { Refusal } from "./refusals.ts";

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
			return fromPostgrest(await pipeline(request, identity));
		},
		retry: false,
		// The type of an untyped client names the schema public; which one is asked is told at run time.
	}) as PostgrestClient;
}

/**
 * Something between the gateway and PostgREST (the tunnel, Access) answers in HTML or refuses in silence, PostgREST speaks
 * JSON. postgrest-js would take an empty 404 for a success.
 */
function fromPostgrest(response: Response): Response {
	const type = response.headers.get("content-type");
	const isJson = /[/+]json\b/.test(type ?? "");
	const isSilentSuccess = response.ok && type === null;
	if (isJson || isSilentSuccess) return response;
	throw new Refusal("origin_unreachable", {
		cause: new Error(`The origin answers ${response.status} without JSON`),
	});
}
