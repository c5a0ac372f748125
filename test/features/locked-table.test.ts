// A table that is locked holds up its own readers and writers, and no others: not those of other tables, and not the change feed.
import { Client } from "pg";
import { beforeAll, expect, it, onTestFinished, vi } from "vitest";
import { type FaultyStack, startFaultyStack } from "../faults/origin.ts";
import { stack as shared } from "../support/client.ts";

/** More than PostgREST has connections. */
const HELD_UP = 30;
const OTHERS = 40;

let stack: FaultyStack;
beforeAll(async () => {
	stack = await startFaultyStack({
		bundle: shared.bundle,
		variables: { MAX_STALENESS_SECONDS: "1" },
	});
	return stack.stop;
});

const ask = (path: string, init?: RequestInit) =>
	fetch(`${stack.gatewayUrl}/rest/v1${path}`, init);

it("readers of other tables are answered, and see what is written, while thirty wait for a locked one", async () => {
	await vi.waitFor(
		async () => {
			const answer = await ask("/rescues?select=id&limit=1");
			expect(answer.headers.get("cache-status")).toMatch(/; hit/);
		},
		{ timeout: 30_000 },
	);
	const locker = new Client({ connectionString: stack.databaseUrl });
	await locker.connect();
	onTestFinished(() => locker.end());
	await locker.query("begin; lock table api.products in access exclusive mode");
	const heldUp = Array.from({ length: HELD_UP }, (_, index) =>
		ask(`/products?select=id&id=eq.${index}`),
	);
	for (let count = 0; count < OTHERS; count++) {
		const { status } = await ask(`/rescues?select=id&limit=${count}`);
		expect(status).toBe(200);
	}
	await stack.query(
		"update api.rescues set name = 'After' where id = (select min(id) from api.rescues)",
	);
	await vi.waitFor(
		async () => {
			const answer = await ask("/rescues?select=name&order=id&limit=1");
			expect(await answer.json()).toEqual([{ name: "After" }]);
			expect(answer.headers.get("cache-status")).toMatch(/; hit/);
		},
		{ timeout: 6_000 },
	);
	await locker.query("commit");
	const statuses = await Promise.all(
		heldUp.map(async (answer) => (await answer).status),
	);
	expect(statuses).toEqual(Array(HELD_UP).fill(200));
});
