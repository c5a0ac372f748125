// Sizes of requests: each is let through at its limit, and refused beyond it before anything is done.
import { expect, it } from "vitest";
import { type GatewayOptions, startGateway } from "../support/gateway.ts";

const NOTES = "/rest/v1/notes";

function start(limits: string, options: GatewayOptions = {}) {
	return startGateway({ ...options, env: { SIZE_LIMITS: limits } });
}

/** A body in two chunks, of no told length. */
const streamed = (bytes: number) =>
	new ReadableStream({
		start(controller) {
			controller.enqueue(new Uint8Array(bytes - 1));
			controller.enqueue(new Uint8Array(1));
			controller.close();
		},
	});

const HOST = "https://gateway.example";

it.each([
	[200, 60],
	[414, 61],
])(
	"answers %i to a URL of %i bytes, where 60 are allowed",
	async (status, bytes) => {
		const { request, origin } = start("url=60");
		const path = `${NOTES}?`.padEnd(bytes - HOST.length, "a");
		expect((await request(path)).status).toBe(status);
		expect(origin.received).toHaveLength(status === 200 ? 1 : 0);
	},
);

it.each([
	[200, 32],
	[431, 33],
])(
	"answers %i to a header of %i bytes, where as many are allowed as 32",
	async (status, bytes) => {
		const { request, origin } = start("headers=40");
		const headers = { "x-a": "a".repeat(bytes + 40 - 32 - 7) };
		expect((await request(NOTES, { headers })).status).toBe(status);
		expect(origin.received).toHaveLength(status === 200 ? 1 : 0);
	},
);

it.each([
	[200, 50],
	[413, 51],
])(
	"answers %i to a body whose length of %i is told, where 50 are allowed",
	async (status, bytes) => {
		const { request, origin } = start("body=50");
		const headers = { "Content-Length": String(bytes) };
		const body = "a".repeat(bytes);
		const answer = await request(NOTES, { method: "POST", headers, body });
		expect(answer.status).toBe(status);
		expect(origin.received).toHaveLength(status === 200 ? 1 : 0);
	},
);

it.each([
	[200, 50],
	[413, 51],
])(
	"answers %i to a body that streams %i bytes, where 50 are allowed",
	async (status, bytes) => {
		let whole: number | string = "nothing";
		const { request } = start("body=50", {
			async fetch(request) {
				const { byteLength } = await request.arrayBuffer();
				whole = byteLength;
				return Response.json([]);
			},
		});
		const body = streamed(bytes);
		const answer = await request(NOTES, { method: "POST", body });
		expect(answer.status).toBe(status);
		if (status === 413)
			expect(await answer.json()).toMatchObject({ code: "body_too_large" });
		expect(whole).toBe(status === 200 ? 50 : "nothing");
	},
);

it.each([
	[200, "id,a(b(id))"],
	[400, "id,a(b(c(id)))"],
	[200, 'id,"((((",a(id)'],
	[200, "a(id),b(id),c(id)"],
])(
	"answers %i to select=%s, where embeds may be two deep",
	async (status, select) => {
		const { request, origin } = start("embedDepth=2");
		const path = `${NOTES}?select=${encodeURIComponent(select)}`;
		expect((await request(path)).status).toBe(status);
		expect(origin.received).toHaveLength(status === 200 ? 1 : 0);
	},
);

/** PostgREST's answer, with and without its length. */
const answering = (bytes: number, isTold: boolean) => async () =>
	new Response(isTold ? "a".repeat(bytes) : streamed(bytes), {
		headers: {
			...{ "Content-Range": "0-0/*", Server: "postgrest/14" },
			...(isTold && { "Content-Length": String(bytes) }),
		},
	});

it.each([
	[200, "GET", 50],
	[400, "GET", 51],
	[200, "POST", 51],
])(
	"answers %i to a %s whose answer is told to have %i bytes, where 50 are allowed",
	async (status, method, bytes) => {
		const { request } = start("answer=50", { fetch: answering(bytes, true) });
		const answer = await request(NOTES, { method });
		expect(answer.status).toBe(status);
		const body = await answer.text();
		if (status === 200) expect(body).toHaveLength(bytes);
		else expect(body).toContain("answer_too_large");
	},
);

it("an answer of 50 bytes that streams is whole where 50 are allowed, and one of 51 breaks off", async () => {
	const ask = async (bytes: number) => {
		const { request } = start("answer=50", { fetch: answering(bytes, false) });
		return (await request(NOTES)).bytes();
	};
	expect(await ask(50)).toHaveLength(50);
	await expect(ask(51)).rejects.toMatchObject({ code: "answer_too_large" });
});

it("says which limit a request is over", async () => {
	const answer = await start("url=60").request(`${NOTES}?${"a".repeat(60)}`);
	expect(await answer.json()).toMatchObject({
		code: "url_too_long",
		message: "The URL is too long: the limit is 60 bytes",
	});
});
