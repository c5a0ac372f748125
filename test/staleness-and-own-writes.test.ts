// Promises 2 to 4, bounded staleness, own writes and isolation: a short history of many readers and writers, with faults. Each
// answer is one that the database would have given to its reader, no older than the maximum staleness.
// `npm run test:histories` plays long histories.
import { describe, it } from "vitest";
import { tellViolation } from "./histories/check/figures.ts";
import { newSeed } from "./histories/random.ts";
import { run } from "./histories/run.ts";
import { useDatabase } from "./histories/scenarios/staged.ts";
import { SHORT } from "./histories/workloads.ts";
import { stack } from "./support/client.ts";

const database = useDatabase();

describe("in a random history", () => {
	it.for([1, newSeed()])(
		"every promise is kept: npm run test:histories -- --short --seed %i",
		{
			timeout: 240_000,
		},
		async (seed, { expect }) => {
			const told: string[] = [];
			const figures = await run({
				seed,
				bundle: stack.bundle,
				database: database(),
				instances: 3,
				maxStalenessSeconds: 2,
				workload: SHORT,
				roundOperations: SHORT.operations,
				onRound: ({ events }, { violations }) => {
					told.push(...violations.map((one) => tellViolation(one, events)));
				},
			});
			expect(told.join("\n\n")).toBe("");
			expect(figures.hits).toBeGreaterThan(figures.answered / 10);
		},
	);
});
