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
		const reason = await nothingIsCached();
		return context.json({
			status: "ok",
			...(reason === undefined ? {} : { nothingIsCached: reason }),
		});
	});
	return app;
}
