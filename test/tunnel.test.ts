// The tunnel changes nothing: through cloudflared and Cloudflare's edge, as the stand-in imitates them, the gateway answers as
// without them, PostgREST's answers are told from theirs, and the headers that they add reach no caller.

import pg from "pg";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { asAuthenticator } from "../gateway/cli/stack/addresses.ts";
import { freePort } from "../gateway/cli/stack/ports.ts";
import { startPostgrest } from "../gateway/cli/stack/postgrest.ts";
import { callerToken, originToken, stack } from "./support/client.ts";
import { startGateway } from "./support/origin.ts";
import { sendRaw } from "./support/raw-http.ts";
import {
	askGatewayHow,
	askPostgrest,
	type ComparableAnswer,
} from "./support/transparency/comparison.ts";
import { type Fixture, makeFixture } from "./support/transparency/fixture.ts";
import type { Question } from "./support/transparency/requests.ts";
import { READS, WRITES } from "./support/transparency/requests.ts";
import {
	ADDED_BY_CLOUDFLARE,
	startTunnel,
	type Tunnel,
} from "./support/tunnel/cloudflared.ts";
import {
	read,
	readTunnelConfig,
	readTunnelServices,
} from "./support/tunnel/settings.ts";
import { startSlowClose } from "./support/tunnel/slow-close.ts";

/** A Worker in front of a tunnel in front of the stack's PostgREST, and the Worker's log. */
let tunnel: Tunnel;
let gateway: Awaited<ReturnType<typeof startGateway>>;
let fixture: Fixture;
const logged: string[] = [];

beforeAll(async () => {
	fixture = await makeFixture();
	const { originRequest } = await readTunnelConfig();
	tunnel = await startTunnel({
		originUrl: stack.postgrestUrl,
		keepAliveConnections: originRequest.keepAliveConnections,
	});
	gateway = await startGateway(tunnel.url, {}, (line) => logged.push(line));
}, 120_000);
afterAll(async () => {
	await gateway.stop();
	await tunnel.stop();
	await fixture.drop();
});

describe("an answer of PostgREST is the same through the tunnel", () => {
	/** Without cf-ray, which is Cloudflare's, and the reason phrase, which HTTP/2 lacks. */
	function withoutRay({ status, headers, body }: ComparableAnswer) {
		const { "cf-ray": _, ...others } = headers;
		return { status, headers: others, body };
	}

	async function expectSame(question: Question) {
		const isRead = question.method === "GET" || question.method === "HEAD";
		if (!isRead) await fixture.reset();
		const expected = withoutRay(await askPostgrest(question));
		if (!isRead) await fixture.reset();
		const { answer } = await askGatewayHow(question, gateway.url);
		expect(withoutRay(answer)).toEqual(expected);
	}

	it.each(Object.entries({ ...READS, ...WRITES }))(
		"%s",
		async (_, rows) => {
			for (const { status: __, ...question } of rows)
				await expectSame(question);
		},
		60_000,
	);

	it("even if a function answers with its own sign-in page", async () => {
		const headers = { accept: "text/html" };
		await expectSame({ method: "GET", path: "/rpc/page", headers, as: "ada" });
	});
});

describe("a connection that PostgREST closes after HEAD is not used again", () => {
	/** The statuses of reads that each follow a HEAD, when the end of a connection arrives late. */
	async function statuses(
		keepAliveConnections: number | undefined,
		protocol: "http2" | "quic",
		next: "GET" | "POST",
	) {
		const link = await startSlowClose(stack.postgrestUrl);
		const tunnel = await startTunnel({
			originUrl: link.url,
			keepAliveConnections,
			protocol,
		});
		const authorization = `Bearer ${await originToken({ role: "authenticated" })}`;
		const seen = [];
		for (let round = 0; round < 8; round += 1) {
			for (const method of ["HEAD", next]) {
				const { status } = await sendRaw(tunnel.url, {
					method,
					path: method === "POST" ? "/rpc/caller" : "/films",
					headers: { authorization },
					...(method === "POST" ? { body: "{}" } : {}),
				});
				seen.push(status);
			}
		}
		await tunnel.stop();
		await link.stop();
		return new Set(seen);
	}

	it.each([
		["http2", "GET"],
		["http2", "POST"],
		["quic", "GET"],
		["quic", "POST"],
	] as const)("by tunnel/config.yml: over %s, %s", async (protocol, next) => {
		const { originRequest } = await readTunnelConfig();
		expect(
			await statuses(originRequest.keepAliveConnections, protocol, next),
		).toEqual(new Set([200]));
	});

	// Otherwise the tests above would pass without the setting.
	it.each([
		["cloudflared's default", undefined, "http2", "GET", [200, 502]],
		["0, which Go takes for 2", 0, "http2", "GET", [200, 502]],
		["a write, over QUIC", undefined, "quic", "POST", [200, 502]],
		["a read, which QUIC lets Go repeat", undefined, "quic", "GET", [200]],
	] as const)(
		"but is by %s",
		async (_, keepAliveConnections, protocol, next, expected) => {
			expect(await statuses(keepAliveConnections, protocol, next)).toEqual(
				new Set(expected),
			);
		},
	);
});

