// With a PostgREST whose major was not tested nothing is cached, and /ready says why, until a setting allows it. A proxy before the
// stack's PostgREST gives it another version.
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { LOOPBACK } from "../../gateway/cli/stack/ports.ts";
import { callerToken, stack } from "../support/client.ts";
import { startGateway } from "../support/origin.ts";
import { passOn } from "../support/pass-on.ts";

const PATIENCE = { timeout: 30_000, interval: 200 };

let proxy: Server;
let proxyUrl: string;

beforeAll(async () => {
	proxy = createServer((asked, answering) => {
		const url = stack.postgrestUrl + asked.url;
		const changed = { server: "postgrest/17.0" };
		passOn(asked, answering, url, asked.headers, changed);
	});
	proxy.listen(0, LOOPBACK);
	await once(proxy, "listening");
	const { port } = proxy.address() as AddressInfo;
	proxyUrl = `http://${LOOPBACK}:${port}`;
});

afterAll(() => {
	proxy.closeAllConnections();
	proxy.close();
});

it("keeps everything from being cached, and is named by /ready", async () => {
	const gateway = await startGateway(proxyUrl);
	try {
		await vi.waitFor(async () => {
			const ready = await fetch(`${gateway.url}/ready`);
			expect(await ready.json()).toMatchObject({
				...{ status: "ok", contract: "unknown" },
				nothingIsCached:
					"PostgREST 17 was not tested; 12, 14 and 16 were, and CACHE_UNTESTED_VERSIONS=on allows others",
			});
		}, PATIENCE);
		for (const time of ["first", "second"]) {
			expect([time, ...(await ask(gateway.url))]).toEqual([
				time,
				200,
				'Postern; fwd=bypass; detail="untracked"',
			]);
		}
	} finally {
		await gateway.stop();
	}
});

it("is no reason where CACHE_UNTESTED_VERSIONS is on", async () => {
	const gateway = await startGateway(proxyUrl, {
		CACHE_UNTESTED_VERSIONS: "on",
	});
	try {
		await vi.waitFor(
			async () =>
				expect(await ask(gateway.url)).toEqual([
					200,
					expect.stringContaining("Postern; hit"),
				]),
			PATIENCE,
		);
		const ready = await fetch(`${gateway.url}/ready`);
		expect(await ready.json()).toEqual({
			...{ status: "ok", origin: "ok", feed: "ok", contract: "ok" },
			feedLagSeconds: expect.any(Number),
		});
	} finally {
		await gateway.stop();
	}
});

async function ask(url: string): Promise<[number, string | null]> {
	const answer = await fetch(`${url}/rest/v1/products?limit=1`, {
		headers: { Authorization: `Bearer ${await callerToken()}` },
	});
	await answer.body?.cancel();
	return [answer.status, answer.headers.get("cache-status")];
}
