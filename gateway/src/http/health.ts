// GET /health: the Worker runs. GET /ready: PostgREST answers, too, and takes the gateway's token; and what the cache depends on, each by
// itself. Without a cache the gateway is ready all the same.
import { Hono } from "hono";
import type { CacheReadiness } from "../cache/read-cache.ts";
import type { Identity } from "../identity/identity.ts";
import { PIPELINE_URL, type Pipeline } from "../pipeline.ts";
import { Refusal } from "./refusals.ts";

const NO_FEED = {
	feed: "off",
	contract: "unknown",
	nothingIsCached: "there is no binding CHANGE_FEED",
} as const;

/** @param anonymous the caller that PostgREST is asked as */
export function health(
	origin: Pipeline,
	anonymous: Identity,
	cacheReadiness: () => Promise<CacheReadiness | typeof NO_FEED> = async () =>
		NO_FEED,
) {
	const app = new Hono();
	app.get("/health", (context) => context.json({ status: "ok" }));
	app.get("/ready", async (context) => {
		const ask = (method: string) =>
			origin(new Request(`${PIPELINE_URL}/`, { method }), anonymous);
		let answer = await ask("HEAD");
		// PostgREST with its OpenAPI document turned off, which took the token; or any server, which the body tells.
		if (answer.status === 404) answer = await ask("GET");
		await answer.body?.cancel();
		if (!answer.ok && answer.status !== 404)
			throw new Refusal("origin_not_ready", {
				details: `it answers ${answer.status}`,
			});
		return context.json({
			...{ status: "ok", origin: "ok" },
			...(await cacheReadiness()),
		});
	});
	return app;
}
