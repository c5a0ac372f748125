// API keys over HTTP, in front of an origin that is down, slow or counted: a known key needs no origin, look-ups are shared, and
// a flood of unknown keys reaches the origin at a bounded rate.
import { createHash } from "node:crypto";
import { once } from "node:events";
import type { AddressInfo, Socket } from "node:net";
import { connect, createServer } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { describe, expect, it, onTestFinished } from "vitest";
import { LOOPBACK } from "../../gateway/cli/stack/ports.ts";
import { stack } from "../support/client.ts";
import { startGateway, startOrigin } from "../support/origin.ts";
import { publishableKey, secretKey } from "../support/people.ts";

const keyOf = (kind: string, number: number) =>
	`postern_${kind}_${String(number).padStart(43, "0")}`;

/** A link to the stack's PostgREST, which can be cut. */
async function startLink() {
	const { port, hostname } = new URL(stack.postgrestUrl);
	const sockets = new Set<Socket>();
	const server = createServer((client) => {
		const origin = connect(Number(port), hostname);
		client.pipe(origin).pipe(client);
		for (const end of [client, origin]) end.on("error", () => {});
		client.on("close", () => origin.destroy());
		sockets.add(client);
	});
	server.listen(0, LOOPBACK);
	await once(server, "listening");
	const cut = () => {
		server.close();
		for (const socket of sockets) socket.destroy();
	};
	onTestFinished(cut);
	const address = server.address() as AddressInfo;
	return { url: `http://${LOOPBACK}:${address.port}`, cut };
}

/** A Worker before an origin that knows these keys only, and answers look-ups late. */
async function startCounting(known: string[], delayMs: number) {
	const hashes = known.map((key) =>
		createHash("sha256").update(key).digest("hex"),
	);
	let lookUps = 0;
	const origin = await startOrigin(async (incoming, answering) => {
		answering.setHeader("content-type", "application/json");
		answering.setHeader("content-range", "0-0/*");
		if (incoming.url !== "/rpc/find_api_key") return answering.end("[]");
		lookUps++;
		let body = "";
		for await (const chunk of incoming) body += chunk;
		await delay(delayMs);
		const isKnown = hashes.includes(JSON.parse(body).key_hash);
		return answering.end(
			JSON.stringify(
				isKnown
					? { outcome: "ok", kind: "publishable", role: "anon" }
					: { outcome: "unknown" },
			),
		);
	});
	onTestFinished(origin.stop);
	const gateway = await startGateway(origin.url);
	onTestFinished(gateway.stop);
	return {
		lookUps: () => lookUps,
		ask: (apikey: string, signal?: AbortSignal) =>
			fetch(`${gateway.url}/rest/v1/films`, {
				headers: { apikey },
				...(signal === undefined ? {} : { signal }),
			}),
	};
}

describe("an origin that goes down", () => {
	it("does not stop callers with an API key from reading what is fresh in the cache", async () => {
		const link = await startLink();
		const gateway = await startGateway(link.url, {
			MAX_STALENESS_SECONDS: "60",
		});
		onTestFinished(gateway.stop);
		const callers = await Promise.all([publishableKey(), secretKey()]);
		const ask = async (apikey: string) => {
			const response = await fetch(
				`${gateway.url}/rest/v1/products?select=title&limit=1`,
				{ headers: { apikey } },
			);
			await response.text();
			return [
				response.status,
				/; hit/.test(response.headers.get("cache-status") ?? ""),
			];
		};
		for (const apikey of callers)
			await expect
				.poll(() => ask(apikey), { timeout: 30_000 })
				.toEqual([200, true]);
		link.cut();
		await delay(6_000);
		for (const apikey of callers) {
			expect(await ask(apikey)).toEqual([200, true]);
			await delay(200);
			expect(await ask(apikey)).toEqual([200, true]);
		}
	});
});

describe("requests that arrive together", () => {
	const KEY = keyOf("publishable", 1);

	it("share one look-up of their API key", async () => {
		const { ask, lookUps } = await startCounting([KEY], 200);
		const answers = await Promise.all(
			Array.from({ length: 50 }, () => ask(KEY)),
		);
		expect([new Set(answers.map(({ status }) => status)), lookUps()]).toEqual([
			new Set([200]),
			1,
		]);
	});

	it("share it even if the client of the first goes away", async () => {
		const { ask, lookUps } = await startCounting([KEY], 400);
		const leaving = new AbortController();
		const left = ask(KEY, leaving.signal).catch(() => "left");
		await expect.poll(lookUps).toBe(1);
		const answers = Array.from({ length: 5 }, () => ask(KEY));
		await delay(100);
		leaving.abort();
		const statuses = (await Promise.all(answers)).map(({ status }) => status);
		expect([await left, new Set(statuses), lookUps()]).toEqual([
			"left",
			new Set([200]),
			1,
		]);
	});
});

describe("a flood of unknown API keys", () => {
	it("reaches the origin at a bounded rate, and leaves good keys accepted", async () => {
		const good = keyOf("publishable", 1);
		const { ask, lookUps } = await startCounting([good], 5);
		expect((await ask(good)).status).toBe(200);
		const startedAt = Date.now();
		const statuses: number[] = [];
		const goodStatuses: number[] = [];
		for (let number = 0; number < 2_000; number += 50) {
			const batch = Array.from({ length: 50 }, (_, index) =>
				ask(keyOf("secret", number + index)),
			);
			goodStatuses.push((await ask(good)).status);
			for (const answer of await Promise.all(batch)) {
				statuses.push(answer.status);
				await answer.body?.cancel();
			}
		}
		const seconds = (Date.now() - startedAt) / 1_000;
		expect(lookUps()).toBeLessThanOrEqual(1 + 50 + Math.ceil(5 * seconds));
		expect(new Set(statuses)).toEqual(new Set([401, 429]));
		expect(new Set(goodStatuses)).toEqual(new Set([200]));
	}, 120_000);
});