describe("an origin that does not answer", () => {
	const requests = [
		["GET", "/films?limit=1"],
		["HEAD", "/films"],
		["POST", "/rpc/caller"],
	] as const;

	async function outcomes(url: string) {
		const token = `Bearer ${await callerToken()}`;
		const seen = [];
		for (const [method, path] of requests) {
			const answer = await fetch(`${url}/rest/v1${path}`, {
				method,
				headers: { authorization: token, "cache-control": "no-cache" },
			});
			const body = await answer.text();
			const code = method === "HEAD" ? "" : JSON.parse(body).code;
			seen.push(`${method} ${answer.status} ${code}`.trim());
		}
		const ready = await fetch(`${url}/ready`);
		return [...seen, `ready ${ready.status}`];
	}

	/** The breaker lets one request through each second. */
	const untilReached = () =>
		expect
			.poll(async () => (await outcomes(gateway.url))[0], { timeout: 10_000 })
			.toContain("GET 200");

	const UNREACHABLE = [
		"GET 503 origin_unreachable",
		"HEAD 503",
		"POST 503 origin_unreachable",
		"ready 503",
	];

	it("is origin_unreachable if no cloudflared is connected, and the log says so", async () => {
		logged.length = 0;
		tunnel.isConnected = false;
		const seen = await outcomes(gateway.url);
		tunnel.isConnected = true;
		await untilReached();
		expect(seen).toEqual(UNREACHABLE);
		expect(logged.join("\n")).toContain(
			"530 (text/plain; charset=UTF-8, error code 1033)",
		);
		expect(logged.join("\n")).toContain("no cloudflared is connected");
	});

	it("is origin_unreachable if PostgREST is down behind cloudflared, and the log says so", async () => {
		const lines: string[] = [];
		const down = await startTunnel({
			originUrl: `http://127.0.0.1:${await freePort()}`,
		});
		const before = await startGateway(down.url, {}, (line) => lines.push(line));
		const seen = await outcomes(before.url);
		await before.stop();
		await down.stop();
		expect(seen).toEqual(UNREACHABLE);
		expect(lines.join("\n")).toContain(
			"502 (text/html; charset=UTF-8): cloudflared is connected, and does not reach PostgREST",
		);
		expect(lines.join("\n")).not.toContain("no cloudflared");
	});
});

describe("a path with a malformed percent-encoding", () => {
	it.each(["%zz", "films%", "films%2", "rpc/%u0041"])(
		"is refused with and without a tunnel: %s",
		async (path) => {
			const request = { method: "GET", path: `/rest/v1/${path}` };
			const outcomes = [];
			for (const url of [stack.gatewayUrl, gateway.url]) {
				const { status, body } = await sendRaw(url, request);
				outcomes.push([status, JSON.parse(body.toString()).code]);
			}
			expect(outcomes).toEqual([
				[400, "parameter_invalid"],
				[400, "parameter_invalid"],
			]);
		},
	);

	it("is refused by cloudflared, so the gateway refuses it as well", async () => {
		const { status } = await sendRaw(tunnel.url, {
			method: "GET",
			path: "/%zz",
		});
		expect(status).toBe(502);
	});

	it.each([
		["a query", "/films?title=eq.%zz", 200],
		["an encoded percent sign", "/films?title=eq.%25zz", 200],
		["bytes that are no UTF-8", "/%E0%A4", 404],
	])("is not assumed of %s", async (_, path, status) => {
		const question = { method: "GET", path, as: "ada" } as const;
		const { answer } = await askGatewayHow(question, gateway.url);
		expect(answer.status).toBe(status);
	});
});

