// Reads sent by POST: the body of a small call is part of the question, any other body streams, and the answer is PostgREST's.
import { describe, expect, it } from "vitest";
import { Refusal } from "../../src/http/refusals.ts";
import type { CallArguments } from "../../src/planner/grammar/call-arguments.ts";
import type { Plan } from "../../src/planner/plan.ts";
import {
	type Ask,
	planOf,
	rows,
	startCache,
	statusOf,
} from "../support/cache.ts";

const STABLE = "/rpc/stable";
const BYPASSED: Plan = { kind: "bypass", reason: "no arguments" };

/** A call with a body of known length. */
function call(body: string, headers: Record<string, string> = {}): Ask {
	const length = String(new TextEncoder().encode(body).length);
	return {
		method: "POST",
		body,
		headers: {
			"Content-Type": "application/json",
			"Content-Length": length,
			...headers,
		},
	};
}

/** A cache whose plans depend on the arguments, and that records what arrives. */
function start(options: Parameters<typeof startCache>[0] = {}) {
	const planned: (CallArguments | undefined)[] = [];
	const bodies: string[] = [];
	let count = 0;
	const started = startCache({
		plan(request, identity, callArguments) {
			planned.push(callArguments);
			if (request.method !== "POST") return planOf(request, identity);
			if (callArguments === undefined) return BYPASSED;
			const key = JSON.stringify([...callArguments]);
			return { ...(planOf(request, identity) as object), key } as Plan;
		},
		async answer(request) {
			bodies.push(await new Response(request.body).text());
			return rows(`[${++count}]`);
		},
		...options,
	});
	return { ...started, planned, bodies };
}

describe("a call by POST that only reads", () => {
	it("is answered from the cache where the arguments are the same", async () => {
		const { ask, bodies } = start();
		const bodiesSent = [
			'{"a":1,"b":"é"}',
			'{ "a":1, "b":"\\u00e9" }',
			'{"a":2}',
		];
		const answers: [string, unknown][] = [];
		for (const body of bodiesSent) {
			const answer = await ask(STABLE, call(body));
			answers.push([await answer.text(), statusOf(answer).hit]);
		}
		expect(answers).toEqual([
			["[1]", undefined],
			["[1]", true],
			["[2]", undefined],
		]);
		expect(bodies).toEqual([bodiesSent[0], bodiesSent[2]]);
	});

	it("is stale after a change", async () => {
		const { ask, feed } = start();
		await ask(STABLE, call("{}"));
		feed.change("api.notes");
		const answer = await ask(STABLE, call("{}"));
		expect([statusOf(answer).fwd, await answer.text()]).toEqual([
			"stale",
			"[2]",
		]);
	});

	it("gets the headers of PostgREST and no conditions, from the origin and from the cache", async () => {
		const { ask } = start();
		const first = await ask(STABLE, call("{}", { "If-None-Match": "*" }));
		const second = await ask(STABLE, call("{}", { "If-None-Match": "*" }));
		for (const { status, headers } of [first, second]) {
			expect(status).toBe(200);
			for (const name of ["etag", "cache-control", "vary"])
				expect(headers.has(name), name).toBe(false);
		}
		expect([statusOf(first).stored, statusOf(second).hit]).toEqual([
			true,
			true,
		]);
	});

	it("reaches the origin with the same body and headers", async () => {
		const { ask, asked, bodies } = start();
		const body = ' {"a": "é",\n"b":[1.0]} ';
		await ask(STABLE, call(body, { "X-Custom": "kept" }));
		const [request] = asked;
		expect([bodies, request?.method, request?.headers.get("x-custom")]).toEqual(
			[[body], "POST", "kept"],
		);
		expect(request?.headers.get("content-length")).toBe("24");
	});

	it("has its whole time for the answer after its body has arrived", async () => {
		const { ask, clock } = start();
		const body = new ReadableStream({
			pull(controller) {
				clock.ms += 60_000;
				controller.enqueue(new TextEncoder().encode("{}"));
				controller.close();
			},
		});
		const answer = await ask(STABLE, { ...call("{}"), body });
		expect(answer.status).toBe(200);
	});

	it("is answered again while the origin is away", async () => {
		let isAway = false;
		const { ask, feed } = start({
			answer() {
				if (isAway) throw new Refusal("origin_unreachable");
				return rows();
			},
		});
		await ask(STABLE, call("{}"));
		isAway = true;
		feed.hold();
		feed.reason = "feed-unreachable";
		const again = await ask(STABLE, call("{}"));
		expect(again.status).toBe(200);
		expect(statusOf(again).detail).toBe("origin-unreachable");
		await expect(ask(STABLE, call('{"a":1}'))).rejects.toThrow(Refusal);
	});

	it("shares the origin's answer with calls that arrive meanwhile", async () => {
		const { ask, bodies } = start();
		const answers = await Promise.all(
			["{}", " {}", "{ }"].map((body) => ask(STABLE, call(body))),
		);
		expect(await Promise.all(answers.map((one) => one.text()))).toEqual([
			"[1]",
			"[1]",
			"[1]",
		]);
		expect(bodies).toEqual(["{}"]);
	});

	it("counts as a write until the catalog is known, which is then loaded", async () => {
		const { ask, feed, settle, planned } = start({
			planner: {
				plan: () => BYPASSED,
				mayWrite: (catalog) => catalog === undefined,
			},
		});
		feed.lastCatalog = undefined;
		await ask(STABLE, call("{}"));
		await settle();
		expect([feed.syncs, feed.needs.length, planned]).toEqual([1, 1, []]);
	});
});

describe("a body that is not read", () => {
	const LARGE = JSON.stringify({ a: "x".repeat(16_384) });

	it.each<[string, Ask]>([
		["is larger than 16 KiB", call(LARGE)],
		[
			"has no length",
			{ ...call("{}"), headers: { "Content-Type": "application/json" } },
		],
		["has no type", call("{}", { "Content-Type": "" })],
		["is of another type", call("{}", { "Content-Type": "application/JSONP" })],
		["is text", call("{}", { "Content-Type": "text/plain" })],
		["is compressed", call("{}", { "Content-Encoding": "gzip" })],
	])("streams: it %s", async (_, sent) => {
		const { ask, planned, bodies } = start();
		const answer = await ask(STABLE, sent);
		expect([planned, bodies, statusOf(answer)]).toEqual([
			[undefined],
			[sent.body],
			{ fwd: "method" },
		]);
	});

	it.each(["[]", "1", "{", '{"a":1,"a":2}', ""])(
		"makes no arguments, and reaches the origin as it is: %j",
		async (body) => {
			const { ask, planned, bodies } = start();
			await ask(STABLE, call(body));
			expect([planned, bodies]).toEqual([[undefined], [body]]);
		},
	);

	it("is at most 16 KiB", async () => {
		const { ask, planned } = start();
		await ask(STABLE, call(JSON.stringify({ a: "x".repeat(16_384 - 8) })));
		expect(planned[0]?.has("a")).toBe(true);
	});
});

it("a small body that breaks off is refused, and the origin is not asked", async () => {
	const { ask, asked } = start();
	const body = new ReadableStream({
		start(controller) {
			controller.enqueue(new TextEncoder().encode("{"));
			controller.error(new Error("gone"));
		},
	});
	const sent = { ...call("{}"), body };
	const refusal = await ask(STABLE, sent).catch((error: unknown) => error);
	expect([refusal, asked.length]).toEqual([
		expect.objectContaining({ code: "body_malformed" }),
		0,
	]);
});
