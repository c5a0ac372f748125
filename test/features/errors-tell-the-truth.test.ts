// Errors tell the truth: a fault of the gateway's own is not the caller's, what a client sent wrong is a 400 that says so, and a
// body that breaks off is never handed on as a whole one. Over raw TCP, since clients' libraries would mend these requests.
import { generateKeyPairSync } from "node:crypto";
import { once } from "node:events";
import type { AddressInfo, Socket } from "node:net";
import { connect, createServer } from "node:net";
import pg from "pg";
import {
	afterAll,
	beforeAll,
	describe,
	expect,
	it,
	onTestFinished,
	vi,
} from "vitest";
import { asAuthenticator } from "../../gateway/cli/stack/addresses.ts";
import { freePort, LOOPBACK } from "../../gateway/cli/stack/ports.ts";
import { startPostgrest } from "../../gateway/cli/stack/postgrest.ts";
import { callerToken, stack } from "../support/client.ts";
import { startGateway } from "../support/origin.ts";
import { sendRaw } from "../support/raw-http.ts";

describe("a token of the gateway's that PostgREST refuses", () => {
	const logged: string[] = [];
	let url: string;
	beforeAll(async () => {
		const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
		const { kid } = JSON.parse(stack.credentials.originSigningKey);
		const jwk = { ...privateKey.export({ format: "jwk" }), kid, alg: "ES256" };
		const gateway = await startGateway(
			stack.postgrestUrl,
			{ ORIGIN_SIGNING_KEY: JSON.stringify(jwk) },
			(line) => logged.push(line),
		);
		url = gateway.url;
		return gateway.stop;
	});

	it.each([
		["GET", "/rest/v1/rescues"],
		["HEAD", "/rest/v1/rescues"],
		["POST", "/rest/v1/rescues"],
		["GET", "/rescues"],
		["GET", "/ready"],
	])("is a 503, which signs no user out: %s %s", async (method, path) => {
		for (const token of [undefined, await callerToken()]) {
			const answer = await sendRaw(url, {
				method,
				path,
				headers:
					token === undefined ? {} : { authorization: `Bearer ${token}` },
			});
			expect(answer.status).toBe(503);
			if (method !== "HEAD")
				expect(JSON.parse(answer.body.toString()).code).toBe("origin_refused");
		}
		expect(logged.join("\n")).toContain(
			"PostgREST refuses the gateway's token",
		);
	});
});

describe("a database that is down", () => {
	it("is not located for the caller", async () => {
		const database = new URL(stack.databaseUrl);
		const link = createServer((client) => {
			const server = connect(Number(database.port), database.hostname);
			client.pipe(server).pipe(client);
			for (const end of [client, server]) end.on("error", () => {});
			client.on("close", () => server.destroy());
			sockets.add(client);
		});
		const sockets = new Set<Socket>();
		link.listen(0, LOOPBACK);
		await once(link, "listening");
		const { port } = link.address() as AddressInfo;
		const through = new URL(
			asAuthenticator(
				stack.databaseUrl,
				stack.credentials.authenticatorPassword,
			),
		);
		through.port = String(port);
		const postgrest = await startPostgrest({
			databaseUrl: through.href,
			jwks: stack.credentials.originJwks,
			publicUrl: "http://localhost:8787/rest/v1",
			port: await freePort(),
			adminPort: await freePort(),
			log: () => {},
		});
		onTestFinished(postgrest.stop);
		const gateway = await startGateway(postgrest.url);
		onTestFinished(gateway.stop);
		link.close();
		for (const socket of sockets) socket.destroy();
		const answer = await vi.waitFor(
			async () => {
				const answer = await fetch(`${gateway.url}/rest/v1/rescues?limit=1`);
				expect(answer.status).toBe(503);
				const error = JSON.parse(await answer.text());
				expect(error.code).toMatch(/^PGRST00/);
				return error;
			},
			{ timeout: 20_000, interval: 200 },
		);
		expect(answer.details).toBeNull();
		expect(JSON.stringify(answer)).not.toContain(String(port));
	});
});

describe("a request that is wrong", () => {
	it.each([
		["a null character in its path", "GET /rest/v1/rescues%00", "localhost"],
		["a Host that is no host", "GET /rest/v1/rescues", "a b<>"],
		["a Host whose port is none", "GET /rest/v1/rescues", "localhost:999999"],
		["a Host that is no host, on another route", "GET /rescues", "a b<>"],
		["a Host that is half an address", "GET /ready", "[::1"],
	])("is a 400: %s", async (_, line, host) => {
		expect(
			await send(
				`${line} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`,
			),
		).toEqual([{ status: 400, code: "parameter_invalid" }]);
	});

	it.each(["/rest/v1/rescues", "/rescues", "/auth/v1/signup"])(
		"is a 400 where a chunk of its body is malformed: %s",
		async (path) => {
			const answers = await send(
				`POST ${path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n[]\r\nzz\r\n`,
			);
			expect(answers).toEqual([{ status: 400, code: "body_malformed" }]);
		},
	);
});

