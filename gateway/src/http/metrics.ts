// GET /metrics: this isolate's counters, for Prometheus. Only where METRICS_TOKEN is set, and only to who sends it: the counters tell what
// callers ask for, and how often they are refused.
import { Hono, type MiddlewareHandler } from "hono";
import { timingSafeEqual } from "hono/utils/buffer";
import type { Counters } from "../observe/counters.ts";
import { Refusal } from "./refusals.ts";

const TEXT_FORMAT = "text/plain; version=0.0.4; charset=utf-8";

/** @param ownAnswers adds the headers of the gateway's own answers */
export function metrics(
	token: string,
	counters: Counters,
	ownAnswers: MiddlewareHandler,
) {
	const app = new Hono();
	app.get("/metrics", ownAnswers, async (context) => {
		const sent = context.req.header("authorization") ?? "";
		if (!(await timingSafeEqual(sent, `Bearer ${token}`)))
			throw new Refusal("token_rejected");
		return context.body(counters.inText(), 200, {
			"Content-Type": TEXT_FORMAT,
			"Cache-Control": "no-store",
		});
	});
	return app;
}
