// GET /health: the Worker runs. GET /ready: PostgREST answers, too, and takes the gateway's token; and why nothing is cached,
// where the database is the reason.
import { Hono } from "hono";
import type { Identity } from "../identity/identity.ts";
import { PIPELINE_URL, type Pipeline } from "../pipeline.ts";
import { Refusal } from "./refusals.ts";

/** @param anonymous the caller that PostgREST is asked as */
export function health(
	origin: Pipeline,
	anonymous: Identity,
	nothingIsCached: () => Promise<string | undefined> = async () => undefined,
) {
	const app = new Hono();
	app.get("/health", (context) => context.json({ status: "ok" }));
	app.get("/ready", async (context) => {
		const answer = await origin(
			new Request(`${PIPELINE_URL}/`, { method: "HEAD" }),
			anonymous,
		);
		// 404 is PostgREST with its OpenAPI document turned off: it answered, and took the token.
		if (!answer.ok && answer.status !== 404)
			throw new Refusal("origin_not_ready", {
				details: `it answers ${answer.status}`,
			});
		const reason = await nothingIsCached();
		return context.json({
			status: "ok",
			...(reason === undefined ? {} : { nothingIsCached: reason }),
		});
	});
	return app;
}
