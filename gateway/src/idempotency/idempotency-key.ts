// The Idempotency-Key of a request: draft-ietf-httpapi-idempotency-key-header-07, a String of RFC 9651. Most clients send the bare
// text, which is accepted as well and means the same key.
import { Refusal } from "../http/refusals.ts";
import type { PipelineRequest } from "../pipeline.ts";

export const KEY_HEADER = "Idempotency-Key";

/** Says that an answer is that of an earlier request. */
export const REPLAYED = "Idempotent-Replayed";

/** Which of a client request's writes this is. The others of a route have keys of their own by it. */
export const WRITE_NUMBER = "Postern-Write";

const MAX_CHARACTERS = 255;

/** Section 3.3.3 of RFC 9651. */
const STRING = /^"((?:[ !#-[\]-~]|\\["\\])*)"$/;

/** Visible ASCII without what separates the parts of a header. */
const BARE = /^[!#-+\--:<-[\]-~]+$/;

/** What PostgREST runs in a transaction that cannot write. */
const SAFE_METHODS = ["GET", "HEAD", "OPTIONS"];

/**
 * The key of a write, unescaped.
 * @returns undefined where the request has none, or writes nothing
 * @throws {Refusal} idempotency_key_invalid
 */
export function idempotencyKeyOf({
	method,
	headers,
}: PipelineRequest): string | undefined {
	const sent = headers.get(KEY_HEADER);
	if (sent === null || SAFE_METHODS.includes(method)) return undefined;
	const text = sent.trim();
	const key =
		STRING.exec(text)?.[1]?.replace(/\\(.)/g, "$1") ?? BARE.exec(text)?.[0];
	if (key === undefined || key === "" || key.length > MAX_CHARACTERS)
		throw new Refusal("idempotency_key_invalid", {
			details: `it has to be one String of 1 to ${MAX_CHARACTERS} characters, such as "8e03978e-40d5-43dd-bc93-6894a57f9324"`,
		});
	return key;
}
