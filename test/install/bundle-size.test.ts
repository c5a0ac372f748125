// The Worker's size, as Cloudflare counts it: one import more than is needed, and all of a library is in it.
import { gzipSync } from "node:zlib";
import { expect, it } from "vitest";
import { stack } from "../support/client.ts";
import { bundleWorker, MAX_BYTES } from "../support/workerd/bundle.ts";

it("is bounded without routes of an application", async () => {
	const bundle = await bundleWorker("gateway/src/worker.ts");
	expect(gzipSync(bundle).length).toBeLessThan(MAX_BYTES.withoutRoutes);
}, 60_000);

it("is bounded with them", () => {
	expect(gzipSync(stack.bundle).length).toBeLessThan(MAX_BYTES.withRoutes);
});
