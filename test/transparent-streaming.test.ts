// Promise 1, transparent: bodies stream through the gateway both ways, and a connection that breaks on one side is broken on
// the other. A server of the test takes PostgREST's place.
import { createHash, type Hash } from "node:crypto";
import { once } from "node:events";
import {
	type ClientRequest,
	type IncomingMessage,
	type OutgoingHttpHeaders,
	request,
	type ServerResponse,
} from "node:http";
import { Readable, type Writable } from "node:stream";
import { text } from "node:stream/consumers";
import { pipeline } from "node:stream/promises";
import { setTimeout as delay } from "node:timers/promises";
import { gunzipSync, gzipSync } from "node:zlib";
import {
	beforeAll,
	beforeEach,
	describe,
	expect,
	it,
	onTestFinished,
	vi,
} from "vitest";
import {
	startGateway,
	startOrigin,
	type TestOrigin,
} from "./support/origin.ts";
import {
	type RawAnswer,
	type RawRequest,
	sendRaw,
} from "./support/raw-http.ts";

const PATH = "/rest/v1/films";
const MEGABYTE = Buffer.alloc(1024 * 1024, "0123456789abcdef");
const METHODS = ["GET", "HEAD", "POST", "PATCH", "PUT", "DELETE"];
/** Much longer than any step here takes. */
const SOON = { timeout: 10_000 };

let origin: TestOrigin;
let gatewayUrl: string;
beforeAll(async () => {
	origin = await startOrigin();
	const gateway = await startGateway(origin.url);
	gatewayUrl = gateway.url;
	return async () => {
		await gateway.stop();
		await origin.stop();
	};
});
beforeEach(() => {
	origin.received.length = 0;
	origin.answer = (_, answering) => answering.end();
});

describe("a body", () => {
	it("reaches the origin part by part, as the client sends it", async () => {
		const parts: unknown[] = [];
		origin.answer = (received, answering) => {
			received.setEncoding("utf8").on("data", (part) => parts.push(part));
			received.on("end", () => answering.end());
		};
		const asking = ask("POST");
		asking.write("first");
		await vi.waitFor(() => expect(parts).toEqual(["first"]), SOON);
		asking.end("second");
		await vi.waitFor(() => expect(parts).toEqual(["first", "second"]), SOON);
	});

	it("reaches the client part by part, as the origin sends it", async () => {
		const { answering, answer } = await answered((answering) =>
			answering.write("first"),
		);
		const parts: unknown[] = [];
		answer.setEncoding("utf8").on("data", (part) => parts.push(part));
		await vi.waitFor(() => expect(parts).toEqual(["first"]), SOON);
		answering.end("second");
		await vi.waitFor(() => expect(parts).toEqual(["first", "second"]), SOON);
	});

	it("of 50 MB reaches the origin whole", async () => {
		origin.answer = async (received, answering) =>
			answering.end(await digestOf(received));
		const hash = createHash("sha256");
		const asking = ask("POST");
		const answering = once(asking, "response");
		await pipeline(megabytes(50, hash), asking);
		const [answer] = await answering;
		expect(await text(answer)).toBe(hash.digest("hex"));
	});

	it("of 50 MB reaches the client whole", async () => {
		const hash = createHash("sha256");
		const { answer } = await answered((answering) =>
			pipeline(megabytes(50, hash), answering),
		);
		expect(await digestOf(answer)).toBe(hash.digest("hex"));
	});

	it("is taken from the client no faster than the origin takes it", async () => {
		origin.answer = (received) => received.pause();
		expect(await megabytesTakenBy(ask("POST"))).toBeLessThan(50);
	});

	it("is taken from the origin no faster than the client takes it", async () => {
		const { answering } = await answered((answering) =>
			answering.flushHeaders(),
		);
		expect(await megabytesTakenBy(answering)).toBeLessThan(50);
	});

	it("has the length at the origin that the client gave", async () => {
		await send({ method: "POST", body: "12345" });
		expect(origin.received[0]?.headers).toMatchObject({
			"content-length": "5",
		});
	});

	it("is sent by a client that waits for 100 Continue", async () => {
		origin.answer = echo;
		const asking = ask("POST", { expect: "100-continue" });
		asking.on("continue", () => asking.end("body"));
		// As curl does after it has waited for a second.
		setTimeout(() => asking.end("body"), 1_000);
		const [answer] = await once(asking, "response");
		expect(await text(answer)).toBe("body");
	});

	it("that the origin compressed is passed on unchanged", async () => {
		origin.answer = (_, answering) =>
			answering
				.writeHead(200, { "content-encoding": "gzip" })
				.end(gzipSync("compressed"));
		const answer = await send({ headers: { "accept-encoding": "gzip" } });
		expect(gunzipSync(answer.body).toString()).toBe("compressed");
	});
});

