// The deadline of a read: what it covers, and what it ends.
import { describe, expect, it } from "vitest";
import type { Refusal } from "../../src/http/refusals.ts";
import { refusalOfAbort, withinDeadline } from "../../src/origin/deadline.ts";
import { rows, startCache } from "../support/cache.ts";

const LIMIT_MS = 50;
const REQUEST = new Request("http://postgrest/notes");

const never = () => new Promise<never>(() => {});
const codeOf = (work: Promise<Response>) =>
	work.then(
		({ status }) => status,
		({ code }: Refusal) => code,
	);

/** An answer whose body begins and does not end. */
function stalled(): Response {
	return rows(
		new ReadableStream({
			start(controller) {
				controller.enqueue(new TextEncoder().encode("["));
			},
		}),
	);
}

describe("the deadline of a read", () => {
	it("does nothing to work that ends before it", async () => {
		const work = withinDeadline(REQUEST, LIMIT_MS, async () => rows());
		expect(await codeOf(work)).toBe(200);
	});

	it("ends work that ignores it", async () => {
		const work = withinDeadline(REQUEST, LIMIT_MS, never);
		expect(await codeOf(work)).toBe("origin_timeout");
	});

	it("aborts the request, with the refusal as the reason", async () => {
		let signal: AbortSignal | undefined;
		const work = withinDeadline(REQUEST, LIMIT_MS, (request) => {
			signal = request.signal;
			return never();
		});
		await codeOf(work);
		expect([signal?.aborted, signal?.reason.code]).toEqual([
			true,
			"origin_timeout",
		]);
	});

	it("has passed where no time is left", async () => {
		expect(await codeOf(withinDeadline(REQUEST, -1, never))).toBe(
			"origin_timeout",
		);
	});

	it("is told apart from a client that goes away", () => {
		const client = new AbortController();
		client.abort();
		expect(refusalOfAbort(client.signal, undefined).code).toBe("client_closed");
	});

	it("covers the body of an answer that is to be stored", async () => {
		const { ask } = startCache({ deadlineMs: LIMIT_MS, answer: stalled });
		expect(await codeOf(ask())).toBe("origin_timeout");
	});

	it("does not cover the body of an answer that is passed on", async () => {
		const { ask } = startCache({
			deadlineMs: LIMIT_MS,
			answer: stalled,
			plan: () => ({ kind: "bypass", reason: "a function is volatile" }),
		});
		const answer = await ask();
		const reader = answer.body?.getReader();
		await reader?.read();
		const later = new Promise((resolve) => setTimeout(resolve, 2 * LIMIT_MS));
		const ended = reader?.read().then(
			() => "ended",
			() => "broken",
		);
		expect(await Promise.race([ended, later.then(() => "open")])).toBe("open");
	});

	it("covers the wait for another request's answer", async () => {
		let isFirst = true;
		const { ask } = startCache({
			deadlineMs: LIMIT_MS,
			answer: () => {
				const answer = isFirst ? never() : rows();
				isFirst = false;
				return answer;
			},
		});
		const began = performance.now();
		const both = await Promise.all([codeOf(ask()), codeOf(ask())]);
		expect(both).toContain("origin_timeout");
		expect(performance.now() - began).toBeLessThan(20 * LIMIT_MS);
	});
});
