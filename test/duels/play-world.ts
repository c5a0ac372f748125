// A world at random: whether event triggers tell of its schema, the sides that duel there, and the moves.
import type { Random } from "../histories/random.ts";
import { isSame, readAnswers } from "./answers.ts";
import type { Arena } from "./arena.ts";
import { type Move, NO_MOVE, randomMove } from "./moves.ts";
import { rosterOf, type Side } from "./sides.ts";
import {
	type Duel,
	type DuelKind,
	type Leak,
	resetWorld,
	Step,
	type Tally,
} from "./story.ts";
import { QUESTIONS } from "./world.ts";

const MOVES = 5;

/** How many duels of each kind a move has. */
const DUELS: readonly [kind: DuelKind, count: number][] = [
	["at once", 30],
	["later", 16],
	["known", 4],
	["tampered", 2],
];
/** The share of duels whose sides get different answers before the move. Others may differ after it. */
const DIFFERENT = 0.7;

export interface Played {
	readonly isWatched: boolean;
	readonly moves: readonly Move[];
	/** Of the last move. */
	readonly leaks: readonly Leak[];
}

/** Ends at the first move with a leak. */
export async function playWorld(
	arena: Arena,
	random: Random,
	tally: Tally,
): Promise<Played> {
	const isWatched = random.chance(0.6);
	await resetWorld(arena, isWatched);
	const sides = rosterOf(random);
	const answers = await readAnswers(arena, QUESTIONS, sides);
	const moves: Move[] = [];
	for (let number = 0; number < MOVES; number += 1) {
		// Some moves leave nothing that can be cached for the rest of the world.
		const move = number === 0 ? NO_MOVE : randomMove(random);
		moves.push(move);
		tally.moves[move.kind] = (tally.moves[move.kind] ?? 0) + 1;
		const all = pairsOf(sides);
		const different = all.filter(
			({ relation, sides: [one, other] }) =>
				!isSame(answers, relation, one, other),
		);
		const duels = DUELS.flatMap(([kind, count]) =>
			Array.from({ length: count }, (): Duel => {
				const isDifferent = different.length > 0 && random.chance(DIFFERENT);
				return { kind, ...random.pick(isDifferent ? different : all) };
			}),
		);
		const leaks = await new Step(arena, random, tally, duels).play(
			move,
			answers,
		);
		if (leaks.length > 0) return { isWatched, moves, leaks };
	}
	return { isWatched, moves, leaks: [] };
}

/** Every question with every two sides, in both orders. */
function pairsOf(sides: readonly Side[]): Omit<Duel, "kind">[] {
	return QUESTIONS.flatMap((relation) =>
		sides.flatMap((one) =>
			sides
				.filter((other) => other !== one)
				.map((other) => ({ relation, sides: [one, other] as const })),
		),
	);
}
