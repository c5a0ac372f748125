// Promise 5, the origin is down: a request is refused with the reason, and is never sent twice, so that no write is done twice.
// A server of the test takes PostgREST's place.
import { setTimeout as delay } from "node:timers/promises";
import {
	beforeAll,
	beforeEach,
	describe,
	expect,
	it,
	onTestFinished,
	vi,
} from "vitest";
import { freePort, LOOPBACK } from "../gateway/cli/stack/ports.ts";
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

const METHODS = ["GET", "HEAD", "POST", "PATCH", "PUT", "DELETE"];
const DEADLINE_MS = 400;
const TYPE = "application/json; charset=utf-8";

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
beforeEach(async () => {
	origin.answer = (_, answering) =>
		answering
			.writeHead(200, { "content-range": "*/*", "content-type": TYPE })
			.end("[]");
	// After failures in a row the gateway asks the origin once in a second, until it answers.
	await vi.waitFor(async () => expect((await send({})).status).toBe(200), {
		timeout: 30_000,
		interval: 200,
	});
	origin.received.length = 0;
	origin.answer = (_, answering) => answering.end();
});

describe("an origin that fails", () => {
	let hastyUrl: string;
	beforeAll(async () => {
		const hasty = await startGateway(origin.url, {
			ORIGIN_TIMEOUT_MS: String(DEADLINE_MS),
		});
		hastyUrl = hasty.url;
		return hasty.stop;
	});

	it("is given up at the deadline if it is silent", async () => {
		origin.answer = () => {};
		const answer = await send({}, hastyUrl);
		expect(refusalOf(answer)).toEqual({ status: 504, code: "origin_timeout" });
	});

	it("has its request cancelled when it is given up", async () => {
		const closed = new Promise((resolve) => {
			origin.answer = (_, answering) => answering.on("close", resolve);
		});
		await send({}, hastyUrl);
		await closed;
	});

	it("is refused as unreachable if nothing listens", async () => {
		const gateway = await startGateway(
			`http://${LOOPBACK}:${await freePort()}`,
		);
		onTestFinished(gateway.stop);
		const answer = await send({}, gateway.url);
		expect(refusalOf(answer)).toEqual({
			status: 503,
			code: "origin_unreachable",
		});
		expect(answer.headers).toContainEqual(["Retry-After", "1"]);
	});

	/** They change nothing, and are sent once more. On a kept connection that the origin closes, the runtime repeats them as well. */
	const REPEATED = ["GET", "HEAD"];
	const WRITES = METHODS.filter((method) => !REPEATED.includes(method));
	const askedBy = (method: string) =>
		REPEATED.includes(method) ? ["/films", "/films"] : ["/films"];

	it.each([
		...METHODS.map((method) => [method, "a new"] as const),
		...WRITES.map((method) => [method, "a kept"] as const),
	])(
		"is asked once, or twice by a read, if it hangs up: %s on %s connection",
		async (method, connection) => {
			if (connection === "a new")
				origin.answer = (received) => received.socket.destroy();
			await send({});
			origin.answer = (received) => received.socket.destroy();
			origin.received.length = 0;
			const { status } = await send({ method });
			expect({ status, asked: origin.received.map(({ url }) => url) }).toEqual({
				status: 503,
				asked: askedBy(method),
			});
		},
	);

	it.each(WRITES)(
		"is asked once if it hangs up on a kept connection after a body: %s",
		async (method) => {
			await send({});
			origin.answer = (received) => received.socket.destroy();
			origin.received.length = 0;
			const headers = { "content-type": "application/json" };
			const { status } = await send({ method, headers, body: "{}" });
			expect({ status, asked: origin.received.length }).toEqual({
				status: 503,
				asked: 1,
			});
		},
	);

	it.each(METHODS)("is asked once, even if it is busy: %s", async (method) => {
		origin.answer = (_, answering) =>
			answering.writeHead(503, { "retry-after": "0" }).end();
		const { status } = await send({ method });
		expect({ status, asked: origin.received.map(({ url }) => url) }).toEqual({
			status: 503,
			asked: ["/films"],
		});
	});

	it.each([
		["of a given length", { "content-length": "100" }],
		["in chunks", {}],
	])(
		"in the middle of an answer breaks it off for the client, too: %s",
		async (_, headers) => {
			origin.answer = async (received, answering) => {
				answering.writeHead(200, headers).write("begun");
				await delay(50);
				received.socket.resetAndDestroy();
			};
			await expect(send({})).rejects.toThrow("aborted");
		},
	);
});

/** Sends a whole request and waits for the whole answer. */
function send(
	asked: Partial<RawRequest>,
	baseUrl = gatewayUrl,
): Promise<RawAnswer> {
	return sendRaw(baseUrl, {
		method: "GET",
		path: "/rest/v1/films",
		...asked,
	});
}

function refusalOf({ status, body }: RawAnswer) {
	return { status, code: JSON.parse(body.toString()).code };
}
