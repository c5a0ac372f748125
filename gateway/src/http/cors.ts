// Cross-origin requests (the Fetch standard's CORS protocol): with a token in a header, never with cookies.
import type { MiddlewareHandler } from "hono";
import { cors } from "hono/cors";

/** Response headers that a browser's script may read: those of PostgREST, of GoTrue and of the cache. */
const EXPOSED_HEADERS = [
	"Age",
	"Cache-Status",
	"Content-Encoding",
	"Content-Location",
	"Content-Profile",
	"Content-Range",
	"Date",
	"ETag",
	"Idempotent-Replayed",
	"Location",
	"Postern-Explain",
	"Postern-Token",
	"Preference-Applied",
	"Proxy-Status",
	"Range-Unit",
	"RateLimit",
	"RateLimit-Policy",
	"Retry-After",
	"Server-Timing",
	"WWW-Authenticate",
	"X-Supabase-Api-Version",
];

/** The headers that `crossOrigin` adds to the answer to a GET, for answers that do not pass the router. */
export interface CorsHeaders {
	readonly exposedHeaders: string;
	/** Whether the answer varies by Origin. */
	readonly isByOrigin: boolean;
	/** @returns `Access-Control-Allow-Origin` for this Origin, if there is any */
	allowedOrigin(origin: string | null): string | undefined;
}

export function corsHeadersOf(origins: readonly string[]): CorsHeaders {
	const isByOrigin = !origins.includes("*");
	return {
		exposedHeaders: EXPOSED_HEADERS.join(","),
		isByOrigin,
		allowedOrigin(origin) {
			if (!isByOrigin) return "*";
			return origin !== null && origins.includes(origin) ? origin : undefined;
		},
	};
}

/** @param origins that browsers may call from; `*` is any */
export function crossOrigin(origins: readonly string[]): MiddlewareHandler {
	const answerPreflight = cors({
		origin: origins.includes("*") ? "*" : [...origins],
		exposeHeaders: EXPOSED_HEADERS,
		maxAge: 86_400,
	});
	const { allowedOrigin, exposedHeaders, isByOrigin } = corsHeadersOf(origins);
	return async (context, next) => {
		const { req } = context;
		// An OPTIONS that is no preflight is a question to PostgREST, or to a route.
		const isPreflight =
			req.method === "OPTIONS" &&
			req.header("access-control-request-method") !== undefined;
		if (isPreflight) return answerPreflight(context, next);
		await next();
		const { headers } = context.res;
		const allowed = allowedOrigin(req.header("origin") ?? null);
		if (allowed !== undefined)
			headers.set("Access-Control-Allow-Origin", allowed);
		headers.set("Access-Control-Expose-Headers", exposedHeaders);
		if (isByOrigin) headers.append("Vary", "Origin");
	};
}
