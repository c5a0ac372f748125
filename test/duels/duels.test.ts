// Promise 4, isolation, in a short run of duels: npm run test:isolation makes a long one.
import { describe, it } from "vitest";
import { newSeed } from "../histories/random.ts";
import { duel } from "./run.ts";
import { tellStory } from "./shortest.ts";

const seed = newSeed();

describe(`while what decides changes (--seed ${seed})`, () => {
	it("neither of two callers gets what only the other may see", {
		timeout: 300_000,
	}, async ({ expect }) => {
		const { tally, leaks } = await duel({ seed, duels: 150, arenas: [false] });
		expect(leaks.map(tellStory).join("\n")).toBe("");
		// A cache that never hits would leak nothing, either. Chance gives 18 to 157 hits.
		expect(tally.hits).toBeGreaterThan(4);
		expect(tally.failures).toBeLessThan(tally.answers / 10);
	});
});
