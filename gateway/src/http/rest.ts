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
	return ({ req, var: { identity, pipeline } }) =>
		pipeline(toPipeline(req.url, req.raw, mount, aliases), identity);
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
	const [url = ""] = clientUrl.split("#", 1);
	const queryAt = url.indexOf("?");
	const end = queryAt === -1 ? url.length : queryAt;
	// By segments: the route also matches where a client percent-encodes a part of the mount. The first three are those of `http://host`.
	const segments = url.slice(0, end).split("/");
	const path = segments.slice(2 + mount.split("/").length).join("/");
	const request = new Request(`${PIPELINE_URL}/${path}${url.slice(end)}`, init);
	removeHopByHop(request.headers);
	renameProfile(request.headers, aliases);
	return request;
}