describe("a header that Cloudflare adds to a request", () => {
	const ADDED = Object.keys(ADDED_BY_CLOUDFLARE);

	async function headersSeen(url: string): Promise<Record<string, string>> {
		const question = {
			method: "GET",
			path: "/rpc/request_headers",
			headers: { "x-mine": "kept" },
			as: "ada",
		} as const;
		const { answer } = await askGatewayHow(question, url);
		return JSON.parse(answer.body);
	}

	it("reaches the database, as docs/transparency.md says", async () => {
		expect(await headersSeen(gateway.url)).toMatchObject({
			...ADDED_BY_CLOUDFLARE,
			"x-mine": "kept",
		});
		const transparency = await read("docs/transparency.md");
		for (const name of [
			"cf-access-jwt-assertion",
			"cf-",
			"x-forwarded-",
			"cdn-loop",
		])
			expect(transparency).toContain(`\`${name}`);
	});

	describe("is hidden from functions by the pre-request function of docs/security.md", () => {
		let hidden: Awaited<ReturnType<typeof startGateway>>;
		const cleanup: (() => Promise<unknown>)[] = [];

		beforeAll(async () => {
			const security = await read("docs/security.md");
			const sql = /```sql\n(create schema hooks;.*?)```/s.exec(security)?.[1];
			const database = new pg.Client(stack.databaseUrl);
			await database.connect();
			cleanup.push(() => database.end());
			await database.query(sql ?? "");
			cleanup.push(() => database.query("drop schema hooks cascade"));
			const { authenticatorPassword, originJwks } = stack.credentials;
			const postgrest = await startPostgrest({
				databaseUrl: asAuthenticator(stack.databaseUrl, authenticatorPassword),
				jwks: originJwks,
				publicUrl: "http://localhost/rest/v1",
				port: await freePort(),
				adminPort: await freePort(),
				settings: { PGRST_DB_PRE_REQUEST: "hooks.hide_headers" },
				log: () => {},
			});
			cleanup.push(postgrest.stop);
			const tunnel = await startTunnel({ originUrl: postgrest.url });
			cleanup.push(tunnel.stop);
			hidden = await startGateway(tunnel.url);
			cleanup.push(hidden.stop);
		}, 60_000);
		afterAll(async () => {
			for (const end of cleanup.reverse()) await end();
		});

		it("and so is the origin token", async () => {
			const seen = await headersSeen(hidden.url);
			expect(seen).toMatchObject({ "x-mine": "kept" });
			expect(Object.keys(seen)).not.toEqual(
				expect.arrayContaining([expect.stringMatching(/^(cf-|x-forwarded-)/)]),
			);
			for (const name of [...ADDED, "authorization"])
				expect(seen).not.toHaveProperty([name]);
			const one = await askGatewayHow(
				{
					method: "GET",
					path: "/rpc/request_header?name=authorization",
					as: "ada",
				},
				hidden.url,
			);
			expect(JSON.parse(one.answer.body)).toBeNull();
		});

		it("for callers without a token, too", async () => {
			const { answer } = await askGatewayHow(
				{ method: "GET", path: "/rpc/request_headers", as: "anonymous" },
				hidden.url,
			);
			expect(JSON.parse(answer.body)).not.toHaveProperty(["cf-ray"]);
		});
	});
});

describe("the tunnel's settings", () => {
	it("contain no key that cloudflared does not know, and end in 404", async () => {
		const { ingress } = await readTunnelConfig();
		expect(ingress.at(-1)).toEqual({ service: "http_status:404" });
		for (const { hostname } of ingress.slice(0, -1))
			expect(hostname).toBe(hostname?.toLowerCase());
	});

	it("keep no connection to PostgREST open, not even in a quick tunnel", async () => {
		const { originRequest } = await readTunnelConfig();
		const { "cloudflared-quick": quick } = await readTunnelServices();
		expect(originRequest.keepAliveConnections).toBe(-1);
		expect(quick.command).toContain("--proxy-keepalive-connections=-1");
	});

	it.each(["cloudflared", "cloudflared-quick"] as const)(
		"let %s be told to use HTTP/2, and wait until it falls back to it",
		async (name) => {
			const service = (await readTunnelServices())[name];
			expect(service.environment.TUNNEL_TRANSPORT_PROTOCOL).toBe(
				// biome-ignore lint/suspicious/noTemplateCurlyInString: Compose fills it in.
				"${TUNNEL_TRANSPORT_PROTOCOL:-auto}",
			);
			const [seconds] =
				/^\d+(?=s$)/.exec(service.healthcheck.start_period) ?? [];
			expect(Number(seconds)).toBeGreaterThanOrEqual(120);
		},
	);
});
