// A run: a cluster, and rounds of a history played on it, each checked when it is over.
import { checkerOfRounds, type Promises, type Verdict } from "./check/check.ts";
import { add, addRound, type Figures, noFigures } from "./check/figures.ts";
import type { Database } from "./database/database.ts";
import { startCluster } from "./faults/cluster.ts";
import { type Played, play, type Workload } from "./play.ts";
import { randomOf } from "./random.ts";

export interface RunOptions {
	readonly seed: number;
	readonly bundle: string;
	readonly database: Database;
	readonly instances: number;
	readonly maxStalenessSeconds: number;
	readonly workload: Workload;
	/** The operations of a round, after which the run waits for quiet and checks. */
	readonly roundOperations: number;
	/** Called after each round. */
	readonly onRound?: (
		round: Played,
		verdict: Verdict,
		figures: Figures,
	) => void;
	/** Whether to play further rounds after a violation. */
	readonly goesOn?: boolean;
	readonly log?: (line: string) => void;
}

/** The error of comparing times of the database and the test, whose clocks are both this machine's. */
export const TOLERANCE_MS = 50;

/** The default of OUTAGE_STALENESS_SECONDS. */
export const OUTAGE_STALENESS_MS = 3_600_000;

export async function run(options: RunOptions): Promise<Figures> {
	const { seed, database, workload, roundOperations, onRound, log } = options;
	const random = randomOf(seed);
	const promises: Promises = {
		maxStalenessMs: options.maxStalenessSeconds * 1_000,
		outageStalenessMs: OUTAGE_STALENESS_MS,
		toleranceMs: TOLERANCE_MS,
	};
	const cluster = await startCluster({
		bundle: options.bundle,
		credentials: database.credentials,
		postgrestUrl: database.postgrestUrl,
		instances: options.instances,
		maxStalenessSeconds: options.maxStalenessSeconds,
		random: random.stream("cluster"),
		...(log === undefined ? {} : { log }),
	});
	const figures = noFigures();
	const checkRound = checkerOfRounds(promises);
	try {
		const rounds = Math.ceil(workload.operations / roundOperations);
		for (let number = 0; number < rounds; number += 1) {
			const name = `round ${number}`;
			const operations = Math.ceil(workload.operations / rounds);
			const round = await play({
				database,
				cluster,
				promises,
				random: random.stream(name),
				workload: { ...workload, operations },
				name,
			});
			const verdict = checkRound(round);
			addRound(figures, round, verdict);
			onRound?.(round, verdict, figures);
			if (verdict.violations.length > 0 && !options.goesOn) break;
		}
	} finally {
		await cluster.stop();
	}
	for (const [misdeed, count] of Object.entries(cluster.kv.misdeeds))
		add(figures.faults, misdeed, count);
	return figures;
}
