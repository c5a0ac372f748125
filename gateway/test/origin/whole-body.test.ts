// Bodies that are read to be stored: together they hold a bounded number of bytes, also while clients take them slowly.
import { describe, expect, it } from "vitest";
import { withAnonymous401 } from "../../src/http/anonymous-401.ts";
import { askDatabase } from "../../src/http/database.ts";
import type { Identity } from "../../src/identity/identity.ts";
import { createMemoryBudget } from "../../src/memory/memory-budget.ts";
import { createSharedAnswers } from "../../src/memory/shared-answers.ts";
import { absenceIn } from "../../src/origin/origin-absence.ts";
import { withoutOriginFaults } from "../../src/origin/origin-faults.ts";
import { requirePostgrest } from "../../src/origin/postgrest-answer.ts";
import { isWhole, readUpTo } from "../../src/origin/whole-body.ts";

const CHUNK = 100;
const LIMIT = 1_000;
const BUDGET = 2_500;

/** Bodies of this many chunks, which tell how many were taken from them. */
function start() {
	const budget = createMemoryBudget(BUDGET, 30_000, () => 0);
	let taken = 0;
	const read = (chunks: number) => {
		let left = chunks;
		const body = new ReadableStream(
			{
				pull(controller) {
					if (left-- === 0) return controller.close();
					taken += CHUNK;
					controller.enqueue(new Uint8Array(CHUNK));
				},
			},
			{ highWaterMark: 0 },
		);
		return readUpTo(new Response(body), LIMIT, budget.open());
	};
	return { read, held: () => taken };
}

const lengthOf = async (read: Uint8Array | Response) =>
	read instanceof Response ? (await read.bytes()).length : read.length;

describe("bodies beyond the limit", () => {
	it("hold no more than the budget and a chunk each, while no client takes them", async () => {
		const { read, held } = start();
		const bodies = await Promise.all(
			Array.from({ length: 100 }, () => read(50)),
		);
		expect(bodies.every((body) => body instanceof Response)).toBe(true);
		expect(held()).toBeLessThanOrEqual(BUDGET + 100 * 2 * CHUNK);
	});

	it("one after the other hold no more, either", async () => {
		const { read, held } = start();
		for (let count = 0; count < 100; count++) await read(50);
		expect(held()).toBeLessThanOrEqual(BUDGET + 100 * 2 * CHUNK);
	});

	it("give their share back when they are taken, and are whole", async () => {
		const { read } = start();
		for (let count = 0; count < 20; count++)
			expect(await lengthOf(await read(50))).toBe(50 * CHUNK);
		expect(await read(5)).toBeInstanceOf(Uint8Array);
	});

	it("give their share back when their client goes away", async () => {
		const { read } = start();
		for (let count = 0; count < 20; count++) {
			const body = await read(50);
			if (body instanceof Response) await body.body?.cancel();
		}
		expect(await read(5)).toBeInstanceOf(Uint8Array);
	});
});

it("bodies within the limit are read whole, and give their share back", async () => {
	const { read } = start();
	for (let count = 0; count < 20; count++)
		expect(await lengthOf(await read(9))).toBe(900);
});

describe("a body without a length", () => {
	const answer = new Response(null, {
		headers: { "Content-Type": "application/json; charset=utf-8" },
	});
	const bytes = new TextEncoder().encode('["é"]');

	it.each([
		["in a character", bytes.slice(0, 3)],
		["in a text", bytes.slice(0, 4)],
		["before its end", bytes.slice(0, 5)],
	])("is not whole where it is cut off %s, and the next one is", (_, cut) => {
		expect(isWhole(answer, cut)).toBe(false);
		expect(isWhole(answer, bytes)).toBe(true);
	});
});

/** An answer of PostgREST's, the connection of which is lost in its body. */
const brokenOff = (status = 200, headers: Record<string, string> = {}) =>
	new Response(
		new ReadableStream({
			start(controller) {
				controller.enqueue(new Uint8Array(9));
			},
			pull(controller) {
				controller.error(new Error("Network connection lost."));
			},
		}),
		{ status, headers: { "Content-Type": "application/json", ...headers } },
	);

const ANON: Identity = { role: "anon", claims: {} };
const RESULT = { "Content-Range": "0-0/*" };
const request = (method = "GET") =>
	new Request("http://pipeline/a", { method });

describe("an answer that breaks off makes the origin unreachable", () => {
	it.each<[who: string, read: () => Promise<unknown>]>([
		["the check for PostgREST", () => requirePostgrest(brokenOff(404), "GET")],
		[
			"the search for its faults",
			() => withoutOriginFaults(brokenOff(403), "GET", "anon"),
		],
		["the breaker", () => absenceIn(brokenOff(503))],
		[
			"the 401 of an anonymous caller",
			() =>
				withAnonymous401(async () => brokenOff(403, RESULT), "anon")(
					request(),
					ANON,
				),
		],
		[
			"the 401 of an anonymous caller's HEAD",
			() =>
				withAnonymous401(
					async ({ method }) =>
						method === "HEAD"
							? new Response(null, { status: 403 })
							: brokenOff(403),
					"anon",
				)(request("HEAD"), ANON),
		],
		[
			"a route's database",
			() => askDatabase(async () => brokenOff(), ANON, request()),
		],
		[
			"a read that others share",
			async () => {
				const { open } = createSharedAnswers({ timeoutMs: 9, now: () => 0 });
				const reads = [open(request(), ANON), open(request(), ANON)];
				for (const read of reads) read.look();
				return reads[0]?.ask(async () => brokenOff());
			},
		],
	])("for %s", async (_, read) => {
		await expect(read()).rejects.toMatchObject({ code: "origin_unreachable" });
	});
});
