// The bulkhead: how many requests to one relation are under way, which ones wait, and how a place is given back.
import { describe, expect, it } from "vitest";
import { Refusal } from "../../src/http/refusals.ts";
import { createBulkhead } from "../../src/origin/bulkhead.ts";
import { createFairPlaces } from "../../src/origin/fair-places.ts";
import type { PipelineRequest } from "../../src/pipeline.ts";
import { ANYBODY, rows } from "../support/cache.ts";
import { settle, stoppedTime } from "../support/change-feed.ts";

const LIMIT = 2;
const TIMEOUT_MS = 4_000;

/** An origin whose requests end when the test says so, behind a bulkhead. */
function start(limit = LIMIT) {
	const time = stoppedTime();
	const underWay: {
		request: PipelineRequest;
		role: string;
		end: () => void;
	}[] = [];
	const bulkhead = createBulkhead(
		async (request, { role }) => {
			const { promise, resolve } = Promise.withResolvers<void>();
			underWay.push({ request, role, end: resolve });
			await promise;
			return rows();
		},
		{
			...{ limit, timeoutMs: TIMEOUT_MS, now: time.now, sleep: time.sleep },
			callerOf: ({ role }) => role,
		},
	);
	let asked = 0;
	const ask = async (path: string, init?: RequestInit, role = "anybody") => {
		// Equal reads would share an answer.
		const url = new URL(path, "http://postgrest");
		url.searchParams.set("number", String(++asked));
		const answer = bulkhead(
			new Request(url, init),
			role === "anybody" ? ANYBODY : { role, claims: {} },
		).then(
			({ status }) => status,
			({ code }: Refusal) => code,
		);
		// Reading a body takes a few turns of the event loop.
		for (let turn = 0; turn < 5; turn++) await new Response("body").text();
		await settle();
		return { answer };
	};
	const paths = () =>
		underWay.map(({ request }) => new URL(request.url).pathname);
	return { time, underWay, ask, paths };
}

const post = (body: string, length = body.length): RequestInit => ({
	method: "POST",
	body,
	headers: { "Content-Length": String(length) },
});

describe("a relation with as many requests under way as it may have", () => {
	async function full() {
		const started = start();
		for (let count = 0; count < LIMIT; count++) await started.ask("/notes");
		return started;
	}

	it.each(["/others", "/rpc/notes"])("leaves %s alone", async (path) => {
		const { ask, paths } = await full();
		await ask(path);
		expect(paths()).toEqual(["/notes", "/notes", path]);
	});

	it.each([
		["a read", "/notes?id=eq.1", {}],
		["a HEAD", "/notes", { method: "HEAD" }],
		["a write with a small body", "/notes", post("{}")],
		["a write without a body", "/notes", { method: "DELETE" }],
	])("makes %s wait until one has ended", async (_, path, init) => {
		const { time, ask, underWay } = await full();
		const { answer } = await ask(path, init);
		await time.pass(100);
		expect(underWay).toHaveLength(LIMIT);
		underWay[0]?.end();
		await time.pass(30);
		expect(underWay).toHaveLength(LIMIT + 1);
		underWay.at(-1)?.end();
		expect(await answer).toBe(200);
	});

	it.each([
		["of unknown length", { method: "POST", body: "{}" }],
		["that is large", post("{}", 70_000)],
	])(
		"lets a write through whose body is one %s: its client may take any time to send it",
		async (_, init) => {
			const { ask, underWay } = await full();
			await ask("/notes", init);
			expect(underWay).toHaveLength(LIMIT + 1);
		},
	);

	it("makes a request wait no longer than half of the time for an answer", async () => {
		const { time, ask, underWay } = await full();
		const { answer } = await ask("/notes");
		await time.pass(TIMEOUT_MS / 2 + 30);
		expect([await answer, underWay.length]).toEqual(["origin_busy", LIMIT]);
	});

	it("forgets one that has not ended after the time for an answer", async () => {
		const { time, ask, underWay } = await full();
		await time.pass(TIMEOUT_MS);
		await ask("/notes");
		expect(underWay).toHaveLength(LIMIT + 1);
	});

	it("forgets one whose client goes away", async () => {
		const { ask, underWay } = start();
		const client = new AbortController();
		await ask("/notes");
		await ask("/notes", { signal: client.signal });
		client.abort();
		await ask("/notes");
		expect(underWay).toHaveLength(LIMIT + 1);
	});

	it("ends the wait of a client that goes away", async () => {
		const { time, ask } = await full();
		const client = new AbortController();
		const { answer } = await ask("/notes", { signal: client.signal });
		client.abort();
		await time.pass(30);
		expect(await answer).toBe("client_closed");
	});
});

