// With UPSTREAM_URL: what is not PostgREST's is passed to another server over real connections, streamed both ways, and an
// unmodified supabase-js needs one URL for all of it.
import { createHash } from "node:crypto";
import { once } from "node:events";
import {
	type IncomingMessage,
	type OutgoingHttpHeaders,
	request,
} from "node:http";
import { Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { pipeline } from "node:stream/promises";
import { gunzipSync, gzipSync } from "node:zlib";
import { createClient } from "@supabase/supabase-js";
import {
	afterAll,
	beforeAll,
	beforeEach,
	describe,
	expect,
	it,
	onTestFinished,
	vi,
} from "vitest";
import { freePort } from "../../gateway/cli/stack/ports.ts";
import { stack } from "../support/client.ts";
import { type RawRequest, sendRaw } from "../support/raw-http.ts";
import { ADA, actAsProject } from "../support/upstream/project.ts";
import {
	startUpstream,
	type TestUpstream,
} from "../support/upstream/server.ts";
import { startWorkerd } from "../support/workerd/workerd.ts";

const PATH = "/storage/v1/object/films/a%2Fb.bin";
const MEGABYTE = Buffer.alloc(1024 * 1024, "0123456789abcdef");
const LAMP = { serial_number: "lamp", title: "Lamp", weight_lbs: 1 };
/** The project's. */
const KEY = "sb_publishable_ACJWlzQHlZjBrEguHvfOxg_test";
const SOON = { timeout: 10_000 };

const logged: string[] = [];
const cleanup: (() => Promise<unknown>)[] = [];
let upstream: TestUpstream;
let gatewayUrl: string;

beforeAll(async () => {
	upstream = await startUpstream();
	cleanup.push(upstream.stop);
	gatewayUrl = await startGateway(upstream.url);
});
afterAll(async () => {
	for (const end of cleanup.reverse()) await end();
});
beforeEach(() => {
	upstream.received.length = 0;
	upstream.sockets.length = 0;
	upstream.answer = (_, answering) => answering.end();
	upstream.reply = (message) => message;
	upstream.refusesWebSockets = undefined;
});

/** The example's Worker before this upstream, which is the issuer of its callers' tokens, too. */
async function startGateway(
	upstreamUrl: string,
	port?: number,
): Promise<string> {
	const worker = await startWorkerd({
		bundle: stack.bundle,
		port: port ?? (await freePort()),
		variables: {
			ORIGIN_URL: stack.postgrestUrl,
			ORIGIN_SIGNING_KEY: stack.credentials.originSigningKey,
			UPSTREAM_URL: upstreamUrl,
			ISSUERS: JSON.stringify([
				{ supabase: upstreamUrl, publishableKeys: [sha256(KEY)] },
			]),
		},
		log: (line) => logged.push(line),
	});
	cleanup.push(worker.stop);
	return worker.url;
}

function sha256(text: string): string {
	return createHash("sha256").update(text).digest("hex");
}

describe("a body", () => {
	it("reaches the upstream part by part, as the client sends it", async () => {
		const parts: unknown[] = [];
		upstream.answer = (received, answering) => {
			received.setEncoding("utf8").on("data", (part) => parts.push(part));
			received.on("end", () => answering.end());
		};
		const asking = ask("POST");
		asking.write("first");
		await vi.waitFor(() => expect(parts).toEqual(["first"]), SOON);
		asking.end("second");
		await vi.waitFor(() => expect(parts).toEqual(["first", "second"]), SOON);
	});

	it("reaches the client event by event, as the upstream sends it", async () => {
		upstream.answer = (_, answering) => {
			answering.writeHead(200, { "content-type": "text/event-stream" });
			answering.write("data: first\n\n");
			upstream.received[0]?.on("end-of-test", () =>
				answering.end("data: last\n\n"),
			);
		};
		const asking = ask("GET").end();
		const [answer] = (await once(asking, "response")) as [IncomingMessage];
		const parts: unknown[] = [];
		answer.setEncoding("utf8").on("data", (part) => parts.push(part));
		await vi.waitFor(() => expect(parts).toEqual(["data: first\n\n"]), SOON);
		upstream.received[0]?.emit("end-of-test");
		await vi.waitFor(() => expect(parts).toHaveLength(2), SOON);
		expect(answer.headers["content-type"]).toBe("text/event-stream");
	});

	it.each([
		["with its length", { "content-length": String(50 * MEGABYTE.length) }],
		["in chunks", {}],
	])("of 50 MB reaches the upstream whole, %s", async (_, headers) => {
		upstream.answer = async (received, answering) =>
			answering.end(await digestOf(received));
		const asking = ask("POST", headers);
		const answering = once(asking, "response");
		await pipeline(megabytes(50), asking);
		const [answer] = await answering;
		expect(await text(answer)).toBe(await digestOf(megabytes(50)));
		expect(upstream.received[0]?.headers).toMatchObject(
			"content-length" in headers
				? headers
				: { "transfer-encoding": "chunked" },
		);
	});

	it("of 50 MB reaches the client whole", async () => {
		upstream.answer = (_, answering) => pipeline(megabytes(50), answering);
		const asking = ask("GET").end();
		const [answer] = await once(asking, "response");
		expect(await digestOf(answer)).toBe(await digestOf(megabytes(50)));
	});

	it("that breaks off does not reach the upstream as a whole one", async () => {
		const ended: string[] = [];
		upstream.answer = (received) => {
			received.on("end", () => ended.push("whole"));
			received.on("error", () => ended.push("broken"));
			received.resume();
		};
		const asking = ask("POST");
		asking.write("first");
		await vi.waitFor(() => expect(upstream.received).toHaveLength(1), SOON);
		asking.socket?.resetAndDestroy();
		await vi.waitFor(() => expect(ended).toEqual(["broken"]), SOON);
	});

	it("is not given to a write that has none", async () => {
		for (const method of ["DELETE", "PUT", "POST"]) {
			upstream.received.length = 0;
			await send({ method });
			const { headers } = upstream.received[0] ?? {};
			expect(headers).not.toHaveProperty("transfer-encoding");
			expect(headers?.["content-length"] ?? "0").toBe("0");
		}
	});

	it("that the upstream compressed is passed on unchanged", async () => {
		upstream.answer = (_, answering) =>
			answering
				.writeHead(200, { "content-encoding": "gzip" })
				.end(gzipSync("compressed"));
		const { body } = await send({ headers: { "accept-encoding": "gzip" } });
		expect(gunzipSync(body).toString()).toBe("compressed");
	});
});

describe("an answer", () => {
	it("keeps its status, reason phrase and headers", async () => {
		upstream.answer = (_, answering) =>
			answering
				.writeHead(299, "Almost Fine", [
					...["Set-Cookie", "a=1; Path=/", "Set-Cookie", "b=2"],
					...["Cache-Control", "public, max-age=3600", "ETag", '"x"'],
					...["Access-Control-Allow-Origin", "https://app.example"],
				])
				.end("body");
		const answer = await send({ headers: { origin: "https://app.example" } });
		expect(answer).toMatchObject({
			status: 299,
			statusText: "Almost Fine",
			body: Buffer.from("body"),
		});
		expect(
			answer.headers.filter(([name]) =>
				/^(set-cookie|cache-|etag|access-|vary|postern-)/i.test(name),
			),
		).toEqual([
			["Access-Control-Allow-Origin", "https://app.example"],
			["Cache-Control", "public, max-age=3600"],
			["ETag", '"x"'],
			["Set-Cookie", "a=1; Path=/"],
			["Set-Cookie", "b=2"],
		]);
	});

	it("to HEAD has no body and keeps the length that it would have", async () => {
		upstream.answer = (_, answering) =>
			answering.writeHead(200, { "content-length": "5" }).end();
		const { body, headers } = await send({ method: "HEAD" });
		expect([body.length, upstream.received[0]?.method]).toEqual([0, "HEAD"]);
		expect(headers).toContainEqual(["Content-Length", "5"]);
	});

	it("is 304 where the upstream says so", async () => {
		upstream.answer = ({ headers }, answering) =>
			answering
				.writeHead(headers["if-none-match"] === '"x"' ? 304 : 200, {
					etag: '"x"',
				})
				.end();
		const unchanged = await send({ headers: { "if-none-match": '"x"' } });
		const changed = await send({ headers: { "if-none-match": '"y"' } });
		expect([unchanged.status, changed.status]).toEqual([304, 200]);
		expect(unchanged.headers).toContainEqual(["ETag", '"x"']);
	});

	it("is a part where the client asks for one", async () => {
		upstream.answer = ({ headers }, answering) =>
			answering
				.writeHead(206, { "content-range": "bytes 0-3/10" })
				.end(headers.range);
		const answer = await send({ headers: { range: "bytes=0-3" } });
		expect([answer.status, answer.body.toString()]).toEqual([206, "bytes=0-3"]);
	});

	it("that redirects is not followed, and keeps the client at the gateway", async () => {
		upstream.answer = ({ url }, answering) =>
			answering
				.writeHead(302, {
					location: url?.startsWith("/auth")
						? `${upstream.url}/auth/v1/callback?code=1`
						: "https://accounts.example/login",
				})
				.end();
		const own = await send({ path: "/auth/v1/authorize" });
		const other = await send({});
		expect([own.status, locationOf(own), locationOf(other)]).toEqual([
			302,
			`${gatewayUrl}/auth/v1/callback?code=1`,
			"https://accounts.example/login",
		]);
		expect(upstream.received).toHaveLength(2);
	});

	it.each(["keep-alive", "proxy-connection", "x-hop"])(
		"and a request are passed on without %s, which is about one connection",
		async (name) => {
			const hop = { connection: "keep-alive, x-hop", [name]: "hop" };
			upstream.answer = (_, answering) => answering.writeHead(200, hop).end();
			const { headers } = await send({ headers: hop });
			expect(headers).not.toContainEqual([expect.anything(), "hop"]);
			expect(upstream.received[0]?.rawHeaders).not.toContain("hop");
		},
	);
});

describe("a request", () => {
	it.each(["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])(
		"keeps its method, path, query and credentials: %s",
		async (method) => {
			const path = `${PATH}?token=%2B+a&x=%C5%BC`;
			const credentials = {
				authorization: "Bearer abc.def.ghi",
				apikey: "sb_publishable_x",
			};
			await send({ method, path, headers: credentials });
			expect(upstream.received).toHaveLength(1);
			expect(upstream.received[0]).toMatchObject({
				method,
				url: path,
				headers: { ...credentials, host: new URL(upstream.url).host },
			});
		},
	);

	it.each([
		["//rest/v1/products", 400],
		["/rest%2Fv1/products", 400],
		["/REST/v1/products", 400],
		["/auth/v1/..%2f..%2frest/v1/products", 400],
		["/auth/v1/../../rest/v1/products", 200],
		["/rest/v1", 200],
	])(
		"for PostgREST never reaches it by way of the upstream: %s",
		async (path, status) => {
			const answer = await send({ path });
			expect([answer.status, upstream.received]).toEqual([status, []]);
		},
	);

	it.each(["/products", "/docs", "/openapi.json", "/users/token"])(
		"for %s, which the example's Worker answers without an upstream, is the upstream's",
		async (path) => {
			upstream.answer = (_, answering) => answering.end("of the upstream");
			const { body } = await send({ path });
			const without = await sendRaw(stack.gatewayUrl, { method: "GET", path });
			expect(body.toString()).toBe("of the upstream");
			expect(without.body.toString()).not.toBe("of the upstream");
		},
	);
});

describe("a WebSocket", () => {
	it("carries messages both ways", async () => {
		const socket = await connect("/realtime/v1/websocket?apikey=x&vsn=2.0.0");
		const received: unknown[] = [];
		socket.addEventListener("message", ({ data }) => received.push(data));
		socket.send("hello");
		await vi.waitFor(() => expect(received).toEqual(["hello"]), SOON);
		const large = "ä".repeat(100_000);
		socket.send(large);
		await vi.waitFor(() => expect(received[1]).toBe(large), SOON);
		socket.binaryType = "arraybuffer";
		socket.send(new Uint8Array([0, 255]));
		await vi.waitFor(
			() => expect(received[2]).toEqual(new Uint8Array([0, 255]).buffer),
			SOON,
		);
		expect(upstream.received[0]?.url).toBe(
			"/realtime/v1/websocket?apikey=x&vsn=2.0.0",
		);
	});

	it("has the protocol that the upstream chose", async () => {
		const socket = await connect("/realtime/v1/websocket", ["one", "two"]);
		expect(socket.protocol).toBe("one");
	});

	it("ends at the upstream where the client closes it", async () => {
		const socket = await connect("/realtime/v1/websocket");
		const [atUpstream] = upstream.sockets;
		if (atUpstream === undefined) throw new Error("No socket arrived");
		const closed = once(atUpstream, "close");
		socket.close(4_001, "bye");
		await closed;
	});

	it("ends at the client where the upstream ends it", async () => {
		const socket = await connect("/realtime/v1/websocket");
		const closed = once(socket, "close");
		upstream.sockets[0]?.destroy();
		await closed;
	});

	it("that the upstream refuses is refused with its status", async () => {
		upstream.refusesWebSockets = 403;
		const asking = ask(
			"GET",
			{
				connection: "Upgrade",
				upgrade: "websocket",
				"sec-websocket-version": "13",
				"sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
			},
			gatewayUrl,
			"/realtime/v1/websocket",
		).end();
		const [answer] = await once(asking, "response");
		expect([answer.statusCode, await text(answer)]).toEqual([403, "no"]);
	});

	it("to PostgREST is not opened", async () => {
		await expect(connect("/rest/v1/products")).rejects.toThrow();
		expect(upstream.sockets).toEqual([]);
	});
});

describe("an upstream that cannot be reached", () => {
	it("is a refusal that a page can read, and PostgREST answers all the same", async () => {
		const url = await startGateway(`http://127.0.0.1:${await freePort()}`);
		const headers = { origin: "https://app.example" };
		const refused = await sendRaw(url, { method: "GET", path: PATH, headers });
		expect([refused.status, JSON.parse(refused.body.toString())]).toEqual([
			503,
			{
				code: "upstream_unreachable",
				message: expect.any(String),
				details: null,
				hint: null,
			},
		]);
		expect(refused.headers).toContainEqual([
			"Access-Control-Allow-Origin",
			"*",
		]);
		const answer = await fetch(`${url}/rest/v1/products?limit=0`);
		expect([answer.status, await answer.json()]).toEqual([200, []]);
	});

	it("is the gateway itself: the second time round is refused, and the log says why", async () => {
		const port = await freePort();
		const url = await startGateway(`http://127.0.0.1:${port}`, port);
		const refused = await fetch(`${url}/auth/v1/user`);
		expect([refused.status, await refused.json()]).toMatchObject([
			503,
			{ code: "upstream_unreachable" },
		]);
		await vi.waitFor(
			() =>
				expect(
					logged.filter((line) => line.includes("UPSTREAM_URL leads back")),
				).toHaveLength(1),
			SOON,
		);
	});
});

describe("supabase-js with the gateway's URL", () => {
	beforeEach(() => actAsProject(upstream));

	/** A client as an app makes it. */
	function app(key = KEY) {
		const client = createClient(gatewayUrl, key, {
			auth: { persistSession: false, autoRefreshToken: false },
		});
		onTestFinished(async () => {
			await client.removeAllChannels();
		});
		return client;
	}

	it("signs in, and is that user for PostgREST, storage, functions and Realtime", async () => {
		const client = app();
		const { data, error } = await client.auth.signInWithPassword(ADA);
		expect([error, data.user?.id]).toEqual([null, ADA.id]);

		const serialNumber = `upstream-${crypto.randomUUID()}`;
		const product = { ...LAMP, serial_number: serialNumber };
		expect((await client.from("products").insert(product)).error).toBeNull();
		const mine = () =>
			client.from("products").select("title").eq("serial_number", serialNumber);
		expect((await mine()).data).toEqual([{ title: "Lamp" }]);
		await client.from("products").delete().eq("serial_number", serialNumber);
		expect((await mine()).data).toEqual([]);

		const files = client.storage.from("avatars");
		const picture = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0, 255]);
		const upload = await files.upload("ada.png", picture, {
			contentType: "image/png",
		});
		expect(upload.error).toBeNull();
		const { data: file } = await files.download("ada.png");
		expect(new Uint8Array((await file?.arrayBuffer()) ?? [])).toEqual(
			new Uint8Array(picture),
		);
		const { publicUrl } = files.getPublicUrl("ada.png").data;
		const shown = await fetch(publicUrl);
		expect([
			new URL(publicUrl).origin,
			shown.headers.get("content-type"),
		]).toEqual([gatewayUrl, "image/png"]);

		const invoked = await client.functions.invoke("hello", {
			body: { name: "Ada" },
		});
		expect(invoked.data).toEqual({
			hello: { name: "Ada" },
			by: `Bearer ${data.session?.access_token}`,
		});

		const status = await new Promise((resolve) => {
			client.channel("room").subscribe(resolve);
		});
		expect(status).toBe("SUBSCRIBED");
		expect((await client.auth.signOut()).error).toBeNull();
	});

	it("is told by each of them what it may not do without a user", async () => {
		const client = app();
		const wrong = { ...ADA, password: "wrong" };
		const signIn = await client.auth.signInWithPassword(wrong);
		expect(signIn.error?.code).toBe("invalid_credentials");
		const insert = await client.from("products").insert(LAMP);
		expect(insert.error?.code).toBe("42501");
		const files = client.storage.from("avatars");
		const upload = await files.upload("x.png", Buffer.of(1));
		expect(upload.error?.message).toBe("unauthorized");
		expect((await files.download("none.png")).error).not.toBeNull();
		const invoked = await client.functions.invoke("none");
		expect(invoked.error?.context.status).toBe(404);
	});

	it("is refused by PostgREST with a key that is not the project's", async () => {
		const { error } = await app(`${KEY}x`).from("products").select();
		expect(error?.code).toBe("key_rejected");
	});

	it("reads from the cache", async () => {
		const read = () =>
			fetch(`${gatewayUrl}/rest/v1/products?limit=0`, {
				headers: { apikey: KEY },
			});
		await vi.waitFor(
			async () =>
				expect((await read()).headers.get("cache-status")).toContain("hit"),
			SOON,
		);
	});
});

