// npm run test:faults -- --seconds 20
// Plays every fault under traffic, and prints what readers and writers saw. Exits with 1 if a promise was broken.
import { parseArgs } from "node:util";
import { bundleWorker } from "../support/workerd/bundle.ts";
import { FAULTS } from "./faults.ts";
import { startFaultyStack } from "./origin.ts";
import { type Row, runFault, tell } from "./run.ts";

const { values } = parseArgs({
	options: {
		/** How long each fault lasts. */
		seconds: { type: "string", default: "20" },
		/** Only faults whose name has this in it. */
		only: { type: "string", default: "" },
		/** ORIGIN_TIMEOUT_MS of the Worker. */
		timeout: { type: "string", default: "30000" },
		/** Writers that send an Idempotency-Key with each write, and send it again where its answer is lost. */
		"keyed-writers": { type: "string", default: "4" },
		verbose: { type: "boolean", default: false },
	},
});

const stack = await startFaultyStack({
	bundle: await bundleWorker(),
	variables: { ORIGIN_TIMEOUT_MS: values.timeout },
	...(values.verbose ? { log: console.log } : {}),
});
try {
	const token = await stack.token("00000000-0000-4000-8000-000000000001");
	const rows: Row[] = [];
	for (const fault of FAULTS) {
		if (!fault.name.includes(values.only)) continue;
		const lastsMs = Number(values.seconds) * 1_000;
		const keyedWriters = Number(values["keyed-writers"]);
		const row = await runFault(fault, { stack, token, lastsMs, keyedWriters });
		rows.push(row);
		console.log(tell([row]).split("\n").at(-1));
		for (const seen of [...row.failed, ...row.wrong].slice(0, 3))
			console.log(seen);
	}
	console.log(`\n${tell(rows)}`);
	const isBroken = (row: Row) =>
		row.failed.length + row.wrong.length + row.lost + row.twice > 0;
	if (rows.some(isBroken)) process.exitCode = 1;
} finally {
	await stack.stop();
}