describe("the bulkhead", () => {
	it("passes the body on", async () => {
		const { ask, underWay } = start();
		await ask("/notes", post('{"id":1}'));
		expect(await new Response(underWay[0]?.request.body).text()).toBe(
			'{"id":1}',
		);
	});

	it("gives the place back where the origin fails", async () => {
		let asked = 0;
		const { now, sleep } = stoppedTime();
		const bulkhead = createBulkhead(
			async () => {
				asked++;
				throw new Refusal("origin_unreachable");
			},
			{ limit: 1, timeoutMs: TIMEOUT_MS, callerOf: () => "", now, sleep },
		);
		for (let count = 0; count < 3; count++)
			await bulkhead(new Request("http://postgrest/notes"), ANYBODY).catch(
				() => {},
			);
		expect(asked).toBe(3);
	});
});

describe("callers of one relation", () => {
	/** Ends the oldest request, and lets those that wait look. */
	async function endOne({ time, underWay }: ReturnType<typeof start>) {
		underWay.shift()?.end();
		await time.pass(30);
	}
	const roles = ({ underWay }: ReturnType<typeof start>) =>
		underWay.map(({ role }) => role);

	it("may have all places while no other caller waits", async () => {
		const started = start();
		for (let count = 0; count < 2 * LIMIT; count++) await started.ask("/notes");
		await endOne(started);
		expect(roles(started)).toEqual(["anon", "anon"]);
	});

	it("get the next places before a caller who has more of them, however many requests of that one wait", async () => {
		const started = start(3);
		for (let count = 0; count < 50; count++)
			await started.ask("/notes", {}, "greedy");
		await started.ask("/notes", {}, "ada");
		await started.ask("/notes", {}, "bob");
		await endOne(started);
		await endOne(started);
		expect(roles(started).toSorted()).toEqual(["ada", "bob", "greedy"]);
	});

	it("take turns where there is one place", async () => {
		const started = start(1);
		for (let count = 0; count < 50; count++)
			await started.ask("/notes", {}, "greedy");
		for (let count = 0; count < 3; count++)
			await started.ask("/notes", {}, "ada");
		const order: (string | undefined)[] = [];
		for (let count = 0; count < 6; count++) {
			await endOne(started);
			order.push(...roles(started));
		}
		expect(order).toEqual(["ada", "greedy", "ada", "greedy", "ada", "greedy"]);
	});

	it("look about once a millisecond together, however many requests of one wait", async () => {
		const time = stoppedTime();
		let looks = 0;
		const bulkhead = createBulkhead(() => new Promise(() => {}), {
			...{ limit: 1, timeoutMs: TIMEOUT_MS, callerOf: () => "greedy" },
			now: time.now,
			sleep(ms) {
				looks++;
				return time.sleep(ms);
			},
		});
		for (let count = 0; count <= 200; count++)
			void bulkhead(new Request("http://postgrest/notes"), ANYBODY).catch(
				() => {},
			);
		await time.pass(1_000);
		expect(looks).toBeLessThan(1_600);
	});

	it("do not wait for one that was cancelled without a word", async () => {
		const time = stoppedTime();
		const { wait } = createFairPlaces({ ...time, limit: 1, timeoutMs: 1_000 });
		const leave = wait("/notes", "ada").take();
		wait("/notes", "bob").take();
		leave?.();
		expect(wait("/notes", "ada").take()).toBeUndefined();
		await time.pass(250);
		expect(wait("/notes", "ada").take()).toBeDefined();
	});
});

describe("a caller of many relations", () => {
	const ask = async ({ ask }: ReturnType<typeof start>, count: number) => {
		for (let path = 0; path < count; path++)
			await ask(`/notes${path}`, {}, "greedy");
	};

	it("has the places of two at most while another caller is under way", async () => {
		const started = start();
		await started.ask("/others", {}, "ada");
		await ask(started, 3 * LIMIT);
		expect(started.underWay).toHaveLength(1 + 2 * LIMIT);
		started.underWay[0]?.end();
		await started.time.pass(30);
		expect(started.underWay).toHaveLength(1 + 3 * LIMIT);
	});

	it("has as many as it asks for while it is alone", async () => {
		const started = start();
		await ask(started, 3 * LIMIT);
		expect(started.underWay).toHaveLength(3 * LIMIT);
	});
});
