// Interactive documentation at /docs: Swagger UI over /openapi.json, from the Worker's static assets. Serves no other asset, and
// the page loads nothing from another host.
import { Hono } from "hono";
import { Refusal } from "../http/refusals.ts";
import type { Fetch } from "../origin/send.ts";

/** The page runs its own files only, requests this gateway only, and may not be framed. */
const HEADERS = {
	"Content-Security-Policy": [
		"default-src 'none'",
		"script-src 'self'",
		"style-src 'self'",
		"img-src 'self' data:",
		"connect-src 'self'",
		"base-uri 'none'",
		"form-action 'none'",
		"frame-ancestors 'none'",
	].join("; "),
	"Cross-Origin-Opener-Policy": "same-origin",
	"Cross-Origin-Resource-Policy": "same-origin",
	"Origin-Agent-Cluster": "?1",
	"Referrer-Policy": "no-referrer",
	"X-DNS-Prefetch-Control": "off",
	"X-Frame-Options": "DENY",
};

const PAGE = "/docs/index.html";

/** The routes below `/docs`; their files have the same paths among the assets. */
export function docs(assets: Fetch) {
	const app = new Hono();
	app.get("/", ({ req }) => serve(new URL(PAGE, req.url), req.raw));
	app.get("/*", ({ req }) => serve(new URL(req.url), req.raw));
	return app;

	async function serve(url: URL, { headers }: Request): Promise<Response> {
		const asset = await assets(new Request(url, { headers }));
		if (asset.status === 404) throw new Refusal("route_unknown");
		const answer = new Response(asset.body, asset);
		for (const [name, value] of Object.entries(HEADERS))
			answer.headers.set(name, value);
		return answer;
	}
}
