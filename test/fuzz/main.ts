// npm run test:fuzz -- --requests 20000 --seed 1
// Sends odd requests to the whole stack, and says whether HTTP was right everywhere. Exits with 1 if it was not.
import { parseArgs } from "node:util";
import { newSeed } from "../histories/random.ts";
import { bundleWorker } from "../support/workerd/bundle.ts";
import { run, tell, tellViolation } from "./run.ts";
import { startWorld } from "./world.ts";

const { values } = parseArgs({
	options: {
		seed: { type: "string", default: String(newSeed()) },
		requests: { type: "string", default: "20000" },
		/** Connections at once. */
		concurrency: { type: "string", default: "8" },
		/** Sends one case only, by its number. */
		only: { type: "string" },
		verbose: { type: "boolean", default: false },
	},
});
const seed = Number(values.seed);
const MAX_TOLD = 20;

console.log(
	`npm run test:fuzz -- --seed ${seed} --requests ${values.requests}`,
);
const world = await startWorld(
	await bundleWorker(),
	values.verbose ? console.log : undefined,
);
try {
	let told = 0;
	const figures = await run({
		seed,
		world,
		requests: Number(values.requests),
		concurrency: Number(values.concurrency),
		...(values.only === undefined ? {} : { only: Number(values.only) }),
		onBatch({ violations }) {
			for (; told < Math.min(violations.length, MAX_TOLD); told++) {
				const violation = violations[told];
				if (violation) console.log(tellViolation(seed, violation));
			}
		},
	});
	console.log(`\n${tell(figures)}`);
	if (figures.violations.length > 0) process.exitCode = 1;
} finally {
	await world.stop();
}
