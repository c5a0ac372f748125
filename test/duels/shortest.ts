// The shortest story that still leaks, and its text.
import type { Random } from "../histories/random.ts";
import { readAnswers } from "./answers.ts";
import type { Arena } from "./arena.ts";
import type { Move } from "./moves.ts";
import type { Played } from "./play-world.ts";
import { nameOf } from "./sides.ts";
import { type Duel, type Leak, newTally, resetWorld, Step } from "./story.ts";

const NOTHING: Move = { kind: "nothing", sql: [] };
/** One try may miss the moment in which the story leaks. */
const TRIES = 2;
const REPEATS = 6;

export interface Shortest {
	readonly isWatched: boolean;
	readonly moves: readonly Move[];
	readonly leak: Leak;
	/** Whether the story was seen to leak again. */
	readonly isRepeated: boolean;
}

/** Leaves out one move after another, as long as the story leaks. */
export async function shortestOf(
	arena: Arena,
	random: Random,
	{ isWatched, moves, leaks }: Played,
): Promise<Shortest> {
	let [leak] = leaks;
	if (leak === undefined) throw new Error("There is no leak.");
	let shortest = moves;
	const again = await leakOf(arena, random, isWatched, moves, leak.duel);
	if (again === undefined) return { isWatched, moves, leak, isRepeated: false };
	leak = again;
	for (let index = moves.length - 1; index >= 0; index -= 1) {
		const fewer = shortest.filter((move) => move !== moves[index]);
		const found = await leakOf(arena, random, isWatched, fewer, leak.duel);
		if (found !== undefined) {
			shortest = fewer;
			leak = found;
		}
	}
	return { isWatched, moves: shortest, leak, isRepeated: true };
}

/** Plays a story that ends with a duel, which is also fought around each of its moves. @returns the first leak */
export async function leakOf(
	arena: Arena,
	random: Random,
	isWatched: boolean,
	moves: readonly Move[],
	duel: Duel,
): Promise<Leak | undefined> {
	for (let attempt = 0; attempt < TRIES; attempt += 1) {
		await resetWorld(arena, isWatched);
		const answers = await readAnswers(arena, [duel.relation], duel.sides);
		for (const move of moves.length === 0 ? [NOTHING] : moves) {
			const duels = Array.from({ length: REPEATS }, () => duel);
			const step = new Step(
				arena,
				random,
				newTally(),
				duels.map((one) => ({ ...one })),
			);
			const [leak] = await step.play(move, answers);
			if (leak !== undefined) return leak;
		}
	}
	return undefined;
}

export function tellStory({
	isWatched,
	moves,
	leak,
	isRepeated,
}: Shortest): string {
	const { duel, side, answer, allowed } = leak;
	const [one, other] = duel.sides;
	return [
		isRepeated
			? "The shortest story that leaks:"
			: "This story leaked once, and did not when it was played again:",
		`  ${isWatched ? "Event triggers tell of the schema." : "There are no event triggers."}`,
		...moves.flatMap(({ sql }) =>
			sql.map((one) => `  ${one.replaceAll(/\s+/g, " ")};`),
		),
		`  ${nameOf(one)} asks /${duel.relation}, then ${nameOf(other)} (${duel.kind})`,
		`  ${nameOf(side)} gets [${answer.cacheStatus}]`,
		`    ${answer.text}`,
		"  and the database gives",
		...allowed.map((text) => `    ${text}`),
	].join("\n");
}
