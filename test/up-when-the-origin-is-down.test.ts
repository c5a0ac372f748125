// Promise 5, up when the origin is down: what was answered before is answered again, marked, under each fault between the Worker and the
// database; and never past a policy that was revoked before, or with a token that has expired. `npm run test:faults` plays all faults.
import { setTimeout as sleep } from "node:timers/promises";
import { beforeAll, describe, expect, it, onTestFinished, vi } from "vitest";
import { FAULTS } from "./faults/faults.ts";
import { type FaultyStack, startFaultyStack } from "./faults/origin.ts";
import { runFault } from "./faults/run.ts";
import { isMarked, read } from "./faults/traffic.ts";
import { stack as shared } from "./support/client.ts";

const MAX_STALENESS_MS = 1_000;
/** Longer than a view is good, the feed is waited for (2 s) and an origin that is silent (2 s). */
const LASTS_MS = 6_000;
const ADA = "00000000-0000-4000-8000-000000000001";
const PRODUCTS = "/rest/v1/products?select=title&order=title";

let stack: FaultyStack;
beforeAll(async () => {
	stack = await startFaultyStack({
		bundle: shared.bundle,
		variables: { MAX_STALENESS_SECONDS: String(MAX_STALENESS_MS / 1_000) },
	});
	return stack.stop;
});

const isShort = ({ name }: { name: string }) =>
	/nothing listens|nothing is answered|502|cut in the body|stopped and started/.test(
		name,
	);

describe("under traffic, while", () => {
	it.each(FAULTS.filter(isShort))(
		"$name, every warm read is answered and no write is lost",
		{ timeout: 120_000 },
		async (fault) => {
			const token = await stack.token(ADA);
			const row = await runFault(fault, {
				...{ stack, token },
				lastsMs: LASTS_MS,
				keyedWriters: 2,
			});
			expect(row).toMatchObject({ failed: [], wrong: [], lost: 0, twice: 0 });
			expect(row.marked).toBeGreaterThan(0);
		},
	);
});

describe("while the origin is down", { timeout: 60_000 }, () => {
	/** Ends the origin after the read has been answered from the cache, and waits until answers are marked or refused. */
	async function goDown(before: () => Promise<unknown> = async () => {}) {
		await warm();
		await before();
		await stack.network.fail({ kind: "refuse" });
		onTestFinished(async () => {
			await stack.network.fail({ kind: "none" });
			await warm();
		});
		await sleep(MAX_STALENESS_MS + 500);
	}

	const warm = () =>
		vi.waitFor(
			async () => {
				const { cacheStatus } = await read(stack.gatewayUrl, PRODUCTS);
				expect(cacheStatus).toMatch(/; hit(?!.*origin-)/);
			},
			{ timeout: 40_000, interval: 100 },
		);

	it("an answer says so, and how old it is", async () => {
		await goDown();
		const first = await read(stack.gatewayUrl, PRODUCTS);
		await sleep(2_000);
		const later = await read(stack.gatewayUrl, PRODUCTS);
		expect([isMarked(first), isMarked(later)]).toEqual([true, true]);
		expect(later.ageSeconds - first.ageSeconds).toBeGreaterThanOrEqual(2);
		expect(later.body).toBe(first.body);
	});

	it.each([
		["Cache-Control", "no-cache", "Cache-Control: no-cache"],
		["Cache-Control", "max-age=0", "Cache-Control"],
		["Postern-Token", "0", "Postern-Token"],
	])(
		"the refusal names what cannot be satisfied: %s: %s",
		async (name, value, unmet) => {
			await goDown();
			const seen = await read(stack.gatewayUrl, PRODUCTS, { [name]: value });
			expect([seen.status, JSON.parse(seen.body).message]).toEqual([
				503,
				`The database could not be reached: no stored answer satisfies ${unmet}`,
			]);
		},
	);

	it("a read that was never answered is refused, and so is one of another caller", async () => {
		await goDown();
		const own = "/rest/v1/todos?select=name";
		const authorization = `Bearer ${await stack.token(ADA)}`;
		const statuses = [
			await read(stack.gatewayUrl, `${PRODUCTS}&limit=1`),
			await read(stack.gatewayUrl, own, { authorization }),
		].map(({ status }) => status);
		expect(statuses).toEqual([503, 503]);
	});

	it("a token that has expired is refused", async () => {
		const expired = await stack.token(ADA, { exp: 1_700_000_000 });
		await goDown();
		const headers = { authorization: `Bearer ${expired}` };
		const { status } = await read(stack.gatewayUrl, PRODUCTS, headers);
		expect(status).toBe(401);
	});

	it("a policy that was revoked before is not undone", async () => {
		const policy = (using: string) =>
			stack.query(
				`alter policy anyone_may_read on api.products using (${using})`,
			);
		onTestFinished(async () => {
			await policy("true");
		});
		await goDown(async () => {
			await policy("false");
			// The feed has been told when a read shows it.
			await vi.waitFor(async () => {
				expect((await read(stack.gatewayUrl, PRODUCTS)).body).toBe("[]");
			}, 10_000);
		});
		expect((await read(stack.gatewayUrl, PRODUCTS)).status).toBe(503);
	});
});
