// The life of a stack in a terminal: its parts are started one after the other, shown while they start, and stopped in
// reverse order by Ctrl-C, by a failure to start, or when one of them ends by itself.
import { createWriteStream } from "node:fs";
import { join } from "node:path";
import { describeExit, type Log, type Service } from "./service.ts";
import { makeDirectory } from "./state.ts";

export interface Run {
	/** Does one thing, showing how long it took; a part of the stack that it starts is stopped with the rest. */
	step<Result>(name: string, doing: () => Promise<Result>): Promise<Result>;
	/** The log file of a part, and what else is to happen with its lines. */
	logTo(name: string, also?: Log): Log;
}

/** Runs until it is over, then ends this process: with 0 when it was asked to, else with 1 and a reason. */
export async function run(
	stateDirectory: string,
	start: (run: Run) => Promise<void>,
): Promise<never> {
	const running: Service[] = [];
	const ending = Promise.withResolvers<string | undefined>();
	for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
		process.on(signal, () => ending.resolve(undefined));
	const logs = await makeDirectory(join(stateDirectory, "logs"));

	start({ step, logTo }).catch((error) =>
		ending.resolve(error instanceof Error ? error.message : String(error)),
	);
	const failure = await ending.promise;
	if (failure !== undefined) console.error(`\n${failure}`);
	console.log("\nstopping");
	for (const service of running.reverse()) await service.stop();
	// Whatever was just being started ends with this process: see reaper.ts.
	process.exit(failure === undefined ? 0 : 1);

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
			result.exited.then((exit) => ending.resolve(describeExit(name, exit)));
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
