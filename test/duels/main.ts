// npm run test:isolation -- --duels 10000 --seed 1
// Two callers ask the same, one after the other, while roles, policies, owners, functions, views, grants, settings and KV change. Says whether
// one of them ever got what was not theirs, and prints the shortest story that leaks. Exits with 1 if there is one.
import { parseArgs } from "node:util";
import { newSeed } from "../histories/random.ts";
import { duel } from "./run.ts";
import { tellStory } from "./shortest.ts";

const { values } = parseArgs({
	options: {
		seed: { type: "string", default: String(newSeed()) },
		duels: { type: "string", default: "1000" },
	},
});
const seed = Number(values.seed);
const duels = Number(values.duels);
console.log(`npm run test:isolation -- --duels ${duels} --seed ${seed}`);
console.log(
	"The seed repeats moves and questions. It does not repeat how long each takes.\n",
);
const startedAt = performance.now();
const { tally, leaks } = await duel({
	seed,
	duels,
	onWorld({ tally }) {
		const seconds = (performance.now() - startedAt) / 1_000;
		console.log(`${tally.duels} duels, ${seconds.toFixed(0)} s`);
	},
});
console.log(`
duels     ${tally.duels}, in which the two had to be told apart
answers   ${tally.answers}, of which ${tally.hits} were hits; ${tally.shared} duels shared an answer; ${tally.failures} failures
moves     ${Object.entries(tally.moves)
	.map(([kind, count]) => `${count} ${kind}`)
	.join(", ")}
leaks     ${leaks.length}`);
for (const leak of leaks) console.log(`\n${tellStory(leak)}`);
if (leaks.length > 0) process.exitCode = 1;
