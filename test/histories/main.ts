// npm run test:histories -- --seed 1 --operations 100000 --instances 3
// Plays a long history and says whether the promises were kept. Exits with 1 if one was broken.
import { readFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { bundleWorker } from "../support/workerd/bundle.ts";
import { tell, tellViolation } from "./check/figures.ts";
import { startDatabase } from "./database/database.ts";
import { newSeed } from "./random.ts";
import { run } from "./run.ts";
import { LONG, SHORT } from "./workloads.ts";

const { values } = parseArgs({
	options: {
		seed: { type: "string", default: String(newSeed()) },
		/** Plays the short history of test/staleness-and-own-writes.test.ts. */
		short: { type: "boolean", default: false },
		operations: { type: "string" },
		instances: { type: "string", default: "3" },
		/** Operations in a second, as far as the machine can. */
		rate: { type: "string" },
		/** Operations between two changes of the schema or of roles, on average. */
		"schema-change-every": { type: "string" },
		/** The maximum staleness, in seconds. */
		"max-staleness": { type: "string", default: "2" },
		/** The file of a Worker that was bundled earlier. */
		bundle: { type: "string" },
		verbose: { type: "boolean", default: false },
	},
});
const seed = Number(values.seed);
const usual = values.short ? SHORT : LONG;
const workload = {
	...usual,
	operations: Number(values.operations ?? usual.operations),
	rate: Number(values.rate ?? usual.rate),
	schemaChangeEvery: Number(
		values["schema-change-every"] ?? usual.schemaChangeEvery,
	),
};
const ROUND_OPERATIONS = 10_000;
const MAX_TOLD = 5;

console.log(
	`npm run test:histories -- --seed ${seed} ${values.short ? "--short " : ""}--operations ${workload.operations} --instances ${values.instances}`,
);
console.log(
	"The seed repeats what is asked and written. It does not repeat which of two concurrent requests is first.\n",
);
const bundle = values.bundle
	? await readFile(values.bundle, "utf8")
	: await bundleWorker();
const database = await startDatabase();
const startedAt = performance.now();
const elapsed = () => (performance.now() - startedAt) / 1_000;
try {
	const figures = await run({
		seed,
		bundle,
		database,
		instances: Number(values.instances),
		maxStalenessSeconds: Number(values["max-staleness"]),
		workload,
		roundOperations: ROUND_OPERATIONS,
		onRound(round, { violations }, figures) {
			console.log(
				`${figures.operations} operations, ${elapsed().toFixed(0)} s, ${figures.violations} violations`,
			);
			for (const violation of violations.slice(0, MAX_TOLD))
				console.log(`\n${tellViolation(violation, round.events)}`);
		},
		...(values.verbose ? { log: console.log } : {}),
	});
	console.log(`\n${tell(figures, elapsed())}`);
	if (figures.violations > 0) process.exitCode = 1;
} finally {
	await database.stop();
}
