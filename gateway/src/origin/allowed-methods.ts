// The methods that PostgREST knows for a path. Its 405 does not name them, though RFC 9110, section 15.5.6, says that it must.

import { isRead } from "../pipeline.ts";

/** @param method one that PostgREST refused for the path */
export function allowedMethods(path: string, method: string): string {
	if (path === "/") return "OPTIONS, GET, HEAD";
	if (!path.startsWith("/rpc/"))
		return "OPTIONS, GET, HEAD, POST, PUT, PATCH, DELETE";
	// A function that writes is called by POST alone.
	return isRead(method) ? "OPTIONS, POST" : "OPTIONS, GET, HEAD, POST";
}