describe("a client that disconnects", () => {
	// It resets the connection. A client that only closes its half may still be reading: workerd continues for it, and
	// notices that it is gone when it writes to it.
	it("ends its request to the origin before the answer has begun", async () => {
		const asked = origin.received;
		const closed = new Promise((resolve) => {
			origin.answer = (_, answering) => answering.on("close", resolve);
		});
		const asking = ask("GET").end();
		await vi.waitFor(() => expect(asked).toHaveLength(1), SOON);
		reset(asking);
		await closed;
	});

	it("ends the answer that the origin is sending", async () => {
		const { answering, answer } = await answered((answering) =>
			answering.write("first"),
		);
		const closed = once(answering, "close");
		answer.socket.resetAndDestroy();
		await closed;
	});

	it("ends the body that it is sending to the origin", async () => {
		const failed = new Promise((resolve) => {
			origin.answer = (received) => received.on("error", resolve);
		});
		const asking = ask("POST");
		asking.write("first");
		await vi.waitFor(() => expect(origin.received).toHaveLength(1), SOON);
		reset(asking);
		await failed;
	});
});

describe("a deadline", () => {
	const DEADLINE_MS = 400;
	let hastyUrl: string;
	beforeAll(async () => {
		const hasty = await startGateway(origin.url, {
			ORIGIN_TIMEOUT_MS: String(DEADLINE_MS),
		});
		hastyUrl = hasty.url;
		return hasty.stop;
	});

	it("does not end an answer whose body is slow", async () => {
		origin.answer = async (_, answering) => {
			answering.write("begun, ");
			await delay(2 * DEADLINE_MS);
			answering.end("done");
		};
		const { body } = await send({}, hastyUrl);
		expect(body.toString()).toBe("begun, done");
	});

	it("does not end a request whose body is slow", async () => {
		origin.answer = echo;
		const asking = ask("POST", {}, hastyUrl);
		const answering = once(asking, "response");
		asking.write("begun, ");
		await delay(2 * DEADLINE_MS);
		asking.end("done");
		const [answer] = await answering;
		expect(await text(answer)).toBe("begun, done");
	});
});

describe("an answer", () => {
	it("that is a redirect is not followed", async () => {
		origin.answer = (_, answering) =>
			answering.writeHead(302, { location: `${origin.url}/elsewhere` }).end();
		const { status, headers } = await send({});
		expect(status).toBe(302);
		expect(Object.fromEntries(headers)).toMatchObject({
			Location: `${origin.url}/elsewhere`,
		});
		expect(origin.received).toHaveLength(1);
	});

	it("keeps its reason phrase", async () => {
		origin.answer = (_, answering) =>
			answering.writeHead(299, "Almost Fine").end();
		expect(await send({})).toMatchObject({
			status: 299,
			statusText: "Almost Fine",
		});
	});

	it("to HEAD has no body and keeps the length that it would have", async () => {
		origin.answer = (_, answering) =>
			answering.writeHead(200, { "content-length": "5" }).end();
		const { body, headers } = await send({ method: "HEAD" });
		expect(body).toHaveLength(0);
		expect(headers).toContainEqual(["Content-Length", "5"]);
	});

	it.each([204, 304])(
		"of status %d gets no header about a body",
		async (status) => {
			origin.answer = (_, answering) => answering.writeHead(status).end();
			const { headers } = await send({});
			expect(headers.map(([name]) => name.toLowerCase())).not.toContain(
				"content-type",
			);
		},
	);

	it.each([
		"keep-alive",
		"proxy-authenticate",
		"proxy-connection",
		"upgrade",
		"x-hop",
	])("is passed on without %s, which is about one connection", async (name) => {
		origin.answer = (_, answering) =>
			answering
				.writeHead(200, { connection: "keep-alive, x-hop", [name]: "hop" })
				.end();
		const { headers } = await send({});
		expect(headers).not.toContainEqual([expect.anything(), "hop"]);
	});
});

