// What Postern's cost is compared with, in a workerd of its own: Hono routes that answer constants, and a proxy of one line.
import { createRequire } from "node:module";
import { freePort } from "../../gateway/cli/stack/ports.ts";
import type { Service } from "../../gateway/cli/stack/service.ts";
import { wrangler } from "../../gateway/cli/stack/wrangler.ts";
import { startWorkerd } from "../../test/support/workerd/workerd.ts";
import type { Answered } from "./load.ts";

/** Headers that the runtime writes. */
const OF_THE_RUNTIME = ["connection", "content-length", "transfer-encoding"];

export interface Floor extends Service {
	readonly url: string;
	/** Answers as the answer of this index. */
	answerUrl(index: number): string;
	readonly proxyUrl: string;
}

/** @param answers are given again, with as many bytes and headers */
export async function startFloor(
	answers: readonly Answered[],
	originUrl: string,
): Promise<Floor> {
	const service = await startWorkerd({
		bundle: await bundled(sourceOf(answers, originUrl)),
		port: await freePort(),
		variables: {},
		log: () => {},
	});
	return {
		...service,
		answerUrl: (index) => `${service.url}/answers/${index}`,
		proxyUrl: `${service.url}/proxy`,
	};
}

function sourceOf(answers: readonly Answered[], originUrl: string): string {
	const constants = answers.map(({ status, headers, body }) => ({
		status,
		headers: Object.entries(headers).filter(
			([name]) => !OF_THE_RUNTIME.includes(name),
		),
		body: status === 304 ? null : body.toString(),
	}));
	return `
		import { DurableObject } from "cloudflare:workers";
		import { Hono } from "hono";
		// wrangler.jsonc names it.
		export class ChangeFeed extends DurableObject {}
		export class CallerLimits extends DurableObject {}
		const app = new Hono();
		app.get("/health", (context) => context.text("ok"));
		for (const [index, { status, headers, body }] of ${JSON.stringify(constants)}.entries()) {
			const bytes = body && new TextEncoder().encode(body);
			const named = Object.fromEntries(headers);
			app.get("/answers/" + index, () => new Response(bytes, { status, headers: named }));
		}
		app.all("/proxy/*", ({ req }) => fetch(new Request(${JSON.stringify(originUrl)} + req.url.slice(req.url.indexOf("/proxy") + 6), req.raw)));
		export default app;
	`;
}

/** By the esbuild that wrangler brings. */
export async function bundled(source: string): Promise<string> {
	const { build } = createRequire(wrangler())("esbuild");
	const { outputFiles } = await build({
		stdin: { contents: source, resolveDir: import.meta.dirname },
		bundle: true,
		write: false,
		format: "esm",
		conditions: ["workerd"],
		external: ["cloudflare:*", "node:*"],
	});
	return outputFiles[0].text;
}
