// PostgREST itself below a mount: a client's request goes into the pipeline as PostgREST's clients send it.
import type { Handler } from "hono";
import type { GatewayEnv } from "../application/router.ts";
import { removeHopByHop } from "../origin/headers.ts";
import { PIPELINE_URL, type PipelineRequest, withParts } from "../pipeline.ts";
import { renameProfile } from "./profile-aliases.ts";
import { partsOf } from "./url-parts.ts";

/**
 * @param mount the path that stands for PostgREST's root
 * @param aliases schemas by the other names that clients use
 */
export function rest(
	mount: string,
	aliases: ReadonlyMap<string, string>,
): Handler<GatewayEnv> {
	return ({ req, get }) =>
		get("pipeline")(toPipeline(req.raw, mount, aliases), get("identity"));
}

/** A client's request as the pipeline takes it. */
export function toPipeline(
	client: Request,
	mount: string,
	aliases: ReadonlyMap<string, string>,
): PipelineRequest {
	// The runtime hands over a URL as it was sent, with `/../` in it.
	const { pathname, search } = partsOf(client.url);
	// By segments: the route also matches where a client percent-encodes a part of the mount.
	const segments = pathname.split("/").slice(mount.split("/").length);
	const headers = new Headers(client.headers);
	removeHopByHop(headers);
	renameProfile(headers, aliases);
	const url = `${PIPELINE_URL}/${segments.join("/")}${search}`;
	return withParts(client, { url, headers });
}