describe("a request", () => {
	it.each(["keep-alive", "proxy-connection", "te", "x-hop"])(
		"is passed on without %s, which is about one connection",
		async (name) => {
			await send({
				headers: { connection: "keep-alive, x-hop", [name]: "hop" },
			});
			expect(origin.received[0]?.rawHeaders).not.toContain("hop");
		},
	);

	it.each(METHODS)("keeps its method and path: %s", async (method) => {
		await send({ method, path: `${PATH}?title=eq.%C5%BC%20+{x}` });
		expect(origin.received[0]).toMatchObject({
			method,
			url: "/films?title=eq.%C5%BC%20+{x}",
		});
	});
});

/** Begins a request to the gateway, on a connection of its own. */
function ask(
	method: string,
	headers: OutgoingHttpHeaders = {},
	baseUrl = gatewayUrl,
): ClientRequest {
	const asking = request(baseUrl + PATH, { method, headers, agent: false });
	// A test that breaks the connection off expects this error.
	asking.on("error", () => {});
	onTestFinished(() => reset(asking));
	asking.flushHeaders();
	return asking;
}

function reset(asking: ClientRequest) {
	asking.socket?.resetAndDestroy();
}

/** Sends a whole request and waits for the whole answer. */
function send(
	asked: Partial<RawRequest>,
	baseUrl = gatewayUrl,
): Promise<RawAnswer> {
	return sendRaw(baseUrl, { method: "GET", path: PATH, ...asked });
}

/** Sends a request that the origin begins to answer, and returns both ends of the answer. */
async function answered(
	begin: (answering: ServerResponse) => unknown,
): Promise<{ answering: ServerResponse; answer: IncomingMessage }> {
	const begun = new Promise<ServerResponse>((resolve) => {
		origin.answer = (_, answering) => {
			begin(answering);
			resolve(answering);
		};
	});
	const asking = ask("GET").end();
	const [answer] = await once(asking, "response");
	answer.on("error", () => {});
	return { answering: await begun, answer };
}

/** Answers with the body of the request once it has all of it, as PostgREST does. */
function echo(received: IncomingMessage, answering: ServerResponse) {
	const parts: Buffer[] = [];
	received.on("data", (part) => parts.push(part));
	received.on("end", () => answering.end(Buffer.concat(parts)));
}

function megabytes(count: number, hash: Hash): Readable {
	return Readable.from(
		(function* () {
			for (let made = 0; made < count; made++) {
				hash.update(MEGABYTE);
				yield MEGABYTE;
			}
		})(),
	);
}

async function digestOf(stream: Readable): Promise<string> {
	const hash = createHash("sha256");
	for await (const part of stream) hash.update(part);
	return hash.digest("hex");
}

/** Writes up to 100 MB until a write is not accepted within a second, which means that the buffers on the way are full. */
async function megabytesTakenBy(stream: Writable): Promise<number> {
	for (let taken = 0; taken < 100; taken++) {
		const written = new Promise((resolve) => {
			stream.write(MEGABYTE, () => resolve("written"));
		});
		if ((await Promise.race([written, delay(1_000)])) === undefined)
			return taken;
	}
	return 100;
}
