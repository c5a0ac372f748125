// The cache that tutorials of Workers KV show: what is not there is asked of the origin and kept for a minute, for all callers alike.
import { freePort } from "../../gateway/cli/stack/ports.ts";
import { startWorkerd } from "../../test/support/workerd/workerd.ts";
import type { Cleanup } from "../freshness/stack.ts";
import type { Server } from "./postern.ts";

const source = (originUrl: string) => `
	import { DurableObject } from "cloudflare:workers";
	// wrangler.jsonc names them.
	export class ChangeFeed extends DurableObject {}
	export class CallerLimits extends DurableObject {}
	export default {
		async fetch({ url }, env, context) {
			const { pathname, search } = new URL(url);
			if (pathname === "/health") return new Response("ok");
			const key = pathname + search;
			const headers = { "content-type": "application/json" };
			const kept = await env.CACHE.get(key);
			if (kept !== null) return new Response(kept, { headers });
			const response = await fetch(${JSON.stringify(originUrl)} + key);
			const text = await response.text();
			context.waitUntil(env.CACHE.put(key, text, { expirationTtl: 60 }));
			return new Response(text, { headers });
		},
	};
`;

export async function startTutorial(
	originUrl: string,
	cleanup: Cleanup,
): Promise<Server> {
	const worker = await startWorkerd({
		...{ bundle: source(originUrl), variables: {}, log: () => {} },
		port: await freePort(),
	});
	cleanup.push(worker.stop);
	return { url: worker.url, pids: [worker.pid ?? 0] };
}
