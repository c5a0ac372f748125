// A run: worlds in two arenas side by side, one whose PostgREST prepares statements and one whose does not.

import { randomOf } from "../histories/random.ts";
import type { FileChange } from "../histories/scenarios/mutated-bundle.ts";
import { startArena } from "./arena.ts";
import { playWorld } from "./play-world.ts";
import { type Shortest, shortestOf } from "./shortest.ts";
import { newTally, type Tally } from "./story.ts";

export interface RunOptions {
	readonly seed: number;
	readonly duels: number;
	/** Whether PostgREST prepares statements, of each arena. */
	readonly arenas?: readonly boolean[];
	/** Defects on purpose. */
	readonly changes?: readonly FileChange[];
	readonly onWorld?: (so: { tally: Tally }) => void;
}

export interface Outcome {
	readonly tally: Tally;
	readonly leaks: readonly Shortest[];
}

/** Duels until there were that many, or a leak in each arena. */
export async function duel({
	seed,
	duels,
	arenas = [true, false],
	changes = [],
	onWorld,
}: RunOptions): Promise<Outcome> {
	const tally = newTally();
	const leaks: Shortest[] = [];
	await Promise.all(
		arenas.map(async (isPrepared) => {
			const arena = await startArena({ isPrepared, changes });
			try {
				const random = randomOf(`${seed}/${isPrepared}`);
				for (let world = 0; tally.duels < duels; world += 1) {
					const played = await playWorld(
						arena,
						random.stream(`world ${world}`),
						tally,
					);
					onWorld?.({ tally });
					if (played.leaks.length === 0) continue;
					leaks.push(await shortestOf(arena, random.stream("again"), played));
					break;
				}
			} finally {
				await arena.stop();
			}
		}),
	);
	return { tally, leaks };
}
