// Runs a stack in a terminal: its parts are started one after the other, shown while they start, and stopped in
// reverse order by a signal, by a failure, or when a part or npm ends.
import { createWriteStream } from "node:fs";
import { join } from "node:path";
import { onEndOfNpm } from "./npm-parents.ts";
import { describeExit, type Log, type Service } from "./service.ts";
import { makeDirectory } from "./state.ts";

export interface Run {
	/** Does one thing, showing how long it took; a part of the stack that it starts is stopped with the rest. */
	step<Result>(name: string, doing: () => Promise<Result>): Promise<Result>;
	/** The log file of a part, and what else is to happen with its lines. */
	logTo(name: string, also?: Log): Log;
}

/**
 * Runs until a signal asks for the end, then ends this process.
 * @throws when a part does not start, or ends by itself; all others are stopped then
 */
export async function run(
	stateDirectory: string,
	start: (run: Run) => Promise<void>,
): Promise<never> {
	const running: Service[] = [];
	const ending = Promise.withResolvers<void>();
	for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
		process.on(signal, () => ending.resolve());
	onEndOfNpm(() => ending.resolve());
	const logs = await makeDirectory(join(stateDirectory, "logs"));

	start({ step, logTo }).catch(ending.reject);
	try {
		await ending.promise;
	} finally {
		if (running.length > 0) console.log("\nstopping");
		for (const service of running.reverse()) await service.stop();
	}
	// A part that was just being started ends with this process: see reaper.ts.
	process.exit();

	async function step<Result>(
		name: string,
		doing: () => Promise<Result>,
	): Promise<Result> {
		const startedAt = Date.now();
		console.log(`${name.padEnd(10)} …`);
		const result = await doing();
		console.log(
			`${name.padEnd(10)} ready in ${((Date.now() - startedAt) / 1000).toFixed(1)} s`,
		);
		if (isService(result)) {
			running.push(result);
			result.exited.then((exit) =>
				ending.reject(new Error(describeExit(name, exit))),
			);
		}
		return result;
	}

	function logTo(name: string, also: Log = () => {}): Log {
		const file = createWriteStream(join(logs, `${name}.log`), {
			flags: "a",
			mode: 0o600,
		});
		return (line) => {
			file.write(`${line}\n`);
			also(line);
		};
	}
}

function isService(value: unknown): value is Service {
	return (
		typeof value === "object" &&
		value !== null &&
		"stop" in value &&
		"exited" in value
	);
}
