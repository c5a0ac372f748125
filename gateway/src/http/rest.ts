// PostgREST itself below a mount: a client's request goes into the pipeline as PostgREST's clients send it.
import type { Handler } from "hono";
import { removeHopByHop } from "../origin/headers.ts";
import { PIPELINE_URL } from "../pipeline.ts";
import { renameProfile } from "./profile-aliases.ts";
import type { GatewayEnv } from "./router.ts";

/**
 * @param mount the path that stands for PostgREST's root
 * @param aliases schemas by the other names that clients use
 */
export function rest(
	mount: string,
	aliases: ReadonlyMap<string, string>,
): Handler<GatewayEnv> {
	const mountSegments = mount.split("/").length;
	return ({ req, var: { identity, pipeline } }) => {
		const { pathname, search } = new URL(req.url);
		// By segments: the route also matches where a client percent-encodes a part of the mount.
		const path = `/${pathname.split("/").slice(mountSegments).join("/")}`;
		const request = new Request(PIPELINE_URL + path + search, req.raw);
		removeHopByHop(request.headers);
		renameProfile(request.headers, aliases);
		return pipeline(request, identity);
	};
}
