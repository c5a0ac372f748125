// HTTP right everywhere: a short run of `npm run test:fuzz`, which sends odd requests to the whole stack.
import { onTestFinished, test } from "vitest";
import { newSeed } from "../histories/random.ts";
import { stack } from "../support/client.ts";
import { run, tellViolation } from "./run.ts";
import { startWorld } from "./world.ts";

const REQUESTS = 400;

test("odd requests write nothing when they are refused, reach nothing that they should not, and all are answered", {
	timeout: 300_000,
}, async ({ expect }) => {
	const world = await startWorld(stack.bundle);
	onTestFinished(() => world.stop());
	const seed = newSeed();
	const { violations } = await run({
		...{ seed, world },
		requests: REQUESTS,
		concurrency: 4,
	});
	const told = violations.map((violation) => tellViolation(seed, violation));
	expect(told).toEqual([]);
});