/** Begins a request to the gateway, on a connection of its own. */
function ask(
	method: string,
	headers: OutgoingHttpHeaders = {},
	baseUrl = gatewayUrl,
	path = PATH,
) {
	const asking = request(baseUrl + path, { method, headers, agent: false });
	// A test that breaks the connection off expects this error.
	asking.on("error", () => {});
	onTestFinished(() => {
		asking.socket?.resetAndDestroy();
	});
	asking.flushHeaders();
	return asking;
}

/** Sends a whole request and waits for the whole answer. */
function send(asked: Partial<RawRequest>) {
	return sendRaw(gatewayUrl, { method: "GET", path: PATH, ...asked });
}

function locationOf({ headers }: Awaited<ReturnType<typeof send>>) {
	return headers.find(([name]) => name === "Location")?.[1];
}

/** A WebSocket to the gateway, once it is open. */
async function connect(
	path: string,
	protocols: string[] = [],
): Promise<WebSocket> {
	const socket = new WebSocket(
		gatewayUrl.replace("http", "ws") + path,
		protocols,
	);
	onTestFinished(() => socket.close());
	await new Promise((resolve, reject) => {
		socket.addEventListener("open", resolve);
		socket.addEventListener("error", () => reject(new Error("not opened")));
	});
	return socket;
}

function megabytes(count: number): Readable {
	return Readable.from(Array.from({ length: count }, () => MEGABYTE));
}

async function digestOf(stream: Readable): Promise<string> {
	const hash = createHash("sha256");
	for await (const part of stream) hash.update(part);
	return hash.digest("hex");
}
