// The path that a route is chosen by: that of the parsed URL, which is the one that `/rest/v1` hands on. The parser removes dot
// segments, also percent-encoded ones, and takes `\` for `/`. The router's own reading does neither, so it could choose a route
// for one path and the origin be asked for another.
import { getPathNoStrict } from "hono/utils/url";

/** Without a trailing slash. A text that is no URL, because its Host is none, has the root for a path. */
export function pathOf(request: Request): string {
	const url = URL.parse(request.url);
	// Hono reads nothing else of the request.
	return url === null ? "/" : getPathNoStrict({ url: url.href } as Request);
}
