// An answer that is cut off on its way, where the end of the connection is all that tells its length, reaches who asked for it and
// is given to no one else. A proxy before the stack's PostgREST does the cutting.
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import {
	afterAll,
	beforeAll,
	beforeEach,
	describe,
	expect,
	it,
	vi,
} from "vitest";
import { LOOPBACK } from "../../gateway/cli/stack/ports.ts";
import { callerToken, stack } from "../support/client.ts";
import { startGateway } from "../support/origin.ts";
import { type RawAnswer, sendRaw } from "../support/raw-http.ts";

/** How the proxy hands on an answer to a read: until the connection ends, in chunks that end as they should, or with its length. */
type Framing = "connection" | "chunks" | "length";

const proxy = { framing: "connection" as Framing, keeps: 1, asked: 0 };
let gateway: Awaited<ReturnType<typeof startGateway>>;
let stopProxy: () => void;

beforeAll(async () => {
	const server = createServer(async (incoming, answering) => {
		const { method = "GET", url = "/", headers } = incoming;
		const body = Buffer.concat(await incoming.toArray());
		const answer = await sendRaw(stack.postgrestUrl, {
			method,
			path: url,
			headers,
			...(body.length > 0 ? { body } : {}),
		});
		const kept = answer.headers.filter(
			([name]) =>
				!/^(transfer-encoding|content-length|connection)$/i.test(name),
		);
		if (!url.startsWith("/products")) {
			answering.writeHead(answer.status, kept.flat()).end(answer.body);
			return;
		}
		proxy.asked++;
		const end = Math.floor(answer.body.length * proxy.keeps);
		const part = answer.body.subarray(0, end);
		if (proxy.framing === "connection") {
			const lines = kept.map(([name, value]) => `${name}: ${value}\r\n`);
			answering.socket?.write(
				`HTTP/1.1 ${answer.status} OK\r\n${lines.join("")}\r\n`,
			);
			answering.socket?.end(part);
			return;
		}
		if (proxy.framing === "length")
			kept.push(["Content-Length", String(answer.body.length)]);
		else kept.push(["Transfer-Encoding", "chunked"]);
		answering.writeHead(answer.status, kept.flat());
		answering.write(part);
		if (part.length < answer.body.length && proxy.framing === "length")
			answering.socket?.end();
		else answering.end();
	});
	server.listen(0, LOOPBACK);
	await once(server, "listening");
	stopProxy = () => {
		server.close();
		server.closeAllConnections();
	};
	const { port } = server.address() as AddressInfo;
	gateway = await startGateway(`http://${LOOPBACK}:${port}`);
	// Nothing is stored before the feed follows, nor just after a change of the schema.
	await vi.waitFor(
		async () => {
			const { cacheStatus } = await ask("application/json", "warm");
			expect(cacheStatus).toContain("hit");
		},
		{ timeout: 25_000, interval: 500 },
	);
}, 60_000);
afterAll(async () => {
	await gateway.stop();
	stopProxy();
});
beforeEach(() => {
	Object.assign(proxy, { framing: "connection", keeps: 1, asked: 0 });
});

async function ask(accept: string, name: string) {
	const answer = await sendRaw(gateway.url, {
		method: "GET",
		path: `/rest/v1/products?select=id,serial_number,title&title=neq.${encodeURIComponent(name)}&order=id`,
		headers: { accept, authorization: `Bearer ${await callerToken({})}` },
	});
	return { answer, cacheStatus: headerOf(answer, "cache-status") };
}

function headerOf({ headers }: RawAnswer, wanted: string): string {
	const [, value = ""] =
		headers.find(([name]) => name.toLowerCase() === wanted) ?? [];
	return value;
}

/** Asks twice for the same: whether the second answer is stored, and the lengths of both. */
async function askTwice(accept: string, name: string) {
	const first = await ask(accept, name);
	proxy.keeps = 1;
	const second = await ask(accept, name);
	return {
		first: first.answer.body.length,
		status: first.cacheStatus,
		second: second.answer.body.length,
		isHit: second.cacheStatus.includes("hit"),
	};
}

const CUT_OFF = 'detail="the body may be cut off"';

describe.each<Framing>(["connection", "chunks"])(
	"where its %s end where the proxy's upstream was cut",
	(framing) => {
		it.each([
			["application/json", 0.5],
			["application/json", 0.99],
			["text/csv", 0.5],
			["text/csv", 0.99],
		])("a part of %s is not stored: %d", async (accept, keeps) => {
			Object.assign(proxy, { framing, keeps });
			const { first, second, status, isHit } = await askTwice(
				accept,
				`${framing} ${keeps}`,
			);
			expect(status).toContain(CUT_OFF);
			expect(first).toBeLessThan(second);
			expect([isHit, proxy.asked]).toEqual([false, 2]);
		});

		it("whole JSON is stored", async () => {
			Object.assign(proxy, { framing });
			const { first, second, isHit } = await askTwice(
				"application/json",
				`${framing} whole`,
			);
			expect([second, isHit, proxy.asked]).toEqual([first, true, 1]);
		});

		it("whole CSV is not: nothing proves it", async () => {
			Object.assign(proxy, { framing });
			const { status, isHit } = await askTwice("text/csv", `${framing} whole`);
			expect([status.includes(CUT_OFF), isHit]).toEqual([true, false]);
		});
	},
);

describe("where it tells its length", () => {
	it.each(["application/json", "text/csv"])("%s is stored", async (accept) => {
		proxy.framing = "length";
		const { first, second, isHit } = await askTwice(accept, "length");
		expect([second, isHit, proxy.asked]).toEqual([first, true, 1]);
	});

	it("a part of it is an origin that cannot be reached", async () => {
		Object.assign(proxy, { framing: "length", keeps: 0.5 });
		const { answer } = await ask("text/csv", "length, cut");
		expect(answer.status).toBe(503);
	});
});