describe("a body in chunks that breaks off", () => {
	const head =
		"POST /rest/v1/imported HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/csv\r\nTransfer-Encoding: chunked\r\n\r\n";
	const row = "8\r\na,b\n1,2\n\r\n";
	let received: string[];
	let url: string;
	beforeAll(async () => {
		const origin = createServer(async (socket) => {
			socket.on("error", () => {});
			const index = received.push("") - 1;
			socket.on("data", (bytes) => {
				received[index] = `${received[index]}${bytes}`;
			});
		});
		origin.listen(0, LOOPBACK);
		await once(origin, "listening");
		const { port } = origin.address() as AddressInfo;
		const gateway = await startGateway(`http://${LOOPBACK}:${port}`);
		url = gateway.url;
		return async () => {
			await gateway.stop();
			origin.close();
		};
	});

	it.each([
		["by a malformed chunk", `${head}${row}zz\r\n`],
		["because the client goes away", `${head}${row}`],
		["in the middle of a chunk", `${head}${row}64\r\n3,`],
	])("is not ended at the origin as a whole one: %s", async (_, bytes) => {
		received = [];
		await send(bytes, url, 800);
		await new Promise((resolve) => setTimeout(resolve, 500));
		expect(
			received.filter((one) => one.includes("imported")).join(),
		).not.toMatch(/\r\n0\r\n\r\n$/);
	});

	it("is ended where it is whole", async () => {
		received = [];
		await send(`${head}${row}0\r\n\r\n`, url, 800);
		expect(received.find((one) => one.includes("imported"))).toMatch(
			/\r\n0\r\n\r\n$/,
		);
	});
});

describe("a body that no route reads", () => {
	const good =
		"POST /rest/v1/rpc/nowhere HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}";
	const refused = (size: number) =>
		`POST /nowhere HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${size}\r\n\r\n${"x".repeat(size)}`;

	it("leaves its connection to the next request, or ends it", async () => {
		expect(await send(refused(8_192) + good)).toEqual([
			{ status: 404, code: "route_unknown" },
			{ status: 404, code: "PGRST202" },
		]);
		const answer = await exchange(refused(200_000) + good);
		expect(answer).toMatch(/^HTTP\/1\.1 404 .*\r\n(.*\r\n)*Connection: close/i);
		expect(answer.match(/^HTTP\/1\.1 /gm)).toHaveLength(1);
	});
});

describe("route and path are read from one form of the URL", () => {
	it.each([
		["/rest/v1/../../health", '{"status":"ok"}'],
		["/rest/v1/%2e%2e/%2E%2e/health", '{"status":"ok"}'],
		["/rest/v1\\..\\..\\health", '{"status":"ok"}'],
		["/rest/v1/../../a/b/x_items", "route_unknown"],
		["/health/../rest/v1/nowhere", "PGRST2|42P01"],
		["/users/%2e%2e/rest/v1/nowhere", "PGRST2|42P01"],
		["/rest/v1/x/../nowhere", "PGRST2|42P01"],
		["/rest/v1/..%2f..%2fhealth", "PGRST2|42P01"],
	])("%s", async (path, expected) => {
		const answer = await exchange(
			`GET ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`,
		);
		expect(answer).toMatch(new RegExp(expected));
	});
});

describe("HEAD as an anonymous caller", () => {
	let database: pg.Client;
	beforeAll(async () => {
		database = new pg.Client({ connectionString: stack.databaseUrl });
		await database.connect();
		await database.query(`
			create function api.forbidden() returns integer language plpgsql volatile set search_path = ''
				as $$ begin raise sqlstate 'PT403' using message = 'not you'; end $$;
			create table api.hidden (id integer);
			grant execute on function api.forbidden() to anon;
			notify pgrst, 'reload schema'`);
		await vi.waitFor(async () => {
			const { status } = await ask("GET", "/rpc/forbidden");
			expect(status).toBe(403);
		}, 20_000);
	});
	afterAll(async () => {
		await database.query(
			"drop function api.forbidden(); drop table api.hidden; notify pgrst, 'reload schema'",
		);
		await database.end();
	});

	const ask = (method: string, path: string, base = stack.gatewayUrl) =>
		sendRaw(base, { method, path: `/rest/v1${path}` });

	it.each([
		["/rpc/forbidden", 403],
		["/hidden", 401],
	])("is what GET is: %s is a %i", async (path, status) => {
		for (const method of ["GET", "HEAD"])
			expect((await ask(method, path)).status).toBe(status);
	});
});

/** The bytes that a connection answers to these, until it is closed or silent. */
async function exchange(
	bytes: string,
	url = stack.gatewayUrl,
	ms = 15_000,
): Promise<string> {
	const { hostname, port } = new URL(url);
	const socket = connect(Number(port), hostname);
	const silence = setTimeout(() => socket.destroy(), ms);
	let answer = "";
	socket.on("data", (part) => {
		answer += part;
	});
	// Where the gateway ends the connection, not all that was sent arrives.
	socket.on("error", () => {});
	socket.write(bytes);
	await new Promise((resolve) => socket.on("close", resolve));
	clearTimeout(silence);
	return answer;
}

async function send(bytes: string, url?: string, ms?: number) {
	const answer = await exchange(bytes, url, ms);
	return answer
		.split(/(?=HTTP\/1\.1 \d{3} )/)
		.filter((one) => one !== "")
		.map((one) => ({
			status: Number(one.slice(9, 12)),
			code: /"code":"(\w+)"/.exec(one)?.[1],
		}));
}
