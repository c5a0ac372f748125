// What every answer of the gateway's own says to a browser, and what none says: which programs made it. An upstream's answers are
// not the gateway's own.
import type { Context, MiddlewareHandler } from "hono";
import { noteRefusal } from "../observe/observation.ts";
import { Refusal, refusalResponse } from "./refusals.ts";

/** A browser takes an answer for nothing but what its Content-Type says. */
export const NO_SNIFFING = ["X-Content-Type-Options", "nosniff"] as const;

/** RFC 6797, for half a year. Subdomains of the gateway's host may be anything. Sent over https only (section 7.2). */
export const HTTPS_ONLY = [
	"Strict-Transport-Security",
	"max-age=15552000",
] as const;

/** Headers in which PostgREST, and what stands before it, name themselves and their versions. */
export const NAMES_PROGRAM =
	/^(server|via|x-powered-by|x-generator|x-aspnet(mvc)?-version|x-(kong|envoy)-.*)$/;

export function isOverHttps(url: string): boolean {
	return url.startsWith("https:");
}

export const protectOwnAnswers: MiddlewareHandler = async (context, next) => {
	// What is set before there is an answer makes one, which Hono copies into the real one.
	await next();
	const { headers } = context.res;
	headers.set(...NO_SNIFFING);
	if (isOverHttps(context.req.url)) headers.set(...HTTPS_ONLY);
	const programs: string[] = [];
	headers.forEach((_, name) => {
		if (NAMES_PROGRAM.test(name)) programs.push(name);
	});
	for (const name of programs) headers.delete(name);
};

/** Says which methods a route has: to OPTIONS as the answer (RFC 9110, section 9.3.7), else with the refusal. */
export function refuseMethod({ req }: Context, methods: string[]): Response {
	const headers = { Allow: [...methods, "OPTIONS"].join(", ") };
	if (req.method === "OPTIONS") {
		noteRefusal(undefined);
		return new Response(null, { status: 204, headers });
	}
	return refuse(new Refusal("method_not_allowed", { headers }));
}

export function refuse(refusal: Refusal): Response {
	noteRefusal(refusal);
	return refusalResponse(refusal);
}
