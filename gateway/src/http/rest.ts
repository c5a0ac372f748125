// PostgREST itself below a mount: a client's request goes into the pipeline as PostgREST's clients send it.
import type { Handler } from "hono";
import type { GatewayEnv } from "../application/router.ts";
import { removeHopByHop } from "../origin/headers.ts";
import { PIPELINE_URL } from "../pipeline.ts";
import { renameProfile } from "./profile-aliases.ts";

/**
 * @param mount the path that stands for PostgREST's root
 * @param aliases schemas by the other names that clients use
 */
export function rest(
	mount: string,
	aliases: ReadonlyMap<string, string>,
): Handler<GatewayEnv> {
	return ({ req, get }) =>
		get("pipeline")(
			toPipeline(req.url, req.raw, mount, aliases),
			get("identity"),
		);
}

/**
 * A client's request as the pipeline takes it.
 * @param init the request itself, or only what is read of it
 */
export function toPipeline(
	clientUrl: string,
	init: Request | RequestInit,
	mount: string,
	aliases: ReadonlyMap<string, string>,
): Request {
	// The runtime hands over a URL as it was sent, with `/../` in it.
	const { pathname, search } = new URL(clientUrl);
	// By segments: the route also matches where a client percent-encodes a part of the mount.
	const segments = pathname.split("/").slice(mount.split("/").length);
	const path = `/${segments.join("/")}`;
	const request = new Request(PIPELINE_URL + path + search, init);
	removeHopByHop(request.headers);
	renameProfile(request.headers, aliases);
	return request;
}
