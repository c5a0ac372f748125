// W3C trace context: what PostgREST gets of the client's, what is made where there is none, and what the client is told of it.
import { describe, expect, it } from "vitest";
import { answeringKeys, knownKeys, SECRET_KEY } from "../support/api-keys.ts";
import { rows } from "../support/cache.ts";
import { startGateway } from "../support/gateway.ts";
import { startFeed } from "../support/memory-feed.ts";
import { NOW } from "../support/tokens.ts";

const TRACE = "0af7651916cd43dd8448eb211c80319c";
const PARENT = "b7ad6b7169203331";
const VALID = `00-${TRACE}-${PARENT}-01`;
const MADE = /^00-[\da-f]{32}-[\da-f]{16}-00$/;

/** The trace headers that PostgREST gets of a request with these. */
async function atOrigin(headers: Record<string, string>) {
	const { request, origin } = startGateway();
	await request("/rest/v1/notes", { headers });
	const received = origin.received[0]?.headers;
	return [received?.get("traceparent"), received?.get("tracestate")];
}

describe("a valid traceparent", () => {
	it.each([
		["as it is", VALID, VALID],
		["of a later version as version 00", `cc-${VALID.slice(3)}-x`, VALID],
	])("reaches PostgREST %s", async (_, traceparent, expected) => {
		expect(await atOrigin({ traceparent })).toEqual([expected, null]);
	});

	it.each([
		"rojo=00f067aa0ba902b7",
		"rojo=1,congo=t61rcWkgMzE",
		"a@b=1 2, c-d*/_=!~",
	])("reaches PostgREST with its tracestate: %s", async (tracestate) => {
		expect(await atOrigin({ traceparent: VALID, tracestate })).toEqual([
			VALID,
			tracestate,
		]);
	});

	it.each([
		["no member", "rojo"],
		["a capital in a key", "Rojo=1"],
		["a value with =", "rojo=1=2"],
		["an empty member", "rojo=1,,congo=2"],
		["more than 32 members", Array(33).fill("a=1").join()],
		["more than 512 characters", `a=${"1".repeat(256)},b=${"1".repeat(256)}`],
	])(
		"reaches PostgREST without an invalid tracestate: %s",
		async (_, tracestate) => {
			expect(await atOrigin({ traceparent: VALID, tracestate })).toEqual([
				VALID,
				null,
			]);
		},
	);
});

describe("an invalid traceparent", () => {
	it.each([
		["none at all", {}],
		["a text", { traceparent: "secret" }],
		["a trace of zeros", { traceparent: `00-${"0".repeat(32)}-${PARENT}-01` }],
		["a parent of zeros", { traceparent: `00-${TRACE}-${"0".repeat(16)}-01` }],
		["capitals", { traceparent: VALID.toUpperCase() }],
		["version ff", { traceparent: `ff-${VALID.slice(3)}` }],
		["more fields in version 00", { traceparent: `${VALID}-00` }],
		["two of them", { traceparent: `${VALID}, ${VALID}` }],
	])(
		"is replaced by a new trace, without its tracestate: %s",
		async (_, headers) => {
			expect(await atOrigin({ ...headers, tracestate: "rojo=1" })).toEqual([
				expect.stringMatching(MADE),
				null,
			]);
		},
	);
});

it("makes one trace for all that a request asks, and another for the next request", async () => {
	const keys = answeringKeys(knownKeys());
	const { request, origin } = startGateway({
		answer: (received) =>
			received.url.pathname.startsWith("/rpc/find_api_key")
				? keys(received)
				: rows(),
	});
	const headers = { apikey: SECRET_KEY };
	await request("/rest/v1/notes", { headers });
	await request("/rest/v1/notes", { headers });
	const [lookUp, first, second] = origin.received.map(({ headers }) =>
		headers.get("traceparent"),
	);
	expect([lookUp === first, first === second]).toEqual([true, false]);
});

describe("where PostgREST's server-trace-header is Traceparent", () => {
	function startEchoing() {
		return startGateway({
			now: () => NOW,
			feed: startFeed({ now: () => NOW }),
			answer: ({ headers }) =>
				rows("[]", {
					headers: { Traceparent: headers.get("traceparent") ?? "" },
				}),
		});
	}

	it.each([
		["its own", VALID, VALID],
		["nothing, without one", undefined, ""],
		["its own, also where PostgREST did not get it", "text", "text"],
	])(
		"the client is told %s, and the answer is stored",
		async (_, sent, told) => {
			const { request } = startEchoing();
			const headers = sent === undefined ? {} : { traceparent: sent };
			const answer = await request("/rest/v1/notes", { headers });
			expect([
				answer.headers.get("traceparent"),
				answer.headers.get("cache-status"),
			]).toEqual([told, expect.stringContaining("stored")]);
		},
	);
});
