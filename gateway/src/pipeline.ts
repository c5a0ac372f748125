// The heart: a function shaped like fetch. A PostgREST request and an Identity go in, a Response comes out.
// Its requests are addressed to PIPELINE_URL, not to the origin's address.
import type { Identity } from "./identity/identity.ts";

/** The address that requests into the pipeline carry: PostgREST's root. Never resolved. */
export const PIPELINE_URL = "http://postgrest";

/** @throws {Refusal} where the gateway, not PostgREST, has to say no */
export type Pipeline = (
	request: Request,
	identity: Identity,
) => Promise<Response>;

/**
 * The pipeline behind which PostgREST is.
 * @param claim what postern.pre_request is told of a write with an idempotency key
 */
export type Origin = (
	request: Request,
	identity: Identity,
	claim?: string,
) => Promise<Response>;
