// A postgrest-js client whose fetch is the pipeline: how routes ask the database.
import { PostgrestClient, PostgrestError } from "@supabase/postgrest-js";
import { type Entry, UTF8 } from "../cache/entry.ts";
import { GATEWAY, type Identity } from "../identity/identity.ts";
import { wholeBodyOf } from "../origin/whole-body.ts";
import {
	PIPELINE_URL,
	type Pipeline,
	type PipelineRequest,
	type PlainRead,
	withBytes,
} from "../pipeline.ts";
import { asksForToken } from "./anonymous-401.ts";
import { Refusal } from "./refusals.ts";

/** The entry that answers a read, where the isolate's memory has it. */
export type Recall = (read: PlainRead, identity: Identity) => Entry | undefined;

interface DatabaseOptions {
	/** The schema to ask; without it, PostgREST's first. */
	schema?: string;
	/** Ends the requests when it goes away. Its signal is an object of the runtime's, so it is read only where a request is sent. */
	client?: Pick<Request, "signal">;
	/** Answers of the isolate's memory. */
	recall?: Recall;
}

/** Ask it with `throwOnError()`: it throws refusals of the pipeline as they are, and PostgREST's errors as PostgrestError. */
export function openDatabase(
	pipeline: Pipeline,
	identity: Identity,
	{ schema, client, recall }: DatabaseOptions = {},
): PostgrestClient {
	return new PostgrestClient(PIPELINE_URL, {
		...(schema === undefined ? {} : { schema }),
		fetch: async (input, init) => {
			const url = String(input);
			const entry =
				init?.method === "GET"
					? // postgrest-js has an object of them, by names in lower case.
						recall?.(
							{ url, headers: { ...init.headers } as Record<string, string> },
							identity,
						)
					: undefined;
			if (entry !== undefined) return readable(entry);
			const request = requestOf(
				url,
				client ? { ...init, signal: client.signal } : init,
			);
			return askDatabase(pipeline, identity, request);
		},
		retry: false,
		// The type of an untyped client names the schema public; which one is asked is told at run time.
	}) as PostgrestClient;
}

const utf8 = new TextDecoder();

/** What postgrest-js reads of a response: a Response would cost the runtime more than the rest of a hit. */
function readable({ status, statusText, headers, body }: Entry): Response {
	const get = (name: string) =>
		headers.find(([one]) => one === name.toLowerCase())?.[1] ?? null;
	const read = {
		...{ ok: true, status, statusText, headers: { get } },
		text: async () => utf8.decode(body),
	};
	return read as unknown as Response;
}

/** A request of postgrest-js. Its body is a text. */
function requestOf(
	url: string,
	{ method = "GET", headers, body, signal }: RequestInit = {},
): PipelineRequest {
	const parts = {
		...{ method, url, headers: new Headers(headers) },
		signal: signal ?? new AbortController().signal,
	};
	return typeof body === "string"
		? withBytes(parts, UTF8.encode(body))
		: { ...parts, body: null, arrayBuffer: async () => new ArrayBuffer() };
}

interface FunctionCall {
	readonly name: string;
	readonly parameters: object;
	readonly signal?: AbortSignal;
}

/**
 * Calls a function of schema `postern`. @returns what it returned, in JSON, with the header `Server`
 * @throws {PostgrestError} PostgREST's error
 */
export async function callFunction(
	pipeline: Pipeline,
	identity: Identity,
	{ name, parameters, signal }: FunctionCall,
): Promise<{ json: string; server: string | null }> {
	const request = requestOf(`${PIPELINE_URL}/rpc/${name}`, {
		method: "POST",
		headers: {
			"Content-Type": "application/json",
			"Content-Profile": "postern",
		},
		body: JSON.stringify(parameters),
		...(signal && { signal }),
	});
	const response = await ask(pipeline, identity, request);
	const json = new TextDecoder().decode(await wholeBodyOf(response));
	if (!response.ok) throw new PostgrestError(JSON.parse(json));
	return { json, server: response.headers.get("server") };
}

/** PostgREST's answer, its errors included. Refuses where the caller has no credentials, or the gateway no privilege. */
export async function askDatabase(
	pipeline: Pipeline,
	identity: Identity,
	request: PipelineRequest,
): Promise<Response> {
	const response = await ask(pipeline, identity, request);
	// Whole, since postgrest-js would throw what a body that breaks off throws.
	return response.body === null
		? response
		: new Response(await wholeBodyOf(response), response);
}

async function ask(
	pipeline: Pipeline,
	identity: Identity,
	request: PipelineRequest,
): Promise<Response> {
	const response = await pipeline(request, identity);
	if (asksForToken(response)) throw new Refusal("unauthenticated");
	// A privilege that the gateway's own role lacks is not one that the caller lacks.
	if (identity === GATEWAY && response.status === 403)
		throw new Refusal("origin_refused", {
			cause: new Error(`For the role postern: ${await response.text()}`),
		});
	return response;
}
