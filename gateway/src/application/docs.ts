// Interactive documentation at /docs: Swagger UI over /openapi.json, from the Worker's static assets. Serves no other asset, and
// the page loads nothing from another host.
import { Hono } from "hono";
import { secureHeaders } from "hono/secure-headers";
import { Refusal } from "../http/refusals.ts";
import type { Fetch } from "../origin/send.ts";

/** The page runs its own files only, requests this gateway only, and may not be framed. */
const forPages = secureHeaders({
	contentSecurityPolicy: {
		defaultSrc: ["'none'"],
		scriptSrc: ["'self'"],
		styleSrc: ["'self'"],
		imgSrc: ["'self'", "data:"],
		connectSrc: ["'self'"],
		baseUri: ["'none'"],
		formAction: ["'none'"],
		frameAncestors: ["'none'"],
	},
	xFrameOptions: "DENY",
	// own-answers.ts sets it, over https.
	strictTransportSecurity: false,
});

const PAGE = "/docs/index.html";

/** The routes below `/docs`; their files have the same paths among the assets. */
export function docs(assets: Fetch) {
	const app = new Hono().use(forPages);
	app.get("/", ({ req }) => serve(new URL(PAGE, req.url), req.raw));
	app.get("/*", ({ req }) => serve(new URL(req.url), req.raw));
	return app;

	async function serve(url: URL, { headers }: Request): Promise<Response> {
		const asset = await assets(new Request(url, { headers }));
		if (asset.status === 404) throw new Refusal("route_unknown");
		return new Response(asset.body, asset);
	}
}
