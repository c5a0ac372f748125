// GET /metrics: this isolate's counters, for Prometheus. Only where METRICS_TOKEN is set, and only to who sends it: the counters tell what
// callers ask for, and how often they are refused.
import { Hono } from "hono";
import { timingSafeEqual } from "hono/utils/buffer";
import type { Counters } from "../observe/counters.ts";
import { protectOwnAnswers } from "./own-answers.ts";
import { Refusal } from "./refusals.ts";

const TEXT_FORMAT = "text/plain; version=0.0.4; charset=utf-8";

export function metrics(token: string, counters: Counters) {
	const app = new Hono();
	app.get("/metrics", protectOwnAnswers, async (context) => {
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
