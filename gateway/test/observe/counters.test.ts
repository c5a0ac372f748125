// The counters: who may read them, what they count, that no client makes them grow, and what is written of them to Analytics Engine.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { rows } from "../support/cache.ts";
import {
	type GatewayOptions,
	refusal,
	startGateway,
} from "../support/gateway.ts";
import { startFeed } from "../support/memory-feed.ts";
import { postgrestError } from "../support/origin.ts";
import { NOW } from "../support/tokens.ts";

const METRICS_TOKEN = "m".repeat(32);

function start(options: GatewayOptions = {}) {
	let ms = NOW;
	const background: Promise<unknown>[] = [];
	const gateway = startGateway({
		now: () => ms,
		feed: startFeed({ now: () => ms }),
		answer: () => rows("[]"),
		waitUntil: (promise) => background.push(promise),
		...options,
		env: { METRICS_TOKEN, ...options.env },
	});
	return {
		...gateway,
		async passes(milliseconds: number) {
			ms += milliseconds;
			await Promise.all(background.splice(0));
		},
		/** The samples of a metric, by their labels. */
		async samples(metric: string): Promise<Record<string, number>> {
			const answer = await gateway.request("/metrics", {
				token: METRICS_TOKEN,
			});
			const found = (await answer.text()).matchAll(
				/^(\w+)\{(.*)\} ([\d.]+)$/gm,
			);
			return Object.fromEntries(
				[...found]
					.filter(([, name]) => name === metric)
					.map(([, , labels = "", value]) => [labels, Number(value)]),
			);
		},
	};
}

function labelled(cache: string, reason: string, status: string, code = "") {
	return `cache="${cache}",reason="${reason}",status="${status}",refusal="${code}"`;
}

describe("/metrics", () => {
	it.each([
		["without METRICS_TOKEN", {}, undefined, 404, "route_unknown"],
		["without a token", { METRICS_TOKEN }, undefined, 401, "token_rejected"],
		[
			"with another",
			{ METRICS_TOKEN },
			`${METRICS_TOKEN}m`,
			401,
			"token_rejected",
		],
		["with a part of it", { METRICS_TOKEN }, "m", 401, "token_rejected"],
	])("is refused %s", async (_, env, token, status, code) => {
		const { request } = startGateway({ env });
		const headers =
			token === undefined ? {} : { Authorization: `Bearer ${token}` };
		expect(await refusal(await request("/metrics", { headers }))).toEqual({
			status,
			code,
		});
	});

	it("is the gateway's own also before an upstream, whose it is without METRICS_TOKEN", async () => {
		const env = { UPSTREAM_URL: "https://upstream.example" };
		const set = startGateway({ env: { ...env, METRICS_TOKEN } });
		const unset = startGateway({ env });
		const init = { token: METRICS_TOKEN };
		const own = await set.request("/metrics", init);
		const other = await unset.request("/metrics", init);
		expect([
			own.headers.get("content-type"),
			own.headers.get("x-content-type-options"),
			await other.text(),
		]).toEqual([
			"text/plain; version=0.0.4; charset=utf-8",
			"nosniff",
			"upstream",
		]);
	});

	it("is in Prometheus' text form", async () => {
		const { request } = start();
		await request("/health");
		const answer = await request("/metrics", { token: METRICS_TOKEN });
		const lines = (await answer.text()).split("\n");
		expect(lines.at(-1)).toBe("");
		for (const line of lines.slice(0, -1))
			expect(line).toMatch(
				/^# (HELP|TYPE) postern_\w+ .+$|^postern_\w+_total\{(\w+="[^"\\\n]*",?)+\} \d+(\.\d+)?$/,
			);
	});
});

describe("a counter", () => {
	it("counts how answers came about, on both paths", async () => {
		const { request, passes, samples } = start();
		for (let times = 0; times < 6; times += 1) {
			await request("/rest/v1/notes");
			await passes(1_000);
		}
		const counted = await samples("postern_requests_total");
		const fast = counted[labelled("memory", "", "fast")] ?? 0;
		const full = counted[labelled("memory", "", "2xx")] ?? 0;
		expect(fast).toBeGreaterThan(0);
		expect([counted[labelled("uri-miss", "", "2xx")], fast + full]).toEqual([
			1, 5,
		]);
	});

	it("counts refusals by their codes, and answers that were not kept by the reason", async () => {
		const { request, samples } = start({
			answer: postgrestError(404, "PGRST205"),
		});
		await request("/rest/v1/notes");
		await request("/rest/v1/notes");
		await request("/rest/v1/notes", { token: "none" });
		await request("/nothing");
		expect(await samples("postern_requests_total")).toMatchObject({
			[labelled("uri-miss", "status", "4xx")]: 2,
			[labelled("none", "", "4xx", "token_rejected")]: 1,
			[labelled("none", "", "4xx", "route_unknown")]: 1,
		});
	});

	it("has labels of bounded sets, with any request and answer", async () => {
		let answer = () => rows("[]");
		const { request, samples } = start({ fetch: async () => answer() });
		const word = fc.stringMatching(/^[A-Za-z]{1,12}$/);
		await fc.assert(
			fc.asyncProperty(
				word,
				word,
				fc.constantFrom("GET", "POST", "PROPFIND", "DELETE"),
				fc.integer({ min: 200, max: 599 }),
				async (path, name, method, status) => {
					const isEmpty = [204, 205, 304].includes(status);
					answer = () =>
						rows(isEmpty ? null : "[]", {
							status,
							headers: {
								[`X-${name}`]: path,
								"Cache-Status": `Postern; fwd=${name}; detail="${path}"`,
							},
						});
					await request(`/rest/v1/${path}?${name}=eq.1`, {
						method,
						headers: { Accept: `text/${name}`, "Accept-Profile": name },
					});
				},
			),
			{ numRuns: 300 },
		);
		expect(
			Object.keys(await samples("postern_requests_total")).length,
		).toBeLessThan(40);
	});
});

describe("Analytics Engine", () => {
	it("gets what was added in ten seconds, once", async () => {
		const points: unknown[] = [];
		const { request, passes } = start({
			dataset: { writeDataPoint: (point) => points.push(point) },
		});
		await request("/health");
		await request("/health");
		expect(points).toEqual([]);
		await passes(10_000);
		await request("/health");
		await request("/health");
		expect(points).toEqual([
			{
				indexes: ["none"],
				blobs: ["none", "", "2xx", ""],
				doubles: [3, expect.any(Number)],
			},
		]);
		await passes(10_000);
		await request("/nothing");
		expect(points.slice(1)).toEqual([
			{
				indexes: ["none"],
				blobs: ["none", "", "2xx", ""],
				doubles: [1, expect.any(Number)],
			},
			{
				indexes: ["none"],
				blobs: ["none", "", "4xx", "route_unknown"],
				doubles: [1, expect.any(Number)],
			},
		]);
	});

	it("that fails fails no request", async () => {
		const { request, passes, logged } = start({
			dataset: {
				writeDataPoint() {
					throw new Error("not now");
				},
			},
		});
		await passes(10_000);
		expect([(await request("/health")).status, logged.map(String)]).toEqual([
			200,
			["Error: not now"],
		]);
	});
});
